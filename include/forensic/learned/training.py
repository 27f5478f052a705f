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

import numpy as np
from numpy.typing import NDArray

from include.forensic.learned.classifier import KINDS, Linear, softmax, weighted
from include.forensic.learned.convolution import Tower
from include.forensic.learned.convolution_training import Spoken
from include.forensic.learned.corpus import CLASSES, GROUPS, HARMLESS, Example
from include.forensic.learned.detector import SHORT
from include.forensic.learned.features import Turn, Window, is_korean, pieces, plain, pooled, read_turns
from include.forensic.learned.misheard import misheard
from include.forensic.learned.solver import SPARSE_SCALE, Numbers, design, rarity, solve
from include.forensic.learned.spread import spread
from include.forensic.learned.stretches import stretches
from include.forensic.learned.towers import fit_towers, tower_scores
from include.forensic.vectors import sentence_vectors

__all__ = [
    "CLASSES",
    "LIKELIER",
    "Numbers",
    "Shown",
    "calibrated",
    "calibrating",
    "fit",
    "fit_networks",
    "folds",
    "held_out",
    "held_out_networks",
    "numbers",
    "rarity",
    "read",
    "shown",
]

FOLDS = 3

LONGEST = 16
"""Stretches of an example that are shown at once: the longest window."""

ONE_LINE = 8
"""Examples of so many turns are also shown as some write calls: one line without speakers, cut into stretches; and one
speaker's turns only, as where a recording holds the caller."""

SCENE, PASSAGE = 6, 4
"""An example of so many stretches is also shown by passages of so many."""

MISHEARD = 0.5
"""How much an example as a recogniser might have misheard it counts beside itself."""

LIKELIER = {"VISHING": 8.0}
"""Groups that are assumed to be so many times as frequent as another one. Phishing is what callers do to strangers, the
rest mostly among people who know each other. With this number clearly less than 1 % of the held-out harmless
Korean examples of eight turns or more reach 0.5 (0.91 %, and 87 % of the phishing; with 5: 0.63 and 84, with 10: 0.96
and 88; in another run 0.80 and 87, 0.55 and 85, 1.0 and 88). What they have more comes on top of the prior: 0.14
instead of 0.1 are harmful."""

_PENALTY = 0.001
"""Of an offset's square, beside the mean log loss of a window: a group with few examples needs a bound."""

SURROUNDINGS = 2
"""Harmless stretches at most that are put before and after a harmful example."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Turns as one window, with a class, a weight and the fold they belong to."""

    turns: tuple[str, ...]
    label: str
    weight: float
    fold: int
    times: int = 1
    """How often a network is shown it in a pass."""


_OWN_BLOCK = re.compile(r"^((?:ko|en)\..+)\.\d+$")
"""Scenarios of the project's corpus: a name and the number of a block."""


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
        Shown(
            example.turns[:LONGEST],
            example.labels[0] if example.labels else HARMLESS,
            example.weight,
            part,
            example.times,
        )
        for example, part in zip(cut, fold, strict=True)
    ]
    for example, part in zip(cut, fold, strict=True):
        found.extend(Shown(example.turns[:LONGEST], label, example.weight, part) for label in example.labels[1:])
        if example.whole:
            continue
        found.extend(_passages(example, part))
        found.extend(_long(example, part))
        if is_korean(" ".join(example.turns)):
            label = example.labels[0] if example.labels else HARMLESS
            found.append(Shown(misheard(example.turns[:LONGEST], draw), label, MISHEARD * example.weight, part))
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
        yield Shown(example.turns[start : start + PASSAGE], label, 0.4 * example.weight, part)


def _long(example: Example, part: int) -> Iterator[Shown]:
    """What of an example lies beyond the longest window, the whole as one line, and one speaker of it alone."""
    label = example.labels[0] if example.labels else HARMLESS
    beyond = len(example.turns) - LONGEST
    for start in sorted({*range(LONGEST // 2, beyond, LONGEST // 2), beyond}):
        if start > 0:
            yield Shown(example.turns[start : start + LONGEST], label, 0.5 * example.weight, part)
    if len(example.turns) >= ONE_LINE:
        line = stretches([" ".join(example.turns)])[0]
        yield Shown(tuple(line[:LONGEST]), label, 0.5 * example.weight, part)
        yield Shown(example.turns[::2][:LONGEST], label, 0.5 * example.weight, part)


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
        same = [example for example in examples if example.labels[:1] == (label,)]
        for _ in range(len(same) // 2):
            chosen = draw.sample(same, k=min(len(same), draw.choice((2, 3, 4))))
            weight = 0.5 * min(example.weight for example in chosen)
            yield Shown(tuple(turn for one in chosen for turn in one.turns)[:LONGEST], label, weight, part)
    for example in examples:
        if example.labels and draw.random() < 0.5:
            before, after = draw.choice(harmless)[-SURROUNDINGS:], draw.choice(harmless)[:SURROUNDINGS]
            yield Shown((*before, *example.turns, *after)[:LONGEST], example.labels[0], 0.5 * example.weight, part)


def read(items: Sequence[Sequence[str]]) -> dict[str, Turn]:
    """What is counted of each text that is a turn of any item."""
    flat = list(dict.fromkeys(turn for turns in items for turn in turns))
    return dict(zip(flat, (turn for part in spread(read_turns, flat) for turn in part), strict=True))


def numbers(items: Sequence[Sequence[str]], counted: Mapping[str, Turn]) -> Numbers:
    """Dense part and buckets of dialogues, each taken as one window; ``counted`` is what :func:`read` gave."""
    vectors = dict(zip(counted, _vectors([plain(turn) for turn in counted]), strict=True))
    whole = _vectors([" ".join(plain(turn) for turn in turns) for turns in items])
    found = np.stack(
        [pooled(row, np.stack([vectors[turn] for turn in turns])) for row, turns in zip(whole, items, strict=True)]
    )
    return found, [pieces([counted[turn] for turn in turns], Window(0, len(turns))) for turns in items]


def _vectors(texts: Sequence[str]) -> NDArray[np.float32]:
    return np.concatenate(spread(sentence_vectors, texts))


def _targets(labels: Sequence[str], weights: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Class indicators, and the weights with each class's by the inverse root of its size, so that a group of 40
    examples is not drowned by 1,500."""
    target = np.array([CLASSES.index(label) for label in labels])
    sizes = np.bincount(target, minlength=len(CLASSES))
    balanced = weights * np.sqrt(len(target) / len(CLASSES) / np.maximum(1, sizes))[target]
    return np.eye(len(CLASSES), dtype=np.float32)[target], balanced


def fit(
    numbered: Numbers, labels: Sequence[str], weights: Sequence[float], rare: NDArray[np.float32] | None = None
) -> Linear:
    """The linear member from windows with labels (:func:`include.forensic.learned.solver.solve`).

    Args:
        numbered: the windows' numbers.
        labels: a class for each.
        weights: how much each counts.
        rare: :func:`rarity` of more windows, where these are a part of them.

    Raises:
        ModelError: numbers that are not finite.
    """
    rare = rarity(numbered[1]) if rare is None else rare
    rows = design(numbered, rare)
    dense, sparse, intercept = rows.weights(solve(rows, *_targets(labels, np.asarray(weights))))
    centre = numbered[0].mean(axis=0).astype(np.float64)
    return Linear(dense, sparse * (SPARSE_SCALE * rare)[:, None], intercept - centre @ dense)


def fit_networks(
    items: Sequence[Shown], said: Mapping[bool, Spoken], korean: NDArray[np.bool_], chosen: NDArray[np.int64]
) -> dict[bool, Tower]:
    """The networks from the chosen ones of windows with labels."""
    times = np.array([items[row].times for row in chosen.tolist()], dtype=np.int64)
    return fit_towers(said, korean, *_numbered(items), np.repeat(chosen, times))


def _numbered(items: Sequence[Shown]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    targets = np.array([CLASSES.index(item.label) for item in items], dtype=np.int64)
    return targets, np.array([item.weight for item in items])


def held_out(items: Sequence[Shown], numbered: Numbers, count: int) -> NDArray[np.float64]:
    """Uncalibrated scores of the first ``count`` items by linear members that saw nothing of an item's fold.

    Raises:
        ModelError: numbers that are not finite.
    """
    scores = np.zeros((count, len(CLASSES)))
    everything = design(numbered, rarity(numbered[1]))
    weights = np.array([item.weight for item in items])
    for inside, asked in _splits(items, count):
        rows = everything.rows(inside)
        dual = solve(rows, *_targets([items[index].label for index in inside.tolist()], weights[inside]))
        scores[asked] = everything.rows(asked).scores(rows.weights(dual))
    return scores


def held_out_networks(
    items: Sequence[Shown], said: Mapping[bool, Spoken], korean: NDArray[np.bool_], count: int
) -> NDArray[np.float64]:
    """The same by networks."""
    scores = np.zeros((count, len(CLASSES)))
    for inside, asked in _splits(items, count):
        towers = fit_networks(items, said, korean, inside)
        scores[asked] = tower_scores(towers, said, korean, asked)
    return scores


def _splits(items: Sequence[Shown], count: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """For each fold the items outside it, and those of the first ``count`` inside."""
    part = np.array([item.fold for item in items])
    for fold in sorted(set(part.tolist())):
        yield np.flatnonzero(part != fold), np.flatnonzero(part[:count] == fold)


def calibrating(items: Sequence[Shown]) -> NDArray[np.int64]:
    """The windows that calibrate, by their place: those of more than :data:`SHORT` stretches, and all of a class that
    has none so long.

    Shorter ones are nearly all minimal pairs, so near to each other that no member tells many of them apart; with them
    in it the calibration takes a member for less sure than it is of calls.
    """
    there = {item.label for item in items if len(item.turns) > SHORT}
    return np.flatnonzero([len(item.turns) > SHORT or item.label not in there for item in items])


def calibrated(
    members: Sequence[NDArray[np.float64]], korean: NDArray[np.bool_], labels: Sequence[str], prior: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Slopes and offsets that make held-out scores probabilities, moved from the examples' shares of the classes: the
    groups share ``prior`` alike, those of :data:`LIKELIER` have so many times as much.

    Examples are half harmful, calls are not: with the examples' own share a probability of 0.5 would be far too much.
    And of which group there are most examples says who wrote some, not what is said in calls (Saerens et al., Neural
    Computation 2002, for the move).

    Args:
        members: held-out scores of each member, ``(windows, classes)``.
        korean: which windows have Korean in them.
        labels: the windows' classes.
        prior: share of harmful windows that is assumed.

    Returns:
        slopes ``(kinds of language, members)`` and offsets ``(classes,)``.
    """
    from scipy.optimize import minimize

    target = np.array([CLASSES.index(label) for label in labels])
    shape = (len(KINDS), len(members))
    count = int(np.prod(shape))

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Log loss with a penalty of large offsets, and its gradient."""
        found = softmax(weighted(members, korean, values[:count].reshape(shape)) + values[count:])
        offsets = values[count:]
        value = -np.log(np.maximum(found[np.arange(len(target)), target], 1e-12)).mean() + _PENALTY * offsets @ offsets
        wrong = (found - np.eye(len(CLASSES))[target]) / len(target)
        parts = [wrong * scores for scores in members]
        sums = [part[korean == kind].sum() for kind in KINDS for part in parts]
        return float(value), np.concatenate([sums, wrong.sum(axis=0) + 2 * _PENALTY * offsets])

    start = np.concatenate([np.full(count, 1.0), np.zeros(len(CLASSES))])
    bounds = [(0.0, 40.0)] * count + [(-10.0, 10.0)] * len(CLASSES)
    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    share = float(np.mean([label != HARMLESS for label in labels]))
    offset = np.asarray(best[count:], dtype=np.float64).copy()
    offset[:-1] += np.log(prior / share) - np.log((1 - prior) / (1 - share))
    counts = np.bincount(target, minlength=len(CLASSES))[:-1]
    there = counts > 0
    offset[:-1][there] += np.log(counts[there].mean() / counts[there])
    for group, times in LIKELIER.items():
        offset[CLASSES.index(group)] += np.log(times)
    return np.asarray(best[:count].reshape(shape), dtype=np.float64), offset
