"""Recordings on a calendar: the day across, the time of day down; those without one in a lane of their own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from include.report.case_svg import KST, LEFT, SOFT, WIDTH, calendar, drawing, label, line, look

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

__all__ = ["TimeMark", "draw_timeline", "when"]

_TOP, _HOURS, _LANE, _AXIS = 12.0, 168.0, 24.0, 20.0
_RIGHT = 12.0
_LABEL = 22.0
"""Width of a number and the room around it."""
_NAMED = 24
"""With more recordings than this the marks carry no numbers; the table has them."""


@dataclass(frozen=True)
class TimeMark:
    """A dated recording."""

    number: str
    at: datetime
    time_of_day: bool
    duration_s: float
    severity: int
    """Highest of its findings; 0 without any."""


def when(value: str | None, *, time_of_day: bool) -> str | None:
    """A recording's time in Korean time: the day alone where no more is known; None for none."""
    if value is None:
        return None
    at = datetime.fromisoformat(value).astimezone(KST)
    return f"{at:%Y-%m-%d %H:%M:%S}" if time_of_day else f"{at:%Y-%m-%d}"


def draw_timeline(marks: Sequence[TimeMark], *, title: str, no_clock: str) -> Markup | None:
    """Draw dated recordings; None when there are none.

    Args:
        marks: in any order.
        title: alternative text.
        no_clock: names the lane of recordings whose time of day is not known.
    """
    if not marks:
        return None
    ordered = sorted(marks, key=lambda one: (one.at.timestamp(), one.number))
    first, last = (ordered[end].at.astimezone(KST) for end in (0, -1))
    origin = first.replace(hour=0, minute=0, second=0, microsecond=0)
    span = max((last - origin).total_seconds(), 86400.0)
    width = WIDTH - LEFT - _RIGHT

    def across(at: datetime) -> float:
        return LEFT + (at - origin).total_seconds() / span * width

    lane = any(not one.time_of_day for one in ordered)
    bottom = _TOP + _HOURS + (_LANE if lane else 0)
    body = [f'<rect x="{LEFT}" y="{_TOP}" width="{WIDTH - LEFT}" height="{bottom - _TOP:.1f}" fill="#f5f7f9"/>']
    for hour in range(0, 25, 6):
        y = _TOP + _HOURS * hour / 24
        body += [line(LEFT, y, WIDTH, y), label(LEFT - 6, y + 3, f"{hour:02d}:00", anchor="end")]
    if lane:
        body.append(label(LEFT - 6, bottom - _LANE / 2 + 3, no_clock, anchor="end", size=7))
    for at, text in calendar(first, last):
        x = across(at)
        body += [line(x, _TOP, x, bottom + 3), label(min(max(x, LEFT + 20), WIDTH - 18), bottom + 13, text)]
    body.append(line(LEFT, bottom, WIDTH, bottom, ink=SOFT, width=0.7))
    taken: list[tuple[float, float]] = []
    for one in ordered:
        x, y = across(one.at), _down(one, bottom)
        radius = min(2.2 + math.sqrt(one.duration_s / 60) * 0.55, 7.0)
        body.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" {look(one.severity)} fill-opacity="0.85"/>')
        place = (x + radius + 2, y + 3)
        if place[0] >= WIDTH - _LABEL:  # no room to the right of the last marks: to their left
            place = (x - radius - 2 - _LABEL, y + 3)
        if len(ordered) <= _NAMED and not _near(place, taken):
            taken.append(place)
            left = place[0] < x
            body.append(label(place[0] + _LABEL if left else place[0], place[1], one.number,
                              anchor="end" if left else "start", size=7))  # fmt: skip
    return drawing(bottom + _AXIS, title, body)


def _down(one: TimeMark, bottom: float) -> float:
    if not one.time_of_day:
        return bottom - _LANE / 2
    at = one.at.astimezone(KST)
    return _TOP + _HOURS * (at.hour * 3600 + at.minute * 60 + at.second) / 86400


def _near(place: tuple[float, float], taken: Sequence[tuple[float, float]]) -> bool:
    return any(abs(place[0] - x) < _LABEL and abs(place[1] - y) < 8 for x, y in taken)
