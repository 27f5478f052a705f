"""The case report at a job's end: made once, kept when replaced, told in the summary, never the end of a job."""

from __future__ import annotations

import json
from concurrent.futures.process import BrokenProcessPool
from typing import Any, cast

import pytest

from include import report
from include.errors import EmptyJobError, StorageError
from include.evidence import IntakeFacts
from include.job_summary import CaseReportMade
from include.manifest import State
from include.pipeline import case_report as module
from include.pipeline.course import JobRecordings, read_members
from include.settings import get_settings
from include.state import Actor
from include.storage import Store, layout
from include.stt import NotMeasured
from tests.unit.test_job_course import WAITS, Job

ACTOR = Actor("run", 1, "process.summarize")


class Bucket:
    """What the case report asks of a bucket, over the objects of the course's tests."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def __getattr__(self, name: str) -> Any:
        return getattr(self.job.store, name)

    def exists(self, key: str) -> bool:
        return key in self.job.store.objects

    def sha256(self, key: str) -> str:
        return module.hashlib.sha256(self.job.store.objects[key]).hexdigest()

    def read(self, key: str, *, sha256: str | None = None) -> bytes:
        return self.job.store.read(key, sha256=sha256) if sha256 else self.job.store.objects[key]

    def write(self, key: str, data: bytes, *, content_type: str = "") -> Any:
        return self.job.store.write(key, data)


class Lab:
    """A job whose database is this object."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.job, self.notes, self.rendered = Job(), [], []
        self.jobs: dict[str, JobRecordings] = {}
        self.stated: IntakeFacts | None = None
        self.store = cast("Store", Bucket(self.job))
        monkeypatch.setattr(module.state, "case_of", lambda _: "case 7")
        monkeypatch.setattr(module.state, "jobs_of", lambda case: ["job", *self.jobs] if case == "case 7" else [])
        monkeypatch.setattr(module.state, "intake_of", lambda _: self.stated and (self.stated, "f" * 64))
        monkeypatch.setattr(module.state, "note", lambda *given: self.notes.append(given))
        monkeypatch.setattr(module, "job_recordings", lambda one: self.jobs.get(one) or self.own())
        monkeypatch.setattr(module, "render_case", self.render)

    def own(self) -> JobRecordings:
        return JobRecordings("job", cast("Any", self.job.rows), self.job.made, self.stated)

    def render(self, facts: report.CaseFacts, course: Any, languages: tuple[str, ...]) -> dict[str, bytes]:
        self.rendered.append(facts)
        made = f"{len(self.rendered)} {course.version}".encode()
        return {f"{language}.{suffix}": made for language in languages for suffix in ("pdf", "html")}

    def close(self) -> CaseReportMade | NotMeasured:
        made = module.write_case_report(self.store, self.own(), read_members(self.store, [self.own()]), ACTOR)
        if isinstance(made, CaseReportMade):
            summary = minimal_summary(made)
            self.job.store.objects[layout.summary_key("job")] = summary
        return made


def minimal_summary(made: CaseReportMade) -> bytes:
    figures = {"run_id": "r", "started_at": None, "ended_at": None, "seconds": None, "completed": 0, "failed": 0,
               "files_per_hour": None}  # fmt: skip
    totals = {"recordings": 0, "by_state": {}, "failures": {}, "audio_s": 0, "recordings_of_unknown_duration": 0,
              "stage_s": {}, "device_s": 0, "cache_hits": 0, "cache_hits_by_kind": {}}  # fmt: skip
    return json.dumps({
        "schema": "voiceman.job_summary/1", "job_id": "job", "run_id": "r", "written_at": "", "software": {},
        "engines": [], "run": figures, "missing": [], "manifest_problem": None, "totals": totals, "recordings": [],
        "case_report": made.model_dump(),
    }).encode()  # fmt: skip


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Lab:
    made = Lab(monkeypatch)
    made.job.add("통화 녹음 01012345678_251101_090000", [("channel-1", WAITS), ("channel-2", "연락하지 마세요")])
    made.job.add("통화 녹음 01012345678_251102_090000", [("channel-1", "오늘도 나올 때까지 여기서 기다린다")])
    return made


def test_it_is_made_with_digest_and_custody_event(lab: Lab) -> None:
    made = lab.close()
    assert isinstance(made, CaseReportMade)
    assert sorted(made.files) == [f"case_report.{one}" for one in ("en.html", "en.pdf", "ko.html", "ko.pdf")]
    for name, one in made.files.items():
        key = f"completed/job/{name}"
        assert (one.uri, one.sha256) == (f"s3://b/{key}", lab.store.sha256(key))
    ((job_id, file_id, note, actor),) = lab.notes
    assert (job_id, file_id, note.action, actor) == ("job", None, "case report", ACTOR)
    assert dict(note.digests) == {name: one.sha256 for name, one in made.files.items()}
    assert note.reason == "over 2 recordings of 1 job"
    (facts,) = lab.rendered
    assert [one.time_source for one in facts.entries] == ["file_name"] * 2
    assert [one.transcript_sha256 for one in facts.entries] == [
        kinds["transcript.json"].ref.sha256 for kinds in lab.job.made.values()
    ]


def test_the_same_inputs_make_it_once_and_what_is_replaced_stays(lab: Lab) -> None:
    first = lab.close()
    assert lab.close() == first
    assert (len(lab.rendered), len(lab.notes)) == (1, 1)
    lab.stated = IntakeFacts.model_validate({
        "case_number": "2026-형제-7",
        "recordings": {
            "통화 녹음 01012345678_251102_090000.m4a": {
                "recorded_at": "2025-11-03T10:00:00+09:00", "speakers": {"channel-1": "김", "channel-9": "이"},
            }
        },
    })  # fmt: skip
    second = lab.close()
    assert isinstance(first, CaseReportMade)
    assert isinstance(second, CaseReportMade)
    old = first.files["case_report.ko.pdf"].sha256
    assert lab.job.store.objects[f"completed/job/superseded/case_report.ko~{old[:12]}.pdf"] == b"1 3"
    facts = lab.rendered[-1]
    assert facts.case_number == "2026-형제-7"
    assert facts.stated_in == ["intake.json job (SHA-256 " + "f" * 64 + ")"]
    entry = facts.entries[1]
    assert (entry.recorded_at, entry.time_source) == ("2025-11-03T10:00:00+09:00", "stated")
    assert entry.name_says == "2025-11-02T09:00:00+09:00"
    assert [one.person for one in entry.speakers] == ["김"]
    assert entry.unknown_labels == ["channel-9"]


def test_recordings_of_the_cases_other_jobs_are_in_it(lab: Lab) -> None:
    other = Job("older")
    other.store = lab.job.store
    name = "통화 녹음 01012345678_251102_090000"  # a name of both jobs
    other.add(name, [("channel-1", "다른 날의 통화입니다")])
    other.add("실패", [("channel-1", "가")], state=State.FAILED)
    lab.jobs["older"] = JobRecordings("older", cast("Any", other.rows), other.made)
    made = lab.close()
    assert isinstance(made, CaseReportMade)
    assert (made.jobs, made.recordings) == (["job", "older"], 3)
    (facts,) = lab.rendered
    assert {one.key for one in facts.entries} >= {f"job/{name}", f"older/{name}"}
    (left,) = facts.left_out
    assert (left.job_id, left.reason) == ("older", "The recording is FAILED, not COMPLETED.")


def test_its_failure_is_told_and_a_store_that_is_away_is_an_error(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: Any) -> dict[str, bytes]:
        raise BrokenProcessPool("killed")

    monkeypatch.setattr(module, "render_case", killed)
    said = lab.close()
    assert isinstance(said, NotMeasured)
    assert "BrokenProcessPool" in said.reason
    assert lab.notes == []

    def away(*_: Any) -> dict[str, bytes]:
        raise StorageError("S3 can't be reached.")

    monkeypatch.setattr(module, "render_case", away)
    with pytest.raises(StorageError):
        lab.close()


def test_why_there_is_none(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.job.rows = dict(list(lab.job.rows.items())[:1])
    said = lab.close()
    assert isinstance(said, NotMeasured)
    assert "at least two" in said.reason
    lab.job.add("case", [("channel-1", "가")])
    said = lab.close()
    assert isinstance(said, NotMeasured)
    assert "called 'case'" in said.reason
    monkeypatch.setenv("VOICEMAN_CASE_REPORT", "false")
    get_settings.cache_clear()
    said = lab.close()
    assert isinstance(said, NotMeasured)
    assert "VOICEMAN_CASE_REPORT" in said.reason
    assert lab.rendered == []


def test_asked_for_by_a_person_over_several_jobs(lab: Lab) -> None:
    lab.jobs["older"] = JobRecordings("older", cast("Any", lab.job.rows), lab.job.made)
    by = "./voiceman case-report (kim)"
    files = module.case_report_of(lab.store, ["job", "older"], by=by)
    assert set(files) >= {"case_report.ko.pdf", "case_report.en.html"}
    assert [(job_id, note.action, actor.name) for job_id, _, note, actor in lab.notes] == [
        ("job", "case report", by), ("older", "case report", by),
    ]  # fmt: skip
    lab.job.rows = {}
    with pytest.raises(EmptyJobError, match="at least two"):
        module.case_report_of(lab.store, ["job"], by="kim")
