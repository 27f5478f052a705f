"""Turns cut into stretches of like length: what the learned detector counts as one step of a dialogue.

A whole call may come as one line of text, without turns; a sentence vector of three thousand characters says nothing.
Turns of ordinary length stay whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["STRETCH_CHARACTERS", "stretches"]

STRETCH_CHARACTERS = 100
"""A turn longer than this is cut, at a sentence end where there is one: turns of calls have about 20 to 60."""

_SENTENCE = re.compile(r"(?<=[.?!…\n])\s+")


def stretches(turns: Sequence[str]) -> tuple[list[str], list[int]]:
    """Stretches with words in them, and the index of the turn that each is of.

    Args:
        turns: what was said, in order.
    """
    found: list[str] = []
    owner: list[int] = []
    for index, turn in enumerate(turns):
        parts = [turn.strip()] if len(turn) <= STRETCH_CHARACTERS else _cut(turn)
        said = [part for part in parts if any(character.isalnum() for character in part)]
        found.extend(said)
        owner.extend([index] * len(said))
    return found, owner


def _cut(turn: str) -> list[str]:
    """Sentences together up to the length; a longer sentence at its words; a longer word where the length ends."""
    words = [word for sentence in _SENTENCE.split(turn) for word in _words(sentence)]
    parts = [""]
    for word, ends in words:
        if parts[-1] and len(parts[-1]) + 1 + len(word) > STRETCH_CHARACTERS:
            parts.append("")
        parts[-1] = f"{parts[-1]} {word}".strip()
        if ends and len(parts[-1]) > STRETCH_CHARACTERS // 2:
            parts.append("")
    return parts


def _words(sentence: str) -> list[tuple[str, bool]]:
    """The sentence's words, over-long ones in pieces, each with whether the sentence ends there."""
    words = [
        word[at : at + STRETCH_CHARACTERS]
        for word in sentence.split()
        for at in range(0, len(word), STRETCH_CHARACTERS)
    ]
    return [(word, number + 1 == len(words)) for number, word in enumerate(words)]
