"""What is to be masked in a text, and how overlapping places become one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

__all__ = ["KINDS", "Hit", "Kind", "compact", "merged"]

Kind = Literal[
    "name", "phone", "resident_number", "card", "account", "number", "plate", "email", "url", "address", "term",
    "passage", "file_name", "dump",
]  # fmt: skip
"""``number``: a run of digits that is none of the others (PIN, part of a number); ``term``: on the lab's own list;
``passage``: a whole text in which something of the transcript's was not found again; ``file_name``: the recording's;
``dump``: bytes of the file in hex."""

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

_APART = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Hit:
    """Characters ``start`` to ``end`` of a text are to be masked."""

    start: int
    end: int
    kind: Kind
    rule: str
    """Id of the rule that found it."""
    key: str
    """What it stands for, written in one way: digits of a number, a name without spaces. Never leaves this package."""


def compact(text: str) -> str:
    """The text in one spelling: NFKC, lower case, letters and digits only."""
    return _APART.sub("", unicodedata.normalize("NFKC", text)).lower()


def merged(hits: Iterable[Hit]) -> list[Hit]:
    """In order, without overlaps: of overlapping hits the longest gives kind and rule, all of them are covered."""
    found: list[Hit] = []
    for hit in sorted(hits, key=lambda one: (one.start, -one.end)):
        last = found[-1] if found else None
        if last is None or hit.start >= last.end:
            found.append(hit)
            continue
        longer = hit if hit.end - hit.start > last.end - last.start else last
        found[-1] = replace(longer, start=last.start, end=max(last.end, hit.end))
    return found
