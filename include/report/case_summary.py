"""A case in plain words, and what of it was not measured."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from include.forensic import CaseFinding
from include.report.case_tables import found_of
from include.report.case_timeline import when
from include.report.text import clean, clock
from include.stt import NotMeasured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.forensic import CaseCourse
    from include.report.case_facts import CaseEntry, CaseFacts
    from include.report.case_names import CaseNames
    from include.report.case_network import Network

__all__ = ["case_gaps", "case_summary"]

_NAMED, _PARTIES = 20, 4


def case_summary(entries: Sequence[CaseEntry], course: CaseCourse, found: Network, names: CaseNames) -> list[str]:
    """A sentence each.

    Args:
        entries: in order, the same bytes once.
        course: what they show together.
        found: who was stated to speak.
        names: the report's words.
    """
    t = names.t
    total = clock(sum(one.duration_s for one in entries), digits=0, hours=True)
    told = [t("case.summary.recordings", n=len(entries), hours=total), *_span(entries, names)]
    told += _findings(entries, names)
    told.append(
        t("case.summary.repeated", n=len(course.repeated)) if course.repeated else t("case.summary.none_repeated")
    )
    told += _parties(course, names)
    if found.persons:
        told.append(t("case.summary.persons", n=len(found.persons), ties=len(found.ties)))
    else:
        told.append(t("case.summary.no_persons"))
    told.append(t("case.summary.machine"))
    return told


def _span(entries: Sequence[CaseEntry], names: CaseNames) -> list[str]:
    t = names.t
    days = [when(one.recorded_at, time_of_day=False) for one in entries if one.recorded_at is not None]
    undated = len(entries) - len(days)
    told = []
    if days:
        told.append(t("case.summary.span", first=days[0], last=days[-1], n=len(days)))
    if undated:
        told.append(t("case.summary.undated", n=undated))
    return told


def _findings(entries: Sequence[CaseEntry], names: CaseNames) -> list[str]:
    t = names.t
    counts: Counter[str] = Counter()
    confirmed = 0
    for entry in entries:
        for one in found_of(entry):
            counts[one.category] += one.count
            confirmed += one.confirmed
    not_looked = sum(isinstance(one.findings, NotMeasured) for one in entries)
    told = [t("case.summary.not_looked", n=not_looked)] if not_looked else []
    if not counts:
        return [*told, t("case.summary.no_findings")]
    with_some = sum(bool(found_of(one)) for one in entries)
    told.append(t("case.summary.findings", n=counts.total(), recordings=with_some, confirmed=confirmed))
    listed = ", ".join(f"{names.category(key)} {count}" for key, count in counts.most_common(6))
    return [*told, t("summary.categories", list=listed)]


def _parties(course: CaseCourse, names: CaseNames) -> list[str]:
    t = names.t
    met = [one for one in course.stalking if isinstance(one.finding, CaseFinding)]
    rest = len(course.stalking) - len(met)
    told = [
        t(
            "case.summary.repetition",
            party=clean(one.party) if one.party else t("case.party.unnamed"),
            n=len(one.counted),
            required=one.required,
        )
        for one in met[:_PARTIES]
    ]
    if len(met) > _PARTIES:
        told.append(t("case.summary.more_parties", n=len(met) - _PARTIES))
    if rest:
        told.append(t("case.summary.repetition_not_met", n=rest))
    return told or [t("case.summary.no_repetition")]


def case_gaps(facts: CaseFacts, course: CaseCourse, names: CaseNames) -> list[tuple[str, str]]:
    """What wasn't measured, and why."""
    t = names.t
    rows = [
        (t("case.gap.voices"), t("case.network.not_compared")),
        (t("case.gap.embedded"), t("case.gap.embedded_why")),
    ]
    undated = [one.key for one in facts.entries if one.recorded_at is None]
    if undated:
        rows.append((t("case.gap.time", list=names.listed(undated, _NAMED)), t("case.timeline.undated_why")))
    for name, value in (("trend", course.trend), ("severity", course.severity)):
        if isinstance(value, NotMeasured):
            rows.append((t(f"case.gap.{name}"), clean(t.recorded(value.reason))))
    rows += [
        (t("case.gap.trend_of", category=names.category(key)), clean(t.recorded(value.reason)))
        for key, value in course.by_category.items()
        if isinstance(value, NotMeasured)
    ]
    rows += _not_looked(facts, names)
    alone = [one.key for one in facts.entries if all(speaker.label is None for speaker in one.speakers)]
    if alone:
        rows.append((t("case.gap.speakers", list=names.listed(alone, _NAMED)), t("case.gap.speakers_why")))
    rows += [(f"{clean(one.name)} ({clean(one.job_id)})", clean(t.recorded(one.reason))) for one in facts.left_out]
    return rows


def _not_looked(facts: CaseFacts, names: CaseNames) -> list[tuple[str, str]]:
    by_reason: dict[str, list[str]] = {}
    for one in facts.entries:
        if isinstance(one.findings, NotMeasured):
            by_reason.setdefault(clean(names.t.recorded(one.findings.reason)), []).append(one.key)
    return [
        (names.t("case.gap.findings", list=names.listed(keys, _NAMED)), reason) for reason, keys in by_reason.items()
    ]
