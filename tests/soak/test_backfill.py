"""A real backfill: exactly its dates are done again, and a live job's GPU task goes before all of its own."""

import hashlib
import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest

from include import state
from include.manifest import Job, Recording, State
from include.pipeline.client import AirflowClient
from include.settings import ROOT
from include.state import Actor
from include.storage import Store, layout
from tests.nights import first_night

pytestmark = pytest.mark.e2e

Json = dict[str, Any]
SEOUL = ZoneInfo("Asia/Seoul")
DATES = [datetime(2022, 5, 10, 2, tzinfo=SEOUL) + timedelta(days=number) for number in range(5)]
SIZES = [1, 70, 70, 60, 1]  # recordings received after each of the dates; the middle three are asked for again
CHOSEN = (1, 2, 3)
WORKS = ("scheduled", "queued", "running")


@pytest.fixture
def past(store: Store, airflow: AirflowClient, tmp_path: Path) -> Iterator[list[str]]:
    """One job a date, all failed; whatever of them goes on is ended afterwards."""
    first_night()
    call = tmp_path / "call.m4a"
    sample = str(ROOT / "samples" / "threat.m4a")
    subprocess.run(["ffmpeg", "-v", "error", "-t", "2.5", "-i", sample, "-c", "copy", str(call)], check=True)
    jobs = [f"past-{number}-{uuid.uuid4().hex[:6]}" for number in range(len(SIZES))]
    actor, audio = Actor("submit__long ago", 1, "test"), call.read_bytes()
    digest = hashlib.sha256(audio).hexdigest()

    def fill(job_id: str, name: str, at: datetime) -> None:
        one = Recording(job_id=job_id, file_id=name, name=f"{name}.m4a", sha256=digest, size_bytes=len(audio))
        store.client.put_object(Bucket=store.bucket, Key=layout.original_key(job_id, one.name), Body=audio)
        state.add_recording(one, actor, received_at=at)
        state.fail(one, actor, code="audio", message="No night would take this up by itself.")

    with ThreadPoolExecutor(8) as threads:
        for job_id, size, date in zip(jobs, SIZES, DATES, strict=True):
            state.save_job(Job(job_id=job_id, language="en"))
            moments = [(f"call {number:03}", date + timedelta(minutes=5 * number)) for number in range(size)]
            list(threads.map(lambda one, job_id=job_id: fill(job_id, *one), moments))  # type: ignore[misc]
    try:
        yield jobs
    finally:
        end_all(airflow, jobs)


def end_all(airflow: AirflowClient, jobs: list[str]) -> None:
    for one in runs(airflow, "reprocess", jobs):
        if one["state"] in ("queued", "running"):
            path = f"/api/v2/dags/reprocess/dagRuns/{quote(one['dag_run_id'], safe='')}"
            assert airflow.call("PATCH", path, json={"state": "failed"}).status_code == 200
    deadline = time.monotonic() + 40
    while any(one["state"] in WORKS for one in gpu_tasks(airflow, "reprocess", jobs)) and time.monotonic() < deadline:
        time.sleep(1)
    time.sleep(4)  # a task that was ended hears of it with its next heartbeat
    for job_id in jobs:  # nothing half-way is left to the tests that follow
        for row in state.recordings_of(job_id).values():
            if not row.state.terminal:
                actor = Actor(row.run_id, row.try_number, row.actor)
                state.fail(row.recording, actor, code="ended", message="The test ended.")


def runs(airflow: AirflowClient, dag_id: str, jobs: list[str] | None = None) -> list[Json]:
    """The latest runs of a DAG; only those of these jobs."""
    answer = airflow.call("GET", f"/api/v2/dags/{dag_id}/dagRuns", params={"limit": 100, "order_by": "-run_after"})
    found: list[Json] = answer.json()["dag_runs"]
    return [one for one in found if jobs is None or (one["conf"] or {}).get("job_id") in jobs]


def gpu_tasks(airflow: AirflowClient, dag_id: str, jobs: list[str]) -> list[Json]:
    """The transcriptions of these jobs' runs."""
    found: list[Json] = []
    for one in runs(airflow, dag_id, jobs):
        path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(one['dag_run_id'], safe='')}/taskInstances"
        tasks = airflow.call("GET", path, params={"limit": 100}).json()["task_instances"]
        found += [task for task in tasks if task["task_id"] == "batch.transcribe" and task["map_index"] >= 0]
    return found


def moment(task: Json, field: str) -> datetime | None:
    return datetime.fromisoformat(task[field]) if task[field] else None


def test_a_live_job_goes_before_a_backfill_of_200_recordings(
    store: Store, airflow: AirflowClient, past: list[str]
) -> None:
    chosen = [past[number] for number in CHOSEN]
    body = {
        "dag_id": "nightly",
        "from_date": DATES[1].replace(hour=0).isoformat(),
        "to_date": DATES[4].replace(hour=0).isoformat(),
        "dag_run_conf": {"redo": "all"},
    }
    created = airflow.call("POST", "/api/v2/backfills", json=body)
    assert created.status_code == 200, created.text
    deadline = time.monotonic() + 240
    states: list[str] = []
    while time.monotonic() < deadline:  # until one batch is being transcribed and others wait for the slot
        states = [one["state"] for one in gpu_tasks(airflow, "reprocess", chosen)]
        if states.count("scheduled") >= 4 and "running" in states:
            break
        time.sleep(0.5)
    assert states.count("scheduled") >= 4, states
    assert "running" in states, states
    live = f"live-{uuid.uuid4().hex[:6]}"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")}
    command = [str(ROOT / "voiceman"), "submit", str(ROOT / "samples" / "threat.m4a"), "--job", live]
    submitted = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert submitted.returncode == 0, submitted.stderr
    deadline = time.monotonic() + 240
    mine: list[Json] = []
    while not (mine and mine[0]["start_date"]) and time.monotonic() < deadline:
        time.sleep(0.5)
        mine = gpu_tasks(airflow, "process", [live])
    (task,) = mine
    ready, started = moment(task, "scheduled_when"), moment(task, "start_date")
    assert ready is not None
    assert started is not None
    others = gpu_tasks(airflow, "reprocess", chosen)
    # those that were there first and that the scheduler had not yet given the slot when the live task became ready
    behind = [
        one
        for one in others
        if (moment(one, "scheduled_when") or started) < ready and (moment(one, "queued_when") or started) > ready
    ]
    assert len(behind) >= 3, [(one["state"], one["scheduled_when"], one["queued_when"], ready) for one in others]
    assert [one for one in behind if (moment(one, "start_date") or started) < started] == []
    assert max(one["priority_weight"] for one in others) < task["priority_weight"]
    # the cap: two runs of the background at most
    background = runs(airflow, "reprocess", past)
    assert sorted(one["state"] for one in background) == ["queued", "running", "running"]
    # exactly the dates that were asked for
    nights = [one for one in runs(airflow, "nightly") if one["run_type"] == "backfill"]
    assert {moment(one, "logical_date") for one in nights} == {DATES[number] for number in CHOSEN}
    assert {one["state"] for one in nights} == {"success"}
    assert {one["conf"]["job_id"]: one["conf"]["received"] for one in background} == {
        past[number]: "/".join(
            one.astimezone(ZoneInfo("UTC")).isoformat() for one in (DATES[number], DATES[number + 1])
        )
        for number in CHOSEN
    }
    # a rerun must not change what the jobs asked for
    assert {job.language for one in background if (job := state.find_job(one["conf"]["job_id"]))} == {"en"}
    for number in (0, 4):
        (row,) = state.recordings_of(past[number]).values()
        assert (row.state, row.run_id) == (State.FAILED, "submit__long ago")
