"""One text in, the places to mask out."""

from __future__ import annotations

from include.redaction.digits import find_numbers
from include.redaction.hits import Hit, merged
from include.redaction.names_en import find_english_names
from include.redaction.names_ko import find_korean_names
from include.redaction.patterns import find_patterns
from include.redaction.spelling import folded

__all__ = ["find_all", "find_formal"]


def find_formal(text: str) -> list[Hit]:
    """Numbers, plates, addresses, e-mail and web: what has a form, and may reach over several words or segments."""
    plain = folded(text)
    return merged([*find_patterns(plain), *find_numbers(plain)])


def find_all(text: str) -> list[Hit]:
    """Everything that the rules find in a text by itself, in order and without overlaps."""
    plain = folded(text)
    # John_Smith is a name of somebody, too
    return merged([*find_formal(plain), *find_korean_names(plain), *find_english_names(plain.replace("_", " "))])
