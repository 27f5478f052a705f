"""Numbers of a stretch of dialogue: sentence vectors, and hashed pieces of its words.

What a classifier sees of a *window* (some consecutive turns): the multilingual sentence vector of its whole text and
the mean, highest and lowest of its turns' vectors, component by component; and a bag of hashed pieces, each counted
once: runs of 1-4 letters (syllables) without spaces, runs of 4-6 jamo (so that 죽인다 and 주긴다, or a cut-off ending,
share most pieces), runs of 1-2 words, and runs of 1-2 morphemes (Korean only). Hashing (CRC-32, alike on every machine)
needs no vocabulary, so a model file holds no words of anybody's data. For :mod:`include.forensic.learned.convolution`
the words stay in their order, each a vector: Kiwi's for Korean morphemes, the sentence encoder's for words of others.
"""

from __future__ import annotations

import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from include.forensic.kiwi_vectors import MORPHEME_WIDTH, morpheme_ids, morpheme_vectors
from include.forensic.tokens import tokenize
from include.forensic.vectors import WIDTH, sentence_vectors

__all__ = [
    "BUCKETS",
    "DENSE",
    "VERSION",
    "Turn",
    "Window",
    "dense",
    "is_korean",
    "pieces",
    "plain",
    "pooled",
    "read_turns",
    "windows",
    "word_vectors",
]

VERSION = "4"
"""Raise it when the same text would give other numbers: a model of another version is refused."""

BUCKETS = 1 << 17
"""Hash buckets that all pieces share."""

DENSE = 4 * WIDTH
"""Components of the dense part: whole text, mean, highest and lowest of the turns."""

SYLLABLES = (1, 2, 3, 4)
JAMO = (4, 5, 6)
WORDS = (1, 2)
MORPHEMES = (1, 2)

_LONGEST = 2000
"""Characters of a turn that are read."""


@dataclass(frozen=True, slots=True)
class Window:
    """Turns ``first`` to ``last`` (exclusive) of a dialogue."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Turn:
    """What is counted of a turn."""

    pieces: NDArray[np.int32]
    """Buckets of its pieces, each once, ascending: an array, because a hundred thousand sets would fill the memory."""
    words: NDArray[np.int32] | list[str]
    """Numbers of its morphemes, or, where no Hangul is in it, its words."""

    @property
    def korean(self) -> bool:
        """Whether any Hangul is in it."""
        return not isinstance(self.words, list)


def windows(turns: int, sizes: Sequence[int]) -> list[Window]:
    """Every stretch of the given sizes; a dialogue shorter than a size gives one window of all it has.

    Stretches of more than four turns overlap by half: they tell what a scene is about, not where it turns.
    """
    found: dict[Window, None] = {}
    for size in sizes:
        if size >= turns:
            found[Window(0, turns)] = None
            continue
        step = 1 if size <= 4 else size // 2
        starts = [*range(0, turns - size, step), turns - size]
        found.update(dict.fromkeys(Window(start, start + size) for start in starts))
    return list(found)


def is_korean(text: str) -> bool:
    """Whether any Hangul syllable is in the text."""
    return any("가" <= character <= "힣" for character in text)


def plain(text: str) -> str:
    """Letters, digits and single spaces: a transcript's punctuation depends on the recogniser, not on the speaker."""
    kept = (c if c.isalnum() or c in "'’%" else " " for c in unicodedata.normalize("NFC", text)[:_LONGEST])
    return " ".join("".join(kept).split())


def read_turns(texts: Sequence[str]) -> list[Turn]:
    """What is counted of each turn."""
    said = [plain(text).lower() for text in texts]
    korean = [index for index, text in enumerate(said) if is_korean(text)]
    found = {index: Turn(_buckets(text, ()), text.split()) for index, text in enumerate(said)}
    for index, tokens in zip(korean, tokenize([said[index] for index in korean], "ko"), strict=True):
        morphemes = [f"{token.base}/{token.tag[:2]}" for token in tokens]
        found[index] = Turn(_buckets(said[index], morphemes), morpheme_ids(tokens))
    return list(found.values())


def word_vectors(turns: Sequence[Turn], *, korean: bool) -> list[NDArray[np.float32]]:
    """Vectors of each turn's words, ``(words, width)``: of its morphemes, or of its words; none for the other kind."""
    width = MORPHEME_WIDTH if korean else WIDTH
    own = [turn for turn in turns if turn.korean is korean]
    if korean:
        vectors = morpheme_vectors(np.concatenate([np.zeros(0, np.int32), *(turn.words for turn in own)]))
    else:
        vectors = sentence_vectors([word for turn in own for word in turn.words])
    ends = iter(np.cumsum([len(turn.words) for turn in own]).tolist())
    empty = np.zeros((0, width), dtype=np.float32)
    found = []
    for turn in turns:
        end = next(ends) if turn.korean is korean else 0
        found.append(vectors[end - len(turn.words) : end] if end else empty)
    return found


def _buckets(text: str, morphemes: Sequence[str]) -> NDArray[np.int32]:
    words = text.split()
    letters = "".join(words)
    named = [f"s{run}" for run in _runs(letters, SYLLABLES)]
    named += [f"j{run}" for run in _runs(unicodedata.normalize("NFD", letters), JAMO)]
    named += ["w" + " ".join(run) for run in _runs(words, WORDS)]
    named += ["m" + " ".join(run) for run in _runs(morphemes, MORPHEMES)]
    return np.unique(np.array([zlib.crc32(name.encode()) % BUCKETS for name in named], dtype=np.int32))


def _runs(text: Sequence[str], sizes: Sequence[int]) -> list[Sequence[str]]:
    return [text[at : at + size] for size in sizes for at in range(len(text) - size + 1)]


def pieces(turns: Sequence[Turn], window: Window) -> NDArray[np.int64]:
    """The buckets of a window, each once, ascending."""
    return np.unique(np.concatenate([turn.pieces for turn in turns[window.first : window.last]])).astype(np.int64)


def dense(texts: Sequence[str], chosen: Sequence[Window]) -> NDArray[np.float32]:
    """Vectors of each window: whole text, mean, highest and lowest of its turns; shape ``(windows, 2048)``."""
    said = [plain(text) for text in texts]
    first, last = min(item.first for item in chosen), max(item.last for item in chosen)
    turns = sentence_vectors(said[first:last])
    whole = sentence_vectors([" ".join(said[item.first : item.last]) for item in chosen])
    found = np.empty((len(chosen), DENSE), dtype=np.float32)
    for row, item in enumerate(chosen):
        own = turns[item.first - first : item.last - first]
        found[row] = pooled(whole[row], own)
    return found


def pooled(whole: NDArray[np.float32], turns: NDArray[np.float32]) -> NDArray[np.float32]:
    """One window's dense part from the vector of its text and those of its turns, ``(turns, 512)``."""
    return np.concatenate([whole, turns.mean(axis=0), turns.max(axis=0), turns.min(axis=0)])
