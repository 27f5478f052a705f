"""What was measured turn by turn, as short tables: arousal, emotion, departures, words beside voice."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from include.forensic import Analysis
from include.report.labels import Labels
from include.report.text import clean, number
from include.stt import NotMeasured

__all__ = ["MOST_ROWS", "TurnTable", "arousal_table", "emotion_table", "listen_table", "stress_table"]

MOST_ROWS = 30
"""Rows of a table; the rest is in the attached analysis, and the report says how many."""

_HIGHEST = 8
"""Turns shown of the arousal-related measures: a place to begin listening, the series is in the analysis."""


@dataclass(frozen=True)
class TurnTable:
    """Rows of time, speaker and what there is to say, ready to print."""

    rows: list[tuple[str, str, str]]
    left_out: int = 0
    """Rows that are in the analysis only."""


def _table(rows: list[tuple[str, str, str]]) -> TurnTable:
    return TurnTable(rows[:MOST_ROWS], max(len(rows) - MOST_ROWS, 0))


def arousal_table(analysis: Analysis, labels: Labels) -> TurnTable:
    """The turns whose arousal-related measures lie highest above the speaker's own baseline."""
    if isinstance(analysis.emotion, NotMeasured) or isinstance(analysis.emotion.arousal, NotMeasured):
        return TurnTable([])
    highest = sorted(analysis.emotion.arousal, key=lambda one: -one.effect)[:_HIGHEST]
    rows = [
        (
            labels.span(one.start, one.end),
            labels.speaker(one.speaker),
            labels.t("emotion.arousal_row", effect=number(one.effect), low=number(one.low), high=number(one.high)),
        )
        for one in highest
    ]
    return TurnTable(rows, len(analysis.emotion.arousal) - len(highest))


def emotion_table(analysis: Analysis, labels: Labels) -> TurnTable:
    """The turns to which the model gave a label or dimensions; those without are counted by the reason."""
    if isinstance(analysis.emotion, NotMeasured) or isinstance(analysis.emotion.turns, NotMeasured):
        return TurnTable([])
    rows = []
    without: Counter[str] = Counter()
    for one in analysis.emotion.turns:
        if one.label is None and not one.dimensions:
            without[clean(labels.t.recorded(one.abstained or ""))] += 1
            continue
        values = one.probabilities if one.label is not None else one.dimensions
        told = ", ".join(f"{clean(name)} {number(value)}" for name, value in sorted(values.items(), key=_by_value))
        rows.append((labels.span(one.start, one.end), labels.speaker(one.speaker), told))
    table = _table(rows)
    counted = [("–", "–", labels.t("emotion.abstained", n=count, reason=reason)) for reason, count in without.items()]
    return TurnTable([*table.rows, *counted], table.left_out)


def _by_value(item: tuple[str, float]) -> tuple[float, str]:
    return -item[1], item[0]


def stress_table(analysis: Analysis, labels: Labels) -> TurnTable:
    """The turns in which several measures moved away from the speaker's own baseline."""
    if isinstance(analysis.stress, NotMeasured):
        return TurnTable([])
    rows = []
    for one in analysis.stress.listed:
        moved = "; ".join(
            labels.t(
                f"stress.{item.direction}",
                measure=labels.t.get(f"turn_measure.{item.measure}") or clean(item.measure),
                value=number(item.value),
                baseline=number(item.baseline),
                unit=clean(item.unit),
                effect=number(item.effect_size),
            )
            for item in one.moved
        )
        rows.append((labels.span(one.start, one.end), labels.speaker(one.speaker), moved))
    return _table(rows)


def listen_table(analysis: Analysis, labels: Labels) -> TurnTable:
    """The turns whose words and voice differ in strength."""
    if isinstance(analysis.cross_checks, NotMeasured):
        return TurnTable([])
    rows = []
    for one in analysis.cross_checks.listen:
        told = clean(labels.t.recorded(one.detail))
        if one.findings:
            told += f" ({', '.join(clean(item) for item in one.findings)})"
        rows.append((labels.span(one.start, one.end), labels.speaker(one.speaker), told))
    return _table(rows)
