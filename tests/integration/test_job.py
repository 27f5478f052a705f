"""A job's life without a scheduler: claim, plan, stages, summary and gate on the real store, database and weights."""

import hashlib
import io
import json
import os
import pwd
import signal
import subprocess
import sys
import uuid
import wave
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from include import cli, evidence, pipeline, reproduce, state, stt, submission
from include.errors import (
    DigestMismatchError,
    DocumentError,
    EmptyJobError,
    IntakeFactsError,
    InvalidJobError,
    JobFailedError,
    LedgerError,
    MissingKeyError,
    NotOwnerError,
    QuarantineError,
    SignatureError,
    StorageError,
    ToolError,
)
from include.manifest import Batch, Job, State
from include.pipeline import TaskRun, alone, claim, kept, releasing, signing
from include.pipeline.engines import RealEngines
from include.pipeline.redo import NOTHING, Redoing
from include.settings import ROOT, get_settings
from include.state import Actor
from include.storage import Store, layout

pytestmark = pytest.mark.integration

SAMPLE = ROOT / "tests" / "audio" / "threat_9s.m4a"


def wav(samples: bytes) -> bytes:
    """A second of silence that begins with these bytes: a recording, where its words don't matter."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(samples[: len(samples) // 2 * 2].ljust(16000, b"\0"))
    return out.getvalue()


QUIET, OTHER = wav(b"this"), wav(b"that")


@pytest.fixture
def store(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Speakers, a second report and one over all cost seconds each and decide nothing where no test says otherwise."""
    monkeypatch.setenv("VOICEMAN_DIARIZER", "none")
    monkeypatch.setenv("VOICEMAN_REPORT_LANGUAGES", "one")
    monkeypatch.setenv("VOICEMAN_CASE_REPORT", "false")
    get_settings.cache_clear()
    return store


def new_job(language: str = "auto") -> Job:
    return Job(job_id=f"job-{uuid.uuid4().hex[:8]}", language=language)


def run_of(job: Job, number: int = 1, *, last_try: bool = False) -> TaskRun:
    return TaskRun(Actor(f"run-{job.job_id}-{number}", 1, "test"), last_try, run_is_over=lambda _: True)


def drop(store: Store, job: Job, files: dict[str, bytes | Path]) -> None:
    for name, content in files.items():
        body = content if isinstance(content, bytes) else content.read_bytes()
        store.client.put_object(Bucket=store.bucket, Key=f"incoming/{job.job_id}/{name}", Body=body)


def work(store: Store, job: Job, run: TaskRun, redo: Redoing = NOTHING) -> dict[str, Any]:
    """Everything the DAG does, in its order; returns the summary."""
    manifest = pipeline.claim_job(store, job, run, redo=redo)
    for batch in pipeline.plan_run(store, manifest, run, fresh=redo.what == "all"):
        pipeline.transcribe_batch(store, batch, run)
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
    return {one["file_id"]: one["state"] + ":" + (one["error"] or {}).get("code", "") for one in summary["recordings"]}


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
        "통화 녹음 'x' \"y\" <b>.m4a": OTHER,
        "empty.m4a": b"",
        "text.m4a": b"only the name says audio\n" * 40,
        "cut.m4a": whole[: len(whole) // 2],
        "silence.wav": audio(tmp_path / "silence.wav", "anullsrc=r=16000:d=5"),
        "short.wav": short,
        "twin.m4a": QUIET,
        "twin.wav": b"another file with the same name before its extension",
        "x" * 230 + ".m4a": QUIET,
        "sub/nested.m4a": QUIET,
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
        "silence": "COMPLETED:",
        "short": "COMPLETED:",
        twin_id: "FAILED:duplicate_recording",
        long_id: "FAILED:invalid_name",
        nested_id: "FAILED:invalid_name",
    }
    assert summary["totals"]["by_state"] == {"COMPLETED": 5, "FAILED": 6}
    assert summary["gate"].startswith("6 of 11 recordings failed: ")
    notes = {entry["file_id"]: entry["notes"] for entry in summary["recordings"]}
    assert notes["silence"][0].startswith("no text: ")
    assert notes["good"] == []
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


def test_the_same_sound_in_other_containers(store: Store, tmp_path: Path) -> None:
    remux, copy = tmp_path / "remux.mov", tmp_path / "copy.mp3"
    for target, how in ((remux, ["-c", "copy"]), (copy, ["-c:a", "libmp3lame", "-b:a", "64k"])):
        subprocess.run(["ffmpeg", "-v", "error", "-i", SAMPLE, *how, target], check=True)
    first, job = new_job("en"), new_job("en")
    drop(store, first, {"call.m4a": SAMPLE})
    (batch,) = pipeline.plan_run(store, pipeline.claim_job(store, first, run_of(first)), run_of(first))
    assert pipeline.transcribe_batch(store, batch, run_of(first)) == 1
    original = stt.file_sha256(SAMPLE)
    drop(store, job, {"remux.mov": remux, "copy.mp3": copy})
    summary = work(store, job, run_of(job))
    found = {entry["file_id"]: entry for entry in summary["recordings"]}
    assert states(summary) == {"remux": "COMPLETED:", "copy": "COMPLETED:"}
    # the very same samples: its transcript is taken, and said to be another file's
    assert found["remux"]["cache_hits"] == ["transcript.json"]
    assert original in found["remux"]["notes"][0]
    made = json.loads(store.read(layout.completed_key(job.job_id, "remux_transcript.json")))
    assert made["recording"]["sha256"] == found["remux"]["sha256"] != original
    assert made["engine"]["transcribed_as"] == original
    # encoded anew: it only sounds alike, has a transcript of its own, and is named
    assert found["copy"]["cache_hits"] == []
    assert found["copy"]["notes"] == []
    names = {(one["job_id"], one["file_id"]) for one in found["copy"]["related"]}
    assert (first.job_id, "call") in names
    assert all(one["similarity"] >= 0.66 for one in found["copy"]["related"])


def test_artefacts_of_a_completed_recording(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VOICEMAN_DIARIZER")
    for name in ("LANGUAGES", "REDACTED", "PLAYER"):
        monkeypatch.delenv(f"VOICEMAN_REPORT_{name}")
    get_settings.cache_clear()
    job = new_job("en")
    drop(store, job, {"call.m4a": SAMPLE})
    summary = work(store, job, run_of(job))
    assert summary["gate"] == "green"
    (entry,) = summary["recordings"]
    assert set(entry["stage_s"]) == {"transcribe", "analyze", "report"}
    assert set(entry["artefacts"]) == {
        "transcript.json", "forensic.json", "report.pdf", "report.html", "report.en.pdf", "report.en.html",
        "attestations.jsonl", "container.json", "report.redacted.pdf", "redaction.json", "player.html",
    }  # fmt: skip
    for kind, ref in entry["artefacts"].items():
        assert ref["uri"] == f"s3://{store.bucket}/completed/{job.job_id}/call_{kind}"
        assert store.sha256(store.key(ref["uri"])) == ref["sha256"]
    analysis = json.loads(store.read(layout.completed_key(job.job_id, "call_forensic.json")))
    (finding,) = [one for one in analysis["findings"] if one["category"] == "THREAT.CONDITIONAL"]
    assert "i will kill you" in finding["span"]["text"].lower()
    assert finding["confirmation"]["measured"] is True  # decoded again by the task that transcribed
    assert len(finding["confirmation"]["decodings"][0]["variants"]) == 2
    assert analysis["emotion"]["turns"]["measured"] is False
    assert analysis["stress"]["measured"] is False


def test_what_each_stage_consumed_and_made_is_attested_and_in_the_ledger(store: Store) -> None:
    job = new_job("en")
    sound = wav(b"only here")  # no other test's transcript of it lies in the cache
    drop(store, job, {"call.m4a": sound})
    summary = work(store, job, run_of(job))
    signing.sign_gate(store, job.job_id)
    (entry,) = summary["recordings"]
    made = {kind: ref["sha256"] for kind, ref in entry["artefacts"].items()}
    original = hashlib.sha256(sound).hexdigest()
    keys = evidence.read_keys(get_settings().public_keys)
    lines = store.read(layout.completed_key(job.job_id, "call_attestations.jsonl")).splitlines()
    found = [evidence.read_attestation(line, keys) for line in lines]
    assert [one["predicate"]["stage"] for one in found] == ["transcribe", "analyze", "report"]
    transcribed, analysed, reported = found
    assert transcribed["subject"] == [
        {"name": f"call_{kind}", "digest": {"sha256": made[kind]}} for kind in ("container.json", "transcript.json")
    ]
    assert reported["predicate"]["inputs"]["container.json"] == made["container.json"]
    engine = json.loads(store.read(layout.completed_key(job.job_id, "call_transcript.json")))["engine"]
    said = transcribed["predicate"]
    assert said["models"] == engine["weights"]
    assert said["models"]
    assert said["parameters"].items() >= engine["parameters"].items()
    assert (said["inputs"], said["device"], said["demo_key"]) == ({"recording": original}, engine["device"], True)
    assert len(said["code"]["commit"]) == 40
    assert said["code"]["lock_sha256"] == hashlib.sha256((ROOT / "requirements.txt").read_bytes()).hexdigest()
    assert analysed["predicate"]["inputs"] == {"recording": original, "transcript.json": made["transcript.json"]}
    assert {one["digest"]["sha256"] for one in reported["subject"]} == {made["report.pdf"], made["report.html"]}
    with state.events_of(job.job_id) as events:
        *events_before, last = events
    facts = [one.facts for one in (*events_before, last)]
    assert facts[-1]["to_state"] == "COMPLETED"
    digests = {f"{stage}.dsse.json": hashlib.sha256(line).hexdigest()
               for stage, line in zip(("transcribe", "analyze", "report"), lines, strict=True)}  # fmt: skip
    assert facts[-1]["digests"] == made | {
        "recording": original, "original": original, "original before": original, "working copy": original,
        "report.dsse.json": digests["report.dsse.json"],
    }  # fmt: skip
    page = store.read(layout.completed_key(job.job_id, "call_report.html")).decode()
    assert evidence.load_signer(get_settings()).keyid in page
    assert facts[-2]["to_state"] == "REPORT_GENERATING"
    assert events_before[-1].hash in page, "the report's custody table ends with the event before it was made"
    assert store.uri(layout.original_key(job.job_id, "call.m4a")) in page
    for to, name in (("FORENSIC_QUEUE", "transcribe.dsse.json"), ("REPORT_QUEUE", "analyze.dsse.json")):
        (event,) = [one for one in facts if one["to_state"] == to]
        assert event["digests"][name] == digests[name]
        assert event["digests"]["working copy"] == event["digests"]["working copy after"] == original
    (copied,) = [one for one in facts if one["action"] == "copied"]
    assert copied["digests"] == {"preservation copy": original, "working copy": original}
    assert "hashlib" in copied["reason"]
    assert facts[0]["reason"] == "received as 'call.m4a'"
    assert len(list(store.list(f"completed/{job.job_id}/ledger_head_"))) == 1
    assert state.unexplained(job.job_id) == []


def test_without_a_key_nothing_is_claimed_and_off_says_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    job = new_job("en")
    drop(store, job, {"call.m4a": QUIET})
    monkeypatch.setenv("VOICEMAN_SIGNING_KEY", "/nowhere/key.pem")
    get_settings.cache_clear()
    with pytest.raises(MissingKeyError, match="nothing is signed without it"):
        pipeline.claim_job(store, job, run_of(job))
    assert [one.key for one in store.list(f"incoming/{job.job_id}/")] == [f"incoming/{job.job_id}/call.m4a"]
    assert state.recordings_of(job.job_id) == {}
    monkeypatch.setenv("VOICEMAN_SIGNING", "off")
    get_settings.cache_clear()
    summary = work(store, job, run_of(job))
    assert summary["gate"] == "green"
    assert "attestations.jsonl" not in summary["recordings"][0]["artefacts"]
    with state.events_of(job.job_id) as events:  # the ledger goes on: only its heads and attestations need a key
        assert evidence.check_chain(events, job.job_id).count > 5


def test_others_conversation_waits_for_a_named_person(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    job = new_job("en")
    case = f"case {job.job_id}"
    stated = {"schema": "voiceman.intake/1", "case_number": case, "conversation": "others"}
    drop(store, job, {"call.m4a": QUIET, "intake.json": json.dumps(stated).encode()})
    for _ in range(2):
        with pytest.raises(QuarantineError, match="conversation between others"):
            pipeline.claim_job(store, job, run_of(job))
    assert state.recordings_of(job.job_id) == {}
    assert store.exists(f"incoming/{job.job_id}/call.m4a")
    assert state.case_of(job.job_id) == case
    known = state.intake_of(job.job_id)
    assert known is not None
    # a release is for what was stated then: other facts, another decision
    state.release_job(job.job_id, "0" * 64, "kim", "wrong document", Actor("", 0, "kim"), names=["call.m4a"])
    with pytest.raises(QuarantineError):
        pipeline.claim_job(store, job, run_of(job))
    state.release_job(
        job.job_id,
        known[1],
        "박검사",
        "영장 2026-1 확인",
        Actor("", 0, "./voiceman release (park)"),
        names=["call.m4a"],
    )
    assert work(store, job, run_of(job))["gate"] == "green"
    with state.events_of(case) as events:
        facts = [one.facts for one in events]
    assert [(one["action"], one["recording"]) for one in facts][:5] == [
        ("facts stated", None), ("quarantined", None), ("released", None), ("released", None), ("claimed", "call"),
    ]  # fmt: skip
    assert facts[3]["reason"] == "by 박검사: 영장 2026-1 확인"
    assert {one["digests"]["intake.json"] for one in facts[:2] + facts[3:4]} == {known[1]}
    assert store.sha256(layout.original_key(job.job_id, "intake.json")) == known[1]
    assert pipeline.check_ledger(store, job.job_id).problems == []
    other = new_job("en")
    drop(store, other, {"call.m4a": QUIET, "intake.json": b"{broken"})
    with pytest.raises(IntakeFactsError):
        pipeline.claim_job(store, other, run_of(other))
    drop(store, other, {"intake.json": json.dumps(stated).encode()})
    monkeypatch.setenv("VOICEMAN_QUARANTINE", "false")
    get_settings.cache_clear()
    pipeline.claim_job(store, other, run_of(other))
    third = new_job("en")
    drop(store, third, {"call.m4a": QUIET})
    monkeypatch.setenv("VOICEMAN_INTAKE_FACTS", "required")
    get_settings.cache_clear()
    with pytest.raises(IntakeFactsError, match="demands intake facts"):
        pipeline.claim_job(store, third, run_of(third))


OTHERS = json.dumps({"schema": "voiceman.intake/1", "conversation": "others"}).encode()


def held_job(store: Store, *names: str) -> Job:
    """A job that its claim left in quarantine."""
    job = new_job("en")
    drop(store, job, dict.fromkeys(names, QUIET) | {"intake.json": OTHERS})
    with pytest.raises(QuarantineError):
        pipeline.claim_job(store, job, run_of(job))
    return job


def test_a_recording_of_others_under_a_misspelt_name_is_not_transcribed(store: Store) -> None:
    job = new_job("en")
    said = {"recordings": {"cal.m4a": {"conversation": "others"}}}
    drop(store, job, {"call.m4a": QUIET, "intake.json": json.dumps(said).encode()})
    with pytest.raises(QuarantineError, match=r"cal\.m4a"):
        pipeline.claim_job(store, job, run_of(job))
    assert "Held: cal.m4a" in str(submission._why_waiting(store, job.job_id))
    sha256 = hashlib.sha256(json.dumps(said).encode()).hexdigest()
    state.release_job(job.job_id, sha256, "박검사", "오타", Actor("", 0, "test"), names=["cal.m4a"])
    pipeline.claim_job(store, job, run_of(job))
    assert list(state.recordings_of(job.job_id)) == ["call"]
    assert submission._why_waiting(store, job.job_id) is None


def answered(job: Job, asked: dict[str, Any], option: str, who: str, at: str = "2026-11-27T10:00:00+00:00") -> Any:
    """What the DAG ``release`` writes down for an answer."""
    ti = SimpleNamespace(dag_id="release", task_id="record", run_id=f"release__{job.job_id}", try_number=1, max_tries=3)
    context: Any = {"params": {"job_id": job.job_id, "prefix": None}, "ti": ti}
    return releasing.record(
        context, asked, {"option": option, "user_id": who, "user_name": who, "reason": "because", "at": at}
    )


def asked_about(job: Job) -> dict[str, Any]:
    context: Any = {"params": {"job_id": job.job_id}}
    return releasing.question(context)


def decisions(job: Job) -> list[tuple[str, str]]:
    with state.events_of(job.job_id) as events:
        facts = [one.facts for one in events]
    return [(one["action"], one["reason"].split(":")[0]) for one in facts if one["action"] in ("released", "kept held")]


def test_another_answer_of_the_same_run_is_another_decision(store: Store) -> None:
    job = held_job(store, "call.m4a")
    asked = asked_about(job)
    first = answered(job, asked, releasing.RELEASE, "Kim")
    assert answered(job, asked, releasing.RELEASE, "Kim") == first  # the task is tried again: no second event
    assert decisions(job) == [("released", "by Kim")]
    assert answered(job, asked, releasing.KEEP, "Judge") == []
    assert state.is_kept_held(job.job_id, asked["sha256"])
    with pytest.raises(QuarantineError):  # it was not claimed yet: the release is taken back
        pipeline.claim_job(store, job, run_of(job))
    again = answered(job, asked, releasing.RELEASE, "Judge", "2026-11-27T11:00:00+00:00")
    assert again[0]["trigger_run_id"] != first[0]["trigger_run_id"]
    assert decisions(job) == [("released", "by Kim"), ("kept held", "by Judge"), ("released", "by Judge")]
    pipeline.claim_job(store, job, run_of(job))
    assert set(state.recordings_of(job.job_id)) == {"call"}


def test_a_release_is_of_the_recordings_that_were_shown(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    job = held_job(store, "b.m4a", "a.m4a")
    monkeypatch.setattr(releasing, "_LISTED", 1)
    asked = asked_about(job)
    assert len(asked["names"]) == 1  # what a form has no room for is not released by it
    assert [one for one in ("a.m4a", "b.m4a") if f"`{one}`" in asked["body"]] == asked["names"]
    monkeypatch.setattr(releasing, "_LISTED", 9)
    asked = asked_about(job)
    drop(store, job, {"never_shown.m4a": OTHER})
    answered(job, asked, releasing.RELEASE, "Kim")
    with pytest.raises(QuarantineError, match="1 recordings of job .*never_shown"):
        pipeline.claim_job(store, job, run_of(job))
    assert state.recordings_of(job.job_id) == {}
    held = state.quarantined(job.job_id)
    assert held is not None
    assert held.names == ("never_shown.m4a",)
    assert releasing.next_question(job.job_id, lambda _, states: 0 if states else 1) is None
    answered(job, asked_about(job), releasing.RELEASE, "Kim")  # of the same run, which was cleared as a whole
    with state.events_of(job.job_id) as events:
        facts = [one.facts for one in events]
    told = [(one["action"], one["digests"].get("held recordings")) for one in facts if one["action"] != "facts stated"]
    both, third = (hashlib.sha256(one).hexdigest() for one in (b'["a.m4a","b.m4a"]', b'["never_shown.m4a"]'))
    assert told == [("quarantined", both), ("released", both), ("quarantined", third), ("released", third)]
    pipeline.claim_job(store, job, run_of(job))
    assert len(state.recordings_of(job.job_id)) == 3


def test_a_release_by_command_says_what_and_who(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def release(job: Job, *more: str) -> Any:
        arguments = ["release", job.job_id, "--by", "박검사", "--reason", "영장 확인", *more]
        return CliRunner().invoke(cli.app, arguments)

    monkeypatch.setenv("LOGNAME", "judge")
    monkeypatch.setenv("USER", "judge")
    free = new_job("en")
    state.save_job(free)
    state.save_intake(free.job_id, OTHERS, Actor("", 0, "test"))
    assert isinstance(release(free).exception, LedgerError)  # nobody read what it is about: nothing is held
    job = held_job(store, "call.m4a")
    assert isinstance(release(job, "--sha256", "0" * 64).exception, LedgerError)
    assert decisions(free) == decisions(job) == []
    said = release(job, "--sha256", hashlib.sha256(OTHERS).hexdigest())
    assert said.exit_code == 0
    assert "released: call.m4a" in said.output
    with state.events_of(job.job_id) as events:
        last = list(events)[-1].facts
    account = pwd.getpwuid(os.getuid()).pw_name
    assert (last["action"], last["actor"]) == ("released", f"./voiceman release ({account})")
    assert last["reason"] == "by 박검사: 영장 확인"
    pipeline.claim_job(store, job, run_of(job))


def test_the_report_over_a_case_of_two_jobs(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first, second = new_job("en"), new_job("en")
    case = f"case {first.job_id}"
    stated = {"schema": "voiceman.intake/1", "case_number": case, "speakers": {"channel-1": "김민준"}}
    drop(store, first, {"call_260301_101112.wav": QUIET, "intake.json": json.dumps(stated).encode()})
    monkeypatch.setenv("VOICEMAN_CASE_REPORT", "true")
    get_settings.cache_clear()
    assert "at least two" in work(store, first, run_of(first))["case_report"]["reason"]
    drop(store, second, {"call.wav": OTHER, "intake.json": json.dumps(stated).encode()})
    summary = work(store, second, run_of(second))
    assert summary["gate"] == "green"
    made = summary["case_report"]
    assert (made["jobs"], made["recordings"]) == (sorted([first.job_id, second.job_id]), 2)
    pdf = made["files"]["case_report.ko.pdf"]
    assert pdf["sha256"] == store.sha256(f"completed/{second.job_id}/case_report.ko.pdf")
    assert store.read(store.key(pdf["uri"])).startswith(b"%PDF")
    with state.events_of(case, (second.job_id, None)) as events:
        facts = [one.facts for one in events if one.facts["action"] == "case report"]
    assert [(one["actor"], one["digests"]) for one in facts] == [
        ("test", {name: one["sha256"] for name, one in made["files"].items()})
    ]
    # the same again: nothing new, and no second event
    again = json.loads(store.read(store.key(pipeline.summarize_job(store, second.job_id, run_of(second)).uri)))
    assert again["case_report"] == made
    files = pipeline.case_report_of(store, [first.job_id, second.job_id], by="./voiceman case-report (kim)")
    kinds = {"case_report.ko.pdf", "case_report.ko.html", "case_report.signatures.json"}
    assert set(files) == {*kinds, "case_report.ko.signed.pdf"}
    signed = files["case_report.ko.signed.pdf"]
    assert signed.startswith(files["case_report.ko.pdf"])
    assert json.loads(files["case_report.signatures.json"])["case_report.ko.pdf"]["signed"]
    judged = verify_pdf(tmp_path, signed)
    assert judged.returncode == 0, judged.stdout
    assert verify_pdf(tmp_path, signed.replace(b"%%EOF", b"%%EOG", 1)).returncode == 1
    with state.events_of(case) as events:
        told = [one.facts for one in events if one.facts["action"] == "case report"]
    assert [(one["job"], one["actor"]) for one in told] == [
        (second.job_id, "test"), (first.job_id, "./voiceman case-report (kim)"),
        (second.job_id, "./voiceman case-report (kim)"),
    ]  # fmt: skip
    assert pipeline.check_ledger(store, case).problems == []
    monkeypatch.setenv("VOICEMAN_PDF_CERTIFICATE", "")
    get_settings.cache_clear()
    files = pipeline.case_report_of(store, [first.job_id, second.job_id], by="./voiceman case-report (kim)")
    assert set(files) == kinds
    told_why = json.loads(files["case_report.signatures.json"])["case_report.ko.pdf"]
    assert told_why["signed"] is False
    assert "VOICEMAN_PDF_CERTIFICATE" in told_why["reason"]


def verify_pdf(folder: Path, data: bytes) -> subprocess.CompletedProcess[str]:
    (folder / "case.pdf").write_bytes(data)
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "include.cli", "verify", str(folder / "case.pdf"), "--lang", "en"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_local_copy_that_was_written_to_is_noticed_after_the_work(store: Store) -> None:
    job = new_job("en")
    drop(store, job, {"call.m4a": QUIET})
    pipeline.claim_job(store, job, run_of(job))
    recording = state.recordings_of(job.job_id)["call"].recording
    told = pytest.raises(DigestMismatchError, match="changed while it was worked on")
    with told, kept.working_copy(store, recording) as path:
        path.write_bytes(OTHER)


def test_no_report_of_an_original_that_was_changed(store: Store) -> None:
    job = new_job("en")
    drop(store, job, {"call.m4a": QUIET})
    run = run_of(job)
    manifest = pipeline.claim_job(store, job, run)
    (batch,) = pipeline.plan_run(store, manifest, run)
    pipeline.transcribe_batch(store, batch, run)
    pipeline.analyze_batch(store, batch, run)
    store.client.put_object(Bucket=store.bucket, Key=layout.original_key(job.job_id, "call.m4a"), Body=OTHER)
    assert pipeline.report_batch(store, batch, run) == 0
    row = state.recordings_of(job.job_id)["call"]
    assert (row.state, row.error_code) == (State.FAILED, "digest_mismatch")
    assert "find out who changed it" in str(row.error_message)


def test_a_recording_is_reproduced_byte_for_byte_and_another_model_is_named(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = new_job("en")
    drop(store, job, {"call.m4a": SAMPLE})
    work(store, job, run_of(job))
    for kind in ("attestations.jsonl", "transcript.json", "forensic.json"):
        store.download(layout.completed_key(job.job_id, f"call_{kind}"), tmp_path / f"call_{kind}")
    recorded = reproduce.read_recorded(tmp_path)
    assert reproduce.overrides(recorded)["VOICEMAN_BEAM_SIZE"] == "5"
    found = reproduce.reproduce(recorded, SAMPLE)
    assert found.environment == []
    assert [(one.name, one.differs) for one in found.made] == [("transcript.json", []), ("forensic.json", [])]
    assert found.same
    assert [one.made_sha256 for one in found.made] == [
        hashlib.sha256((tmp_path / f"call_{kind}").read_bytes()).hexdigest()
        for kind in ("transcript.json", "forensic.json")
    ]
    with pytest.raises(DocumentError, match="is not the recording that was transcribed"):
        reproduce.reproduce(recorded, tmp_path / "call_transcript.json")
    # the same words by other settings are another document, and what made it so is named
    monkeypatch.setenv("VOICEMAN_BEAM_SIZE", "1")
    get_settings.cache_clear()
    other = reproduce.reproduce(recorded, SAMPLE)
    assert "the engine's parameters.beam_size: 5 then, 1 here" in other.environment
    assert not other.made[0].same
    assert any("beam_size" in one for one in other.made[0].differs)
    # a statement that nobody signed
    lines = (tmp_path / "call_attestations.jsonl").read_bytes()
    (tmp_path / "call_attestations.jsonl").write_bytes(lines.replace(b'"sig":"', b'"sig":"A', 1))
    with pytest.raises(SignatureError):
        reproduce.read_recorded(tmp_path)


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


def test_other_contents_under_a_known_name_are_a_revision(store: Store) -> None:
    job = new_job("en")
    drop(store, job, {"call.m4a": QUIET})
    first = work(store, job, run_of(job))
    before = {one: store.sha256(store.key(ref["uri"])) for one, ref in first["recordings"][0]["artefacts"].items()}
    original = store.sha256(layout.original_key(job.job_id, "call.m4a"))
    drop(store, job, {"call.m4a": OTHER})
    summary = work(store, job, run_of(job, 2))
    assert states(summary) == {"call": "COMPLETED:", "call~r2": "COMPLETED:"}
    assert summary["gate"] == "green"
    assert store.sha256(layout.original_key(job.job_id, "call.m4a")) == original
    assert store.sha256(layout.original_key(job.job_id, "call~r2.m4a")) == hashlib.sha256(OTHER).hexdigest()
    for kind, digest in before.items():  # nothing of the first was overwritten
        assert store.sha256(layout.completed_key(job.job_id, f"call_{kind}")) == digest
    row = state.recordings_of(job.job_id)["call~r2"].recording
    assert (row.received_name, row.revision) == ("call.m4a", 2)
    # the same revision again is known; a third content is the third revision
    drop(store, job, {"call.m4a": OTHER})
    assert pipeline.load_manifest(store, pipeline.claim_job(store, job, run_of(job, 3))).recordings == ()
    drop(store, job, {"call.m4a": ROOT / "samples" / "extortion_stereo.m4a"})
    pipeline.claim_job(store, job, run_of(job, 4))
    assert set(state.recordings_of(job.job_id)) == {"call", "call~r2", "call~r3"}


def test_a_manifest_in_the_drop_is_checked(store: Store) -> None:
    job = new_job("auto")
    listed = [
        {"name": "good.m4a", "sha256": stt.file_sha256(SAMPLE), "language": "en"},
        {"name": "wrong.m4a", "sha256": "0" * 64},
        {"name": "never came.m4a", "sha256": "1" * 64},
    ]
    drop(store, job, {
        "manifest.json": json.dumps({"files": listed}).encode(), "good.m4a": SAMPLE,
        "wrong.m4a": ROOT / "samples" / "booking.m4a", "unlisted.m4a": ROOT / "samples" / "extortion_stereo.m4a",
    })  # fmt: skip
    run = run_of(job)
    reference = pipeline.claim_job(store, job, run)
    manifest = pipeline.load_manifest(store, reference)
    assert manifest.missing == ("never came.m4a",)
    rows = state.recordings_of(job.job_id)
    assert rows["good"].recording.language == "en"
    (wrong,) = [row for key, row in rows.items() if key.startswith("wrong~")]
    assert (wrong.state, wrong.error_code) == (State.FAILED, "delivery")
    assert "manifest.json lists it with 0000" in (wrong.error_message or "")
    assert store.sha256(layout.failed_key(job.job_id, wrong.recording.name)) == wrong.recording.sha256
    assert rows["unlisted"].state is State.PENDING
    batches = pipeline.plan_run(store, reference, run)
    assert [(one.language, one.file_ids) for one in batches] == [("auto", ("unlisted",)), ("en", ("good",))]
    assert store.exists(layout.original_key(job.job_id, "manifest.json"))


def test_another_prefix(store: Store) -> None:
    job, folder = new_job("en"), f"upload-{uuid.uuid4().hex[:8]}"
    for name in ("2026-a.m4a", "2026-b.m4a", "2025-c.m4a"):
        store.client.put_object(Bucket=store.bucket, Key=f"incoming/{folder}/{name}", Body=name.encode())
    pipeline.claim_job(store, job, run_of(job), prefix=f"incoming/{folder}/2026-")
    assert set(state.recordings_of(job.job_id)) == {"2026-a", "2026-b"}
    assert [one.key for one in store.list(f"incoming/{folder}/")] == [f"incoming/{folder}/2025-c.m4a"]


def test_redo(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    job = new_job("en")
    drop(store, job, {"good.m4a": QUIET, "bad.m4a": b"not audio"})
    first = work(store, job, run_of(job))
    results = {key: store.sha256(store.key(ref["uri"])) for key, ref in _entry(first, "good")["artefacts"].items()}
    assert work(store, job, run_of(job, 2))["run_id"].endswith("-2")  # nothing: both recordings stay the first run's
    assert {row.run_id for row in state.recordings_of(job.job_id).values()} == {run_of(job).run_id}
    again = work(store, job, run_of(job, 3), redo=Redoing("failed"))
    assert "1 of 1 recordings failed" in again["gate"]
    assert state.recordings_of(job.job_id)["good"].run_id == run_of(job).run_id
    # outdated: not while the versions are today's; after an upgrade analysis and report, with the transcript kept
    work(store, job, run_of(job, 4), redo=Redoing("outdated"))
    assert state.recordings_of(job.job_id)["good"].run_id == run_of(job).run_id
    monkeypatch.setattr(RealEngines, "analysis_digest", lambda _: "newer taxonomy ")
    monkeypatch.setattr(RealEngines, "transcribers", lambda *_: pytest.fail("transcribed again"))
    yesterday = (datetime.now(UTC) - timedelta(days=2), datetime.now(UTC) - timedelta(days=1))
    work(store, job, run_of(job, 5), redo=Redoing("outdated", yesterday))
    assert state.recordings_of(job.job_id)["good"].run_id == run_of(job).run_id
    upgraded = run_of(job, 6)
    manifest = pipeline.claim_job(store, job, upgraded, redo=Redoing("outdated"))
    assert state.recordings_of(job.job_id)["good"].state is State.FORENSIC_QUEUE
    batches = pipeline.plan_run(store, manifest, upgraded)
    (batch,) = [one for one in batches if "good" in one.file_ids]
    pipeline.analyze_batch(store, batch, upgraded)
    pipeline.report_batch(store, batch, upgraded)
    assert state.recordings_of(job.job_id)["good"].state is State.COMPLETED
    # what was completed before is put aside, byte for byte, and known to the database
    kept = {one.kind: one.ref for one in state.replaced(job.job_id)["good"]}
    assert {kind: ref.sha256 for kind, ref in kept.items()} == results
    assert all("/superseded/" in ref.uri and store.sha256(store.key(ref.uri)) == ref.sha256 for ref in kept.values())
    assert store.sha256(layout.completed_key(job.job_id, "good_transcript.json")) == results["transcript.json"]


def test_redo_all_takes_nothing_from_the_cache(store: Store) -> None:
    job = new_job("en")
    drop(store, job, {"call.m4a": SAMPLE})
    work(store, job, run_of(job))
    summary = work(store, job, run_of(job, 2), redo=Redoing("all"))
    assert (summary["gate"], summary["totals"]["cache_hits"]) == ("green", 0)
    made = state.artefacts(job.job_id, "call")["call"]["transcript.json"]
    assert made.device_s is not None
    assert made.device_s > 0


def _entry(summary: dict[str, Any], file_id: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in summary["recordings"] if one["file_id"] == file_id)
    return found


def test_a_failed_recording_dropped_again_is_taken_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    job = new_job("en")
    drop(store, job, {"call.m4a": SAMPLE})
    with monkeypatch.context() as broken:
        broken.setenv("VOICEMAN_MODEL_DIR", "/nonexistent")
        get_settings.cache_clear()
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
    monkeypatch.setenv("VOICEMAN_ENGINES", "tests.integration.bad_engines:BadEngines")
    get_settings.cache_clear()
    job = new_job("en")
    drop(store, job, {"breaks.m4a": SAMPLE, "b.m4a": ROOT / "samples" / "booking.m4a"})
    first, last = run_of(job), run_of(job, last_try=True)
    manifest = pipeline.claim_job(store, job, first)
    (batch,) = pipeline.plan_run(store, manifest, first)
    with pytest.raises(RuntimeError):
        pipeline.transcribe_batch(store, batch, first)
    rows = state.recordings_of(job.job_id)
    assert (rows["breaks"].state, rows["b"].state) == (State.STT_PROCESSING, State.FORENSIC_QUEUE)
    assert rows["breaks"].let_go  # the process lived on: it is no suspect
    assert pipeline.transcribe_batch(store, batch, last) == 1
    row = state.recordings_of(job.job_id)["breaks"]
    assert (row.state, row.error_code) == (State.FAILED, "unexpected")
    assert "RuntimeError while in transcribe" in (row.error_message or "")
    assert "confidence" not in store.read(layout.failed_error_key(job.job_id, "breaks")).decode()


def first_try(batch: Batch, run: TaskRun) -> None:
    """Transcribe in a process of its own, which must be killed by what the engines do."""
    code = (
        "import sys\nfrom include import pipeline\nfrom include.manifest import Batch\n"
        "from include.pipeline import TaskRun\nfrom include.state import Actor\n"
        "from include.storage import open_store\n"
        "run = TaskRun(Actor(sys.argv[2], 1, 'test'), False, run_is_over=lambda _: True)\n"
        "pipeline.transcribe_batch(open_store(), Batch.model_validate_json(sys.argv[1]), run)\n"
    )
    command = [sys.executable, "-c", code, batch.model_dump_json(), run.run_id]
    died = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr


def test_a_recording_that_kills_its_process_fails_alone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEMAN_ENGINES", "tests.integration.bad_engines:BadEngines")
    get_settings.cache_clear()
    job = new_job("en")
    drop(store, job, {"a.m4a": OTHER, "kills.m4a": QUIET, "z.m4a": wav(b"last")})
    run = run_of(job)
    (batch,) = pipeline.plan_run(store, pipeline.claim_job(store, job, run), run, fresh=True)
    first_try(batch, run)
    assert state.recordings_of(job.job_id)["kills"].state is State.STT_PROCESSING
    # what Airflow's supervisor gives to a task's process
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "airflow-db-not-allowed:///")
    second = replace(run, actor=Actor(run.run_id, 2, "test"))
    assert pipeline.transcribe_batch(store, batch, second) == 2
    rows = state.recordings_of(job.job_id)
    assert {key: (row.state, row.error_code) for key, row in rows.items()} == {
        "a": (State.FORENSIC_QUEUE, None),
        "kills": (State.FAILED, "killed"),
        "z": (State.FORENSIC_QUEUE, None),
    }
    assert "the second time with this recording alone" in (rows["kills"].error_message or "")


def test_a_kill_at_recording_17_of_32_costs_one_recordings_work(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = tmp_path / "begun"
    monkeypatch.setenv("VOICEMAN_ENGINES", "tests.integration.bad_engines:CountingEngines")
    monkeypatch.setenv("VOICEMAN_COUNT", str(log))
    monkeypatch.setenv("VOICEMAN_KILL_AT", "17")
    monkeypatch.setenv("VOICEMAN_FAKE_S", "0")
    get_settings.cache_clear()
    job, mark = new_job("ko"), uuid.uuid4().bytes
    calls: dict[str, bytes | Path] = {f"{number:02d}.wav": wav(bytes([number]) + mark) for number in range(32)}
    drop(store, job, calls)
    run = run_of(job)
    pipeline.claim_job(store, job, run)
    batch = Batch(
        batch_id="b", job_id=job.job_id, file_ids=tuple(name[:2] for name in sorted(calls)), language="ko", model="base"
    )
    state.advance_all(job.job_id, State.PENDING, State.STT_QUEUE, run.actor)
    first_try(batch, run)
    states = [row.state for row in state.recordings_of(job.job_id).values()]
    assert (states.count(State.FORENSIC_QUEUE), states.count(State.STT_PROCESSING)) == (16, 1)
    second = replace(run, actor=Actor(run.run_id, 2, "test"))
    assert pipeline.transcribe_batch(store, batch, second) == 32
    begun = log.read_text().splitlines()
    assert len(begun) == 33
    assert {name for name in begun if begun.count(name) > 1} == {"16.wav"}


def second_try(store: Store, name: str) -> tuple[Batch, TaskRun]:
    """A batch of one recording that an earlier try was busy with when it was killed."""
    job = new_job("en")
    drop(store, job, {name: SAMPLE})
    run = run_of(job)
    (batch,) = pipeline.plan_run(store, pipeline.claim_job(store, job, run), run, fresh=True)
    (row,) = state.recordings_of(job.job_id).values()
    state.advance(row.recording, State.STT_PROCESSING, run.actor)
    return batch, replace(run, actor=Actor(run.run_id, 2, "test"))


def test_a_recording_that_hangs_is_ended_and_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEMAN_ENGINES", "tests.integration.bad_engines:BadEngines")
    monkeypatch.setattr(alone, "_limit_s", lambda *_: 12.0)
    get_settings.cache_clear()
    batch, run = second_try(store, "hangs.m4a")
    assert pipeline.transcribe_batch(store, batch, run) == 0
    row = state.recordings_of(batch.job_id)["hangs"]
    assert (row.state, row.error_code) == (State.FAILED, "killed")


def test_a_task_that_is_cleared_blames_no_recording(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEMAN_ENGINES", "tests.integration.bad_engines:BadEngines")
    get_settings.cache_clear()
    batch, run = second_try(store, "ended.m4a")
    with pytest.raises(ToolError, match="ended with -15"):
        pipeline.transcribe_batch(store, batch, run)
    assert state.recordings_of(batch.job_id)["ended"].state is State.STT_PROCESSING


def test_an_orphans_artefact_replaces_nothing(store: Store) -> None:
    batch, retry = second_try(store, "a.m4a")
    recording = state.recordings_of(batch.job_id)["a"].recording
    orphan = replace(retry, actor=Actor(retry.run_id, 1, "test")).actor
    state.advance(recording, State.STT_PROCESSING, retry.actor)
    kept.save(store, recording, "transcript.json", b"the retry's", "digest", actor=retry.actor)
    with pytest.raises(NotOwnerError):
        kept.save(store, recording, "transcript.json", b"the orphan's", "digest", actor=orphan)
    made = state.artefacts(batch.job_id, "a")["a"]["transcript.json"]
    with pytest.raises(NotOwnerError):  # also when it was taken over while the bytes were written
        state.save_artefacts(recording, [replace(made, settings_digest="other")], orphan)
    assert state.artefacts(batch.job_id, "a")["a"]["transcript.json"] == made
    assert store.read(store.key(made.ref.uri)) == b"the retry's"


def test_a_file_named_like_the_revision_that_another_becomes(store: Store) -> None:
    job = new_job("en")
    drop(store, job, {"call.m4a": b"first"})
    pipeline.claim_job(store, job, run_of(job))
    dropped = {"call.m4a": b"second", "call~r2.m4a": b"not a revision"}
    drop(store, job, dict(dropped))
    pipeline.claim_job(store, job, run_of(job, 2))
    assert list(store.list(f"incoming/{job.job_id}/")) == []
    kept = {store.sha256(item.key) for item in store.list(f"originals/{job.job_id}/")}
    assert kept == {hashlib.sha256(data).hexdigest() for data in (b"first", *dropped.values())}
    for row in state.recordings_of(job.job_id).values():  # each row has its own bytes
        original = layout.original_key(job.job_id, row.recording.name)
        assert store.sha256(original) == row.recording.sha256


def test_what_a_manifest_promised_is_not_forgotten(store: Store) -> None:
    job, late = new_job("auto"), ROOT / "samples" / "booking.m4a"
    listed = [{"name": "a.m4a", "sha256": stt.file_sha256(SAMPLE)}]
    listed.append({"name": "late.m4a", "sha256": stt.file_sha256(late), "language": "en"})
    drop(store, job, {"manifest.json": json.dumps({"files": listed}).encode(), "a.m4a": SAMPLE})
    for number in (1, 1, 2):  # claimed, the task cleared, and another run: still missing
        manifest = pipeline.load_manifest(store, pipeline.claim_job(store, job, run_of(job, number)))
        assert manifest.missing == ("late.m4a",)
    drop(store, job, {"late.m4a": b"other bytes"})
    pipeline.claim_job(store, job, run_of(job, 3))
    (wrong,) = [row for row in state.recordings_of(job.job_id).values() if row.state is State.FAILED]
    assert wrong.error_code == "delivery"
    drop(store, job, {"late.m4a": late})
    manifest = pipeline.load_manifest(store, pipeline.claim_job(store, job, run_of(job, 4)))
    assert manifest.missing == ()
    assert state.recordings_of(job.job_id)["late"].recording.language == "en"


def test_a_broken_manifest_is_seen_and_stops_no_recording(store: Store) -> None:
    job = new_job("en")
    drop(store, job, {"a.m4a": QUIET, "manifest.json": b"{not json"})
    summary = work(store, job, run_of(job))
    assert states(summary) == {"a": "COMPLETED:"}
    assert "is not a list of files" in summary["manifest_problem"]
    assert "not checked against its list" in summary["gate"]
    # the claim is cleared: what it found still holds
    manifest = pipeline.load_manifest(store, pipeline.claim_job(store, job, run_of(job)))
    assert manifest.problem == summary["manifest_problem"]


def test_a_better_copy_of_a_listed_file_is_a_revision(store: Store) -> None:
    job = new_job("en")
    listed = [{"name": "a.m4a", "sha256": stt.file_sha256(SAMPLE)}]
    drop(store, job, {"a.m4a": SAMPLE, "manifest.json": json.dumps({"files": listed}).encode()})
    pipeline.claim_job(store, job, run_of(job))
    drop(store, job, {"a.m4a": ROOT / "samples" / "booking.m4a"})  # what was promised has come: the list asks no more
    pipeline.claim_job(store, job, run_of(job, 2))
    assert {key: row.state for key, row in state.recordings_of(job.job_id).items()} == {
        "a": State.PENDING, "a~r2": State.PENDING,
    }  # fmt: skip


def test_a_large_drop_is_claimed_run_by_run(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "MOST_FILES", 2)
    job = new_job("en")
    files: dict[str, bytes | Path] = {f"{number}.wav": bytes([number]) for number in range(5)}
    listed = [{"name": name, "sha256": hashlib.sha256(bytes(data)).hexdigest()} for name, data in files.items()]  # type: ignore[arg-type]
    drop(store, job, {**files, "manifest.json": json.dumps({"files": listed}).encode()})
    owned = []
    for number in (1, 1, 2, 3, 4):  # the first one's claim is cleared once: it takes no more than its share
        run = replace(run_of(job, number), run_is_over=lambda _: False)
        manifest = pipeline.load_manifest(store, pipeline.claim_job(store, job, run))
        assert manifest.missing == ()
        owned.append([one.file_id for one in manifest.recordings])
    assert owned == [["0", "1"], ["0", "1"], ["2", "3"], ["4"], []]
    assert list(store.list(f"incoming/{job.job_id}/")) == []


def test_a_prefix_takes_nothing_of_another_job(store: Store) -> None:
    job, other = new_job("en"), new_job("en")
    drop(store, other, {"a.m4a": SAMPLE})
    pipeline.claim_job(store, other, run_of(other))
    drop(store, other, {"late.m4a": SAMPLE})
    with pytest.raises(InvalidJobError, match="belongs to another job"):
        pipeline.claim_job(store, job, run_of(job), prefix=f"incoming/{other.job_id}/")
    held = f"folder-{uuid.uuid4().hex[:8]}"
    for name in ("a.m4a", "_HOLD"):
        store.client.put_object(Bucket=store.bucket, Key=f"incoming/{held}/{name}", Body=b"")
    with pytest.raises(InvalidJobError):
        pipeline.claim_job(store, job, run_of(job), prefix=f"incoming/{held}/")
    assert store.exists(f"incoming/{other.job_id}/late.m4a")


def test_a_marker_that_holds_bytes_is_kept(store: Store) -> None:
    job = new_job("en")
    drop(store, job, {"_READY": b"a recording that somebody named so"})
    pipeline.claim_job(store, job, run_of(job))
    assert store.read(layout.original_key(job.job_id, "_READY")) == b"a recording that somebody named so"
    assert set(state.recordings_of(job.job_id)) == {"_READY"}


def test_a_try_that_was_taken_for_dead_changes_nothing(store: Store) -> None:
    job = new_job("en")
    drop(store, job, {"a.m4a": SAMPLE})
    run = run_of(job)
    pipeline.plan_run(store, pipeline.claim_job(store, job, run), run)
    recording = state.recordings_of(job.job_id)["a"].recording
    orphan, retry = run.actor, replace(run.actor, try_number=2)
    state.advance(recording, State.STT_PROCESSING, orphan)
    state.advance(recording, State.STT_PROCESSING, retry)
    for change in (
        lambda: state.advance(recording, State.STT_PROCESSING, orphan),
        lambda: state.advance(recording, State.FORENSIC_QUEUE, orphan, held=True),
        lambda: state.fail(recording, orphan, code="x", message="x", held=True),
        lambda: pipeline.fail_recording(store, recording, orphan, stage="s", code="x", message="x", held=True),
    ):
        with pytest.raises(NotOwnerError):
            change()
    state.advance(recording, State.FORENSIC_QUEUE, retry, held=True)
    with pytest.raises(NotOwnerError):  # also once the retry is done with it
        state.advance(recording, State.FORENSIC_QUEUE, orphan, held=True)
    assert state.recordings_of(job.job_id)["a"].state is State.FORENSIC_QUEUE
    assert not store.exists(layout.failed_error_key(job.job_id, "a"))


def test_a_store_that_goes_away_fails_no_recording(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    job = new_job("en")
    drop(store, job, {"a.m4a": SAMPLE})
    run = run_of(job, last_try=True)
    (batch,) = pipeline.plan_run(store, pipeline.claim_job(store, job, run), run)

    def away(*_: object, **__: object) -> None:
        raise StorageError("S3 could not be reached; check the store.")

    monkeypatch.setattr(kept, "made_before", away)
    with pytest.raises(StorageError):
        pipeline.transcribe_batch(store, batch, run)
    row = state.recordings_of(job.job_id)["a"]
    assert (row.state, row.let_go) == (State.STT_PROCESSING, True)


def test_a_working_copy_that_was_changed_is_noticed(store: Store) -> None:
    job = new_job("ko")
    drop(store, job, {"a.m4a": SAMPLE})
    run = run_of(job)
    manifest = pipeline.claim_job(store, job, run)
    (batch,) = pipeline.plan_run(store, manifest, run)
    store.write(layout.processing_key(job.job_id, "a.m4a"), b"tampered with")
    pipeline.transcribe_batch(store, batch, run)
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
    drop(store, job, {"a.m4a": QUIET, "b.m4a": OTHER})
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
    pipeline.transcribe_batch(store, batch, first)
    drop(store, job, {"a.m4a": b"not audio at all"})
    # dropped again: the second run owns it
    pipeline.plan_run(store, pipeline.claim_job(store, job, second), second)
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
    assert pipeline.transcribe_batch(store, batch, run) == 1
    reason = json.loads(store.read(layout.failed_error_key(job.job_id, "a")))
    assert reason["code"] == "audio"
    assert reason["original"]["verified"] is False
    assert not store.exists(layout.failed_key(job.job_id, "a.m4a"))


def test_what_is_missing_fails_alone_or_is_made_again(store: Store) -> None:
    job = new_job("en")
    drop(store, job, {"a.m4a": SAMPLE, "b.m4a": ROOT / "samples" / "booking.m4a"})
    run = run_of(job)
    (batch,) = pipeline.plan_run(store, pipeline.claim_job(store, job, run), run)
    assert pipeline.transcribe_batch(store, batch, run) == 2
    store.delete(layout.processing_key(job.job_id, "a_transcript.json"))
    store.delete(layout.processing_key(job.job_id, "b.m4a"))  # the working copy: made again from the original
    assert pipeline.analyze_batch(store, batch, run) == 1
    rows = state.recordings_of(job.job_id)
    assert (rows["a"].state, rows["a"].error_code) == (State.FAILED, "missing_object")
    assert rows["b"].state is State.REPORT_QUEUE


def test_names_of_our_own_files_are_refused(store: Store) -> None:
    job = new_job("en")
    drop(store, job, {"a.m4a": QUIET, "a_transcript.json": b"{}", "job_summary.json": b"{}"})
    summary = work(store, job, run_of(job))
    found = {key.split("~")[0]: one for key, one in states(summary).items()}
    assert found == {"a": "COMPLETED:", "a_transcript": "FAILED:invalid_name", "job_summary": "FAILED:invalid_name"}
    # refused again with other bytes: kept beside the first, and its neighbours go on
    drop(store, job, {"a_transcript.json": b"other", "b.m4a": OTHER})
    again = states(work(store, job, run_of(job, 2)))
    assert again["b"] == "COMPLETED:"
    assert sum(key.startswith("a_transcript~") for key in again) == 2


def test_what_describes_a_drop_is_never_overwritten(store: Store) -> None:
    job = new_job("en")
    first, second = (
        json.dumps({"schema": "voiceman.intake/1", "requester": name}).encode() for name in ("one", "other")
    )
    for number, content in enumerate((first, second, second), start=1):
        drop(store, job, {"a.m4a": SAMPLE, "intake.json": content})
        pipeline.claim_job(store, job, run_of(job, number))
    kept = [store.read(item.key) for item in store.list(f"originals/{job.job_id}/intake")]
    assert sorted(kept) == [first, second]


def test_the_gate_signs_the_end_of_the_ledger_when_it_is_red_too(store: Store) -> None:
    from include.pipeline import tasks

    job = new_job("en")
    drop(store, job, {"call.m4a": b"no audio at all"})
    run = run_of(job)
    manifest = pipeline.claim_job(store, job, run)
    for batch in pipeline.plan_run(store, manifest, run):
        pipeline.transcribe_batch(store, batch, run)
    summary = pipeline.summarize_job(store, pipeline.reconcile(store, manifest, run), run)
    with pytest.raises(JobFailedError):
        tasks.gate(manifest.model_dump(), summary.model_dump())
    assert len(state.heads_of(job.job_id, None)) == 1
    assert pipeline.check_ledger(store, job.job_id).problems == []
