"""A linear classifier over a window's numbers, and its calibration: numpy only.

One score a class (a regularised squared hinge, :mod:`include.forensic.learned.solver`), then one probability
distribution over the groups and *harmless*, so that the groups compete: an extortion names a threat as well, and which
of the two it is, is learned.
Calibration is vector scaling (Guo et al., ICML 2017): a slope, and an offset for each class, fitted on held-out folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from include.forensic.learned.features import BUCKETS, DENSE

__all__ = ["Classifier", "softmax"]


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows that sum to one."""
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), dtype=np.float64)


@dataclass(frozen=True)
class Classifier:
    """Weights of one model."""

    classes: tuple[str, ...]
    """Groups, then ``-`` for harmless."""
    dense: NDArray[np.float32]
    """``(DENSE, classes)``."""
    sparse: NDArray[np.float32]
    """``(BUCKETS, classes)``."""
    intercept: NDArray[np.float64]
    slope: float
    offset: NDArray[np.float64]
    """Calibration: probabilities are ``softmax(slope * score + offset)``."""

    def __post_init__(self) -> None:
        """Refuse shapes that do not fit each other.

        Raises:
            ValueError: they do not.
        """
        count = len(self.classes)
        shapes = (self.dense.shape, self.sparse.shape, self.intercept.shape, self.offset.shape)
        if shapes != ((DENSE, count), (BUCKETS, count), (count,), (count,)):
            raise ValueError(f"weights of the shapes {shapes} are not those of {count} classes")

    def scores(self, dense: NDArray[np.float32], pieces: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
        """Uncalibrated scores, shape ``(windows, classes)``."""
        found = dense.astype(np.float64) @ self.dense + self.intercept
        for row, buckets in enumerate(pieces):
            if len(buckets):
                found[row] += self.sparse[buckets].sum(axis=0) / np.sqrt(len(buckets))
        return np.asarray(found, dtype=np.float64)

    def probabilities(self, dense: NDArray[np.float32], pieces: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
        """Calibrated probabilities, shape ``(windows, classes)``, rows summing to one."""
        return softmax(self.slope * self.scores(dense, pieces) + self.offset)
