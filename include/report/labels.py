"""Names and values of the documents in the report's language."""

from __future__ import annotations

import re
from dataclasses import dataclass

from include.forensic import Analysis, Measure, Measurement
from include.report.strings import Strings
from include.report.text import clean, clock, number

__all__ = ["Labels"]

_CHANNEL = re.compile(r"channel-(\d+)")


@dataclass(frozen=True)
class Labels:
    """Turns ids and values into words; ``hours`` says whether times are written ``H:MM:SS.s``."""

    t: Strings
    hours: bool

    def speaker(self, speaker: str | None) -> str:
        """The speaker as the report calls it; ``unknown`` is how the scores' counts call a missing one."""
        if speaker is None or speaker == "unknown":
            return self.t("speaker.unknown")
        channel = _CHANNEL.fullmatch(speaker)
        return self.t("speaker.channel", n=channel[1]) if channel else clean(speaker)

    def time(self, seconds: float | None) -> str:
        """A point in time, or the words for "no time found"."""
        return self.t("findings.untimed") if seconds is None else clock(seconds, hours=self.hours)

    def span(self, start: float | None, end: float | None) -> str:
        """From – to; a missing end leaves the start alone."""
        if start is None or end is None:
            return self.time(start)
        return f"{self.time(start)} – {self.time(end)}"

    def language(self, code: str) -> str:
        """The language's name; the code itself when the table has none."""
        return self.t.get(f"language.{code}") or clean(code)

    def category(self, analysis: Analysis, category: str) -> str:
        """The category's name in the report's language; its id when the taxonomy gives it no name."""
        entry = analysis.taxonomy.categories.get(category, {})
        return clean(entry.get(f"name_{self.t.language}") or category)

    def percent(self, share: float | None) -> str:
        """A share of 0–1 in per cent, or "not known"."""
        return self.t("doc.unknown") if share is None else f"{number(share * 100, 1)} %"

    def measurement(self, value: Measurement) -> str:
        """The value with its unit, or "not measured"."""
        if not isinstance(value, Measure):
            return self.t("doc.not_measured")
        return f"{number(value.value)} {clean(value.unit)}".strip()
