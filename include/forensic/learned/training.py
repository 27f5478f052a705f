"""Making a model: what is shown to it, held-out folds, calibration.

Split: by ``scenario`` (a block of lines that may reword each other) and by kind of scenario, so that no rewording of a
test sentence was seen, nor a call of its kind.
Every number that calibrates or is written into a card comes from folds whose scenarios were held out.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from include.forensic.learned.classifier import Classifier, softmax
from include.forensic.learned.corpus import GROUPS, HARMLESS, Example
from include.forensic.learned.features import BUCKETS, DENSE, Window, is_korean, pieces, plain, pooled, turn_pieces
from include.forensic.learned.stretches import stretches
from include.forensic.vectors import sentence_vectors

__all__ = [
    "CLASSES",
    "Numbers",
    "Shown",
    "calibrated",
    "fit",
    "folds",
    "held_out",
    "kernel",
    "numbers",
    "rarity",
    "shown",
    "solve",
]

CLASSES = (*GROUPS, HARMLESS)

FOLDS = 3

RIDGE = 10.0
DENSE_SCALE = 1.0
SPARSE_SCALE = 4.0
"""Regularisation, and how much the pieces weigh beside the vectors. With pieces at 4 instead of 2, held-out phishing
calls lie higher above near harmless ones (area under the curve 0.973 to 0.982), and DKTC's macro-F1 with a model
trained on it rises (0.849 to 0.880, whole dialogues); a model of the project's examples alone loses one hundredth."""

_ROWS = 1000
"""Rows of the kernel that are made at once."""

LONGEST = 16
"""Stretches of an example that are shown at once: the longest window."""

ONE_LINE = 8
"""Examples of so many turns are also shown as some write calls: one line without speakers, cut into stretches; and one
speaker's turns only, as where a recording holds the caller."""

SCENE, PASSAGE = 6, 4
"""An example of so many stretches is also shown by passages of so many."""

SURROUNDINGS = 2
"""Harmless stretches at most that are put before and after a harmful example."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Turns as one window, with a class, a weight and the fold they belong to."""

    turns: tuple[str, ...]
    label: str
    weight: float
    fold: int


_OWN_BLOCK = re.compile(r"^((?:ko|en)\..+)\.\d+$")
"""Scenarios of the project's corpus: a name and the number of a block."""

Numbers = tuple[NDArray[np.float32], list[NDArray[np.int64]]]
"""Dense part and buckets of windows."""


def folds(examples: Sequence[Example], count: int = FOLDS, seed: int = 7) -> list[int]:
    """The fold of each example; each group's scenarios are spread evenly, by the words in them.

    A scenario lies in one fold, and so do all blocks of the project's own that go by one name (``ko.none.taxi.1`` and
    ``.2``): a caller that the model meets is of a kind that it never saw, not of one that it saw last week.
    """
    labels: dict[str, tuple[str, ...]] = {}
    size: dict[str, int] = {}
    names = [_OWN_BLOCK.sub(r"\1", example.scenario) for example in examples]
    for name, example in zip(names, examples, strict=True):
        labels.setdefault(name, example.labels)
        size[name] = size.get(name, 0) + sum(len(turn) for turn in example.turns)
    order = sorted(labels)
    random.Random(seed).shuffle(order)  # noqa: S311 - reproducible, not secret
    order.sort(key=lambda name: (labels[name], -size[name]))
    filled: dict[tuple[str, ...], list[int]] = {}
    fold: dict[str, int] = {}
    for name in order:
        taken = filled.setdefault(labels[name], [0] * count)
        fold[name] = taken.index(min(taken))
        taken[fold[name]] += size[name]
    return [fold[name] for name in names]


def shown(examples: Sequence[Example], fold: Sequence[int], seed: int = 7) -> list[Shown]:
    """What is trained on: first each example as a whole (by its first label), then what calls are made of.

    A call is long and mostly harmless, examples are short: harmless turns are also shown one by one and strung together
    to scenes of 2-12 turns; harmful examples are also shown between harmless turns, several of a group together, and,
    where they are long, four turns at a time, beyond the longest window, and as one line. Else many turns would look
    harmful by themselves, and a long quarrel like none of its lines. What is strung together lies in one fold.
    """
    draw = random.Random(seed)  # noqa: S311 - reproducible, not secret
    cut = [replace(example, turns=tuple(stretches(example.turns)[0])) for example in examples]
    found = [
        Shown(example.turns[:LONGEST], example.labels[0] if example.labels else HARMLESS, 1.0, part)
        for example, part in zip(cut, fold, strict=True)
    ]
    for example, part in zip(cut, fold, strict=True):
        found.extend(Shown(example.turns[:LONGEST], label, 1.0, part) for label in example.labels[1:])
        if example.whole:
            continue
        found.extend(_passages(example, part))
        found.extend(_long(example, part))
        if not example.labels and len(example.turns) > 1:
            found.extend(Shown((turn,), HARMLESS, 0.5, part) for turn in example.turns)
    for part in sorted(set(fold)):
        for korean in (True, False):
            own = [
                example
                for example, other in zip(cut, fold, strict=True)
                if other == part and not example.whole and is_korean(" ".join(example.turns)) is korean
            ]
            found.extend(_strung(draw, own, part))
    return found


def _passages(example: Example, part: int) -> Iterator[Shown]:
    """Four turns at a time of an example of six or more: half of them overlap."""
    if len(example.turns) < SCENE:
        return
    label = example.labels[0] if example.labels else HARMLESS
    for start in sorted({*range(0, len(example.turns) - PASSAGE, PASSAGE // 2 + 1), len(example.turns) - PASSAGE}):
        yield Shown(example.turns[start : start + PASSAGE], label, 0.4, part)


def _long(example: Example, part: int) -> Iterator[Shown]:
    """What of an example lies beyond the longest window, the whole as one line, and one speaker of it alone."""
    label = example.labels[0] if example.labels else HARMLESS
    beyond = len(example.turns) - LONGEST
    for start in sorted({*range(LONGEST // 2, beyond, LONGEST // 2), beyond}):
        if start > 0:
            yield Shown(example.turns[start : start + LONGEST], label, 0.5, part)
    if len(example.turns) >= ONE_LINE:
        line = stretches([" ".join(example.turns)])[0]
        yield Shown(tuple(line[:LONGEST]), label, 0.5, part)
        yield Shown(example.turns[::2][:LONGEST], label, 0.5, part)


def _strung(draw: random.Random, examples: Sequence[Example], part: int) -> Iterator[Shown]:
    harmless = [example.turns for example in examples if not example.labels]
    if not harmless:
        return
    for _ in range(len(harmless) // 3):
        length = draw.choice((2, 3, 4, 6, 8, 12))
        turns: list[str] = []
        while len(turns) < length:
            turns.extend(draw.choice(harmless))
        yield Shown(tuple(turns[:12]), HARMLESS, 1.0, part)
    for label in GROUPS:
        same = [example.turns for example in examples if example.labels[:1] == (label,)]
        for _ in range(len(same) // 2):
            chosen = draw.sample(same, k=min(len(same), draw.choice((2, 3, 4))))
            yield Shown(tuple(turn for turns in chosen for turn in turns)[:LONGEST], label, 0.5, part)
    for example in examples:
        if example.labels and draw.random() < 0.5:
            before, after = draw.choice(harmless)[-SURROUNDINGS:], draw.choice(harmless)[:SURROUNDINGS]
            yield Shown((*before, *example.turns, *after)[:LONGEST], example.labels[0], 0.5, part)


def numbers(items: Sequence[Sequence[str]]) -> Numbers:
    """Dense part and buckets of dialogues, each taken as one window."""
    flat = list(dict.fromkeys(turn for turns in items for turn in turns))
    buckets = dict(zip(flat, turn_pieces(flat), strict=True))
    vectors = dict(zip(flat, sentence_vectors([plain(turn) for turn in flat]), strict=True))
    whole = sentence_vectors([" ".join(plain(turn) for turn in turns) for turns in items])
    found = np.stack(
        [pooled(row, np.stack([vectors[turn] for turn in turns])) for row, turns in zip(whole, items, strict=True)]
    )
    return found, [pieces([buckets[turn] for turn in turns], Window(0, len(turns))) for turns in items]


def rarity(buckets: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
    """Weight of each bucket, shape ``(BUCKETS,)``: inverse document frequency, the logarithm of one over the share of
    windows that hold it (Spärck Jones, Journal of Documentation 1972), scaled so that the pieces of the windows have a
    mean square of one.

    Endings and particles are in every call; without it they weigh as much as what a call is about.
    """
    there = np.concatenate(buckets)
    weight = np.log((len(buckets) + 1) / (np.bincount(there, minlength=BUCKETS) + 1))
    return np.asarray(weight / max(float(np.sqrt((weight[there] ** 2).mean())), 1e-6), dtype=np.float32)


def _hashed(buckets: Sequence[NDArray[np.int64]], rare: NDArray[np.float32]) -> Any:
    import scipy.sparse as sp

    counts = [len(item) for item in buckets]
    there = np.concatenate(buckets)
    values = np.repeat([1 / np.sqrt(max(1, count)) for count in counts], counts) * rare[there]
    rows = np.repeat(np.arange(len(buckets)), counts)
    return sp.csr_matrix(((values * SPARSE_SCALE).astype(np.float32), (rows, there)), shape=(len(buckets), BUCKETS))


def kernel(numbered: Numbers) -> NDArray[np.float32]:
    """Inner products of all windows, with one for the intercept: ``(windows, windows)``."""
    hashed = _hashed(numbered[1], rarity(numbered[1]))
    vectors = (numbered[0] - numbered[0].mean(axis=0)) * np.float32(DENSE_SCALE)
    products = np.empty((len(vectors), len(vectors)), dtype=np.float32)
    for first in range(0, len(products), _ROWS):  # the whole as a sparse matrix would take twice as much again
        rows = slice(first, first + _ROWS)
        np.matmul(vectors[rows], vectors.T, out=products[rows])
        products[rows] += (hashed[rows] @ hashed.T).toarray() + np.float32(1.0)
    return products


def solve(
    products: NDArray[np.float32], labels: Sequence[str], weights: NDArray[np.float64], *, spend: bool = False
) -> NDArray[np.float64]:
    """Dual coefficients of weighted regularised least squares on class indicators, ``(windows, classes)``.

    Single precision: the regularisation keeps the matrix far from singular, and a small model takes half the time.
    Each class is weighted by the inverse root of its size, so that a group of 40 examples is not drowned by 1,500.
    ``spend``: the products may be overwritten, they are gigabytes.
    """
    import torch

    target = np.array([CLASSES.index(label) for label in labels])
    sizes = np.bincount(target, minlength=len(CLASSES))
    balanced = weights * np.sqrt(len(target) / len(CLASSES) / np.maximum(1, sizes))[target]
    regular = products if spend else products.copy()
    regular[np.diag_indices_from(regular)] += (RIDGE / balanced).astype(np.float32)
    # torch's LAPACK: SciPy's OpenBLAS ended with a segmentation fault at 37,000 windows
    matrix = torch.from_numpy(regular).mT  # LAPACK's order of the same symmetric matrix: in place, no copy
    torch.linalg.cholesky(matrix, out=matrix)
    indicator = torch.from_numpy(np.eye(len(CLASSES), dtype=np.float32)[target])
    return np.asarray(torch.cholesky_solve(indicator, matrix).numpy(), dtype=np.float64)


def fit(
    numbered: Numbers,
    labels: Sequence[str],
    weights: Sequence[float],
    products: NDArray[np.float32] | None = None,
    rare: NDArray[np.float32] | None = None,
    *,
    spend: bool = False,
) -> Classifier:
    """A classifier from windows with labels, not calibrated yet. Deterministic.

    Args:
        numbered: the windows' numbers.
        labels: a class for each.
        weights: how much each counts.
        products: their :func:`kernel`, where it is at hand.
        rare: the :func:`rarity` that ``products`` were made with, where they are a part of more windows'.
        spend: ``products`` may be overwritten.
    """
    rare = rarity(numbered[1]) if rare is None else rare
    made = kernel(numbered) if products is None else products
    dual = solve(made, labels, np.asarray(weights), spend=spend or products is None)
    centre = numbered[0].mean(axis=0).astype(np.float64)
    weighed = ((numbered[0] - centre).T @ dual * DENSE_SCALE**2).reshape(DENSE, len(CLASSES))
    return Classifier(
        CLASSES,
        weighed.astype(np.float32),
        (np.asarray(_hashed(numbered[1], rare).T @ dual) * (SPARSE_SCALE * rare)[:, None]).astype(np.float32),
        dual.sum(axis=0) - centre @ weighed,
        1.0,
        np.zeros(len(CLASSES)),
    )


def held_out(items: Sequence[Shown], products: NDArray[np.float32], count: int) -> NDArray[np.float64]:
    """Uncalibrated scores of the first ``count`` items, each from a model that saw nothing of its fold."""
    part = np.array([item.fold for item in items])
    weights = np.array([item.weight for item in items])
    scores = np.zeros((count, len(CLASSES)))
    for fold in sorted(set(part.tolist())):
        inside = np.flatnonzero(part != fold)
        asked = np.flatnonzero(part[:count] == fold)
        dual = solve(
            products[np.ix_(inside, inside)],
            [items[index].label for index in inside.tolist()],
            weights[inside],
            spend=True,
        )
        scores[asked] = products[np.ix_(asked, inside)] @ dual
    return scores


def calibrated(
    scores: NDArray[np.float64], labels: Sequence[str], prior: float, favoured: Mapping[str, float] | None = None
) -> tuple[float, NDArray[np.float64]]:
    """Slope and offsets that make held-out scores probabilities, moved from the examples' share of harm to ``prior``.

    Groups in ``favoured`` get that prior instead.

    Examples are half harmful, calls are not: with the examples' own share a probability of 0.5 would be far too much
    (Saerens et al., Neural Computation 2002, for the move).
    """
    from scipy.optimize import minimize

    target = np.array([CLASSES.index(label) for label in labels])
    rows = np.arange(len(target))

    def loss(values: NDArray[np.float64]) -> float:
        found = softmax(values[0] * scores + values[1:])
        penalty = 0.001 * float(np.sum(values[1:] ** 2))
        return float(-np.log(np.maximum(found[rows, target], 1e-12)).mean()) + penalty

    start = np.concatenate([[6.0], np.zeros(len(CLASSES))])
    bounds = [(0.05, 40.0), *[(-10.0, 10.0)] * len(CLASSES)]
    best = minimize(loss, start, method="L-BFGS-B", bounds=bounds).x
    share = float(np.mean([label != HARMLESS for label in labels]))
    offset = np.asarray(best[1:], dtype=np.float64).copy()
    offset[:-1] += np.log(prior / share) - np.log((1 - prior) / (1 - share))
    for group, other in (favoured or {}).items():
        offset[CLASSES.index(group)] += np.log(other / (1 - other)) - np.log(prior / (1 - prior))
    return float(best[0]), offset
