"""Two members that each score a window, and the calibration of both together: numpy only.

The first is linear over sentence vectors and hashed pieces (a regularised squared hinge,
:mod:`include.forensic.learned.solver`), the second a convolutional network over words, one for Korean and one for other
languages (:mod:`include.forensic.learned.convolution`). Then one probability distribution over the groups and
*harmless*, so that the groups compete: an extortion names a threat as well, and which of the two it is, is learned.
Calibration is vector scaling (Guo et al., ICML 2017) of both: a slope for each member and kind of language, and an
offset for each class, fitted on held-out folds. It thus says, too, how much each member counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from include.forensic.learned.convolution import Tower
from include.forensic.learned.features import BUCKETS, DENSE, Turn, Window, pieces, word_vectors

__all__ = ["KINDS", "Classifier", "Linear", "softmax", "weighted"]

KINDS = (True, False)
"""Windows with Korean in them, and without."""


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows that sum to one."""
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), dtype=np.float64)


def weighted(
    members: Sequence[NDArray[np.float64]], korean: NDArray[np.bool_], slopes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Scores of all members together, ``(windows, classes)``.

    Args:
        members: scores of each, ``(windows, classes)``.
        korean: whether a window has Korean in it.
        slopes: ``(kinds, members)``, kinds in the order of :data:`KINDS`.
    """
    own = np.where(korean[:, None], slopes[0], slopes[1])
    return np.asarray(sum(own[:, number, None] * scores for number, scores in enumerate(members)), dtype=np.float64)


@dataclass(frozen=True)
class Linear:
    """Weights of the first member."""

    dense: NDArray[np.float32]
    """``(DENSE, classes)``."""
    sparse: NDArray[np.float32]
    """``(BUCKETS, classes)``."""
    intercept: NDArray[np.float64]
    """``(classes,)``."""

    def scores(self, dense: NDArray[np.float32], pieces: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
        """Uncalibrated scores, shape ``(windows, classes)``."""
        found = dense.astype(np.float64) @ self.dense + self.intercept
        for row, buckets in enumerate(pieces):
            if len(buckets):
                found[row] += self.sparse[buckets].sum(axis=0) / np.sqrt(len(buckets))
        return np.asarray(found, dtype=np.float64)


@dataclass(frozen=True)
class Classifier:
    """One model's members and calibration."""

    classes: tuple[str, ...]
    """Groups, then ``-`` for harmless."""
    linear: Linear
    towers: Mapping[bool, Tower]
    """For windows with Korean in them, and for others; a kind that nobody had examples of has none."""
    slopes: NDArray[np.float64]
    """``(2, 2)``: for each of :data:`KINDS` the slope of the linear member and that of the network."""
    offset: NDArray[np.float64]
    """Calibration: probabilities are ``softmax(weighted(…) + offset)``."""

    def __post_init__(self) -> None:
        """Refuse shapes that do not fit each other.

        Raises:
            ValueError: they do not.
        """
        count = len(self.classes)
        own = self.linear
        shapes = (own.dense.shape, own.sparse.shape, own.intercept.shape, self.offset.shape, self.slopes.shape)
        outs = {tower.intercept.shape for tower in self.towers.values()}
        if shapes != ((DENSE, count), (BUCKETS, count), (count,), (count,), (2, 2)) or outs - {(count,)}:
            raise ValueError(f"weights of the shapes {shapes} and {outs} are not those of {count} classes")

    def answers(self, turns: Sequence[Turn]) -> dict[bool, NDArray[np.float32]]:
        """What the networks see in each turn of a dialogue; of a kind of language that is not in it, nothing."""
        there = {turn.korean for turn in turns}
        return {
            korean: tower.answers(word_vectors(turns, korean=korean))
            for korean, tower in self.towers.items()
            if korean in there
        }

    def probabilities(
        self,
        dense: NDArray[np.float32],
        turns: Sequence[Turn],
        answers: Mapping[bool, NDArray[np.float32]],
        chosen: Sequence[Window],
    ) -> NDArray[np.float64]:
        """Calibrated probabilities of windows, shape ``(windows, classes)``, rows summing to one.

        Args:
            dense: of the windows.
            turns: of the dialogue.
            answers: theirs.
            chosen: the windows.
        """
        linear = self.linear.scores(dense, [pieces(turns, item) for item in chosen])
        korean = np.array([any(turn.korean for turn in turns[item.first : item.last]) for item in chosen])
        network = np.zeros_like(linear)
        for kind in answers:
            own = np.flatnonzero(korean == kind).tolist()
            if own:
                network[own] = self.towers[kind].scores(answers[kind], [chosen[row] for row in own])
        return softmax(weighted((linear, network), korean, self.slopes) + self.offset)
