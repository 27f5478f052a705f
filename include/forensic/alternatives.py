"""What may have been said instead: a decoder's other hypotheses and near-homophones that are no words.

Recognisers write what they hear: ``주긴다`` for ``죽인다``. The taxonomy's ``spellings`` list such forms; a decoder's
n-best list comes with the passage. Either way the rules read the variant with the words around it, and a hit that
exists only there says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from include.forensic.hits import Hit
from include.forensic.texts import Alternative, Passage, Place

__all__ = ["CONTEXT_CHARACTERS", "Variant", "variants"]

CONTEXT_CHARACTERS = 150
"""How much of the passage on either side is read with an alternative."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A stretch of a passage with other words in it."""

    passage: int
    text: str
    offset: int
    """Where the stretch begins in the passage."""
    start: int
    end: int
    """The replaced characters of the passage."""
    length: int
    """Of what stands there instead."""

    def back(self, place: Place) -> Place | None:
        """A place in the variant's text as one in the passage; None when it has none of the other words."""
        first = self.start - self.offset
        if place.end <= first or place.start >= first + self.length:
            return None
        start = self.start if place.start >= first else place.start + self.offset
        after = place.end - first - self.length
        return Place(self.passage, start, self.end + max(after, 0))

    def moved(self, hit: Hit, place: Place, words: str) -> Hit:
        """The hit as one of the passage, with the words that matched."""
        start = min(place.start, hit.sentence[0] + self.offset)
        end = max(place.end, hit.sentence[1] + self.offset + self.end - self.start - self.length)
        counters = tuple(replace(item, place=replace(place, start=place.start, end=place.end)) for item in hit.counters)
        return replace(hit, place=place, sentence=(start, end), counters=counters, heard=words)


def variants(passages: Sequence[Passage], language: str, spellings: Mapping[str, str]) -> Iterator[Variant]:
    """Each alternative of each passage, the known spellings (Korean) among them.

    Args:
        passages: with their decoders' alternatives.
        language: ``ko`` or ``en``.
        spellings: written → said.
    """
    written = re.compile("|".join(sorted(map(re.escape, spellings), key=len, reverse=True))) if spellings else None
    for number, passage in enumerate(passages):
        given = list(passage.alternatives)
        if written is not None and language == "ko":
            given += [Alternative(*match.span(), spellings[match.group()]) for match in written.finditer(passage.text)]
        for item in given:
            yield _variant(number, passage.text, item)


def _variant(number: int, text: str, item: Alternative) -> Variant:
    offset = max(0, item.start - CONTEXT_CHARACTERS)
    before = text[offset : item.start]
    after = text[item.end : item.end + CONTEXT_CHARACTERS]
    return Variant(number, before + item.text + after, offset, item.start, item.end, len(item.text))
