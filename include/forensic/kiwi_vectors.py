"""Vectors of Korean morphemes: those of Kiwi's own language model, read from its package.

Kiwi (Apache-2.0, https://github.com/bab2min/Kiwi) chooses between readings by a *contextual n-gram* model, ``cong.mdl``
of ``kiwipiepy_model``, which holds a vector of 256 numbers for each of its 70,488 morphemes: morphemes that stand in
like places have like vectors. Kiwi gives their similarity (``Kiwi.morpheme_similarity``) but not the vectors; they are
read from the file, whose layout is that of Kiwi's ``CoNgramModel.cpp``: numbers of 4 bits in groups of 8, each group
with a scale (6 bits) and a zero point (2 bits). A test compares them with Kiwi's similarities.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from include.errors import ModelError
from include.forensic.tokens import Token, listed_morphemes

__all__ = ["MORPHEME_WIDTH", "NOT_LISTED", "morpheme_ids", "morpheme_vectors", "morphemes_version"]

MORPHEME_WIDTH = 256
"""Components of a vector."""

NOT_LISTED = -1
"""The number of what has no vector."""

_HEADER = struct.Struct("<QQH6B5Q")
"""Morphemes, contexts, components; two kinds, bytes of a key, window, bits, group; offsets, the last the vectors'."""
_BITS, _GROUP = 4, 8
_ROW = MORPHEME_WIDTH * _BITS // 8 + 2 + MORPHEME_WIDTH // _GROUP
"""Bytes of a morpheme: components, a scale of the whole (a unit vector needs none), a byte for each group."""
_CONTEXT = _ROW + 6
"""Bytes of a context, which come first: the same, and three numbers of two bytes."""
_SCALE_FROM, _ZERO_FROM = 8, 6
"""A group's scale is proportional to 8 and its lower six bits, its zero is 6 and its upper two."""

_COMMON = 1000
"""Morphemes are numbered by how common they are: those that other forms stand for are among the first."""
_INSTALL = "install the kiwipiepy_model of requirements.txt."
_OTHER_FORM = {
    ("가", "JKS"): "이",
    ("가", "JKC"): "이",
    ("거", "NNB"): "것",
    ("꺼", "NNB"): "것",
    ("뭐", "NP"): "무엇",
    ("는", "JX"): "은",
    ("를", "JKO"): "을",
    ("로", "JKB"): "으로",
}
"""Forms that the model counts as another one; endings with 으, 은, 을 after a consonant are found by :func:`_same`."""


def morphemes_version() -> str:
    """Name and version of the package with the vectors, for model cards."""
    return f"kiwipiepy_model {version('kiwipiepy_model')}"


def morpheme_ids(tokens: Sequence[Token]) -> NDArray[np.int32]:
    """Kiwi's number for each morpheme of a text, :data:`NOT_LISTED` where its model has none."""
    listed = _table().shape[0]
    found = [token.ident if token.ident < listed else _same(token.form, token.tag) for token in tokens]
    return np.array(found, dtype=np.int32)


def morpheme_vectors(ids: NDArray[np.int32]) -> NDArray[np.float32]:
    """Unit vectors of morphemes, shape ``(len(ids), 256)``; zeros for :data:`NOT_LISTED`.

    Raises:
        ModelError: kiwipiepy_model's file is not as this version knows it.
    """
    rows = _table()[np.maximum(ids, 0)]
    packed, groups = rows[:, : MORPHEME_WIDTH // 2], rows[:, MORPHEME_WIDTH // 2 + 2 :]
    numbers = (
        np.stack([packed & 15, packed >> 4], axis=2)
        .reshape(len(ids), MORPHEME_WIDTH // _GROUP, _GROUP)
        .astype(np.float32)
    )
    scale, zero = (groups & 63).astype(np.float32) + _SCALE_FROM, (groups >> 6).astype(np.float32) + _ZERO_FROM
    vectors = ((numbers - zero[:, :, None]) * scale[:, :, None]).reshape(len(ids), MORPHEME_WIDTH)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
    vectors[ids < 0] = 0.0
    return vectors


@cache
def _table() -> NDArray[np.uint8]:
    """The packed rows of all morphemes, mapped from the file: memory holds what is used."""
    try:
        path = Path(str(distribution("kiwipiepy_model").locate_file("kiwipiepy_model/cong.mdl")))
    except PackageNotFoundError as error:
        raise ModelError(f"kiwipiepy_model is not there; {_INSTALL}") from error
    try:
        raw = np.memmap(path, dtype=np.uint8, mode="r")
        header = _HEADER.unpack(raw[: _HEADER.size].tobytes())
    except (OSError, ValueError, struct.error) as error:  # missing, empty, shorter than its header
        raise ModelError(f"{path} can't be read ({error}); {_INSTALL}") from error
    count, contexts, width, bits, group, start = *header[:3], *header[7:9], header[-1]
    first = start + contexts * _CONTEXT
    if (width, bits, group) != (MORPHEME_WIDTH, _BITS, _GROUP) or first + count * _ROW > len(raw):
        raise ModelError(f"{path} is not laid out as this version reads it; {_INSTALL}")
    return np.asarray(raw[first : first + count * _ROW]).reshape(count, _ROW)


@cache
def _same(form: str, tag: str) -> int:
    """The number of the morpheme that Kiwi's model has for another form of it."""
    others = [_OTHER_FORM.get((form, tag), form), form.removeprefix("으") or form, f"이{form}"]
    if form[:1] in ("은", "을"):
        others.append(("\u11ab" if form[0] == "은" else "\u11af") + form[1:])
    return next((_common()[other, tag] for other in others if (other, tag) in _common()), NOT_LISTED)


@cache
def _common() -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for number, name in enumerate(listed_morphemes(_COMMON)):
        found.setdefault(name, number)
    return found
