"""Each speaker's voice over time, beside the speaker's own baseline of this recording: inline SVG, one lane a measure.

A dot is a turn; the line is the median of the speaker's turns, the band their middle half. Turns that the analysis
lists as departures are drawn in red. With fewer than nine measured turns there is no baseline, as in the analysis.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median, quantiles
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from include.forensic import Analysis
from include.report.text import clean, clock, number
from include.stt import NotMeasured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.report.labels import Labels

__all__ = ["VoiceChart", "voice_charts"]

_SHOWN = ("f0_median_st", "intensity_db", "speech_rate")
_BASELINE_TURNS = 9
"""As :mod:`include.forensic.voice_baseline` needs them: a turn, and eight others."""
_MOST_SPEAKERS = 6
_WIDTH, _LEFT, _RIGHT, _LANE, _AXIS = 680.0, 92.0, 92.0, 40.0, 18.0
_INK, _SOFT, _MARK, _BAND, _GROUND = "#31455f", "#5b6776", "#b3261e", "#cfd9e4", "#f5f7f9"
_TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900)

Point = tuple[float, float, bool]
"""Seconds, value, whether the turn is a listed departure."""


@dataclass(frozen=True)
class VoiceChart:
    """One speaker's chart."""

    speaker: str
    turns: int
    svg: Markup
    without_baseline: bool


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-family="NanumGothic, sans-serif" font-size="9.4" text-anchor="{anchor}" '
        f'fill="{_SOFT}">{escape(text)}</text>'
    )


def _lane(points: Sequence[Point], top: float, duration: float, name: str, unit: str) -> list[str]:
    """One measure; nothing but the words where no turn has it."""
    width = _WIDTH - _LEFT - _RIGHT
    out = [f'<rect x="{_LEFT}" y="{top:.1f}" width="{width}" height="{_LANE - 4}" fill="{_GROUND}"/>']
    out.append(_text(_LEFT - 5, top + _LANE / 2 + 1, name, "end"))
    if not points:
        return [*out, _text(_LEFT + width / 2, top + _LANE / 2 + 1, "–", "middle")]
    values = [value for _, value, _ in points]
    low, high = min(values), max(values)
    room = (high - low) or 1.0

    def y(value: float) -> float:
        return top + 4 + (_LANE - 12) * (1 - (value - low) / room)

    if len(points) >= _BASELINE_TURNS:
        lower, _, upper = quantiles(values, n=4, method="inclusive")
        middle = median(values)
        height = max(y(lower) - y(upper), 0.5)
        out.append(
            f'<rect x="{_LEFT}" y="{y(upper):.1f}" width="{width}" height="{height:.1f}" fill="{_BAND}"/>'
            f'<path d="M{_LEFT} {y(middle):.1f}h{width}" stroke="{_INK}" stroke-width="0.7"/>'
        )
        out.append(_text(_WIDTH - _RIGHT + 5, top + _LANE / 2 + 1, f"{number(middle, 1)} {unit}", "start"))
    for listed, ink in ((False, _INK), (True, _MARK)):
        dots = "".join(
            f"M{_LEFT + min(max(at / duration, 0.0), 1.0) * width:.1f} {y(value):.1f}h0"
            for at, value, departs in points
            if departs == listed
        )
        if dots:
            size = 5.4 if listed else 3.8
            out.append(f'<path d="{dots}" stroke="{ink}" stroke-width="{size}" stroke-linecap="round" fill="none"/>')
    return out


def _axis(y: float, duration: float) -> str:
    tick = next((size for size in _TICKS if duration / size <= 8), 1800)
    width = _WIDTH - _LEFT - _RIGHT
    body, marks = "", ""
    for index in range(int(duration // tick) + 1):
        x = _LEFT + index * tick / duration * width
        marks += f"M{x:.1f} {y:.1f}v3"
        body += _text(x, y + 12, clock(index * tick, digits=0, hours=duration >= 3600), "middle")
    return f'{body}<path d="M{_LEFT} {y:.1f}h{width}{marks}" stroke="{_SOFT}" stroke-width="0.6" fill="none"/>'


def voice_charts(analysis: Analysis, labels: Labels) -> list[VoiceChart]:
    """A chart for each speaker (six at most, those with most turns); none when turns were not measured."""
    if isinstance(analysis.voice_turns, NotMeasured) or analysis.duration_s <= 0:
        return []
    departing = set() if isinstance(analysis.stress, NotMeasured) else {one.turn for one in analysis.stress.listed}
    by_speaker: dict[str | None, list[int]] = {}
    turns = analysis.voice_turns.turns
    for position, turn in enumerate(turns):
        by_speaker.setdefault(turn.speaker, []).append(position)
    charts = []
    for speaker, positions in sorted(by_speaker.items(), key=lambda item: -len(item[1]))[:_MOST_SPEAKERS]:
        body: list[str] = []
        longest = 0
        for row, measure in enumerate(_SHOWN):
            points = [
                ((turns[at].start + turns[at].end) / 2, turns[at].values[measure], turns[at].index in departing)
                for at in positions
                if measure in turns[at].values
            ]
            longest = max(longest, len(points))
            unit = labels.t.get(f"turn_unit.{measure}") or clean(analysis.voice_turns.units.get(measure, ""))
            body += _lane(points, row * _LANE, analysis.duration_s, labels.t(f"turn_measure.{measure}"), unit)
        bottom = len(_SHOWN) * _LANE - 3
        body.append(_axis(bottom, analysis.duration_s))
        height = bottom + _AXIS
        name = labels.speaker(speaker)
        title = escape(labels.t("voice_time.title", speaker=name))
        charts.append(
            VoiceChart(
                name,
                len(positions),
                Markup(  # noqa: S704 (numbers we formatted, texts we escaped)
                    f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH:.0f}" height="{height:.0f}" '
                    f'viewBox="0 0 {_WIDTH:.0f} {height:.0f}" role="img"><title>{title}</title>{"".join(body)}</svg>'
                ),
                longest < _BASELINE_TURNS,
            )
        )
    return charts
