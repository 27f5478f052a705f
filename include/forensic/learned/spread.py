"""Texts over the machine's cores: the slow steps of training read a few hundred thousand of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

__all__ = ["TEXTS", "spread"]

TEXTS = 2000
"""In a part: seconds of work, so that loading the encoder or Kiwi in a process (half a second each) does not matter."""

Part = TypeVar("Part")


def spread(function: Callable[[Sequence[str]], Part], texts: Sequence[str]) -> list[Part]:
    """What ``function`` gives for parts of the texts, in their order; a few texts are done here, in one part.

    Args:
        function: one that can be pickled: of a module.
        texts: any number of them.
    """
    parts = [texts[first : first + TEXTS] for first in range(0, len(texts), TEXTS)]
    if len(parts) < 2:
        return [function(texts)]
    workers = min(len(parts), len(os.sched_getaffinity(0)))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:  # a fork would copy held locks
        return list(pool.map(function, parts))
