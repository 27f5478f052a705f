"""Tables of a case report: recordings, findings over time, what was said again, repetition by party."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.forensic import rate_per_hour
from include.report.case_facts import FoundCount
from include.report.case_timeline import when
from include.report.text import clean, clock, shorten
from include.stt import NotMeasured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.forensic import CaseCourse, RepeatedPhrase
    from include.report.case_facts import CaseEntry
    from include.report.case_names import CaseNames

__all__ = [
    "CategoryLine",
    "FoundLine",
    "PhraseLine",
    "RecordingLine",
    "category_lines",
    "found_lines",
    "found_of",
    "phrase_lines",
    "recording_lines",
    "severity_of",
]

_PLACES = 12
"""Places printed of a phrase."""


@dataclass(frozen=True)
class RecordingLine:
    """A row of the timeline's table."""

    number: str
    when: str | None
    source: str
    name: str
    party: str
    duration: str
    speakers: str
    notes: list[str]


@dataclass(frozen=True)
class CategoryLine:
    """A category over all recordings."""

    name: str
    severities: list[tuple[int, int]]
    """(severity, count), the highest first."""
    count: int
    confirmed: int
    recordings: int
    rate: str
    trend: str


@dataclass(frozen=True)
class FoundLine:
    """One recording's findings."""

    number: str
    when: str | None
    rate: str
    cells: list[tuple[str, int, str, int, int]]
    """(category, severity, speaker, count, confirmed)."""
    reason: str
    """Why findings were not looked for; empty when they were."""


@dataclass(frozen=True)
class PhraseLine:
    """Words that come again."""

    text: str
    times: int
    recordings: int
    places: list[str]
    left_out: int


def found_of(entry: CaseEntry) -> list[FoundCount]:
    """The findings' counts; none where they were not looked for."""
    return [] if isinstance(entry.findings, NotMeasured) else entry.findings


def severity_of(entry: CaseEntry) -> int:
    """The highest severity found in a recording; 0 without findings."""
    return max((one.severity for one in found_of(entry)), default=0)


def recording_lines(entries: Sequence[CaseEntry], names: CaseNames) -> list[RecordingLine]:
    """Recordings in the order given."""
    t = names.t
    return [
        RecordingLine(
            number=names.number(one.key),
            when=when(one.recorded_at, time_of_day=one.time_of_day),
            source=t(f"case.source.{one.time_source}") if one.time_source else "",
            name=shorten(clean(one.name), 60),
            party=clean(one.party or ""),
            duration=clock(one.duration_s, digits=0, hours=one.duration_s >= 3600),
            speakers=", ".join(names.speaker(one.key, speaker.label) for speaker in one.speakers),
            notes=_notes(one, names),
        )
        for one in entries
    ]


def _notes(one: CaseEntry, names: CaseNames) -> list[str]:
    t, twin = names.t, _twin(one, names)
    notes = []
    if one.name_says is not None:
        notes.append(t("case.note.name_says", when=when(one.name_says, time_of_day=False)))
    if twin is not None:
        notes.append(t("case.note.same_bytes", number=twin))
    if one.same_sound:
        notes.append(t("case.note.same_sound", numbers=names.listed(one.same_sound)))
    if one.unknown_labels:
        notes.append(t("case.note.unknown_labels", labels=clean(", ".join(one.unknown_labels))))
    return notes


def _twin(one: CaseEntry, names: CaseNames) -> str | None:
    """The first recording with the same bytes, when that is another one."""
    first = next(key for key, other in names.entries.items() if other.sha256 == one.sha256)
    return None if first == one.key else names.number(first)


def category_lines(entries: Sequence[CaseEntry], course: CaseCourse, names: CaseNames) -> list[CategoryLine]:
    """Category by category, most findings first."""
    seconds = sum(one.duration_s for one in entries if not isinstance(one.findings, NotMeasured))
    lines = []
    for category in {one.category for entry in entries for one in found_of(entry)}:
        own = [one for entry in entries for one in found_of(entry) if one.category == category]
        count = sum(one.count for one in own)
        by_severity = [(level, sum(one.count for one in own if one.severity == level)) for level in (4, 3, 2, 1)]
        trend = course.by_category.get(category, course.trend)
        lines.append(
            CategoryLine(
                name=names.category(category),
                severities=[item for item in by_severity if item[1]],
                count=count,
                confirmed=sum(one.confirmed for one in own),
                recordings=sum(any(one.category == category for one in found_of(entry)) for entry in entries),
                rate=names.rate(rate_per_hour(count, seconds)),
                trend=names.trend(trend),
            )
        )
    return sorted(lines, key=lambda one: (-one.count, one.name))


def found_lines(entries: Sequence[CaseEntry], names: CaseNames) -> list[FoundLine]:
    """Recording by recording: counts by category, severity and speaker, and the rate."""
    lines = []
    for entry in entries:
        found = found_of(entry)
        measured = not isinstance(entry.findings, NotMeasured)
        lines.append(
            FoundLine(
                number=names.number(entry.key),
                when=when(entry.recorded_at, time_of_day=entry.time_of_day),
                rate=names.rate(rate_per_hour(sum(one.count for one in found), entry.duration_s)) if measured else "",
                cells=[
                    (
                        names.category(one.category),
                        one.severity,
                        names.speaker(entry.key, one.speaker),
                        one.count,
                        one.confirmed,
                    )
                    for one in found
                ],
                reason=clean(names.t.recorded(entry.findings.reason))
                if isinstance(entry.findings, NotMeasured)
                else "",
            )
        )
    return lines


def phrase_lines(phrases: Sequence[RepeatedPhrase], names: CaseNames) -> list[PhraseLine]:
    """What was said again, with where."""
    return [
        PhraseLine(
            text=clean(one.text),
            times=one.times,
            recordings=len(one.recordings),
            places=[
                f"{names.number(at.recording)} {names.time(at.start)} {names.speaker(at.recording, at.speaker)}"
                for at in one.places[:_PLACES]
            ],
            left_out=max(one.times - min(len(one.places), _PLACES), 0),
        )
        for one in phrases
    ]
