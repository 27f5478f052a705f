"""The container examination, ready to print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.container import ContainerExamination, label, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.container import Observation
    from include.report.facts import Language

__all__ = ["ContainerView", "container_view"]

_MOST_VALUES = 40
_MOST_PLACES = 40


@dataclass(frozen=True)
class Seen:
    """One thing that was seen at a place."""

    where: str
    values: list[tuple[str, str]]


@dataclass(frozen=True)
class Group:
    """All observations of a kind: their words are printed once."""

    id: str
    what: str
    meaning: str
    limits: str
    seen: list[Seen]


@dataclass(frozen=True)
class ContainerView:
    """The section's contents."""

    container: str
    groups: list[Group]
    left_out: int


def container_view(found: ContainerExamination | None, language: Language) -> ContainerView | None:
    """The observations in this language, by kind; None when there was no examination."""
    if found is None:
        return None
    kinds: dict[str, list[Observation]] = {}
    for one in found.observations:
        kinds.setdefault(one.id, []).append(one)
    hidden = sum(max(len(ones) - _MOST_PLACES, 0) for ones in kinds.values())
    return ContainerView(found.container, [_group(ones, language) for ones in kinds.values()], found.left_out + hidden)


def _group(ones: Sequence[Observation], language: Language) -> Group:
    first = ones[0]
    words = text_of(first.id, language) or first
    seen = [
        Seen(one.where, [(label(name, language), value) for name, value in list(one.values.items())[:_MOST_VALUES]])
        for one in ones[:_MOST_PLACES]
    ]
    return Group(first.id, words.what, words.meaning, words.limits, seen)
