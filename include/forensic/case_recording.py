"""One recording of a case: what :mod:`include.forensic.case_course` needs of its analysis and transcript."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from include.forensic.analysis import Confirmation, Finding
from include.forensic.document import Analysis
from include.stt import NotMeasured, Transcript

__all__ = ["CaseRecording", "Said", "case_recording", "clock_in", "date_in", "party_in"]

_DATE = re.compile(
    r"(?<!\d)(?:20)?(\d\d)[-.]?([01]\d)[-.]?([0-3]\d)(?:[_T -]?([0-2]\d)[-:.]?([0-5]\d)[-:.]?([0-5]\d))?(?!\d)"
)
_PHONE = re.compile(r"(?<!\d)(?:\+?82[-. ]?|0)\d{1,2}[-. ]?\d{3,4}[-. ]?\d{4}(?!\d)")
_RECORDER = re.compile(r"통화\s*녹음|녹음|음성|통화|파일")
_KOREA = ZoneInfo("Asia/Seoul")


@dataclass(frozen=True, slots=True)
class Said:
    """A passage of a recording: a finding's or a signal's."""

    category: str
    rule: str
    severity: int
    speaker: str | None
    start: float | None
    """Seconds from the recording's begin."""
    text: str
    finding: str | None = None
    """Its id in the analysis; None for a signal."""
    confirmation: Literal["confirmed", "unconfirmed", "not_decoded"] = "not_decoded"


@dataclass(frozen=True, slots=True)
class CaseRecording:
    """What the course needs of one recording."""

    name: str
    duration_s: float
    findings: Sequence[tuple[str, int]]
    """(category, severity) of each finding."""
    turns: Sequence[tuple[str | None, str]]
    """(speaker, text) by time."""
    made_at: datetime | None = None
    """When it was recorded; None when unknown, and then it is left out of trends."""
    said: Sequence[Said] = field(default_factory=list)
    """Findings and signals with their passages."""
    signals_read: bool = True
    """False: the analysis was made before signals were looked for."""
    party: str | None = None
    """Who the other party is, as the file's name tells; None when it doesn't."""
    sha256: str | None = None
    """Of the recording: the same bytes count once."""
    starts: Sequence[float | None] = ()
    """When each turn begins, seconds; shorter than ``turns`` when not known."""


def case_recording(
    analysis: Analysis,
    transcript: Transcript,
    name: str,
    *,
    written: str | None = None,
    stated: datetime | None = None,
) -> CaseRecording:
    """A recording of a case.

    Args:
        analysis: what was found.
        transcript: of which the analysis was made.
        name: what to call the recording.
        written: its file name without extension as the call recorder wrote it, from which date and party are read;
            ``name`` when None.
        stated: when it was recorded, as somebody stated; goes before the date in the name.
    """
    written = written or name
    found = analysis.findings if isinstance(analysis.findings, list) else []
    signals = [] if isinstance(analysis.case_signals, NotMeasured) else analysis.case_signals
    said = [_of_finding(one) for one in found]
    said += [Said(one.category, one.rule, 2, one.span.speaker, one.span.start, one.span.text) for one in signals]
    return CaseRecording(
        name=name,
        duration_s=analysis.duration_s,
        findings=[(one.category, one.severity) for one in found],
        turns=[(segment.speaker, segment.text) for segment in transcript.segments],
        made_at=stated or date_in(written),
        said=said,
        signals_read=not isinstance(analysis.case_signals, NotMeasured) or not transcript.segments,
        party=party_in(written),
        sha256=analysis.transcript.recording_sha256,
        starts=[segment.start for segment in transcript.segments],
    )


def _of_finding(one: Finding) -> Said:
    decoded = one.confirmation.status if isinstance(one.confirmation, Confirmation) else "not_decoded"
    return Said(one.category, one.rule, one.severity, one.span.speaker, one.span.start, one.span.text, one.id, decoded)


def date_in(name: str) -> datetime | None:
    """The date (and time) in a recorder's file name, in Korean time; None when there is none or it is no date."""
    found = _DATE.search(name)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part) if part else 0 for part in found.groups())
    try:
        return datetime(2000 + year, month, day, hour, minute, second, tzinfo=_KOREA)
    except ValueError:
        return None


def clock_in(name: str) -> bool:
    """Whether a recorder's file name tells the time of day, too."""
    found = _DATE.search(name)
    return found is not None and found[4] is not None


def party_in(name: str) -> str | None:
    """The other party in a recorder's file name: a telephone number, or else a contact in Hangul beside a date.

    A name such as ``call_01`` tells nobody (None): taking it for a person would keep recordings of one case apart.
    """
    phone = _PHONE.search(name)
    if phone is not None:
        digits = re.sub(r"\D", "", phone.group())
        return "0" + digits[2:] if digits.startswith("82") else digits
    date = _DATE.search(name)
    if date is None:
        return None
    rest = _RECORDER.sub(" ", name[: date.start()] + " " + name[date.end() :])
    words = re.findall(r"[가-힣]+(?: ?[가-힣A-Za-z]+)*", rest)
    return words[0].strip() if words else None
