"""One spelling for what looks alike, so that no rule is passed by on a sign that nobody sees."""

from __future__ import annotations

import re
import unicodedata
from typing import Final, TypeVar

from pydantic import BaseModel

from include.redaction.walk import Policy, walk

__all__ = ["composed", "folded", "respelled"]

_Model = TypeVar("_Model", bound=BaseModel)

# what Unicode lets a program leave out when it draws a text: soft hyphens, zero-width signs, direction marks, fillers
_UNSEEN: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\U000e0000-\U000e0fff]"
)
_FOREIGN: Final = re.compile(r"[^\x00-\x7f가-힣]")
_DASHES: Final = frozenset("\u2010\u2011\u2012\u2015\u2212\ufe58\ufe63")


def composed(text: str) -> str:
    """The text in composed signs (macOS writes file names in parts: ㄱㅣㅁ) and without those that nobody sees."""
    return text if text.isascii() else unicodedata.normalize("NFC", _UNSEEN.sub("", text))


def folded(text: str) -> str:
    """The text for the rules, sign by sign and as long as it was: wide, circled and foreign digits and letters that
    stand for one of ASCII, and dashes that look like its own."""
    return text if text.isascii() else _FOREIGN.sub(lambda found: _folded(found.group()), text)


def _folded(sign: str) -> str:
    if sign in _DASHES:
        return "-"
    plain = unicodedata.normalize("NFKC", sign)
    if len(plain) == 1 and plain.isascii():
        return plain
    digit = unicodedata.digit(sign, None)
    return sign if digit is None else str(digit)


def respelled(model: _Model) -> _Model:
    """A copy of a model with every text composed."""

    def spell(text: str, path: str, policy: Policy) -> str:
        del path, policy
        return composed(text)

    return walk(model, spell, special=lambda _model, _path: None)
