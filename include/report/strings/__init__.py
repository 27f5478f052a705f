"""The report's words, one file a language, the same keys in each."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

__all__ = ["Strings", "keep_words", "load_strings"]

_HANGUL_WORD = re.compile(r"(?=.*[가-힣])\S{2,16}")

_FIRST, _FIRST_OF_LONG, _LONG = 8, 36, 48
"""So many signs at the beginning of a text fit on one line: in any cell, and of a long text, which never stands in a
narrow one. Elements for words among them would only cost time, and they cost more than anything else in a report."""


class Strings:
    """A language's strings by dotted key."""

    def __init__(self, language: str, table: dict[str, str]) -> None:
        self.language = language
        self.table = table

    def __call__(self, key: str, /, **values: object) -> str:
        """The string with ``{name}`` filled in.

        Raises:
            KeyError: no such string, or a name that isn't given: a mistake in a template, never in the input.
        """
        text = self.table[key]
        return text.format(**values) if values else text

    def say(self, key: str, /, **values: object) -> Markup:
        """The string for a template, escaped. Korean words stay whole at line ends: WeasyPrint has no ``keep-all``."""
        return keep_words(self(key, **values))

    def recorded(self, text: str) -> str:
        """A reason or remark that the software recorded in English, in this language; as recorded when none fits."""
        for pattern, translated in _recorded(self.language):
            if found := pattern.fullmatch(text.strip().removesuffix(".")):
                groups = found.groupdict()
                # a remark inside a remark
                inner = {name: self.recorded(value) for name, value in groups.items() if name.startswith("remark")}
                return translated.format(**groups | inner)
        return text

    def get(self, key: str) -> str | None:
        """The string, or None where the table has none for a name that comes from the documents."""
        return self.table.get(key)


def keep_words(text: str, *, narrow: bool = False) -> Markup:
    """The text escaped, each Hangul word of up to 16 signs that may meet a line's end in an element that doesn't wrap.

    Args:
        text: clean already (see ``include.report.text.clean``).
        narrow: it stands in a narrow column, however long it is.
    """
    first = _FIRST_OF_LONG if len(text) > _LONG and not narrow else _FIRST
    parts: list[Markup] = []
    at = 0
    for word in text.split(" "):
        at += len(word) + 1
        kept = at - 1 > first and _HANGUL_WORD.fullmatch(word)
        parts.append(Markup('<span class="w">{}</span>').format(word) if kept else escape(word))
    return Markup(" ").join(parts)


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


@cache
@cache
def _recorded(language: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    path = Path(__file__).resolve().parent / f"recorded_{language}.toml"
    if not path.is_file():  # they are recorded in English
        return ()
    phrases = tomllib.loads(path.read_text(encoding="utf-8"))["phrase"]
    return tuple((re.compile(one["pattern"]), one["text"]) for one in phrases)


def load_strings(language: str, *more: str) -> Strings:
    """The strings of ``ko`` or ``en``.

    Args:
        language: which.
        more: tables of another document beside the report's (``case``: of ``case_ko.toml``).
    """
    folder = Path(__file__).resolve().parent
    flat: dict[str, str] = {}
    for name in (language, *(f"{table}_{language}" for table in more)):
        flat |= _flat(tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8")))
    return Strings(language, flat)
