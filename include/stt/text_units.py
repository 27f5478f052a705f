"""What a text is made of: letters to compare, syllables to time."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["letters", "syllables", "units"]

_VOWELS = re.compile(r"[aeiouyáéíóúàèìòùâêîôûäëïöü]+")
_DIGIT_SYLLABLES = 1.5
_WIDE = "\\uac00-\\ud7a3\\u3040-\\u30ff\\u3400-\\u9fff"
_UNIT = re.compile(rf"[{_WIDE}]|[^\W_{_WIDE}]+")


def letters(text: str) -> str:
    """NFKC, lower case, letters and digits only: what two writings of the same words share."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).lower() if c.isalnum())


def syllables(text: str) -> float:
    """About how many syllables a text has: one a Hangul syllable or other ideograph, one a run of Latin vowels,
    1.5 a digit; at least 1."""
    plain = letters(text)
    wide = sum(1 for c in plain if "가" <= c <= "힣" or "\u3040" <= c <= "\u30ff" or "\u4e00" <= c <= "\u9fff")
    digits = sum(1 for c in plain if c.isdigit())
    return max(wide + len(_VOWELS.findall(plain)) + digits * _DIGIT_SYLLABLES, 1.0)


def units(text: str) -> list[str]:
    """What two decodings are compared by: each Hangul syllable or other wide character on its own (Korean spacing is
    not settled), each run of other letters and digits as a whole (an apostrophe inside a word is left out)."""
    plain = unicodedata.normalize("NFKC", text).lower().replace("'", "").replace("’", "")
    return _UNIT.findall(plain)
