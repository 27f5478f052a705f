"""One text in, the places to mask out."""

from __future__ import annotations

from include.redaction.digits import find_numbers
from include.redaction.hits import Hit, merged
from include.redaction.names_en import find_english_names
from include.redaction.names_ko import find_korean_names
from include.redaction.patterns import find_patterns

__all__ = ["find_all", "find_formal"]


def find_formal(text: str) -> list[Hit]:
    """Numbers, plates, addresses, e-mail and web: what has a form, and may reach over several words or segments."""
    return merged([*find_patterns(text), *find_numbers(text)])


def find_all(text: str) -> list[Hit]:
    """Everything that the rules find in a text by itself, in order and without overlaps."""
    return merged([*find_formal(text), *find_korean_names(text), *find_english_names(text)])
