"""Which of the matches are findings: overlaps, support by others, stage flags, reciprocity."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import replace

from include.forensic.hits import Counter, Hit, SetAside
from include.forensic.texts import Place, Texts

__all__ = ["RECIPROCITY_PASSAGES", "SUPPORT_PASSAGES", "selected", "set_aside_apart", "signals_apart"]

RECIPROCITY_PASSAGES = 6
"""How far (in passages) another speaker's finding of the same family counts as reciprocity."""

SUPPORT_PASSAGES = 6
"""Within how many passages before and after a weak match others of its family support it."""


class _Taken:
    """Places already taken, by passage and kin, for a quick look whether another overlaps."""

    def __init__(self) -> None:
        self._places: dict[tuple[int, str], list[tuple[int, int]]] = {}

    def free(self, kin: str, place: Place) -> bool:
        places = self._places.get((place.passage, kin), [])
        # those kept never overlap one another, so only the neighbours can overlap this one
        position = bisect_left(places, (place.start, place.end))
        return all(
            end <= place.start or start >= place.end for start, end in places[max(0, position - 1) : position + 1]
        )

    def take(self, kin: str, place: Place) -> None:
        places = self._places.setdefault((place.passage, kin), [])
        places.insert(bisect_left(places, (place.start, place.end)), (place.start, place.end))


def selected(hits: list[Hit], texts: Texts) -> list[Hit]:
    """The findings among the matches, by place, then rule."""
    kept = _supported(_beside(_apart(hits)))
    kept.sort(key=_order)
    return list(_with_reciprocity(kept, texts))


def set_aside_apart(items: list[SetAside], hits: list[Hit]) -> list[SetAside]:
    """The matches set aside, one of a family at a place, without those where there is a finding all the same."""
    taken = _Taken()
    for hit in hits:
        if taken.free(hit.family, hit.place):
            taken.take(hit.family, hit.place)
    kept = []
    for item in sorted(items, key=lambda one: _strength(one.hit)):
        strong = not item.hit.rule.data.beside and item.hit.rule.data.support == 1
        if strong and taken.free(item.hit.family, item.hit.place):
            taken.take(item.hit.family, item.hit.place)
            kept.append(item)
    return sorted(kept, key=lambda one: _order(one.hit))


def signals_apart(hits: list[Hit]) -> list[Hit]:
    """The signals, one of a category at a place; those of different categories don't compete."""
    taken = _Taken()
    kept = []
    for hit in sorted(hits, key=_strength):
        if taken.free(hit.category, hit.place):
            taken.take(hit.category, hit.place)
            kept.append(hit)
    return sorted(kept, key=_order)


def _order(hit: Hit) -> tuple[int, int, str]:
    return (hit.place.passage, hit.place.start, hit.rule.data.id)


def _strength(hit: Hit) -> tuple[int, bool, int, str]:
    """Sort key: the most severe first, then what was transcribed, then the longest."""
    return (-hit.severity, hit.heard is not None, hit.place.start - hit.place.end, hit.rule.data.id)


def _apart(hits: list[Hit]) -> list[Hit]:
    taken = _Taken()
    kept = []
    for hit in sorted(hits, key=_strength):
        # a stage flag is no rival of the finding that it stands beside
        kin = hit.category if hit.rule.data.beside else hit.family
        if taken.free(kin, hit.place):
            taken.take(kin, hit.place)
            kept.append(hit)
    return kept


def _beside(hits: list[Hit]) -> list[Hit]:
    """Without the hits whose rule needs another category's finding that isn't there."""
    there = {hit.category for hit in hits if not hit.rule.data.beside}
    return [hit for hit in hits if not hit.rule.data.beside or there & set(hit.rule.data.beside)]


def _supported(hits: list[Hit]) -> list[Hit]:
    """Without weak matches that too few sentences of the same family support."""
    sentences: dict[str, list[tuple[int, int]]] = {}
    for hit in hits:
        sentences.setdefault(hit.family, []).append((hit.place.passage, hit.sentence[0]))
    places = {family: sorted(set(found)) for family, found in sentences.items()}
    kept = []
    for hit in hits:
        found = places[hit.family]
        first = bisect_left(found, (hit.place.passage - SUPPORT_PASSAGES, 0))
        last = bisect_left(found, (hit.place.passage + SUPPORT_PASSAGES + 1, 0))
        if last - first >= hit.rule.data.support:
            kept.append(hit)
    return kept


def _with_reciprocity(hits: list[Hit], texts: Texts) -> Iterator[Hit]:
    """Each hit; where another speaker nearby has one of the same family, with that as counter-evidence."""
    first: dict[tuple[str, int], Place] = {}
    for hit in hits:
        first.setdefault((hit.family, hit.place.passage), hit.place)
    for hit in hits:
        answer = _answer(hit, first, texts)
        if answer is None:
            yield hit
        else:
            counter = Counter("reciprocity", "reciprocity", texts.words(answer), answer)
            yield replace(hit, counters=(*hit.counters, counter))


def _answer(hit: Hit, first: dict[tuple[str, int], Place], texts: Texts) -> Place | None:
    own = hit.place.passage
    speaker = texts.passages[own].speaker
    for passage in range(max(0, own - RECIPROCITY_PASSAGES), own + RECIPROCITY_PASSAGES + 1):
        place = first.get((hit.family, passage))
        if place is not None and texts.passages[passage].speaker != speaker:
            return place
    return None
