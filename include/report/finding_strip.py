"""A finding's strip: its waveform over its spectrogram, the passage marked, as inline SVG with one embedded PNG."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from include.report.text import clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.report.finding_sound import FindingSound

__all__ = ["draw_finding", "picture_address"]

_WIDTH, _LEFT = 620.0, 32.0
_WAVE, _GREY, _GAP, _AXIS = 30.0, 52.0, 2.0, 14.0
_TICKS = (0.5, 1, 2, 5)
_INK, _SOFT, _MARK, _GROUND = "#31455f", "#5b6776", "#b3261e", "#f5f7f9"


def picture_address(png: bytes) -> str:
    """The ``data:`` address under which a picture stands in the page."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-family="NanumGothic, sans-serif" font-size="9.2" text-anchor="{anchor}" '
        f'fill="{_SOFT}">{escape(text)}</text>'
    )


def _axis(start: float, end: float, y: float, hours: bool) -> Iterator[str]:
    scale = (_WIDTH - _LEFT) / (end - start)
    tick = next((size for size in _TICKS if (end - start) / size <= 6), 10)
    ticks = ""
    index = -int(-start // tick)
    while index * tick <= end + 1e-6:
        x = _LEFT + (index * tick - start) * scale
        ticks += f"M{x:.1f} {y:.1f}v3"
        anchor = "end" if x > _WIDTH - 16 else "start" if x < _LEFT + 10 else "middle"
        yield _text(x, y + 11.5, clock(index * tick, digits=1 if tick < 1 else 0, hours=hours), anchor)
        index += 1
    yield f'<path d="M{_LEFT} {y:.1f}H{_WIDTH}{ticks}" stroke="{_SOFT}" stroke-width="0.6" fill="none"/>'


def _wave(peaks: list[float]) -> str:
    """Drawn relative to the stretch's loudest peak: a quiet passage stays visible; the caption names the level."""
    scale = max(peaks, default=0.0) or 1.0
    step, middle = (_WIDTH - _LEFT) / len(peaks), _WAVE / 2
    heights = [min(value / scale, 1.0) * (middle - 1.5) + 0.25 for value in peaks]
    upper = [f"{_LEFT + (i + 0.5) * step:.1f},{middle - one:.1f}" for i, one in enumerate(heights)]
    lower = [f"{_LEFT + (i + 0.5) * step:.1f},{middle + one:.1f}" for i, one in enumerate(heights)]
    return f'<polygon points="{" ".join(upper + lower[::-1])}" fill="{_INK}"/>'


def draw_finding(sound: FindingSound, span: tuple[float, float], *, title: str, hours: bool) -> Markup:
    """The strip.

    Args:
        sound: what to draw.
        span: the finding's passage, seconds.
        title: alternative text.
        hours: whether times are written with hours.
    """
    grey = _GREY if sound.png is not None else 0.0
    bottom = _WAVE + (_GAP + grey if grey else 0.0)
    height, width = bottom + _AXIS, _WIDTH - _LEFT
    body = [f'<rect x="{_LEFT}" y="0" width="{width}" height="{_WAVE}" fill="{_GROUND}"/>', _wave(sound.peaks)]
    if sound.png is not None:
        body.append(
            f'<image x="{_LEFT}" y="{_WAVE + _GAP}" width="{width}" height="{grey}" preserveAspectRatio="none" '
            f'href="{picture_address(sound.png)}"/>'
        )
        body += [_text(_LEFT - 3, _WAVE + _GAP + 7, "4 kHz", "end"), _text(_LEFT - 3, bottom, "0", "end")]
    scale = width / (sound.end - sound.start)
    first, last = (min(max(at, sound.start), sound.end) for at in span)
    x, across = _LEFT + (first - sound.start) * scale, max((last - first) * scale, 1.2)
    body.append(
        f'<rect x="{x:.1f}" y="0.4" width="{across:.1f}" height="{bottom - 0.8:.1f}" fill="{_MARK}" '
        f'fill-opacity="0.1" stroke="{_MARK}" stroke-width="0.8"/>'
    )
    body.extend(_axis(sound.start, sound.end, bottom, hours))
    return Markup(  # noqa: S704 (numbers we formatted, texts we escaped, a picture we made)
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {_WIDTH:.0f} {height:.0f}" role="img"><title>{escape(title)}</title>{"".join(body)}</svg>'
    )
