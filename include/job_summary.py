"""The summary of a job: ``voiceman.job_summary/1``, what ``completed/{job_id}/job_summary.json`` holds.

All durations are seconds, all moments UTC in ISO 8601. Nothing that was said in a recording is in it.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from include.described import DESCRIBED
from include.manifest import State
from include.stt import NotMeasured

__all__ = [
    "SCHEMA",
    "CaseCounts",
    "CaseReportMade",
    "CaseSummary",
    "Failure",
    "JobSummary",
    "Made",
    "Place",
    "RecordingSummary",
    "RelatedRecording",
    "RunFigures",
    "Totals",
    "Twin",
    "Versions",
]

SCHEMA: Final = "voiceman.job_summary/1"


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=DESCRIBED, allow_inf_nan=False, hide_input_in_errors=True
    )


class Failure(_Model):
    """Why a recording failed."""

    code: str
    """Stable; see include/errors.py."""
    message: str
    """One sentence for people."""
    what_to_do: str
    """What heals failures of this code."""
    details: str
    """URI of ``{file_id}_error.json``."""


class Made(_Model):
    """A result."""

    uri: str
    sha256: str
    settings_digest: str
    """Of everything but the input that decided what it holds: versions, weights, rules, parameters."""


class Place(_Model):
    """Where a file lies."""

    uri: str
    sha256: str


class Twin(_Model):
    """A recording of another job with the same bytes."""

    job_id: str
    file_id: str


class RelatedRecording(_Model):
    """A recording with other bytes that sounds like this one."""

    job_id: str
    file_id: str
    similarity: float
    """Share of the fingerprints' bits that agree, 0-1; unrelated recordings have about 0.5."""


class RecordingSummary(_Model):
    """One recording and what became of it."""

    file_id: str
    name: str
    """Under which it is kept."""
    received_name: str
    """Under which it was dropped."""
    revision: int
    """2 and more: other bytes were dropped under the same name before."""
    superseded_by: str | None
    """``file_id`` of the newest revision, when this isn't it."""
    same_bytes_as: list[Twin]
    """Recordings of other jobs with this SHA-256, oldest first, ten at most."""
    sha256: str
    received_at: str
    state: State
    duration_s: float | None
    """As the container declares it; None when it declares none."""
    stage_s: dict[str, float]
    """From the last entry into each stage to its end; a stage that did not end is left out."""
    device_s: float | None
    """Seconds of a device slot; None when none was used (the transcript was there already)."""
    related: list[RelatedRecording]
    """Recordings of any job that sound like this one and have other bytes: copies in other containers, perhaps. Nothing
    is merged; somebody should listen to both."""
    notes: list[str]
    """What a reader must know of its results, such as why there is no text."""
    cache_hits: list[str]
    """Kinds of results that the cache gave."""
    artefacts: dict[str, Made]
    """Kind → result, of a COMPLETED recording."""
    error: Failure | None = None


class Versions(_Model):
    """What made the transcripts of one kind of settings, as one of them records it."""

    settings_digest: str
    recordings: int
    engine: dict[str, Any] | None
    """``engine`` of the transcript; None when it can't be read any more."""


class RunFigures(_Model):
    """The run that wrote the summary."""

    run_id: str
    started_at: str | None
    """First change of a state by the run: when it claimed its first recording."""
    ended_at: str | None
    """Last recording completed or failed by the run."""
    seconds: float | None
    completed: int
    failed: int
    files_per_hour: float | None
    """Recordings completed in an hour at the run's pace; None when it completed none."""


class Totals(_Model):
    """Over all recordings of the job."""

    recordings: int
    by_state: dict[str, int]
    failures: dict[str, int]
    """Error code → recordings."""
    audio_s: float
    recordings_of_unknown_duration: int
    """Not part of ``audio_s``."""
    stage_s: dict[str, float]
    device_s: float
    cache_hits: int
    cache_hits_by_kind: dict[str, int]


class CaseCounts(_Model):
    """A finding over recordings, without its words and without who the other party is."""

    category: str
    severity: int
    required: int
    """Recordings that the taxonomy requires."""
    recordings: list[str]
    """``file_id`` of those that count, by time."""
    passages: int
    """Counted in them."""


class CaseSummary(_Model):
    """What the job's recordings show together, taken for one case; the passages are in the course."""

    measured: Literal[True] = True
    uri: str
    """Of ``case_course.json``."""
    sha256: str
    recordings: int
    """That the course holds: COMPLETED ones."""
    findings: list[CaseCounts]
    """Those that need repetition over recordings, where it was found."""
    repetition_not_shown: int
    """Parties with passages that such a finding could rest on, in too few recordings."""


class CaseReportMade(_Model):
    """The report over the recordings of the job's case."""

    measured: Literal[True] = True
    files: dict[str, Place]
    """``case_report.ko.pdf`` … → where it lies."""
    recordings: int
    """In it; of all jobs of the case."""
    jobs: list[str]
    """Whose recordings are in it."""
    inputs_sha256: str
    """Over all that decides what it holds but the time: with the same one it is not made again."""


class JobSummary(_Model):
    """Every recording of a job, and the totals."""

    model_config = ConfigDict(
        extra="forbid",
        populate_by_name=True,
        use_attribute_docstrings=DESCRIBED,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )

    schema_: Literal["voiceman.job_summary/1"] = Field(SCHEMA, alias="schema")
    job_id: str
    run_id: str
    written_at: str
    software: dict[str, str]
    """Versions of the process that wrote the summary; packages that aren't installed there are left out."""
    engines: list[Versions]
    """What made the transcripts."""
    run: RunFigures
    missing: list[str]
    """Names that the drop's manifest.json lists and that never came."""
    manifest_problem: str | None
    """Why the drop's manifest.json could not be used; then its recordings were claimed unchecked."""
    totals: Totals
    case: CaseSummary | NotMeasured = NotMeasured(reason="The summary was written before courses were.")
    """What the recordings show together."""
    case_report: CaseReportMade | NotMeasured = NotMeasured(reason="The summary was written before case reports were.")
    """The report over them, or why there is none."""
    recordings: list[RecordingSummary]

    def to_json(self) -> str:
        """JSON, UTF-8, two-space indent."""
        return self.model_dump_json(by_alias=True, exclude_none=False, indent=2) + "\n"
