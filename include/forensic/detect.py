"""Rules over passages: where the taxonomy's patterns lie, and what near them points the other way.

A *passage* is one speaker's uninterrupted stretch of text (in a dialogue: a turn). Nothing here knows about
audio or times; :mod:`include.forensic.findings` locates the hits in the recording. Time and memory grow linearly
with the text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from include.forensic.alternatives import CONTEXT_CHARACTERS, variants
from include.forensic.hits import Counter, Detection, Hit, SetAside
from include.forensic.rulebook import Action, CompiledFilter, CompiledRule, Taxonomy
from include.forensic.selection import RECIPROCITY_PASSAGES, SUPPORT_PASSAGES, selected, set_aside_apart, signals_apart
from include.forensic.texts import NEARBY_TOKENS, UNIT_TOKENS, Alternative, Passage, Place, RuleIndex, Texts
from include.forensic.tokens import KIWI_CHARACTERS

__all__ = [
    "PARAMETERS",
    "RECIPROCITY_PASSAGES",
    "Alternative",
    "Counter",
    "Detection",
    "Hit",
    "Passage",
    "Place",
    "SetAside",
    "detect",
    "examine",
]

PARAMETERS = {
    "reciprocity_passages": RECIPROCITY_PASSAGES,
    "support_passages": SUPPORT_PASSAGES,
    "unit_tokens": UNIT_TOKENS,
    "nearby_tokens": NEARBY_TOKENS,
    "context_characters": CONTEXT_CHARACTERS,
    "kiwi_characters": KIWI_CHARACTERS,
}
"""What a finding depends on beside the taxonomy."""

_Filtered = tuple[tuple[CompiledFilter, Action, Place], ...]


@dataclass(frozen=True, slots=True)
class _Match:
    passage: int
    first: int
    last: int
    """Token index after the match."""
    counters: _Filtered

    @property
    def suppressed(self) -> bool:
        return any(action == "suppress" for _, action, _ in self.counters)


_INDEXES: dict[tuple[str, str, tuple[str, ...]], RuleIndex] = {}


def detect(passages: Sequence[Passage], language: str, taxonomy: Taxonomy) -> list[Hit]:
    """The hits of :func:`examine`."""
    return examine(passages, language, taxonomy).hits


def examine(passages: Sequence[Passage], language: str, taxonomy: Taxonomy) -> Detection:
    """All findings in a dialogue, and the matches that a filter set aside, each by place, then rule.

    Overlapping findings of one family (``THREAT`` …) keep the most severe (then the longest). Where a passage has
    alternatives, or holds a known near-homophone, what matches only there says which text matched.

    Args:
        passages: in the order spoken.
        language: ``ko`` or ``en``; the caller checks.
        taxonomy: the rules.
    """
    index = _index(language, taxonomy)
    texts = Texts(passages, language, index)
    raw = _raw(texts)
    heard = [(passages[item.passage].speaker, item) for item in variants(passages, language, taxonomy.spellings)]
    if heard:
        others = Texts([Passage(speaker, item.text) for speaker, item in heard], language, index)
        for hit in _raw(others, combined=False):
            item = heard[(hit.hit.place.passage)][1]
            place = item.back(hit.hit.place)
            if place is not None and not hit.hit.rule.signal:
                raw.append(replace(hit, hit=item.moved(hit.hit, place, others.words(hit.hit.place))))
    signals = signals_apart([item.hit for item in raw if item.hit.rule.signal and item.filter is None])
    raw = [item for item in raw if not item.hit.rule.signal]
    hits = selected([item.hit for item in raw if item.filter is None], texts)
    return Detection(hits, set_aside_apart([item for item in raw if item.filter is not None], hits), signals)


def _index(language: str, taxonomy: Taxonomy) -> RuleIndex:
    rules = [rule for rule in taxonomy.rules if rule.data.language == language]
    key = (taxonomy.sha256, language, tuple(rule.data.id for rule in rules))
    if key not in _INDEXES:
        _INDEXES[key] = RuleIndex(rules)
    return _INDEXES[key]


def _raw(texts: Texts, *, combined: bool = True) -> list[SetAside]:
    found: list[SetAside] = []
    for rule in texts.index.rules:
        if rule.data.any_of:
            found.extend(_result(rule, match, (), texts) for match in _matches(rule, 0, texts))
        elif combined:
            found.extend(_combined(rule, texts))
    return found


def _matches(rule: CompiledRule, group: int, texts: Texts) -> Iterator[_Match]:
    key = texts.index.group(rule, group)
    for passage, found in enumerate(texts.found):
        for first, last in found.get(key, ()):
            yield _Match(passage, first, last, _filtered(rule, texts, passage, first, last))


def _filtered(rule: CompiledRule, texts: Texts, passage: int, first: int, last: int) -> _Filtered:
    found = []
    for item, action in rule.filters:
        place = texts.filter_place(item, passage, first, last)
        if place is not None:
            found.append((item, action, place))
    return tuple(found)


def _combined(rule: CompiledRule, texts: Texts) -> Iterator[SetAside]:
    """Enough of the groups within ``window`` units of one speaker; one hit per such stretch.

    A match that a filter sets aside counts only where no other will do, and then sets the whole aside.
    """
    needed = rule.data.at_least or len(rule.groups)
    by_passage: list[dict[int, list[_Match]]] = []
    for number in range(len(rule.groups)):
        found: dict[int, list[_Match]] = {}
        for match in _matches(rule, number, texts):
            found.setdefault(match.passage, []).append(match)
        by_passage.append(found)
    if sum(bool(found) for found in by_passage) < needed:
        return
    for speaker in dict.fromkeys(passage.speaker for passage in texts.passages):
        units = [unit for unit in texts.units if texts.passages[unit[0]].speaker == speaker]
        table = [
            [[match for match in found.get(unit[0], ()) if unit[1] <= match.first < unit[2]] for unit in units]
            for found in by_passage
        ]
        position = 0
        while position < len(units):
            chosen = _chosen(rule, [group[position : position + rule.data.window] for group in table], needed)
            if chosen:
                yield _together(rule, chosen, texts)
                position += rule.data.window
            else:
                position += 1


def _chosen(rule: CompiledRule, groups: list[list[list[_Match]]], needed: int) -> list[_Match]:
    """One match of each group that has one, unsuppressed ones first; nothing where too few have."""
    required = [item.required or not rule.data.at_least for item in rule.data.all_of]
    for allowed in (False, True):
        found = [
            next((match for unit in group for match in unit if allowed or not match.suppressed), None)
            for group in groups
        ]
        complete = [match for match in found if match is not None]
        if len(complete) >= needed and all(
            match is not None for match, must in zip(found, required, strict=True) if must
        ):
            return complete
    return []


def _together(rule: CompiledRule, chosen: list[_Match], texts: Texts) -> SetAside:
    places = tuple(texts.place(item.passage, item.first, item.last) for item in chosen[:-1])
    # what points the other way at any of the passages counts for the whole
    counters = tuple(counter for item in chosen for counter in item.counters)
    return _result(rule, replace(chosen[-1], counters=counters), places, texts)


def _result(rule: CompiledRule, match: _Match, related: tuple[Place, ...], texts: Texts) -> SetAside:
    around = texts.place(match.passage, *texts.sentence(match.passage, match.first, match.last))
    ambiguous = any(action == "ambiguous" for _, action, _ in match.counters)
    hit = Hit(
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
    return SetAside(hit, next((item.data.id for item, action, _ in match.counters if action == "suppress"), None))
