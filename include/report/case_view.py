"""What the case report's templates print, computed."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from include.forensic import rate_per_hour
from include.report.case_names import CaseNames, in_order
from include.report.case_network import MOST_DRAWN, Network, draw_network, network
from include.report.case_parties import PartyView, party_views
from include.report.case_rates import RateMark, draw_rates
from include.report.case_summary import case_gaps, case_summary
from include.report.case_tables import (
    CategoryLine,
    FoundLine,
    PhraseLine,
    RecordingLine,
    category_lines,
    found_lines,
    found_of,
    phrase_lines,
    recording_lines,
    severity_of,
)
from include.report.case_timeline import TimeMark, draw_timeline
from include.report.text import clean, clock, number, shorten
from include.stt import NotMeasured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from include.forensic import CaseCourse
    from include.report.case_facts import CaseEntry, CaseFacts
    from include.report.strings import Strings

__all__ = ["ANNEX_FROM", "CaseView", "build_case_view", "sum_lines"]

ANNEX_FROM = 9
"""With so many recordings their digests are an annex at the end, and the box on the first page has one over all."""


@dataclass(frozen=True)
class DigestBlock:
    """One recording's digests."""

    number: str
    name: str
    job: str
    rows: list[tuple[str, str | None]]


@dataclass(frozen=True)
class UnlinkedLine:
    """A recording's speakers, where at least one has no stated name."""

    number: str
    speakers: list[tuple[str, str]]
    """(speaker, minutes)."""


@dataclass(frozen=True)
class CaseView:
    """Everything computed for one language."""

    names: CaseNames
    short_id: str
    hours: str
    list_digest: str
    annex: bool
    digests: list[DigestBlock]
    summary: list[str]
    timeline: Markup | None
    dated: list[RecordingLine]
    undated: list[RecordingLine]
    categories: list[CategoryLine]
    total_rate: str
    total_trend: str
    rates: Markup | None
    found: list[FoundLine]
    phrases: list[PhraseLine]
    parties: list[PartyView]
    network: Network
    network_drawing: Markup | None
    persons_left_out: int
    ties: list[tuple[str, str, str, str]]
    persons: list[tuple[str, str, str, int]]
    unlinked: list[UnlinkedLine]
    gaps: list[tuple[str, str]]
    made_with: list[tuple[str, list[tuple[str, int]]]]
    course_version: str


def sum_lines(facts: CaseFacts) -> bytes:
    """The originals' digests as ``sha256sum`` prints them, sorted by byte: the report carries it as SHA256SUMS.txt.

    Names are as received, byte for byte: ``sha256sum -c`` has to find the files by them. A name with a backslash or a
    line's end is escaped as GNU coreutils does it, with a backslash before the digest.
    """
    return b"".join(sorted({_sum_line(one.sha256, one.name) for one in facts.entries}))


def _sum_line(sha256: str, name: str) -> bytes:
    written = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return f"{'' if written == name else chr(92)}{sha256}  {written}\n".encode("utf-8", "surrogateescape")


def build_case_view(facts: CaseFacts, course: CaseCourse, t: Strings) -> CaseView:
    """Compute a case report's content in the language of ``t``."""
    names = CaseNames.of(facts, t)
    ordered = in_order(facts.entries)
    single = list({one.sha256: one for one in reversed(ordered)}.values())[::-1]
    dated = [one for one in ordered if one.recorded_at is not None]
    found = network(single)
    total = sum(one.count for entry in single for one in found_of(entry))
    seconds = sum(one.duration_s for one in single)
    looked_at = sum(one.duration_s for one in single if not isinstance(one.findings, NotMeasured))
    return CaseView(
        names=names,
        short_id=shorten(clean(facts.case_number or ", ".join(facts.jobs)), 30),
        hours=clock(seconds, digits=0, hours=True),
        list_digest=hashlib.sha256(sum_lines(facts)).hexdigest(),
        annex=len(ordered) >= ANNEX_FROM,
        digests=[_digests(one, names, several_jobs=len(facts.jobs) > 1) for one in ordered],
        summary=case_summary(single, course, found, names),
        timeline=draw_timeline(
            [_time_mark(one, names) for one in dated],
            title=t("case.timeline.alt"),
            no_clock=t("case.timeline.no_clock"),
        ),
        dated=recording_lines(dated, names),
        undated=recording_lines([one for one in ordered if one.recorded_at is None], names),
        categories=category_lines(single, course, names),
        total_rate=names.rate(rate_per_hour(total, looked_at)),
        total_trend=names.trend(course.trend),
        rates=_rates(single, names) if total else None,
        found=found_lines(single, names),
        phrases=phrase_lines(course.repeated, names),
        parties=party_views(course.stalking, names),
        network=found,
        network_drawing=draw_network(
            found, title=t("case.network.alt"), minutes=t("case.network.tie"), unnamed=t("case.network.with_unnamed")
        ),
        persons_left_out=max(len(found.persons) - MOST_DRAWN, 0),
        ties=[(one.one, one.other, number(one.recorded_s / 60, 1), names.listed(one.recordings)) for one in found.ties],
        persons=[
            (one.name, number(one.speech_s / 60, 1), names.listed(one.recordings), one.unnamed) for one in found.persons
        ],
        unlinked=_unlinked(single, names),
        gaps=case_gaps(facts, course, names),
        made_with=_made_with(ordered, t),
        course_version=course.version,
    )


def _digests(one: CaseEntry, names: CaseNames, *, several_jobs: bool) -> DigestBlock:
    t = names.t
    rows: list[tuple[str, str | None]] = [
        (t("case.integrity.original"), one.sha256),
        (t("case.integrity.transcript"), one.transcript_sha256),
        (t("case.integrity.analysis"), one.analysis_sha256),
    ]
    pdfs = [(kind, value) for kind, value in one.reports.items() if kind.endswith(".pdf")]
    rows += [(t("case.integrity.report", kind=kind), value) for kind, value in pdfs]
    if not pdfs:
        rows.append((t("case.integrity.report", kind="report.pdf"), None))
    return DigestBlock(names.number(one.key), clean(one.name), clean(one.job_id) if several_jobs else "", rows)


def _time_mark(one: CaseEntry, names: CaseNames) -> TimeMark:
    at = datetime.fromisoformat(one.recorded_at or "")
    return TimeMark(names.number(one.key), at, one.time_of_day, one.duration_s, severity_of(one))


def _rates(entries: Sequence[CaseEntry], names: CaseNames) -> Markup | None:
    marks = []
    for one in entries:
        if isinstance(one.findings, NotMeasured):
            continue
        rate = rate_per_hour(sum(found.count for found in one.findings), one.duration_s)
        if not isinstance(rate, NotMeasured):
            marks.append(RateMark(names.number(one.key), rate.per_hour, rate.low, rate.high, severity_of(one)))
    return draw_rates(marks, title=names.t("case.findings.alt"), unit=names.t("case.findings.unit"))


def _unlinked(entries: Sequence[CaseEntry], names: CaseNames) -> list[UnlinkedLine]:
    return [
        UnlinkedLine(
            names.number(entry.key),
            [(names.speaker(entry.key, one.label), number(one.speech_s / 60, 1)) for one in entry.speakers],
        )
        for entry in entries
        if any(one.person is None for one in entry.speakers)
    ]


def _made_with(entries: Sequence[CaseEntry], t: Strings) -> list[tuple[str, list[tuple[str, int]]]]:
    return [
        (t("case.method.transcribed"), Counter(one.transcribed_by for one in entries).most_common()),
        (t("case.method.analysed"), Counter(one.analysed_by for one in entries).most_common()),
    ]
