"""What a summary says of one recording and of all, without a database; what a person is told to do."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import jsonschema
import pytest

from include import errors, plain
from include.job_summary import RecordingSummary
from include.manifest import ArtefactRef, Recording, State
from include.pipeline import advice as advice_module
from include.pipeline import summary
from include.pipeline.advice import advice
from include.state import Artefact, RecordingState
from include.storage import Store

CLIENT = boto3.client("s3", region_name="us-east-1", endpoint_url="http://127.0.0.1:9")
T0 = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def row(file_id: str, state: State = State.COMPLETED, code: str | None = None, **more: Any) -> RecordingState:
    recording = Recording(
        job_id="job", file_id=file_id, name=f"{file_id}.m4a", sha256="a" * 64, size_bytes=1, **more
    )  # fmt: skip
    message = None if code is None else f"{file_id} can't be read."
    return RecordingState(recording, state, code, message, "run", T0, "task", 1, let_go=False)


def artefact(kind: str, *, hit: bool = False, device_s: float | None = None) -> Artefact:
    return Artefact(kind, ArtefactRef(uri=f"s3://b/{kind}", sha256="b" * 64), "digest", hit, device_s)


def describe(one: RecordingState, made: dict[str, Artefact], rows: list[RecordingState]) -> RecordingSummary:
    store = Store(CLIENT, "b")  # only its URIs are asked for
    newest = summary._newest_revisions(rows)
    return summary._describe(store, one, made=made, entered={}, twins=[("other", "x")], newest=newest, related=[])


def test_a_stage_lasts_from_its_last_beginning_to_its_end() -> None:
    entered = {
        State.STT_PROCESSING: T0,
        State.FORENSIC_QUEUE: T0 + timedelta(seconds=2.5),
        State.FORENSIC_PROCESSING: T0 + timedelta(seconds=9),
        State.REPORT_QUEUE: T0 + timedelta(seconds=5),  # of an earlier run: this one did not end
        State.REPORT_GENERATING: T0 + timedelta(seconds=10),
    }
    assert summary._stage_seconds(entered) == {"transcribe": 2.5}


def test_revisions_name_the_newest_and_refused_names_are_no_revisions() -> None:
    rows = [
        row("a"),
        row("a~r2", received_name="a.m4a", revision=2),
        row("a~r3", received_name="a.m4a", revision=3),
        row("a~0123", State.FAILED, "delivery", received_name="a.m4a"),
        row("b"),
    ]
    said = {one.recording.file_id: describe(one, {}, rows).superseded_by for one in rows}
    assert said == {"a": "a~r3", "a~r2": "a~r3", "a~r3": None, "a~0123": None, "b": None}
    assert describe(rows[1], {}, rows).received_name == "a.m4a"


def test_device_seconds_and_cache_hits() -> None:
    one = row("a")
    made = {"transcript.json": artefact("transcript.json", device_s=1.25), "report.pdf": artefact("report.pdf")}
    assert (describe(one, made, [one]).device_s, describe(one, made, [one]).cache_hits) == (1.25, [])
    made["transcript.json"] = artefact("transcript.json", hit=True)
    assert (describe(one, made, [one]).device_s, describe(one, made, [one]).cache_hits) == (None, ["transcript.json"])


def test_a_failed_recording_says_why_and_what_to_do() -> None:
    one = row("a", State.FAILED, "audio")
    said = describe(one, {"transcript.json": artefact("transcript.json")}, [one])
    assert said.artefacts == {}
    assert said.error is not None
    assert said.error.message == "a can't be read."
    assert "new revision" in said.error.what_to_do
    assert said.error.details == "s3://b/failed/job/a_error.json"


def test_totals() -> None:
    rows = [row("a", duration_s=10.0), row("b", State.FAILED, "audio"), row("c", State.FAILED, "audio")]
    made = {"a": {"transcript.json": artefact("transcript.json", hit=True)}}
    totals = summary._totals([describe(one, made.get(one.recording.file_id, {}), rows) for one in rows], made)
    assert totals.by_state == {"COMPLETED": 1, "FAILED": 2}
    assert totals.failures == {"audio": 2}
    assert (totals.audio_s, totals.recordings_of_unknown_duration) == (10.0, 2)
    assert (totals.cache_hits, totals.cache_hits_by_kind) == (1, {"transcript.json": 1})


def test_the_schema_refuses_what_a_summary_may_not_hold() -> None:
    schema = json.loads(plain.schema_files()["voiceman.job_summary.1.json"])
    one = row("a", State.FAILED, "audio")
    entry = describe(one, {}, [one]).model_dump(mode="json")
    about = schema | {"$ref": "#/$defs/RecordingSummary"}
    for key in ("type", "properties", "required", "title", "additionalProperties", "description"):
        about.pop(key, None)
    jsonschema.validate(entry, about)
    with pytest.raises(jsonschema.ValidationError, match="text"):
        jsonschema.validate(entry | {"text": "what was said"}, about)


def tree(root: type[errors.VoiceManError] = errors.VoiceManError) -> Iterator[type[errors.VoiceManError]]:
    yield root
    for one in root.__subclasses__():
        yield from tree(one)


def test_there_is_advice_for_every_error_and_none_for_errors_that_are_not() -> None:
    codes = {one.code for one in tree()}
    assert set(advice_module._BY_CODE) <= codes | {"killed", "unfinished", "unexpected"}
    for code in codes:
        assert len(advice(code).split()) >= 5, code
        assert not advice(code).endswith("."), code


def test_bad_input_is_dropped_again_and_other_failures_are_redone() -> None:
    for one in tree(errors.InputError):
        assert "drop" in advice(one.code), one.code
    assert "redo: failed" in advice("storage")
