"""How a case report calls its recordings, speakers and categories."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from include.report.labels import Labels
from include.report.text import clean, clock, number
from include.stt import NotMeasured

if TYPE_CHECKING:
    from collections.abc import Iterable

    from include.forensic import Rate, Trend
    from include.report.case_facts import CaseEntry, CaseFacts
    from include.report.strings import Strings

__all__ = ["CaseNames", "in_order"]


def in_order(entries: Iterable[CaseEntry]) -> list[CaseEntry]:
    """By time where there is one, then by name: the order in which recordings are numbered."""

    def place(one: CaseEntry) -> tuple[bool, float, str, str]:
        at = datetime.fromisoformat(one.recorded_at).timestamp() if one.recorded_at else 0.0
        return one.recorded_at is None, at, one.name, one.key

    return sorted(entries, key=place)


@dataclass(frozen=True)
class CaseNames:
    """The names, in one language."""

    t: Strings
    facts: CaseFacts
    numbers: dict[str, str]
    """Key of a recording → ``R001`` …"""
    entries: dict[str, CaseEntry]

    @classmethod
    def of(cls, facts: CaseFacts, t: Strings) -> CaseNames:
        """Number the recordings of a case."""
        ordered = in_order(facts.entries)
        return cls(
            t,
            facts,
            {one.key: f"R{at:03d}" for at, one in enumerate(ordered, 1)},
            {one.key: one for one in ordered},
        )

    @property
    def labels(self) -> Labels:
        """The single report's names for what both have."""
        return Labels(self.t, hours=False)

    def number(self, key: str) -> str:
        """A recording's number; its own name when the case has none of that name."""
        return self.numbers.get(key) or clean(key)

    def listed(self, keys: Iterable[str], most: int = 12) -> str:
        """Numbers of several, in their order; how many more there are."""
        named = sorted(self.number(key) for key in keys)
        rest = len(named) - most
        return ", ".join(named[:most]) + (f" (+{rest})" if rest > 0 else "")

    def speaker(self, key: str, label: str | None) -> str:
        """Who was stated to be the speaker, with the label; else the label."""
        entry = self.entries.get(key)
        person = next((one.person for one in entry.speakers if one.label == label), None) if entry else None
        shown = self.labels.speaker(label)
        return f"{clean(person)} ({shown})" if person else shown

    def category(self, category: str) -> str:
        """A category's name in the report's language; its id when none is known."""
        return clean(self.facts.categories.get(category, {}).get(f"name_{self.t.language}") or category)

    def time(self, seconds: float | None) -> str:
        """A place in a recording."""
        return self.t("case.no_time") if seconds is None else clock(seconds, hours=seconds >= 3600)

    def rate(self, rate: Rate | NotMeasured) -> str:
        """Per hour with its interval, or why not."""
        if isinstance(rate, NotMeasured):
            return clean(self.t.recorded(rate.reason))
        return f"{number(rate.per_hour)} ({number(rate.low)}–{number(rate.high)})"

    def trend(self, trend: Trend | NotMeasured) -> str:
        """The factor a week with its interval; why there is none stands among what was not measured."""
        if isinstance(trend, NotMeasured):
            return self.t("doc.not_measured")
        return f"× {number(trend.factor_per_week, 3)} ({number(trend.low, 3)}–{number(trend.high, 3)})"
