"""Findings per hour recorded, recording by recording, with exact 95 % intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.report.case_svg import INK, LEFT, SOFT, WIDTH, drawing, label, line, look
from include.report.text import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

__all__ = ["RateMark", "draw_rates"]

_TOP, _HEIGHT, _AXIS, _RIGHT = 12.0, 120.0, 20.0, 12.0


@dataclass(frozen=True)
class RateMark:
    """One recording's rate, per hour."""

    number: str
    value: float
    low: float
    high: float
    severity: int


def draw_rates(marks: Sequence[RateMark], *, title: str, unit: str) -> Markup | None:
    """Draw rates side by side in the order given; None when there are none.

    The upper ends of intervals may lie above the drawing (short recordings have wide ones): they end in an open tip.

    Args:
        marks: by time.
        title: alternative text.
        unit: what the figures on the left are.
    """
    if not marks:
        return None
    top = _round_up(max(max(one.value for one in marks) * 1.25, min(one.high for one in marks), 1.0))
    width = WIDTH - LEFT - _RIGHT
    step = width / len(marks)
    bottom = _TOP + _HEIGHT

    def up(value: float) -> float:
        return bottom - min(value / top, 1.0) * _HEIGHT

    body = [f'<rect x="{LEFT}" y="{_TOP}" width="{WIDTH - LEFT}" height="{_HEIGHT}" fill="#f5f7f9"/>']
    for part in range(5):
        y = bottom - _HEIGHT * part / 4
        body += [line(LEFT, y, WIDTH, y), label(LEFT - 6, y + 3, number(top * part / 4, 2), anchor="end")]
    body.append(label(2, _TOP + 3, unit, anchor="start", size=7))
    radius = min(3.4, max(1.2, step * 0.32))
    every = -(-len(marks) // 14)
    for at, one in enumerate(marks):
        x = LEFT + (at + 0.5) * step
        body.append(line(x, up(one.low), x, up(one.high), ink=INK, width=min(0.9, step * 0.3)))
        if one.high > top and step > 2:
            body.append(line(x - 1.6, _TOP + 3, x, _TOP, ink=INK) + line(x + 1.6, _TOP + 3, x, _TOP, ink=INK))
        body.append(f'<circle cx="{x:.1f}" cy="{up(one.value):.1f}" r="{radius:.1f}" {look(one.severity)}/>')
        if at % every == 0:
            body.append(label(x, bottom + 12, one.number, size=7))
    body.append(line(LEFT, bottom, WIDTH, bottom, ink=SOFT, width=0.7))
    return drawing(bottom + _AXIS, title, body)


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 6, 8, 10 times a power of ten."""
    scale = 1.0
    while scale * 10 < value:
        scale *= 10
    return next(scale * size for size in (1, 2, 4, 6, 8, 10) if scale * size >= value)
