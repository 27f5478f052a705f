"""The summary over the real database: revisions, twins in other jobs, the run's pace; linear for a large job."""

import json
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from include import pipeline, state
from include.errors import JobFailedError
from include.job_summary import JobSummary
from include.manifest import ArtefactRef, Job, Manifest, Recording, State
from include.pipeline import TaskRun
from include.state import Actor, Artefact
from include.storage import Store, layout

pytestmark = pytest.mark.integration

CHAIN = [
    State.STT_QUEUE, State.STT_PROCESSING, State.FORENSIC_QUEUE, State.FORENSIC_PROCESSING,
    State.REPORT_QUEUE, State.REPORT_GENERATING, State.COMPLETED,
]  # fmt: skip
KINDS = ("transcript.json", "forensic.json", "report.pdf", "report.html", "report.en.pdf", "report.en.html")


def run_of(job_id: str) -> TaskRun:
    return TaskRun(Actor(f"run-{job_id}", 1, "test"), last_try=True, run_is_over=lambda _: True)


def add(job_id: str, file_id: str, sha256: str, **more: Any) -> Recording:
    one = Recording(job_id=job_id, file_id=file_id, name=f"{file_id}.m4a", sha256=sha256, size_bytes=1, **more)
    state.add_recording(one, run_of(job_id).actor, received_at=datetime.now(UTC))
    return one


def new_job() -> str:
    job = Job(job_id=f"sum-{uuid.uuid4().hex[:8]}")
    state.save_job(job)
    return job.job_id


def read(store: Store, ref: ArtefactRef) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(store.read(store.key(ref.uri), sha256=ref.sha256))
    JobSummary.model_validate(found)
    return found


def test_what_it_says(store: Store) -> None:
    other, job_id = new_job(), new_job()
    same = uuid.uuid4().hex * 2
    add(other, "elsewhere", same)
    done = add(job_id, "a", same, duration_s=10.0)
    add(job_id, "a~r2", uuid.uuid4().hex * 2, received_name="a.m4a", revision=2)
    broken = add(job_id, "b", same)
    actor = run_of(job_id).actor
    for step in CHAIN:
        state.advance(done, step, actor)
    ref = store.write(layout.completed_key(job_id, "a_transcript.json"), b"not a transcript")
    state.save_artefacts(done, [Artefact("transcript.json", ref, "settings-1", False, 2.5)])
    state.save_artefacts(done, [Artefact("report.pdf", ref, "settings-2", True, None)])
    state.fail(broken, actor, code="audio", message="b.m4a is cut off.")
    manifest = Manifest(job=Job(job_id=job_id), run_id=actor.run_id, recordings=(done, broken), missing=("late.m4a",))
    store.write(layout.manifest_key(job_id, actor.run_id), manifest.model_dump_json().encode())

    said = read(store, pipeline.summarize_job(store, job_id, run_of(job_id)))
    assert said["schema"] == "voiceman.job_summary/1"
    assert said["missing"] == ["late.m4a"]
    a, revised, b = said["recordings"]
    assert (a["file_id"], a["superseded_by"], a["revision"]) == ("a", "a~r2", 1)
    assert (revised["received_name"], revised["superseded_by"], revised["revision"]) == ("a.m4a", None, 2)
    assert a["same_bytes_as"] == b["same_bytes_as"] == [{"job_id": other, "file_id": "elsewhere"}]
    assert revised["same_bytes_as"] == []
    assert set(a["stage_s"]) == {"transcribe", "analyze", "report"}
    assert (a["device_s"], a["cache_hits"], b["device_s"]) == (2.5, ["report.pdf"], None)
    assert a["artefacts"]["report.pdf"]["settings_digest"] == "settings-2"
    assert b["error"]["code"] == "audio"
    assert b["error"]["what_to_do"].startswith("get the recording from its source again")
    totals = said["totals"]
    assert totals["by_state"] == {"PENDING": 1, "COMPLETED": 1, "FAILED": 1}
    assert (totals["failures"], totals["device_s"], totals["cache_hits"]) == ({"audio": 1}, 2.5, 1)
    assert (said["run"]["completed"], said["run"]["failed"]) == (1, 1)
    assert said["run"]["files_per_hour"] == pytest.approx(3600 / said["run"]["seconds"], rel=0.01)
    # a transcript that can't be read any more is no reason to fail
    assert said["engines"] == [{"settings_digest": "settings-1", "recordings": 1, "engine": None}]
    assert {"voiceman", "python", "apache-airflow", "taxonomy"} <= set(said["software"])


def test_the_gate_names_what_failed_why_and_what_to_do(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    job_id = new_job()
    actor = run_of(job_id).actor
    recordings = [add(job_id, f"r{number}", uuid.uuid4().hex * 2) for number in range(7)]
    for one in recordings:
        state.fail(one, actor, code="audio", message=f"{one.name} is cut off.")
    manifest = Manifest(job=Job(job_id=job_id), run_id=actor.run_id, recordings=tuple(recordings))
    key = layout.manifest_key(job_id, actor.run_id)
    ref = store.write(key, manifest.model_dump_json().encode())
    summary = pipeline.summarize_job(store, job_id, run_of(job_id))
    with pytest.raises(JobFailedError) as failed:
        pipeline.judge(store, ref, summary)
    said = str(failed.value)
    assert said.startswith(
        "7 of 7 recordings failed: r0 (audio), r1 (audio), r2 (audio), r3 (audio), r4 (audio) and 2 "
    )
    assert "what to do: audio: get the recording from its source again" in said
    assert f"the reasons are in {summary.uri} and under failed/{job_id}/." in said
    assert "r6 of job" in caplog.text
    assert "r6.m4a is cut off." in caplog.text
    # a file that was promised and never came is red, too
    promised = Manifest(job=Job(job_id=job_id), run_id=actor.run_id, missing=("late.m4a",))
    with pytest.raises(JobFailedError, match=r"1 files that manifest.json lists never came: 'late\.m4a'"):
        pipeline.judge(store, store.write(key, promised.model_dump_json().encode()), summary)


def large_job(recordings: int) -> str:
    """A job whose recordings all went the whole way, made by the database."""
    job_id = new_job()
    with state.transaction() as cursor:
        cursor.execute(
            "INSERT INTO voiceman.recording (job_id, file_id, name, received_name, sha256, size_bytes, duration_s, "
            "received_at, run_id, try_number, actor) "
            "SELECT %s, 'f' || n, 'f' || n || '.m4a', 'f' || n || '.m4a', "
            "encode(sha256((%s || n)::bytea), 'hex'), 1, 60, now(), %s, 1, 'test' FROM generate_series(1, %s) n",
            (job_id, job_id, f"run-{job_id}", recordings),
        )
        for step in CHAIN:
            cursor.execute("UPDATE voiceman.recording SET state = %s WHERE job_id = %s", (step, job_id))
        cursor.execute(
            "INSERT INTO voiceman.artefact (job_id, file_id, kind, uri, sha256, settings_digest, device_s) "
            "SELECT job_id, file_id, kind, "
            "'s3://forensic-audio/completed/' || job_id || '/' || file_id || '_' || kind, "
            "sha256, 'same', 1.5 FROM voiceman.recording, unnest(%s::text[]) kind WHERE job_id = %s",
            (list(KINDS), job_id),
        )
        cursor.execute("ANALYZE voiceman.recording, voiceman.recording_event, voiceman.artefact")
    return job_id


def test_ten_times_the_recordings_take_ten_times_as_long(store: Store) -> None:
    seconds = {}
    for count in (200, 2_000):
        job_id = large_job(count)
        began = time.perf_counter()
        ref = pipeline.summarize_job(store, job_id, run_of(job_id))
        seconds[count] = time.perf_counter() - began
        said = read(store, ref)
        assert (len(said["recordings"]), said["totals"]["device_s"]) == (count, count * 6 * 1.5)
    print(f"summaries: {seconds}")
    assert seconds[2_000] < 40 * seconds[200] + 1, (
        seconds
    )  # other work beside it counts, too; quadratic would be a hundred times
