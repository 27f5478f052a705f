"""Text from outside made safe to print, and numbers and times written out. Pure functions."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime, timedelta, timezone

from markupsafe import Markup, escape

__all__ = ["KST", "clean", "clock", "instant", "isolate", "number", "shorten"]

KST = timezone(timedelta(hours=9), "KST")
"""Korean time: the local time of the reports, and of the ledger."""
_JOINERS = "\u200c\u200d"
"""Zero-width joiners shape emoji and some scripts and can't hide or reorder anything."""
_SPACES = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")
_RIGHT_TO_LEFT = ("R", "AL", "AN")
_UNSAFE = ("Cc", "Cf", "Cs", "Co", "Cn")


def clean(text: str) -> str:
    """The text with every invisible or reordering sign written out, so that what is printed is what is there.

    Line breaks and tabs become one space. Controls, bidirectional overrides, lone surrogates and unassigned code
    points become ``[U+202E]`` and the like. The rest is brought to Unicode form NFC (file names from macOS come
    decomposed, which few Hangul fonts can draw).
    """
    flat = _SPACES.sub(" ", unicodedata.normalize("NFC", text))
    if flat.isprintable():
        return flat
    return "".join(
        f"[U+{ord(char):04X}]" if unicodedata.category(char) in _UNSAFE and char not in _JOINERS else char
        for char in flat
    )


def isolate(text: str) -> Markup:
    """A text from outside, cleaned and escaped, that can't touch its neighbours' direction.

    ``clean`` writes every control of direction out; what is left are letters that run from right to left. Only a text
    with such letters gets an element of its own: one for every text would make a report a tenth slower.
    """
    shown = text if isinstance(text, Markup) else escape(clean(text))
    if shown.isascii() or not any(unicodedata.bidirectional(char) in _RIGHT_TO_LEFT for char in shown):
        return shown
    return Markup("<bdi>{}</bdi>").format(shown)


def shorten(text: str, limit: int) -> str:
    """The text in at most ``limit`` characters: beginning and end, with an ellipsis between."""
    if len(text) <= limit:
        return text
    head = (limit - 1) * 2 // 3
    return f"{text[:head]}…{text[len(text) - (limit - 1 - head) :]}"


def clock(seconds: float, *, digits: int = 1, hours: bool = False) -> str:
    """``MM:SS.s`` or, from one hour on or when ``hours`` is set, ``H:MM:SS.s``; never ``60.0`` seconds."""
    scale = 10**digits
    ticks = round(max(seconds, 0.0) * scale)
    whole, part = divmod(ticks, scale)
    minutes, second = divmod(whole, 60)
    hour, minute = divmod(minutes, 60)
    tail = f"{second:02d}" + (f".{part:0{digits}d}" if digits else "")
    return f"{hour}:{minute:02d}:{tail}" if hours or hour else f"{minute:02d}:{tail}"


def number(value: float, digits: int = 2) -> str:
    """The value with at most ``digits`` decimals and thousands separators; zeros at the end are kept off."""
    shown = f"{value:,.{digits}f}"
    if "." in shown:
        shown = shown.rstrip("0").rstrip(".")
    return "0" if shown == "-0" else shown


def instant(value: str) -> str:
    """An ISO 8601 time in UTC, with the Korean time beside it; a text that is no such time is returned as it is."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return value
    if moment.tzinfo is None:
        return value
    utc = moment.astimezone(timezone.utc)  # noqa: UP017 (beside KST the long name reads better)
    return f"{utc:%Y-%m-%d %H:%M:%S} UTC ({utc.astimezone(KST):%Y-%m-%d %H:%M:%S} KST)"
