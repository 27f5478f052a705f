"""The networks of a model (:mod:`include.forensic.learned.convolution`): what they are shown, and held-out scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from include.forensic.kiwi_vectors import MORPHEME_WIDTH, morpheme_vectors
from include.forensic.learned.classifier import KINDS
from include.forensic.learned.convolution import Tower
from include.forensic.learned.convolution_training import Spoken, train_tower
from include.forensic.learned.corpus import CLASSES
from include.forensic.learned.features import Turn, Window
from include.forensic.learned.spread import spread
from include.forensic.vectors import sentence_vectors

__all__ = ["fit_towers", "korean_items", "spoken", "tower_scores"]


def korean_items(items: Sequence[Sequence[str]], read: Mapping[str, Turn]) -> NDArray[np.bool_]:
    """Whether any Hangul is in each item."""
    return np.array([any(read[turn].korean for turn in turns) for turns in items], dtype=bool)


def spoken(items: Sequence[Sequence[str]], read: Mapping[str, Turn]) -> dict[bool, Spoken]:
    """The items as numbers of words, once for Korean words and once for those of other languages.

    Args:
        items: texts of turns.
        read: what is counted of each of them.
    """
    number = {text: row for row, text in enumerate(read)}
    turns = np.array([number[text] for texts in items for text in texts], dtype=np.int64)
    bounds = _bounds([len(texts) for texts in items])
    found = {}
    for korean in KINDS:
        words = [turn.words if turn.korean is korean else [] for turn in read.values()]
        vectors, numbers = _korean(words) if korean else _other(words)
        found[korean] = Spoken(vectors, numbers, _bounds([len(own) for own in words]), turns, bounds)
    return found


def _bounds(lengths: Sequence[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)


def _korean(words: Sequence[NDArray[np.int32] | list[str]]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    listed, numbers = np.unique(np.concatenate([np.zeros(0, np.int32), *words]).astype(np.int32), return_inverse=True)
    return (morpheme_vectors(listed) if len(listed) else np.zeros((0, MORPHEME_WIDTH), np.float32)), numbers


def _other(words: Sequence[NDArray[np.int32] | list[str]]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    every = [str(word) for own in words for word in own]
    number = {word: row for row, word in enumerate(dict.fromkeys(every))}
    vectors = np.concatenate(spread(sentence_vectors, list(number)))
    return vectors, np.array([number[word] for word in every], dtype=np.int64)


def fit_towers(
    said: Mapping[bool, Spoken],
    korean: NDArray[np.bool_],
    targets: NDArray[np.int64],
    weights: NDArray[np.float64],
    chosen: NDArray[np.int64],
) -> dict[bool, Tower]:
    """A network for each kind of language that is among the chosen windows.

    Args:
        said: :func:`spoken`.
        korean: which windows have Korean in them.
        targets: number of each window's class.
        weights: how much each counts.
        chosen: numbers of the windows that are seen.
    """
    found = {}
    classes = len(CLASSES)
    for kind in KINDS:
        own = chosen[korean[chosen] == kind]
        if len(own) and len(said[kind].words):
            sizes = np.bincount(targets[own], minlength=classes)
            balanced = weights * np.sqrt(len(own) / classes / np.maximum(1, sizes))[targets]
            found[kind] = train_tower(said[kind], targets, balanced, own, classes=classes)
    return found


def tower_scores(
    towers: Mapping[bool, Tower],
    said: Mapping[bool, Spoken],
    korean: NDArray[np.bool_],
    asked: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Scores of windows, shape ``(len(asked), classes)``; zeros where no network knows the kind of language."""
    found = np.zeros((len(asked), len(CLASSES)))
    for kind, tower in towers.items():
        rows = np.flatnonzero(korean[asked] == kind)
        one = said[kind]
        for row in rows:
            turns = one.turns[one.bounds[asked[row]] : one.bounds[asked[row] + 1]]
            vectors = [one.vectors[one.words[one.starts[turn] : one.starts[turn + 1]]] for turn in turns]
            found[row] = tower.scores(tower.answers(vectors), [Window(0, len(vectors))])[0]
    return found
