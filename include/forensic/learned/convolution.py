"""Runs of words as a convolutional network sees them, in numpy: the second of a model's two members.

What the hashed pieces of :mod:`include.forensic.learned.features` lack is likeness: 죽일 거야 and 해칠 거야 share no
piece. Here each word is a vector (:mod:`include.forensic.learned.words`), kernels look at runs of one to four of them,
and each keeps the strongest answer in a window (Kim, EMNLP 2014). Kernels do not look across turns, so a turn is looked
at once, however many windows hold it. It is trained by :mod:`include.forensic.learned.convolution_training`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from include.forensic.learned.features import Window

__all__ = ["LENGTH", "RUNS", "Tower", "placed"]

RUNS = (1, 2, 3, 4)
"""Words that a kernel looks at."""

LENGTH = 2.0
"""Length of a word's vector after its centre was taken off: training goes better with numbers near 0.1."""

_BLOCK = 4096
"""Words that are looked at together: bounds the memory, whatever the length of a call."""


def placed(vectors: NDArray[np.float32], centre: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors from their centre, at :data:`LENGTH`; words without one (zeros) stay zeros."""
    moved = (vectors - centre) * vectors.any(axis=1, keepdims=True)
    return np.asarray(LENGTH * moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-6), dtype=np.float32)


@dataclass(frozen=True)
class Tower:
    """Weights for one kind of words."""

    centre: NDArray[np.float32]
    """``(width,)``: what all words' vectors have in common."""
    kernels: tuple[NDArray[np.float32], ...]
    """For each of :data:`RUNS` ``(run * width, kernels)``."""
    bias: NDArray[np.float32]
    """``(RUNS * kernels,)``."""
    weights: NDArray[np.float32]
    """``(RUNS * kernels, classes)``."""
    intercept: NDArray[np.float64]
    """``(classes,)``."""

    def __post_init__(self) -> None:
        """Refuse shapes that do not fit each other.

        Raises:
            ValueError: they do not.
        """
        width, each = len(self.centre), self.kernels[0].shape[-1] if self.kernels else 0
        expected = [*((run * width, each) for run in RUNS), (each * len(RUNS), len(self.intercept))]
        shapes = [*(kernel.shape for kernel in self.kernels), self.weights.shape]
        if shapes != expected or self.bias.shape != (each * len(RUNS),):
            raise ValueError(f"kernels and weights of the shapes {shapes} do not fit each other")

    def answers(self, turns: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """The strongest answer of each kernel in each turn, shape ``(turns, RUNS * kernels)``; zeros without words.

        Args:
            turns: vectors of each turn's words, ``(words, width)``.
        """
        found = np.zeros((len(turns), len(self.bias)), dtype=np.float32)
        first = 0
        while first < len(turns):
            last, words = first, 0
            while last < len(turns) and (last == first or words + len(turns[last]) <= _BLOCK):
                words += len(turns[last])
                last += 1
            self._look(turns[first:last], found[first:last])
            first = last
        return found

    def _look(self, turns: Sequence[NDArray[np.float32]], found: NDArray[np.float32]) -> None:
        """:meth:`answers` of a few turns, written into ``found``."""
        said = [number for number, turn in enumerate(turns) if len(turn)]
        if not said:
            return
        lengths = np.array([len(turns[number]) for number in said])
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        nothing = np.zeros((1, len(self.centre)), dtype=np.float32)
        words = np.concatenate([*(placed(turns[number], self.centre) for number in said), nothing])
        at = np.arange(lengths.sum())[:, None]
        begin, end = np.repeat(starts, lengths)[:, None], np.repeat(starts + lengths, lengths)[:, None]
        each = self.kernels[0].shape[1]
        for number, (run, kernel) in enumerate(zip(RUNS, self.kernels, strict=True)):
            near = at + np.arange(run) - (run - 1) // 2
            near = np.where((near >= begin) & (near < end), near, len(words) - 1)
            own = slice(number * each, (number + 1) * each)
            answer = words[near].reshape(len(near), -1) @ kernel + self.bias[own]
            found[said, own] = np.maximum(np.maximum.reduceat(answer, starts, axis=0), 0)

    def scores(self, answers: NDArray[np.float32], chosen: Sequence[Window]) -> NDArray[np.float64]:
        """Uncalibrated scores of windows, shape ``(windows, classes)``.

        Args:
            answers: those of a dialogue's turns.
            chosen: windows of it.
        """
        strongest = np.stack([answers[item.first : item.last].max(axis=0) for item in chosen])
        return strongest.astype(np.float64) @ self.weights + self.intercept
