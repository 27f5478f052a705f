"""The waveform strip: inline SVG from the analysis' peak envelope, with findings and turns under a time axis.

Only presentation attributes are used (no ``style``), so the strict content policy of the HTML holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from include.report.text import clock

__all__ = ["LEFT", "WIDTH", "Mark", "Strip", "Turn", "draw_strips", "peak_level"]

WIDTH = 680.0
"""User units across; about the text width of an A4 page in CSS pixels."""
LEFT = 62.0
"""Where the time axis begins, user units."""
_LANE, _TOP, _TURN, _AXIS = 44.0, 16.0, 11.0, 20.0
_LABEL = 26.0
"""Room for a label such as F001, user units."""
_ROW_S = 900.0
"""Longest stretch on one strip, seconds: more would hide single words."""
_TICKS = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300)
_INK, _RULE, _MARK, _SOFT = "#31455f", "#c9d1db", "#b3261e", "#5b6776"
_TURN_INK = ("#31455f", "#9a7b2f", "#3f7265", "#7a4a6b")


@dataclass(frozen=True)
class Mark:
    """A finding on the time axis, seconds."""

    label: str
    start: float
    end: float


@dataclass(frozen=True)
class Turn:
    """A stretch of one speaker, seconds; ``lane`` is the speaker's number."""

    lane: int
    start: float
    end: float


@dataclass(frozen=True)
class Strip:
    """One drawn stretch of the recording."""

    start: float
    end: float
    svg: Markup


def peak_level(peaks: Sequence[Sequence[float]]) -> float:
    """The loudest peak over all channels, 0–1 of full scale; 0 when there is none."""
    return max((max(lane, default=0.0) for lane in peaks), default=0.0)


def _bins(lane: Sequence[float], step: float, start: float, end: float, count: int) -> list[float]:
    """The largest peak in each of ``count`` equal bins: a short loud sound is never averaged away."""
    width = (end - start) / count
    out = []
    for index in range(count):
        first = int((start + index * width) / step)
        last = max(first + 1, int((start + (index + 1) * width) / step))
        out.append(max(lane[first:last], default=0.0))
    return out


def _envelope(values: Sequence[float], middle: float, half: float, scale: float) -> str:
    step = (WIDTH - LEFT) / len(values)
    heights = [max(min(value / scale, 1.0), 0.0) * half for value in values]
    upper = [f"{LEFT + (i + 0.5) * step:.1f},{middle - height - 0.3:.1f}" for i, height in enumerate(heights)]
    lower = [f"{LEFT + (i + 0.5) * step:.1f},{middle + height + 0.3:.1f}" for i, height in enumerate(heights)]
    return f'<polygon points="{" ".join(upper + lower[::-1])}" fill="{_INK}"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "middle", fill: str = _SOFT, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-family="NanumGothic, sans-serif" font-size="9.4" '
        f'text-anchor="{anchor}" fill="{fill}"{weight}>{escape(text)}</text>'
    )


def _axis(start: float, end: float, y: float, bottom: float, hours: bool) -> Iterable[str]:
    scale = (WIDTH - LEFT) / (end - start)
    tick = next((size for size in _TICKS if (end - start) / size <= 9), 600)
    index = -int(-start // tick)
    ticks = ""
    while index * tick <= end + 1e-6:
        at = index * tick
        x = LEFT + (at - start) * scale
        ticks += f"M{x:.1f} {y:.1f}v3"
        anchor = "end" if x > WIDTH - 14 else "start" if x < LEFT + 8 else "middle"
        yield _text(x, bottom - 5, clock(at, digits=1 if tick < 1 else 0, hours=hours), anchor=anchor)
        index += 1
    yield f'<path d="M{LEFT} {y:.1f}H{WIDTH}{ticks}" stroke="{_SOFT}" stroke-width="0.7" fill="none"/>'


def _box(x: float, y: float, width: float, height: float) -> str:
    """A rectangle as part of a path: one element for hundreds of them is drawn many times faster."""
    return f"M{x:.1f} {y:.1f}h{width:.1f}v{height:.1f}h{-width:.1f}z"


def _marks(marks: Iterable[Mark], start: float, end: float, top: float, height: float) -> Iterable[str]:
    scale = (WIDTH - LEFT) / (end - start)
    free_from = LEFT - 1.0
    thin, wide = "", ""
    for mark in sorted(marks, key=lambda one: one.start):
        if mark.end < start or mark.start > end:
            continue
        x = LEFT + max(mark.start - start, 0.0) * scale
        width = max((min(mark.end, end) - max(mark.start, start)) * scale, 1.6)
        box = _box(x, top - 3, width, height + 3)
        thin, wide = (thin + box, wide) if width < 4 else (thin, wide + box)
        # Labels only where they don't run into each other; the table below has them all.
        label_x = min(x, WIDTH - _LABEL)
        if label_x >= free_from:
            yield _text(label_x, top - 6, mark.label, anchor="start", fill=_MARK)
            free_from = label_x + _LABEL
    if wide:
        yield f'<path d="{wide}" fill="{_MARK}" fill-opacity="0.22" stroke="{_MARK}" stroke-width="0.5"/>'
    if thin:
        # A thin mark has no room for an outline; it is drawn denser instead.
        yield f'<path d="{thin}" fill="{_MARK}" fill-opacity="0.5"/>'


def _turns(turns: Iterable[Turn], start: float, end: float, top: float) -> Iterable[str]:
    scale = (WIDTH - LEFT) / (end - start)
    lanes: dict[int, str] = {}
    for turn in turns:
        first, last = max(turn.start, start), min(turn.end, end)
        if last > first:
            x, width = LEFT + (first - start) * scale, max((last - first) * scale, 0.6)
            lanes[turn.lane] = lanes.get(turn.lane, "") + _box(x, top + turn.lane * _TURN + 1, width, _TURN - 2)
    for lane, path in lanes.items():
        yield f'<path d="{path}" fill="{_TURN_INK[lane % len(_TURN_INK)]}"/>'


def draw_strips(
    peaks: Sequence[Sequence[float]],
    step_s: float,
    duration_s: float,
    *,
    marks: Sequence[Mark],
    turns: Sequence[Turn],
    channel_names: Sequence[str],
    lane_names: Sequence[str],
    title: str,
) -> list[Strip]:
    """Draw the recording in strips of equal length, at most 15 minutes each.

    Args:
        peaks: one list per channel, one absolute peak (0–1) per ``step_s`` seconds.
        duration_s: length of the recording, seconds.
        channel_names, lane_names: what stands left of each channel and each speaker's lane.
        title: alternative text, with ``{start}`` and ``{end}``.
    """
    duration = max(duration_s, step_s)
    rows = max(1, -int(-duration // _ROW_S))
    hours = duration >= 3600
    scale = peak_level(peaks) or 1.0
    strips = []
    for row in range(rows):
        start, end = duration * row / rows, duration * (row + 1) / rows
        body = [f'<rect x="{LEFT}" y="{_TOP}" width="{WIDTH - LEFT}" height="{_LANE * len(peaks)}" fill="#f5f7f9"/>']
        for index, lane in enumerate(peaks):
            middle = _TOP + _LANE * (index + 0.5)
            body.append(_envelope(_bins(lane, step_s, start, end, 412), middle, _LANE / 2 - 2, scale))
            body.append(_text(LEFT - 6, middle + 3, channel_names[index], anchor="end"))
        lanes_top = _TOP + _LANE * len(peaks) + 3
        body.extend(_turns(turns, start, end, lanes_top))
        for index, name in enumerate(lane_names):
            body.append(_text(LEFT - 6, lanes_top + (index + 1) * _TURN - 0.5, name, anchor="end"))
        axis_y = lanes_top + _TURN * len(lane_names) + 2
        body.extend(_marks(marks, start, end, _TOP, axis_y - _TOP))
        bottom = axis_y + _AXIS
        body.extend(_axis(start, end, axis_y, bottom, hours))
        label = title.format(start=clock(start, digits=0, hours=hours), end=clock(end, digits=0, hours=hours))
        strips.append(
            Strip(
                start,
                end,
                Markup(  # noqa: S704 (numbers we formatted and texts we escaped)
                    f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH:.0f}" height="{bottom:.0f}" '
                    f'viewBox="0 0 {WIDTH:.0f} {bottom:.0f}" role="img"><title>{escape(label)}</title>'
                    f"{''.join(body)}</svg>"
                ),
            )
        )
    return strips
