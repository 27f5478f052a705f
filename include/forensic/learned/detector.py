"""The learned detector at work: probabilities of category groups for a dialogue, with the turns that carry them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from include.forensic.learned.classifier import Classifier
from include.forensic.learned.corpus import GROUPS
from include.forensic.learned.features import Window, dense, is_korean, read_turns, windows
from include.forensic.learned.modelfile import SHIPPED, Card, read_model
from include.forensic.learned.stretches import stretches

__all__ = [
    "ALONE",
    "ALONE_ODDS",
    "ALONE_THRESHOLD",
    "NEVER_ALONE",
    "SHORT",
    "LanguageModel",
    "Prediction",
    "Reading",
    "default_model",
    "settle",
]

SHORT = 4
"""Windows of so many stretches or fewer tell where in a scene something is said."""

ALONE, ALONE_THRESHOLD = 2, 0.85
"""Dialogues of so many stretches or fewer, and the least probability of a finding in them: nothing around a sentence
tells a quarrel from a joke. Of 4,000 ordinary sentences by themselves none has a finding by the model."""

ALONE_ODDS = 3.0
"""By how much the odds of every group are multiplied in a Korean dialogue of :data:`ALONE` stretches or fewer. Examples
of so few words are nearly all minimal pairs: held out, 0.35 of the harmful ones and 0.013 of the harmless ones reach
0.5, with three times the odds 0.45 and 0.025. What people say otherwise is far from both: of 5,659 turns of ordinary
calls, each alone, one reaches 0.5 then, of 4,000 ordinary sentences four, two of which say that somebody does not want
to live. English has no such figures, and is left as it is."""

NEVER_ALONE = "MANIPULATION"
"""A group of which the model finds nothing in so short a dialogue: who denies what nobody has told may be right."""

SCENE_WEIGHT = 2 / 3
"""Of a scene's log-odds beside its worst passage's: best of 1/2, 2/3, 4/5 and 1 on 400 DKTC dialogues."""

_LEAST = 1e-6
"""Probabilities nearer to zero or one count as this near."""

_BLOCK = 64
"""Windows that are computed together: memory stays flat, however long the call."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """How probable a group is in a dialogue, and which turns carry it (``first`` to ``last``, exclusive)."""

    group: str
    probability: float
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What a model says of a dialogue."""

    groups: dict[str, Prediction]
    """All groups, in the order of :data:`GROUPS`; none for a dialogue without words."""
    harm: list[float]
    """For each turn the probability that something in it is of any group."""
    stretches: int
    """How many stretches of a turn's usual length were read: a call in one line has many."""


class LanguageModel:
    """A model with its card. Deterministic; holds no state between dialogues."""

    def __init__(self, classifier: Classifier, card: Card) -> None:
        self._classifier = classifier
        self.card = card

    @classmethod
    def load(cls, folder: Path | None = None) -> LanguageModel:
        """The model in a folder; without one the model that comes with the project.

        Raises:
            ModelError: no such model, or a damaged one.
        """
        return cls(*read_model(folder or SHIPPED))

    def windows(self, said: Sequence[str]) -> tuple[list[Window], NDArray[np.float64]]:
        """Every window of a dialogue's stretches with its probabilities, shape ``(windows, classes)``."""
        chosen = windows(len(said), self.card.sizes)
        turns = read_turns(said)
        answers = self._classifier.answers(turns)
        blocks = []
        for start in range(0, len(chosen), _BLOCK):
            block = chosen[start : start + _BLOCK]
            blocks.append(self._classifier.probabilities(dense(said, block), turns, answers, block))
        return chosen, np.concatenate(blocks) if blocks else np.zeros((0, len(self._classifier.classes)))

    def read(self, turns: Sequence[str]) -> Reading:
        """What the model says of a dialogue: each group, and each turn.

        Args:
            turns: what was said, in order, a speaker's uninterrupted stretch each.
        """
        said, owner = stretches(turns)
        if not said:
            return Reading({}, [0.0] * len(turns), 0)
        chosen, probabilities = self.windows(said)
        if len(said) <= ALONE and is_korean(" ".join(said)):
            probabilities = _likelier(probabilities, ALONE_ODDS)
        return Reading(
            settle(chosen, probabilities, owner, max(self.card.sizes)),
            _by_turn(chosen, probabilities, owner, len(turns)),
            len(said),
        )

    def predict(self, turns: Sequence[str]) -> dict[str, Prediction]:
        """The groups of :meth:`read`, in the order of :data:`GROUPS`; empty for a dialogue without words."""
        return self.read(turns).groups

    def findings(self, reading: Reading) -> list[Prediction]:
        """Groups of a dialogue that reach the card's threshold (short ones: :data:`ALONE_THRESHOLD`, and none of
        :data:`NEVER_ALONE`), most probable first."""
        alone = reading.stretches <= ALONE
        least = ALONE_THRESHOLD if alone else 0.0
        reached = [
            item
            for item in reading.groups.values()
            if item.probability >= max(least, self.card.thresholds[item.group])
            and not (alone and item.group == NEVER_ALONE)
        ]
        return sorted(reached, key=lambda item: -item.probability)


def _likelier(probabilities: NDArray[np.float64], odds: float) -> NDArray[np.float64]:
    """Windows' probabilities, ``(windows, classes)``, with the odds of harm multiplied; harmless is the last class."""
    moved = probabilities * np.where(np.arange(probabilities.shape[1]) < len(GROUPS), odds, 1.0)
    return np.asarray(moved / moved.sum(axis=1, keepdims=True), dtype=np.float64)


def settle(
    chosen: Sequence[Window], probabilities: NDArray[np.float64], owner: Sequence[int], scene: int
) -> dict[str, Prediction]:
    """From windows to the dialogue.

    A group's log-odds are the mean of two, the first with twice the weight: those of the scene (a longest window) that
    shows it most, averaged with the better of its neighbours, which hold half of it, and those of the short windows
    within that scene at their highest. A sentence that looks harmful in a harmless scene thus weighs less than its own
    probability, and so does a scene without any such sentence. The turns that carry a group are those of that window.

    Args:
        chosen: the windows.
        probabilities: theirs, ``(windows, classes)``.
        owner: index of each stretch's turn in the dialogue.
        scene: size of the longest windows.
    """
    odds = np.log(np.clip(probabilities, _LEAST, 1 - _LEAST) / np.clip(1 - probabilities, _LEAST, 1 - _LEAST))
    total = len(owner)
    scenes = [row for row, item in enumerate(chosen) if item.last - item.first == min(scene, total)]
    found = {}
    for column, group in enumerate(GROUPS):
        own = odds[scenes, column]
        best = int(own.argmax())
        beside = [own[index] for index in (best - 1, best + 1) if 0 <= index < len(own)]
        wide = (own[best] + max(beside)) / 2 if beside else own[best]
        around = chosen[scenes[best]]
        inside = [
            row
            for row, item in enumerate(chosen)
            if around.first <= item.first and item.last <= around.last and (item.last - item.first <= SHORT)
        ] or [scenes[best]]
        row = inside[int(odds[inside, column].argmax())]
        level = float(SCENE_WEIGHT * wide + (1 - SCENE_WEIGHT) * odds[row, column])
        window = chosen[row]
        found[group] = Prediction(
            group, round(1 / (1 + math.exp(-level)), 4), owner[window.first], owner[window.last - 1] + 1
        )
    return found


def _by_turn(
    chosen: Sequence[Window], probabilities: NDArray[np.float64], owner: Sequence[int], turns: int
) -> list[float]:
    """Probability that anything in a turn is harmful: that of the most harmful short window that holds it."""
    found = [0.0] * turns
    for item, harmless in zip(chosen, probabilities[:, -1].tolist(), strict=True):
        if item.last - item.first <= SHORT or item.last - item.first == len(owner):
            for turn in set(owner[item.first : item.last]):
                found[turn] = max(found[turn], 1 - harmless)
    return found


@lru_cache(maxsize=2)
def default_model(folder: Path | None = None) -> LanguageModel:
    """The process's one model of a folder (``VOICEMAN_LANGUAGE_MODEL``), or the shipped one.

    Raises:
        ModelError: no such model, or a damaged one.
    """
    return LanguageModel.load(folder)
