"""What was found once is looked for everywhere: without its title, without spaces, in part."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

from include.redaction.digits import digit_runs
from include.redaction.hits import Hit, Kind, compact
from include.redaction.spelling import folded

__all__ = ["Known"]

_NUMERIC: Final = frozenset(("phone", "resident_number", "card", "account", "number"))
_DOUBLE: Final = ("남궁", "황보", "제갈", "선우", "사공", "서문", "독고", "동방")
_HANGUL: Final = re.compile("[가-힣]+")
_LATIN: Final = re.compile("[a-z]+")


def _given_of(name: str) -> str | None:
    """The given name of a Korean full name; None when it has no part that could stand alone."""
    if not _HANGUL.fullmatch(name) or len(name) < 3 or len(name) > 4:
        return None
    given = name[2:] if name.startswith(_DOUBLE) else name[1:]
    return given if len(given) == 2 else None


class Known:
    """The entities of one recording: filled first, then asked."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._numbers: dict[str, Kind] = {}
        self._texts: dict[str, Kind] = {}
        self._pattern: re.Pattern[str] | None = None

    def add(self, hit: Hit) -> None:
        """Remember what a hit stands for."""
        if hit.kind in _NUMERIC:
            if self._numbers.get(hit.key, "number") == "number":
                self._numbers[hit.key] = hit.kind
        elif hit.kind == "name":
            if hit.rule == "name.ko.surname_title":
                return  # found by its own rule wherever it stands, and 김 alone is no name
            self._names[hit.key] = self._names[compact(hit.key)] = hit.key
            for part in hit.key.split(" "):
                if len(part) > 2:
                    self._names.setdefault(part, hit.key)
            given = _given_of(hit.key)
            if given is not None and self._names.get(given, given) == given:
                self._names[given] = hit.key
        elif hit.kind in ("term", "file_name") or len(hit.key) >= 4:
            self._texts.setdefault(hit.key, hit.kind)

    def build(self) -> None:
        """To be called when everything was added."""
        words = sorted((one for one in self._names if len(one) > 1), key=lambda one: (-len(one), one))
        parts = []
        for word in words:
            body = r"\s?".join(map(re.escape, word)) if _HANGUL.fullmatch(word) else rf"{re.escape(word)}(?![a-z0-9])"
            # a given name inside another word is that word; a full name is one wherever it stands
            parts.append(body if _HANGUL.fullmatch(word) and len(word) > 2 else rf"(?<![가-힣a-z0-9]){body}")
            if _LATIN.fullmatch(word):  # spaces or a dash between first and last name are not in the key
                parts[-1] = rf"(?<![a-z0-9])(?:{r'[^a-z0-9]{0,2}'.join(word)})(?![a-z0-9])"
        self._pattern = re.compile("|".join(parts), re.IGNORECASE) if parts else None

    def entity(self, hit: Hit) -> tuple[Kind, str]:
        """Kind and key of what a hit stands for: the whole of which it is a part."""
        if hit.kind == "name":
            return "name", self._names.get(hit.key, hit.key)
        if hit.kind in _NUMERIC:
            whole = self._whole(hit.key)
            return (self._numbers[whole], whole) if whole is not None else (hit.kind, hit.key)
        return hit.kind, hit.key

    def _whole(self, digits: str) -> str | None:
        """The longest known number that holds these digits."""
        return max((one for one in self._numbers if digits in one), key=len, default=None)

    def find(self, text: str, *, least: int) -> list[Hit]:
        """Where a text holds something known, or ``least`` and more digits of it."""
        plain = folded(text)
        return [*self._found_names(plain), *self._found_numbers(plain, least), *self._found_texts(text)]

    def _found_names(self, text: str) -> Iterator[Hit]:
        if self._pattern is not None:
            for found in self._pattern.finditer(text):
                yield Hit(found.start(), found.end(), "name", "known.name", compact(found.group()))

    def _found_numbers(self, text: str, least: int) -> Iterator[Hit]:
        if not self._numbers:
            return
        for start, end, digits in digit_runs(text):
            whole = self._whole(digits) if len(digits) >= least else None
            if whole is not None:
                yield Hit(start, end, self._numbers[whole], "known.digits", digits)

    def _found_texts(self, text: str) -> Iterator[Hit]:
        if not self._texts:
            return
        letters, places = _squeezed(text)
        for key, kind in self._texts.items():
            at = letters.find(key)
            while at >= 0:
                yield Hit(places[at], places[at + len(key) - 1] + 1, kind, f"known.{kind}", key)
                at = letters.find(key, at + 1)

    def is_fragment(self, word: str) -> bool:
        """Whether a single word of a list is a piece of something known, however short (two signs and more)."""
        piece = compact(word)
        if len(piece) < 2:
            return False
        values = [digits for _, _, digits in digit_runs(folded(word))]
        if len(values) == 1 and len(values[0]) >= 2 and self._whole(values[0]) is not None:
            return True
        return any(piece in key and len(piece) > 2 for key in self._texts)


def _squeezed(text: str) -> tuple[str, list[int]]:
    """Letters and digits of a text, as :func:`include.redaction.hits.compact` writes them, and where each stands."""
    letters, places = [], []
    for at, sign in enumerate(text):
        for one in compact(unicodedata.normalize("NFKC", sign)):
            letters.append(one)
            places.append(at)
    return "".join(letters), places


def terms_as_hits(terms: Iterable[str]) -> list[Hit]:
    """A lab's own terms as hits, to be added."""
    keys = (compact(one) for one in terms)
    return [Hit(0, len(key), "term", "term", key) for key in keys if len(key) > 1]
