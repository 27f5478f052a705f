"""A job's life without a scheduler: claim, plan, stages, summary and gate on the real store, database and weights."""

import json
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest

from include import pipeline, state, stt
from include.errors import EmptyJobError, JobFailedError, StorageError
from include.manifest import Job, State
from include.pipeline import TaskRun
from include.pipeline import stages as stages_module
from include.pipeline.drop import look
from include.settings import ROOT, get_settings
from include.state import Actor
from include.storage import Store, layout, open_store
from include.stt.weights import weights_digests

pytestmark = pytest.mark.integration

SAMPLE = ROOT / "samples" / "threat.m4a"


@pytest.fixture
def store(stack: Path) -> Store:
    return open_store()


def new_job(language: str = "auto") -> Job:
    return Job(job_id=f"job-{uuid.uuid4().hex[:8]}", language=language)


def run_of(job: Job, number: int = 1, *, last_try: bool = False) -> TaskRun:
    return TaskRun(Actor(f"run-{job.job_id}-{number}", 1, "test"), last_try, run_is_over=lambda _: True)


def drop(store: Store, job: Job, files: dict[str, bytes | Path]) -> None:
    for name, content in files.items():
        body = content if isinstance(content, bytes) else content.read_bytes()
        store.client.put_object(Bucket=store.bucket, Key=f"incoming/{job.job_id}/{name}", Body=body)


def work(store: Store, job: Job, run: TaskRun) -> dict[str, Any]:
    """Everything the DAG does, in its order; returns the summary."""
    manifest = pipeline.claim_job(store, job, run)
    for batch in pipeline.plan_run(store, manifest, run):
        pipeline.transcribe_batch(store, batch, job.language, run)
        pipeline.analyze_batch(store, batch, run)
        pipeline.report_batch(store, batch, run)
    summary = pipeline.summarize_job(store, pipeline.reconcile(store, manifest, run), run)
    found: dict[str, Any] = json.loads(store.read(store.key(summary.uri), sha256=summary.sha256))
    found["gate"] = "green"
    try:
        pipeline.judge(store, manifest, summary)
    except JobFailedError as error:
        found["gate"] = str(error)
    return found


def states(summary: dict[str, Any]) -> dict[str, str]:
    return {one["file_id"]: one["state"] + ":" + one.get("error", {}).get("code", "") for one in summary["recordings"]}


def audio(path: Path, source: str, *options: str) -> Path:
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, *options, str(path)], check=True)
    return path


def test_bad_input_fails_alone_and_nothing_is_lost(store: Store, tmp_path: Path) -> None:
    job = new_job()
    whole = audio(tmp_path / "whole.m4a", "sine=f=300:d=20", "-c:a", "aac", "-movflags", "+faststart").read_bytes()
    short = tmp_path / "short.wav"
    subprocess.run(["ffmpeg", "-v", "error", "-ss", "0.9", "-t", "0.5", "-i", str(SAMPLE), str(short)], check=True)
    dropped: dict[str, bytes | Path] = {
        "good.m4a": SAMPLE,
        "통화 녹음 'x' \"y\" <b>.m4a": SAMPLE,
        "empty.m4a": b"",
        "text.m4a": b"only the name says audio\n" * 40,
        "cut.m4a": whole[: len(whole) // 2],
        "silence.wav": audio(tmp_path / "silence.wav", "anullsrc=r=16000:d=5"),
        "short.wav": short,
        "twin.m4a": SAMPLE,
        "twin.wav": b"another file with the same name before its extension",
        "x" * 230 + ".m4a": SAMPLE,
        "sub/nested.m4a": SAMPLE,
    }
    drop(store, job, dropped)
    summary = work(store, job, run_of(job))
    long_id = next(key for key in states(summary) if key.startswith("xxx"))
    twin_id = next(key for key in states(summary) if key.startswith("twin~"))
    nested_id = next(key for key in states(summary) if key.startswith("sub_nested"))
    assert states(summary) == {
        "good": "COMPLETED:",
        "통화 녹음 'x' \"y\" <b>": "COMPLETED:",
        "twin": "COMPLETED:",
        "empty": "FAILED:audio",
        "text": "FAILED:audio",
        "cut": "FAILED:audio",
        "silence": "FAILED:no_speech",
        "short": "FAILED:no_speech",
        twin_id: "FAILED:duplicate_recording",
        long_id: "FAILED:invalid_name",
        nested_id: "FAILED:invalid_name",
    }
    assert summary["totals"]["by_state"] == {"COMPLETED": 3, "FAILED": 8}
    assert summary["gate"].startswith("8 of 11 recordings failed: ")
    # nothing is lost: incoming is empty, every dropped byte is an original, failures carry theirs and their reason
    assert list(store.list(f"incoming/{job.job_id}/")) == []
    originals = {item.key: store.sha256(item.key) for item in store.list(f"originals/{job.job_id}/")}
    assert len(originals) == len(dropped)
    for entry in summary["recordings"]:
        assert entry["sha256"] in originals.values()
        if entry["state"] == "FAILED":
            reason = json.loads(store.read(layout.failed_error_key(job.job_id, entry["file_id"])))
            assert reason["message"] == entry["error"]["message"]
            assert reason["message"].count("\n") == 0
            assert store.sha256(layout.failed_key(job.job_id, entry["name"])) == entry["sha256"]
    leftovers = {item.key for item in store.list(f"processing/{job.job_id}/")}
    assert leftovers == {layout.manifest_key(job.job_id, run_of(job).run_id)}


def test_artefacts_of_a_completed_recording(store: Store) -> None:
    job = new_job("en")
    drop(store, job, {"call.m4a": SAMPLE})
    summary = work(store, job, run_of(job))
    assert summary["gate"] == "green"
    (entry,) = summary["recordings"]
    assert set(entry["stage_s"]) == {"transcribe", "analyze", "report"}
    assert set(entry["artefacts"]) == {
        "transcript.json", "forensic.json", "report.pdf", "report.html", "report.en.pdf", "report.en.html",
    }  # fmt: skip
    for kind, ref in entry["artefacts"].items():
        assert ref["uri"] == f"s3://{store.bucket}/completed/{job.job_id}/call_{kind}"
        assert store.sha256(store.key(ref["uri"])) == ref["sha256"]
    analysis = json.loads(store.read(layout.completed_key(job.job_id, "call_forensic.json")))
    assert [finding["category"] for finding in analysis["findings"]] == ["THREAT.CONDITIONAL"]
    assert "i will kill you" in analysis["findings"][0]["span"]["text"].lower()
    assert analysis["emotion"]["measured"] is False
    assert analysis["stress"]["measured"] is False


def test_a_second_run_does_nothing_twice(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    job = new_job("en")
    drop(store, job, {"call.m4a": SAMPLE})
    work(store, job, run_of(job))

    def never(*_: object, **__: object) -> None:
        raise AssertionError("transcribed twice")

    monkeypatch.setattr(stt.Transcriber, "transcribe", never)
    drop(store, job, {"call.m4a": SAMPLE})
    again = work(store, job, run_of(job, 2))
    assert (again["gate"], again["totals"]["by_state"]) == ("green", {"COMPLETED": 1})
    assert list(store.list(f"incoming/{job.job_id}/")) == []
    # the same bytes in another job: its transcript comes from the cache, and the summary says so
    other = new_job("en")
    drop(store, other, {"same call, other name.m4a": SAMPLE})
    summary = work(store, other, run_of(other))
    assert (summary["gate"], summary["totals"]["cache_hits"]) == ("green", 1)


def test_other_contents_under_a_finished_name_are_refused_not_overwritten(store: Store) -> None:
    job = new_job("en")
    drop(store, job, {"call.m4a": SAMPLE})
    work(store, job, run_of(job))
    before = store.sha256(layout.original_key(job.job_id, "call.m4a"))
    drop(store, job, {"call.m4a": ROOT / "samples" / "booking.m4a"})
    summary = work(store, job, run_of(job, 2))
    assert store.sha256(layout.original_key(job.job_id, "call.m4a")) == before
    assert summary["totals"]["by_state"] == {"COMPLETED": 1, "FAILED": 1}
    (refused,) = [one for one in summary["recordings"] if one["state"] == "FAILED"]
    assert "already has a recording named 'call.m4a' with other contents" in refused["error"]["message"]
    assert "duplicate_recording" in summary["gate"]
    # refused a second time: the second run is red, too
    drop(store, job, {"call.m4a": ROOT / "samples" / "booking.m4a"})
    assert "1 of 1 recordings failed" in work(store, job, run_of(job, 3))["gate"]


def test_a_failed_recording_dropped_again_is_taken_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    job = new_job("en")
    drop(store, job, {"call.m4a": SAMPLE})
    with monkeypatch.context() as broken:
        broken.setenv("VOICEMAN_MODEL_DIR", "/nonexistent")
        get_settings.cache_clear()
        stt.engine_info.cache_clear()
        weights_digests.cache_clear()
        summary = work(store, job, run_of(job))
    get_settings.cache_clear()
    assert states(summary) == {"call": "FAILED:model"}
    assert "run make models" in summary["recordings"][0]["error"]["message"]
    assert store.exists(layout.failed_key(job.job_id, "call.m4a"))
    drop(store, job, {"call.m4a": SAMPLE})
    assert work(store, job, run_of(job, 2))["gate"] == "green"
    assert list(store.list(f"failed/{job.job_id}/")) == []


def test_an_unexpected_error_is_tried_again_then_failed_without_its_text(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = new_job("en")
    drop(store, job, {"a.m4a": SAMPLE, "b.m4a": ROOT / "samples" / "booking.m4a"})
    first, last = run_of(job), run_of(job, last_try=True)
    manifest = pipeline.claim_job(store, job, first)
    (batch,) = pipeline.plan_run(store, manifest, first)
    real = stt.Transcriber.transcribe

    def breaks(self: stt.Transcriber, path: Path, *, language: str, name: str) -> stt.Transcript:
        if name == "a.m4a":
            raise RuntimeError("what was said in confidence")
        return real(self, path, language=language, name=name)

    monkeypatch.setattr(stt.Transcriber, "transcribe", breaks)
    # another language setting keeps the cached transcripts of other tests out
    with pytest.raises(RuntimeError):
        pipeline.transcribe_batch(store, batch, "ko", first)
    rows = state.recordings_of(job.job_id)
    assert (rows["a"].state, rows["b"].state) == (State.STT_PROCESSING, State.FORENSIC_QUEUE)
    assert pipeline.transcribe_batch(store, batch, "ko", last) == 1
    row = state.recordings_of(job.job_id)["a"]
    assert (row.state, row.error_code) == (State.FAILED, "unexpected")
    assert "RuntimeError while in transcribe" in (row.error_message or "")
    assert "confidence" not in store.read(layout.failed_error_key(job.job_id, "a")).decode()


def test_a_store_that_goes_away_fails_no_recording(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    job = new_job("en")
    drop(store, job, {"a.m4a": SAMPLE})
    run = run_of(job, last_try=True)
    (batch,) = pipeline.plan_run(store, pipeline.claim_job(store, job, run), run)

    def away(*_: object, **__: object) -> None:
        raise StorageError("S3 could not be reached; check the store.")

    monkeypatch.setattr(stages_module, "_done_before", away)
    with pytest.raises(StorageError):
        pipeline.transcribe_batch(store, batch, "en", run)
    assert state.recordings_of(job.job_id)["a"].state is State.STT_PROCESSING


def test_a_working_copy_that_was_changed_is_noticed(store: Store) -> None:
    job = new_job("ko")
    drop(store, job, {"a.m4a": SAMPLE})
    run = run_of(job)
    manifest = pipeline.claim_job(store, job, run)
    (batch,) = pipeline.plan_run(store, manifest, run)
    store.write(layout.processing_key(job.job_id, "a.m4a"), b"tampered with")
    pipeline.transcribe_batch(store, batch, "en", run)
    row = state.recordings_of(job.job_id)["a"]
    if row.state is not State.FAILED:  # its transcript came from the cache: the analysis reads the audio
        pipeline.analyze_batch(store, batch, run)
        row = state.recordings_of(job.job_id)["a"]
    assert (row.state, row.error_code) == (State.FAILED, "digest_mismatch")
    assert store.sha256(layout.original_key(job.job_id, "a.m4a")) == row.recording.sha256


def test_recordings_that_no_task_finished_are_found_by_the_gate(store: Store) -> None:
    job = new_job()
    drop(store, job, {"a.m4a": SAMPLE})
    run = run_of(job)
    manifest = pipeline.claim_job(store, job, run)
    pipeline.plan_run(store, manifest, run)
    pipeline.reconcile(store, manifest, run)  # as if every task had been killed
    row = state.recordings_of(job.job_id)["a"]
    assert (row.state, row.error_code) == (State.FAILED, "unfinished")
    assert "ended while it was STT_QUEUE" in (row.error_message or "")


def test_an_empty_job_and_a_claim_that_is_repeated(store: Store) -> None:
    job = new_job()
    drop(store, job, {"_READY": b""})
    with pytest.raises(EmptyJobError, match="No recordings lie under s3://.*upload some there"):
        pipeline.claim_job(store, job, run_of(job))
    drop(store, job, {"a.m4a": SAMPLE, "_READY": b"", "intake.json": b"{}"})
    first = pipeline.claim_job(store, job, run_of(job))
    again = pipeline.claim_job(store, job, run_of(job))
    assert first == again
    assert [one.file_id for one in pipeline.load_manifest(store, again).recordings] == ["a"]
    assert store.exists(layout.original_key(job.job_id, "intake.json"))
    # another run finds nothing left and has an empty manifest of its own: nothing is done twice
    other = TaskRun(run_of(job, 2).actor, False, run_is_over=lambda _: False)
    assert pipeline.load_manifest(store, pipeline.claim_job(store, job, other)).recordings == ()


def test_the_gate_does_not_trust_a_missing_manifest(store: Store) -> None:
    with pytest.raises(JobFailedError, match="could not be claimed"):
        pipeline.judge(store, None, None)


def test_what_a_dead_run_left_half_way_is_taken_over(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    job = new_job("en")
    drop(store, job, {"a.m4a": SAMPLE, "b.m4a": ROOT / "samples" / "booking.m4a"})
    dead = run_of(job)
    with monkeypatch.context() as broken:
        broken.setattr(Store, "delete", lambda *_: (_ for _ in ()).throw(StorageError("S3 went away.")))
        with pytest.raises(StorageError):
            pipeline.claim_job(store, job, dead)  # registered, copied, but never emptied; and no manifest
    assert {row.run_id for row in state.recordings_of(job.job_id).values()} == {dead.run_id}
    summary = work(store, job, run_of(job, 2))
    assert (summary["gate"], summary["totals"]["by_state"]) == ("green", {"COMPLETED": 2})
    assert list(store.list(f"incoming/{job.job_id}/")) == []


def test_a_run_leaves_another_runs_recordings_alone(store: Store) -> None:
    job = new_job("en")
    drop(store, job, {"a.m4a": b"not audio at all"})
    first, second = run_of(job), run_of(job, 2)
    manifest = pipeline.claim_job(store, job, first)
    (batch,) = pipeline.plan_run(store, manifest, first)
    pipeline.transcribe_batch(store, batch, "en", first)
    drop(store, job, {"a.m4a": b"not audio at all"})
    pipeline.plan_run(store, pipeline.claim_job(store, job, second), second)  # dropped again: the second run owns it
    assert pipeline.analyze_batch(store, batch, first) == 0
    pipeline.reconcile(store, manifest, first)
    row = state.recordings_of(job.job_id)["a"]
    assert (row.state, row.run_id) == (State.STT_QUEUE, second.run_id)
    summary = pipeline.summarize_job(store, job.job_id, first)
    with pytest.raises(JobFailedError, match=f"a .STT_QUEUE in the run {second.run_id}"):
        pipeline.judge(store, manifest, summary)


def test_bytes_put_there_during_the_claim_are_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    job = new_job("en")
    drop(store, job, {"a.m4a": SAMPLE})
    real = state.add_recording

    def upload_again(*arguments: Any, **named: Any) -> None:
        drop(store, job, {"a.m4a": ROOT / "samples" / "booking.m4a"})
        real(*arguments, **named)

    with monkeypatch.context() as slow:
        slow.setattr(state, "add_recording", upload_again)
        pipeline.claim_job(store, job, run_of(job))
    assert store.sha256(f"incoming/{job.job_id}/a.m4a") == stt.file_sha256(ROOT / "samples" / "booking.m4a")
    assert store.sha256(layout.original_key(job.job_id, "a.m4a")) == stt.file_sha256(SAMPLE)


def test_a_damaged_original_is_named_and_stops_nobody(store: Store) -> None:
    job = new_job("en")
    drop(store, job, {"a.m4a": b"not audio", "b.m4a": SAMPLE})
    run = run_of(job)
    manifest = pipeline.claim_job(store, job, run)
    (batch,) = pipeline.plan_run(store, manifest, run)
    store.write(layout.original_key(job.job_id, "a.m4a"), b"rotten")
    assert pipeline.transcribe_batch(store, batch, "en", run) == 1
    reason = json.loads(store.read(layout.failed_error_key(job.job_id, "a")))
    assert reason["code"] == "audio"
    assert reason["original"]["verified"] is False
    assert not store.exists(layout.failed_key(job.job_id, "a.m4a"))


def test_what_is_missing_fails_alone_or_is_made_again(store: Store) -> None:
    job = new_job("en")
    drop(store, job, {"a.m4a": SAMPLE, "b.m4a": ROOT / "samples" / "booking.m4a"})
    run = run_of(job)
    (batch,) = pipeline.plan_run(store, pipeline.claim_job(store, job, run), run)
    assert pipeline.transcribe_batch(store, batch, "en", run) == 2
    store.delete(layout.processing_key(job.job_id, "a_transcript.json"))
    store.delete(layout.processing_key(job.job_id, "b.m4a"))  # the working copy: made again from the original
    assert pipeline.analyze_batch(store, batch, run) == 1
    rows = state.recordings_of(job.job_id)
    assert (rows["a"].state, rows["a"].error_code) == (State.FAILED, "missing_object")
    assert rows["b"].state is State.REPORT_QUEUE


def test_names_of_our_own_files_are_refused(store: Store) -> None:
    job = new_job("en")
    drop(store, job, {"a.m4a": SAMPLE, "a_transcript.json": b"{}", "job_summary.json": b"{}"})
    summary = work(store, job, run_of(job))
    found = {key.split("~")[0]: one for key, one in states(summary).items()}
    assert found == {"a": "COMPLETED:", "a_transcript": "FAILED:invalid_name", "job_summary": "FAILED:invalid_name"}
    # refused again with other bytes: kept beside the first, and its neighbours go on
    drop(store, job, {"a_transcript.json": b"other", "b.m4a": ROOT / "samples" / "booking.m4a"})
    again = states(work(store, job, run_of(job, 2)))
    assert again["b"] == "COMPLETED:"
    assert sum(key.startswith("a_transcript~") for key in again) == 2


def test_what_describes_a_drop_is_never_overwritten(store: Store) -> None:
    job = new_job("en")
    for number, content in enumerate((b'{"case": 1}', b'{"case": 2}', b'{"case": 2}'), start=1):
        drop(store, job, {"a.m4a": SAMPLE, "intake.json": content})
        pipeline.claim_job(store, job, run_of(job, number))
    kept = [store.read(item.key) for item in store.list(f"originals/{job.job_id}/intake")]
    assert sorted(kept) == [b'{"case": 1}', b'{"case": 2}']


def test_a_drop_in_the_making_is_held(store: Store) -> None:
    job = new_job("en")
    drop(store, job, {"_HOLD": b"", "_READY": b""})
    assert job.job_id not in [one.job_id for one in look(store)]  # markers alone start nothing
    drop(store, job, {"a.m4a": SAMPLE})
    assert [one.held for one in look(store) if one.job_id == job.job_id] == [True]
    pipeline.claim_job(store, job, run_of(job))
    assert job.job_id not in [one.job_id for one in look(store)]
