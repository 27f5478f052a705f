"""From examples to a calibrated classifier, both members of it: what ``make train`` and the evaluation share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from include.forensic.learned.classifier import Classifier, softmax, weighted
from include.forensic.learned.corpus import CLASSES, Example
from include.forensic.learned.towers import korean_items, spoken
from include.forensic.learned.training import (
    calibrated,
    calibrating,
    fit,
    fit_networks,
    folds,
    held_out,
    held_out_networks,
    numbers,
    rarity,
    read,
    shown,
)

__all__ = ["Maker"]


class Maker:
    """Examples as windows, and their calibrated held-out scores.

    Attributes:
        items: the windows, first the examples themselves (:func:`include.forensic.learned.training.shown`).
        labels: the examples' classes.
        held_out: probabilities of the examples by members that saw nothing of their fold, ``(examples, classes)``.
    """

    def __init__(
        self, examples: Sequence[Example], prior: float, tell: Callable[[str], None] = lambda _stage: None
    ) -> None:
        """Train on held-out folds and calibrate.

        Args:
            examples: with one label at least, and harmless ones.
            prior: share of harmful windows that probabilities assume.
            tell: hears what is begun: the whole takes about an hour on two cores.
        """
        self._tell = tell
        count = len(examples)
        self.items = shown(examples, folds(examples))
        self.labels = [item.label for item in self.items[:count]]
        turns = [item.turns for item in self.items]
        tell(f"reading {len(turns):,} windows of {count:,} examples")
        counted = read(turns)
        self._korean, self._said = korean_items(turns, counted), spoken(turns, counted)
        tell("sentence vectors")
        self._numbered = numbers(turns, counted)
        self._rare = rarity(self._numbered[1])
        tell("linear members without a fold each")
        linear = held_out(self.items, self._numbered, count)
        tell("networks without a fold each")
        members = (linear, held_out_networks(self.items, self._said, self._korean, count))
        rows = calibrating(self.items[:count])
        self._slopes, self._offset = calibrated(
            [scores[rows] for scores in members], self._korean[rows], [self.labels[row] for row in rows.tolist()], prior
        )
        self.held_out: NDArray[np.float64] = softmax(
            weighted(members, self._korean[:count], self._slopes) + self._offset
        )

    def classifier(self, inside: Sequence[int] | None = None) -> Classifier:
        """A classifier from some windows (numbers of :attr:`items`), or from all of them."""
        rows = np.arange(len(self.items)) if inside is None else np.asarray(inside, dtype=np.int64)
        self._tell(f"linear member of {len(rows):,} windows")
        chosen = [self.items[row] for row in rows.tolist()]
        linear = fit(
            (self._numbered[0][rows], [self._numbered[1][row] for row in rows.tolist()]),
            [item.label for item in chosen],
            [item.weight for item in chosen],
            self._rare,
        )
        self._tell(f"networks of {len(rows):,} windows")
        towers = fit_networks(self.items, self._said, self._korean, rows)
        return Classifier(CLASSES, linear, towers, self._slopes, self._offset)
