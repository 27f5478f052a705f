"""Passages as tokens, with everything that the taxonomy's patterns match in them, found in one pass."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from include.forensic.pattern import Pattern, PatternIndex
from include.forensic.rulebook import CompiledFilter, CompiledRule
from include.forensic.tokens import Token, tokenize

__all__ = ["NEARBY_TOKENS", "UNIT_TOKENS", "Alternative", "Passage", "Place", "RuleIndex", "Texts"]

UNIT_TOKENS = 120
"""A combination's window counts stretches of whole sentences about this long: a text given in one line has
distances, too. A passage of a recording is one or two of them."""

NEARBY_TOKENS = 40
"""How far into the neighbouring passages a ``nearby`` filter looks."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """What the speaker may have said instead of characters ``start`` to ``end``: a decoder's other hypothesis."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Passage:
    """One speaker's uninterrupted stretch of text."""

    speaker: str | None
    text: str
    alternatives: tuple[Alternative, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Characters ``start`` to ``end`` of a passage's text."""

    passage: int
    start: int
    end: int


class RuleIndex:
    """All patterns of a set of rules and their filters under numbers."""

    def __init__(self, rules: Sequence[CompiledRule]) -> None:
        self.rules = list(rules)
        self._keys: dict[tuple[str, int], int] = {}
        patterns: list[tuple[int, Pattern]] = []
        for rule in self.rules:
            for number, group in enumerate(rule.groups):
                key = self._keys.setdefault((rule.data.id, number), len(self._keys))
                patterns.extend((key, pattern) for pattern in group)
            for item, _ in rule.filters:
                name = (f"filter {item.data.id}", 0)
                if name not in self._keys:
                    key = self._keys.setdefault(name, len(self._keys))
                    patterns.extend((key, pattern) for pattern in item.patterns)
        self.patterns = PatternIndex(patterns)

    def group(self, rule: CompiledRule, number: int) -> int:
        """The number of a rule's group of patterns."""
        return self._keys[rule.data.id, number]

    def filter(self, item: CompiledFilter) -> int:
        """The number of a filter's patterns."""
        return self._keys[f"filter {item.data.id}", 0]


class Texts:
    """Passages with their tokens, sentences, units and what matches in them."""

    def __init__(self, passages: Sequence[Passage], language: str, index: RuleIndex) -> None:
        self.passages = passages
        self.index = index
        self.tokens: list[list[Token]] = tokenize([passage.text for passage in passages], language)
        self.found = [index.patterns.scan(tokens) for tokens in self.tokens]
        self._sentences = [_bounds([token.sentence for token in tokens]) for tokens in self.tokens]
        self.units: list[tuple[int, int, int]] = [
            (number, *unit) for number, bounds in enumerate(self._sentences) for unit in _units(bounds)
        ]
        """(passage, first token, after last token), in order."""

    def place(self, passage: int, first: int, last: int) -> Place:
        """The characters of tokens ``first`` to ``last``."""
        chosen = self.tokens[passage][first:last]
        return Place(passage, min(token.start for token in chosen), max(token.end for token in chosen))

    def words(self, place: Place) -> str:
        """The text at a place."""
        return self.passages[place.passage].text[place.start : place.end]

    def sentence(self, passage: int, first: int, last: int) -> tuple[int, int]:
        """Token range of the sentence(s) that hold tokens ``first`` to ``last``."""
        bounds = self._sentences[passage]
        return bounds[first][0], bounds[last - 1][1]

    def filter_place(self, item: CompiledFilter, passage: int, first: int, last: int) -> Place | None:
        """Where a filter applies to the match ``first`` to ``last``; None where it doesn't."""
        key = self.index.filter(item)
        if item.data.scope == "dialogue":
            return self._anywhere(key)
        start, stop = 0, len(self.tokens[passage])
        if item.data.scope == "sentence":
            start, stop = self.sentence(passage, first, last)
        start, stop = max(start, first - item.data.before), min(stop, last + item.data.after)
        own = self.found[passage].get(key, [])
        for begin, end in own[bisect_left(own, (start, 0)) :]:
            if begin >= stop:
                break
            if end <= stop:
                return self.place(passage, begin, end)
        return self._neighbouring(key, passage) if item.data.scope == "nearby" else None

    def _anywhere(self, key: int) -> Place | None:
        for passage, found in enumerate(self.found):
            for begin, end in found.get(key, [])[:1]:
                return self.place(passage, begin, end)
        return None

    def _neighbouring(self, key: int, passage: int) -> Place | None:
        if passage + 1 < len(self.tokens):
            for begin, end in self.found[passage + 1].get(key, [])[:1]:
                if begin < NEARBY_TOKENS:
                    return self.place(passage + 1, begin, end)
        if passage > 0:
            for begin, end in self.found[passage - 1].get(key, [])[-1:]:
                if end > len(self.tokens[passage - 1]) - NEARBY_TOKENS:
                    return self.place(passage - 1, begin, end)
        return None


def _bounds(numbers: list[int]) -> list[tuple[int, int]]:
    """For each token the token range of its sentence."""
    found: list[tuple[int, int]] = []
    start = 0
    for position in range(1, len(numbers) + 1):
        if position == len(numbers) or numbers[position] != numbers[start]:
            found.extend([(start, position)] * (position - start))
            start = position
    return found


def _units(bounds: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Stretches of whole sentences of about :data:`UNIT_TOKENS` tokens (more when one sentence is longer)."""
    found = []
    start = 0
    for position, (_, stop) in enumerate(bounds):
        if position + 1 == stop and (stop - start >= UNIT_TOKENS or stop == len(bounds)):
            found.append((start, stop))
            start = stop
    return found
