"""What the rules find: hits, the words near them that point the other way, and matches that a filter set aside."""

from __future__ import annotations

from dataclasses import dataclass

from include.forensic.rulebook import CompiledRule, CounterKind
from include.forensic.texts import Place

__all__ = ["Counter", "Detection", "Hit", "SetAside"]


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
    heard: str | None = None
    """The words that matched, where they are not the passage's own but an alternative's or a near-homophone's."""

    @property
    def family(self) -> str:
        """The category up to its first dot."""
        return self.category.split(".")[0]


@dataclass(frozen=True, slots=True)
class SetAside:
    """A match, and the filter that set it aside (None: none did)."""

    hit: Hit
    filter: str | None


@dataclass(frozen=True, slots=True)
class Detection:
    """What the rules found in a dialogue."""

    hits: list[Hit]
    set_aside: list[SetAside]
    """Matches that are no findings because of the filter named: shown with the same weight (DESIGN §6.5)."""

    signals: list[Hit]
    """Matches of rules that are read over the recordings of a case: no findings (:mod:`~include.forensic.rulebook`)."""
