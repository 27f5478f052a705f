"""Raw bytes of the file that an examination prints in hex: a name's letters stand in them, and no rule reads hex."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from include.redaction.hits import Hit

__all__ = ["dumps"]

_BYTES: Final = "(?:[0-9a-f]{2})"
_DUMP: Final = re.compile(
    rf"(?:bytes(?: of type \d+)?: |such as )({_BYTES}+)(?![0-9a-f])|(?<![0-9A-Za-z])({_BYTES}{{4,}})(?![0-9A-Za-z])"
)
_WHOLE: Final = frozenset(("begins",))


def dumps(name: str, text: str, where: str) -> Iterator[Hit]:
    """The dumps in a value of an observation.

    Args:
        name: of the value.
        text: the value.
        where: of the observation; tags of ASF that are no text are hex without a word about it.
    """
    if (name in _WHOLE or where.startswith("ASF")) and re.fullmatch(f"{_BYTES}+", text):
        yield Hit(0, len(text), "dump", "dump", text)
        return
    for found in _DUMP.finditer(text):
        group = found.lastindex or 0
        if not found[group].isdecimal() or group == 1:  # eight digits and more are the rules' affair
            yield Hit(*found.span(group), "dump", "dump", found[group])
