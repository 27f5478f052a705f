"""A job's course: written from its recordings' analyses, counted in the summary without a word of theirs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, cast

import pytest

from include.errors import DigestMismatchError, StorageError
from include.forensic import analyze_transcript
from include.job_summary import CaseSummary
from include.manifest import ArtefactRef, State
from include.pipeline import course as module
from include.pipeline.course import JobRecordings, read_members, write_course
from include.state import Artefact, RecordingState
from include.storage import Store, layout
from include.stt import NotMeasured
from tests.unit.forensic_factory import make_segment, make_transcript
from tests.unit.test_summary import row

WAITS = "집 앞이야 나올 때까지 기다릴게"


class Memory:
    """A bucket in memory: what the course asks of one."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def uri(self, key: str) -> str:
        return f"s3://b/{key}"

    def key(self, uri: str) -> str:
        return uri.removeprefix("s3://b/")

    def read(self, key: str, *, sha256: str) -> bytes:
        data = self.objects[key]
        if hashlib.sha256(data).hexdigest() != sha256:
            raise DigestMismatchError(f"{key} was changed.")
        return data

    def write(self, key: str, data: bytes) -> ArtefactRef:
        self.objects[key] = data
        return ArtefactRef(uri=self.uri(key), sha256=hashlib.sha256(data).hexdigest())


class Job:
    """Recordings with transcripts and analyses, as a run leaves them."""

    def __init__(self, job_id: str = "job") -> None:
        self.job_id = job_id
        self.store, self.rows, self.made = Memory(), {}, {}

    def add(self, file_id: str, turns: Sequence[tuple[str, str]], *, state: State = State.COMPLETED) -> None:
        segments = [make_segment(text, 10.0 * at, speaker) for at, (speaker, text) in enumerate(turns)]
        transcript = make_transcript(segments)
        sha256 = hashlib.sha256(file_id.encode()).hexdigest()
        transcript = transcript.model_copy(
            update={"recording": transcript.recording.model_copy(update={"sha256": sha256})}
        )
        data = transcript.to_json().encode()
        analysis = analyze_transcript(
            transcript, transcript_name=f"{file_id}_transcript.json",
            transcript_sha256=hashlib.sha256(data).hexdigest(), channels=None,
        )  # fmt: skip
        self.rows[file_id] = row(file_id, state, None if state is State.COMPLETED else "audio")
        kinds = {"transcript.json": data, "forensic.json": analysis.to_json().encode()}
        self.made[file_id] = {
            kind: Artefact(kind, self.store.write(f"completed/{self.job_id}/{file_id}_{kind}", one), "digest", False)
            for kind, one in kinds.items()
        }

    def course(self) -> CaseSummary | NotMeasured:
        rows = cast("dict[str, RecordingState]", self.rows)
        store = cast("Store", self.store)
        return write_course(store, "job", read_members(store, [JobRecordings("job", rows, self.made)]))

    def written(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.store.objects[layout.course_key("job")])
        return found


@pytest.fixture
def job() -> Job:
    made = Job()
    made.add("통화 녹음 01012345678_251101_090000", [("a", WAITS), ("b", "연락하지 마세요")])
    made.add("통화 녹음 01012345678_251102_090000", [("a", "오늘도 나올 때까지 여기서 기다린다")])
    made.add("통화 녹음 김대리_251102_100000", [("a", "내일 회의 세 시입니다"), ("b", "네 알겠습니다")])
    return made


def test_repetition_over_a_jobs_recordings_is_in_the_summary_and_its_words_are_not(job: Job) -> None:
    said = job.course()
    assert isinstance(said, CaseSummary)
    assert said.recordings == 3
    (found,) = said.findings
    assert (found.category, found.severity, found.required, len(found.recordings)) == ("STALKING", 2, 2, 2)
    assert said.repetition_not_shown == 0
    assert "기다" not in said.model_dump_json()
    course = job.written()
    assert hashlib.sha256(job.store.objects[layout.course_key("job")]).hexdigest() == said.sha256
    (party,) = course["stalking"]
    assert party["party"] == "01012345678"
    assert any(one["text"].startswith("집 앞이야") for one in party["passages"])


def test_one_recording_alone_shows_no_repetition(job: Job) -> None:
    job.rows = {key: one for key, one in job.rows.items() if "251102_090000" not in key}
    said = job.course()
    assert isinstance(said, CaseSummary)
    assert (said.findings, said.repetition_not_shown) == ([], 1)


def test_failed_recordings_are_left_out_and_one_is_no_case() -> None:
    job = Job()
    job.add("a_251101", [("a", WAITS)])
    job.add("b_251102", [("a", WAITS)], state=State.FAILED)
    said = job.course()
    assert isinstance(said, NotMeasured)
    assert "at least two" in said.reason
    assert layout.course_key("job") not in job.store.objects


def test_what_can_not_be_read_any_more_is_left_out_and_a_store_that_is_away_is_an_error(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = next(key for key in job.rows if "251102_090000" in key)
    job.store.objects[f"completed/job/{name}_forensic.json"] = b"changed"
    said = job.course()
    assert isinstance(said, CaseSummary)
    assert (said.recordings, said.findings) == (2, [])

    def away(*_: Any, **__: Any) -> bytes:
        raise StorageError("S3 can't be reached.")

    monkeypatch.setattr(job.store, "read", away)
    with pytest.raises(StorageError):
        job.course()


def test_a_large_job_gets_none_and_says_why(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_RECORDINGS", 2)
    said = job.course()
    assert isinstance(said, NotMeasured)
    assert "./voiceman case" in said.reason
