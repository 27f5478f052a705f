"""The recording's file name: what a telephone writes into it (a contact) has no form, so all of it is known."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from include.redaction.detect import find_all
from include.redaction.hits import Hit, compact
from include.redaction.names_ko import looks_like_name

__all__ = ["in_name", "named", "suffix_of"]

_NAME_PARTS: Final = re.compile(r"[가-힣]{2,4}")
_LONG: Final = 6
"""Letters and digits from which a name can't be an everyday word: looked for in every text."""


def _names(facts: BaseModel) -> list[str]:
    return [str(getattr(facts, field, "")) for field in ("file_name", "file_id")]


def suffix_of(facts: BaseModel) -> str:
    """The extension of the file's name; empty when it is none."""
    suffix = Path(_names(facts)[0]).suffix
    return suffix if re.fullmatch(r"\.[A-Za-z0-9]{1,5}", suffix) else ""


def in_name(facts: BaseModel) -> Iterator[Hit]:
    """What the names hold, to be looked for everywhere."""
    for name in _names(facts):
        spaced = re.sub(r"[_\-.()\[\]]+", " ", name)
        # dates and times of day are rows of digits as well
        yield from (hit for hit in find_all(spaced) if hit.kind not in ("number", "account"))
        parts = _NAME_PARTS.findall(spaced)
        yield from (Hit(0, len(part), "name", "name.file", part) for part in parts if looks_like_name(part))
        whole = compact(Path(name).stem)
        if len(whole) >= _LONG:
            yield Hit(0, len(whole), "file_name", "file_name", whole)


def named(facts: BaseModel, text: str, *, place: bool) -> Iterator[Hit]:
    """Where a text holds the name as it is, however short (``김양.m4a``).

    Args:
        facts: with the names.
        text: any text.
        place: it tells of a place or an event; elsewhere 김양 without its extension is a word.
    """
    names = _names(facts)
    for name in names:
        if name and (place or re.search(r"\.\w+$", name)):
            for found in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text):
                yield Hit(*found.span(), "file_name", "file_name", compact(Path(names[0]).stem))
