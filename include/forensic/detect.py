"""Rules over passages: where the taxonomy's patterns lie, and what near them points the other way.

A *passage* is one speaker's uninterrupted stretch of text (in a dialogue: a turn). Nothing here knows about
audio or times; :mod:`include.forensic.findings` locates the hits in the recording.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from include.forensic.pattern import Pattern, find
from include.forensic.rulebook import Action, CompiledFilter, CompiledRule, CounterKind, Taxonomy
from include.forensic.tokens import Token, tokenize

__all__ = ["Counter", "Hit", "Passage", "Place", "detect"]

RECIPROCITY_PASSAGES = 6
"""How far (in passages) another speaker's finding of the same family counts as reciprocity."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One speaker's uninterrupted stretch of text."""

    speaker: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Place:
    """Characters ``start`` to ``end`` of a passage's text."""

    passage: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Counter:
    """Words that point the other way."""

    filter: str
    kind: CounterKind
    text: str
    place: Place


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule's match. ``related`` are the other passages that a combination needed."""

    category: str
    rule: CompiledRule
    severity: int
    place: Place
    sentence: tuple[int, int]
    """Characters of the passage that the sentence around the match takes."""
    related: tuple[Place, ...]
    counters: tuple[Counter, ...]


@dataclass(frozen=True, slots=True)
class _Match:
    passage: int
    first: int
    last: int
    """Token index after the match."""
    counters: tuple[tuple[CompiledFilter, Action, Place], ...]


class _Texts:
    """The passages with their tokens."""

    def __init__(self, passages: Sequence[Passage], language: str) -> None:
        self.passages = passages
        self.tokens: list[list[Token]] = tokenize([passage.text for passage in passages], language)

    def place(self, passage: int, first: int, last: int) -> Place:
        chosen = self.tokens[passage][first:last]
        return Place(passage, min(token.start for token in chosen), max(token.end for token in chosen))

    def words(self, place: Place) -> str:
        return self.passages[place.passage].text[place.start : place.end]


def detect(passages: Sequence[Passage], language: str, taxonomy: Taxonomy) -> list[Hit]:
    """All findings in a dialogue, by place, then rule.

    Overlapping findings of one family (``THREAT`` …) keep the most severe (then the longest).

    Args:
        passages: in the order spoken.
        language: ``ko`` or ``en``; the caller checks.
        taxonomy: the rules.
    """
    texts = _Texts(passages, language)
    hits: list[Hit] = []
    for rule in taxonomy.rules:
        if rule.data.language == language:
            hits.extend(_single(rule, texts) if rule.data.any_of else _combined(rule, texts))
    kept = _without_overlaps(hits)
    return sorted(
        _with_reciprocity(kept, texts), key=lambda hit: (hit.place.passage, hit.place.start, hit.rule.data.id)
    )


def _single(rule: CompiledRule, texts: _Texts) -> Iterator[Hit]:
    for index in range(len(texts.passages)):
        for match in _matches(rule, rule.groups[0], texts, index):
            yield _hit(rule, match, (), texts)


def _combined(rule: CompiledRule, texts: _Texts) -> Iterator[Hit]:
    """Every group somewhere within ``window`` passages of one speaker; one hit per such stretch."""
    for speaker in dict.fromkeys(passage.speaker for passage in texts.passages):
        own = [index for index, passage in enumerate(texts.passages) if passage.speaker == speaker]
        found = [[list(_matches(rule, group, texts, index)) for index in own] for group in rule.groups]
        position = 0
        while position < len(own):
            stretch = slice(position, position + rule.data.window)
            chosen = [next((items[0] for items in group[stretch] if items), None) for group in found]
            complete = [match for match in chosen if match is not None]
            if len(complete) == len(chosen):
                places = tuple(texts.place(item.passage, item.first, item.last) for item in complete[:-1])
                # what points the other way at any of the passages counts for the whole
                counters = tuple(counter for item in complete for counter in item.counters)
                yield _hit(rule, replace(complete[-1], counters=counters), places, texts)
                position += rule.data.window
            else:
                position += 1


def _matches(rule: CompiledRule, patterns: Sequence[Pattern], texts: _Texts, index: int) -> Iterator[_Match]:
    tokens = texts.tokens[index]
    for first, last in find(patterns, tokens, 0, len(tokens)):
        counters = _filtered(rule, texts, index, first, last)
        if counters is not None:
            yield _Match(index, first, last, counters)


def _filtered(
    rule: CompiledRule, texts: _Texts, index: int, first: int, last: int
) -> tuple[tuple[CompiledFilter, Action, Place], ...] | None:
    """The filters that apply to a match; None when one of them suppresses it."""
    found = []
    for item, action in rule.filters:
        place = _filter_place(item, texts, index, first, last)
        if place is not None:
            if action == "suppress":
                return None
            found.append((item, action, place))
    return tuple(found)


def _filter_place(item: CompiledFilter, texts: _Texts, index: int, first: int, last: int) -> Place | None:
    start, stop = 0, len(texts.tokens[index])
    if item.data.scope == "sentence":
        start, stop = _sentence(texts.tokens[index], first, last)
    start, stop = max(start, first - item.data.before), min(stop, last + item.data.after)
    for begin, end in find(item.patterns, texts.tokens[index], start, stop):
        return texts.place(index, begin, end)
    if item.data.scope == "nearby":
        for other in (index, index + 1, index - 1):
            if 0 <= other < len(texts.tokens):
                for begin, end in find(item.patterns, texts.tokens[other], 0, len(texts.tokens[other])):
                    return texts.place(other, begin, end)
    return None


def _sentence(tokens: Sequence[Token], first: int, last: int) -> tuple[int, int]:
    """Token range of the sentence(s) that hold the match."""
    opening, closing = tokens[first].sentence, tokens[last - 1].sentence
    start, stop = first, last
    while start > 0 and tokens[start - 1].sentence == opening:
        start -= 1
    while stop < len(tokens) and tokens[stop].sentence == closing:
        stop += 1
    return start, stop


def _hit(rule: CompiledRule, match: _Match, related: tuple[Place, ...], texts: _Texts) -> Hit:
    tokens = texts.tokens[match.passage]
    start, stop = _sentence(tokens, match.first, match.last)
    around = texts.place(match.passage, start, stop)
    ambiguous = any(action == "ambiguous" for _, action, _ in match.counters)
    return Hit(
        category=rule.category,
        rule=rule,
        severity=1 if ambiguous else rule.data.severity,
        place=texts.place(match.passage, match.first, match.last),
        sentence=(around.start, around.end),
        related=related,
        counters=tuple(
            Counter(item.data.id, item.data.kind, texts.words(place), place) for item, _, place in match.counters
        ),
    )


def _without_overlaps(hits: list[Hit]) -> list[Hit]:
    kept: list[Hit] = []
    for hit in sorted(hits, key=lambda item: (-item.severity, item.place.start - item.place.end, item.rule.data.id)):
        if not any(_family(hit) == _family(other) and _overlap(hit.place, other.place) for other in kept):
            kept.append(hit)
    return kept


def _family(hit: Hit) -> str:
    return hit.category.split(".")[0]


def _overlap(one: Place, other: Place) -> bool:
    return one.passage == other.passage and one.start < other.end and other.start < one.end


def _with_reciprocity(hits: list[Hit], texts: _Texts) -> Iterator[Hit]:
    """Each hit; where another speaker nearby has one of the same family, with that as counter-evidence."""
    for hit in hits:
        speaker = texts.passages[hit.place.passage].speaker
        answer = next(
            (
                other.place
                for other in hits
                if texts.passages[other.place.passage].speaker != speaker
                and _family(other) == _family(hit)
                and abs(other.place.passage - hit.place.passage) <= RECIPROCITY_PASSAGES
            ),
            None,
        )
        if answer is None:
            yield hit
        else:
            counter = Counter("reciprocity", "reciprocity", texts.words(answer), answer)
            yield replace(hit, counters=(*hit.counters, counter))
