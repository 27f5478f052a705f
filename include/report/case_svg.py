"""Pieces of the case report's drawings: presentation attributes only, so the strict content policy holds."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from markupsafe import Markup, escape

from include.report.text import clean

__all__ = ["FILLS", "INK", "KST", "LEFT", "RULE", "SOFT", "WIDTH", "calendar", "drawing", "label", "line", "look"]

WIDTH, LEFT = 680.0, 62.0
"""User units across (the text width of an A4 page in CSS pixels), and of the margin for labels."""
INK, RULE, SOFT = "#31455f", "#c9d1db", "#5b6776"
FILLS = {0: "#ffffff", 1: "#c9a84a", 2: "#c9a84a", 3: "#8e1f17", 4: "#8e1f17"}
"""By the highest severity of a recording's findings; they differ in grey print, too."""
KST = timezone(timedelta(hours=9), "KST")
_STEPS_D = (1, 2, 7, 14, 28)
_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120, 240)


def label(x: float, y: float, text: str, *, anchor: str = "middle", fill: str = SOFT, size: float = 8.5) -> str:
    """A line of text, cleaned and escaped."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-family="NanumGothic, sans-serif" font-size="{size}" '
        f'text-anchor="{anchor}" fill="{fill}">{escape(clean(text))}</text>'
    )


def line(x1: float, y1: float, x2: float, y2: float, *, ink: str = RULE, width: float = 0.6, dash: str = "") -> str:
    """A straight line."""
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{ink}" stroke-width="{width:.2f}"'
        f"{dashed}/>"
    )


def look(severity: int) -> str:
    """How a recording's mark is filled."""
    return f'fill="{FILLS[severity]}" stroke="{INK}" stroke-width="0.7"'


def drawing(height: float, title: str, body: list[str]) -> Markup:
    """The whole drawing with its alternative text."""
    return Markup(  # noqa: S704 (numbers we formatted and texts we escaped)
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {WIDTH:.0f} {height:.0f}" role="img"><title>{escape(clean(title))}</title>{"".join(body)}</svg>'
    )


def calendar(first: datetime, last: datetime) -> list[tuple[datetime, str]]:
    """At most a dozen marks of a calendar axis from the first day to the last, in Korean time."""
    start = first.astimezone(KST).replace(hour=0, minute=0, second=0, microsecond=0)
    days = (last.astimezone(KST) - start).days + 1
    step = next((size for size in _STEPS_D if days / size <= 9), None)
    if step is not None and days <= 120:
        return [(at, f"{at:%Y-%m-%d}" if not n else f"{at:%m-%d}") for n, at in _days(start, days, step)]
    every = next((size for size in _MONTHS if days / 30.4 / size <= 10), _MONTHS[-1])
    return _month_marks(start, last.astimezone(KST), every)


def _days(start: datetime, days: int, step: int) -> list[tuple[int, datetime]]:
    return [(number, start + timedelta(days=number * step)) for number in range(-(-days // step))]


def _month_marks(start: datetime, last: datetime, every: int) -> list[tuple[datetime, str]]:
    marks: list[tuple[datetime, str]] = []
    month = start.year * 12 + start.month - 1
    month += -month % every
    while True:
        at = start.replace(year=month // 12, month=month % 12 + 1, day=1)
        if at > last:
            return marks
        if at >= start:
            marks.append((at, f"{at:%Y-%m}"))
        month += every
