"""Repetition over recordings, party by party: which criteria of the rule are met, on what, and what explains it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.forensic import CaseFinding
from include.report.case_tables import PhraseLine, phrase_lines
from include.report.case_timeline import when
from include.report.text import clean, number
from include.stt import NotMeasured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.forensic import CallRate, CasePassage, PartyCourse, SeverityCourse, Trend
    from include.report.case_names import CaseNames

__all__ = ["MOST_PASSAGES", "Criterion", "PartyView", "PassageLine", "party_views"]

MOST_PASSAGES = 60
"""Passages printed of either kind for a party; the attached course has all."""


@dataclass(frozen=True)
class Criterion:
    """One criterion, with what was found for it."""

    what: str
    passages: int
    recordings: int


@dataclass(frozen=True)
class PassageLine:
    """A passage with its place and why it counts or doesn't."""

    number: str
    when: str
    role: str
    speaker: str
    confirmation: str
    text: str
    why: str


@dataclass(frozen=True)
class PartyView:
    """One party's recordings."""

    party: str
    recordings: str
    shown: bool
    verdict: str
    severity: int
    rule: str
    criteria: list[Criterion]
    measures: list[tuple[str, str]]
    counted: list[PassageLine]
    counted_left_out: int
    against: list[PassageLine]
    against_left_out: int
    repeated: list[PhraseLine]


def party_views(courses: Sequence[PartyCourse], names: CaseNames) -> list[PartyView]:
    """The courses, ready to print; those in which the repetition was found come first."""
    views = [_party(one, names) for one in courses]
    return sorted(views, key=lambda one: (not one.shown, one.party))


def _party(one: PartyCourse, names: CaseNames) -> PartyView:
    t, found = names.t, one.finding
    shown = isinstance(found, CaseFinding)
    key = "case.party.met" if shown else "case.party.not_met"
    yes, no = (
        [_passage(passage, names) for passage in one.passages if passage.counted is kind] for kind in (True, False)
    )
    return PartyView(
        party=clean(one.party) if one.party else t("case.party.unnamed"),
        recordings=names.listed(one.recordings, 24),
        shown=shown,
        verdict=t(key, n=len(one.counted), total=len(one.recordings), required=one.required),
        severity=found.severity if isinstance(found, CaseFinding) else 0,
        rule=f"{found.rule} {found.rule_version}" if isinstance(found, CaseFinding) else "",
        criteria=[
            _criterion(role, one.passages, t(f"case.criterion.{role}")) for role in ("finding", "contact", "refused")
        ],
        measures=_measures(one, names),
        counted=yes[:MOST_PASSAGES],
        counted_left_out=max(len(yes) - MOST_PASSAGES, 0),
        against=no[:MOST_PASSAGES],
        against_left_out=max(len(no) - MOST_PASSAGES, 0),
        repeated=phrase_lines(one.repeated[:15], names),
    )


def _criterion(role: str, passages: Sequence[CasePassage], what: str) -> Criterion:
    own = [one for one in passages if one.role == role and one.counted]
    return Criterion(what, len(own), len({one.recording for one in own}))


def _passage(one: CasePassage, names: CaseNames) -> PassageLine:
    t = names.t
    entry = names.entries.get(one.recording)
    day = when(entry.recorded_at, time_of_day=False) if entry else None
    return PassageLine(
        number=names.number(one.recording),
        when=f"{day or t('case.no_date')} {names.time(one.start)}",
        role=t(f"case.role.{one.role}"),
        speaker=names.speaker(one.recording, one.speaker),
        confirmation=t(f"case.decoded.{one.confirmation}") if one.finding else "",
        text=clean(one.text),
        why=clean(t.recorded(_numbered(one.why, names))),
    )


def _numbered(why: str, names: CaseNames) -> str:
    """The reason, with a recording's number where it ends in the recording's name."""
    head, found, rest = why.rpartition(" in ")
    if not found:
        head, found, rest = why.rpartition(", after ")
    key = rest.removesuffix(".")
    return f"{head}{found}{names.numbers[key]}." if key in names.numbers else why


def _measures(one: PartyCourse, names: CaseNames) -> list[tuple[str, str]]:
    t = names.t
    return [
        (t("case.party.rate"), names.rate(one.passages_rate)),
        (t("case.party.trend"), _trend(one.passages_trend, names)),
        *_calls(one.calls, names),
        (t("case.party.severity"), _severity(one.severity, names)),
    ]


def _trend(trend: Trend | NotMeasured, names: CaseNames) -> str:
    return clean(names.t.recorded(trend.reason)) if isinstance(trend, NotMeasured) else names.trend(trend)


def _calls(calls: CallRate | NotMeasured, names: CaseNames) -> list[tuple[str, str]]:
    t = names.t
    if isinstance(calls, NotMeasured):
        return [(t("case.party.calls"), clean(t.recorded(calls.reason)))]
    told = t(
        "case.party.calls_told",
        rate=number(calls.per_week),
        low=number(calls.low),
        high=number(calls.high),
        n=calls.calls,
        weeks=number(calls.weeks, 1),
    )
    z, p = calls.closer_z, calls.closer_p
    if isinstance(z, NotMeasured) or isinstance(p, NotMeasured):
        closer = clean(t.recorded(z.reason)) if isinstance(z, NotMeasured) else ""
    else:
        closer = t("case.party.closer_told", z=number(z), p=_p_value(p))
    return [(t("case.party.calls"), told), (t("case.party.closer"), closer)]


def _severity(course: SeverityCourse | NotMeasured, names: CaseNames) -> str:
    t = names.t
    if isinstance(course, NotMeasured):
        return clean(t.recorded(course.reason))
    return t("case.party.severity_told", tau=number(course.tau), p=_p_value(course.p_value), n=course.recordings)


def _p_value(value: float) -> str:
    """As computed to four digits; what rounds to nothing is no zero."""
    return f"= {number(value, 4)}" if value else "< 0.0001"
