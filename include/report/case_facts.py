"""What a case report prints of each recording, and of the case: counts, digests and what was stated, no words."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from include.report.record_facts import UtcTime
from include.stt import NotMeasured

__all__ = ["SCHEMA", "CaseEntry", "CaseFacts", "CaseSpeaker", "FoundCount", "LeftOut", "TimeSource"]

SCHEMA: Final = "voiceman.case_recordings/1"

TimeSource = Literal["stated", "file_name"]
"""Who says when a recording was made: somebody, in the intake facts; the recorder, in the file's name."""

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _zoned(value: str) -> str:
    """An ISO 8601 time with a zone, as it was written: a time without one is refused, not guessed."""
    if datetime.fromisoformat(value).tzinfo is None:
        raise ValueError("the time has no zone")
    return value


class _Facts(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )


class CaseSpeaker(_Facts):
    """One speaker of one recording, as the transcript tells speakers apart."""

    label: str | None
    """None: speakers were not separated, or words could be given to none."""
    speech_s: float
    """Seconds of the segments that are this speaker's."""
    turns: int
    person: str | None = None
    """Who that is, as somebody stated; None: nobody did. Voices are never compared."""


class FoundCount(_Facts):
    """Findings of one category, severity and speaker in a recording."""

    category: str
    severity: Literal[1, 2, 3, 4]
    speaker: str | None
    count: int
    confirmed: int
    """Of which a second decode gave the words again."""


class LeftOut(_Facts):
    """A recording of the case that is not in the report."""

    job_id: str
    name: str
    reason: str


class CaseEntry(_Facts):
    """One recording."""

    key: str
    """What the course calls it; one of a kind in the case."""
    job_id: str
    file_id: str
    name: str
    """As received."""
    sha256: Digest
    """Of the original."""
    duration_s: float = Field(ge=0)
    """Seconds decoded."""
    recorded_at: Annotated[str, AfterValidator(_zoned)] | None
    """When it was made, ISO 8601 with its zone; None when nothing tells, and then no date is made up."""
    time_of_day: bool = True
    """False: only the day is known."""
    time_source: TimeSource | None
    name_says: Annotated[str, AfterValidator(_zoned)] | None = None
    """The date in the file's name, where another one was stated."""
    party: str | None = None
    """The other party in the file's name: a number or contact as the recorder wrote it."""
    transcript_sha256: Digest | None = None
    analysis_sha256: Digest | None = None
    reports: dict[str, Digest] = Field(default_factory=dict)
    """Kind (``report.pdf``) → SHA-256 of the recording's own reports, where known."""
    speakers: list[CaseSpeaker] = Field(default_factory=list)
    findings: list[FoundCount] | NotMeasured
    unknown_labels: list[str] = Field(default_factory=list)
    """Speakers that were stated and that the transcript doesn't have."""
    same_sound: list[str] = Field(default_factory=list)
    """Keys of recordings of the case with other bytes that sound like this one."""
    transcribed_by: str
    """Engine, model, and the digest of the settings."""
    analysed_by: str
    """Taxonomy, and the digest of the settings."""


class CaseFacts(_Facts):
    """A case, as far as it is known to the tool."""

    schema_: Literal["voiceman.case_recordings/1"] = Field(SCHEMA, alias="schema")
    case_number: str | None
    """As stated; None prints "not stated"."""
    jobs: list[str]
    requester: str | None = None
    questions: list[str] = Field(default_factory=list)
    stated_in: list[str] = Field(default_factory=list)
    """Where times and persons come from: a document each, with its SHA-256."""
    made_by: str
    """The task, or the person at the command line."""
    generated_at: UtcTime
    software_version: str
    entries: list[CaseEntry]
    left_out: list[LeftOut] = Field(default_factory=list)
    categories: dict[str, dict[str, str]] = Field(default_factory=dict)
    """Category id → ``name_ko``, ``name_en``."""

    def to_json(self) -> str:
        """JSON, UTF-8, two-space indent; the report carries it."""
        return json.dumps(self.model_dump(by_alias=True), ensure_ascii=False, indent=2) + "\n"
