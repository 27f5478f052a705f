"""A quarantined job shows up as a question in Airflow; who answers it there decides, and that is in the ledger."""

import json
import time
import uuid
from typing import Any

import pytest

from include import pipeline, state
from include.pipeline.client import AirflowClient
from include.storage import Store, layout

pytestmark = pytest.mark.e2e

STATED = {"schema": "voiceman.intake/1", "conversation": "others"}
NAME = "x" * 230 + ".m4a"  # refused by the claim: nothing is transcribed


def wait_for(what: str, ask: Any, timeout_s: float = 150) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (found := ask()):
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s} s"
        time.sleep(0.5)
    return found


def runs(airflow: AirflowClient, dag: str, job: str) -> list[dict[str, Any]]:
    found = airflow.call("GET", f"/api/v2/dags/{dag}/dagRuns", params={"limit": 100, "order_by": "-run_after"}).json()
    return [run for run in found["dag_runs"] if run["conf"].get("job_id") == job]


def questions(airflow: AirflowClient, job: str) -> list[dict[str, Any]]:
    """Those of the job that wait for an answer."""
    path = "/api/v2/dags/release/dagRuns/~/hitlDetails"
    found = airflow.call("GET", path, params={"limit": 100, "response_received": "false"}).json()["hitl_details"]
    waiting = [one for one in found if job in one["subject"]]
    return [one for one in waiting if one["task_instance"]["state"] == "awaiting_input"]


def answer(airflow: AirflowClient, question: dict[str, Any], option: str, reason: str) -> None:
    ti = question["task_instance"]
    time.sleep(4)  # no person answers within a second; Airflow 3.3 may then take the parked task's end for a failure
    path = f"/api/v2/dags/release/dagRuns/{ti['dag_run_id']}/taskInstances/decide/-1/hitlDetails"
    said = airflow.call("PATCH", path, json={"chosen_options": [option], "params_input": {"reason": reason}})
    assert said.status_code == 200, said.text


def decisions(job: str) -> list[dict[str, Any]]:
    with state.events_of(job) as events:
        facts = [one.facts for one in events]
    return [one for one in facts if one["action"] in ("released", "kept held")]


def test_a_named_person_releases_or_keeps_a_job_in_airflow(store: Store, airflow: AirflowClient) -> None:
    released, kept = (f"held-{uuid.uuid4().hex[:6]}" for _ in range(2))
    for job in (released, kept):
        stated = json.dumps(STATED).encode()
        for name, data in ((NAME, b"not audio"), ("intake.json", stated), ("_READY", b"")):
            store.client.put_object(Bucket=store.bucket, Key=layout.incoming_key(job, name), Body=data)
    first, second = (wait_for("a question", lambda job=job: questions(airflow, job))[0] for job in (released, kept))
    assert first["options"] == ["Release", "Keep held"]
    assert NAME in first["body"]
    assert first["params"]["reason"]["schema"]["type"] == "string"
    assert state.recordings_of(released) == {}
    answer(airflow, first, "Release", "")  # no reason: asked again
    again = wait_for("the question again", lambda: questions(airflow, released))[0]
    assert decisions(released) == []
    answer(airflow, again, "Release", "영장 2026-1 확인")
    answer(airflow, second, "Keep held", "no warrant")
    for job in (released, kept):
        (run,) = runs(airflow, "release", job)
        url = f"/api/v2/dags/release/dagRuns/{run['dag_run_id']}"
        wait_for("its end", lambda url=url: airflow.call("GET", url).json()["state"] == "success")
    (event,) = decisions(released)
    assert event["action"] == "released"
    assert event["reason"].startswith("by admin: 영장 2026-1 확인 (answered in Airflow at 20")
    assert (event["run"], event["actor"]) == (again["task_instance"]["dag_run_id"], "release.record")
    (event,) = decisions(kept)
    assert (event["action"], event["reason"][:21]) == ("kept held", "by admin: no warrant ")
    known = state.intake_of(kept)
    assert known is not None
    assert event["digests"] == {"intake.json": known[1]}
    wait_for("its recordings", lambda: state.recordings_of(released))
    assert any(one["dag_run_id"].startswith("released__") for one in runs(airflow, "process", released))
    assert state.recordings_of(kept) == {}
    assert store.exists(layout.incoming_key(kept, NAME))
    assert pipeline.check_ledger(store, released).problems == []
    # the watcher tells of the held drop again: nobody is asked a second time
    wait_for("another run", lambda: len(runs(airflow, "process", kept)) > 1, 240)
    wait_for("its end", lambda: {one["state"] for one in runs(airflow, "process", kept)} == {"failed"})
    assert len(runs(airflow, "release", kept)) == 1
