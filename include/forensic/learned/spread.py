"""Texts over the machine's cores: the slow steps of training read a few hundred thousand of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

from include.errors import ModelError
from include.processes import end_with_parent

__all__ = ["TEXTS", "WORKERS", "spread"]

TEXTS = 2000
"""In a part: seconds of work, so that loading the encoder or Kiwi in a process (half a second each) does not matter."""

WORKERS = 16
"""At most: each holds Kiwi and the encoder, 650 MiB together."""

Part = TypeVar("Part")


def spread(function: Callable[[Sequence[str]], Part], texts: Sequence[str]) -> list[Part]:
    """What ``function`` gives for parts of the texts, in their order; a few texts are done here, in one part.

    Args:
        function: one that can be pickled: of a module.
        texts: any number of them.

    Raises:
        ModelError: a process was killed.
    """
    parts = [texts[first : first + TEXTS] for first in range(0, len(texts), TEXTS)]
    if len(parts) < 2:
        return [function(texts)]
    workers = min(len(parts), len(os.sched_getaffinity(0)), WORKERS)
    context = get_context("spawn")  # a fork would copy held locks
    try:
        with ProcessPoolExecutor(workers, mp_context=context, initializer=end_with_parent) as pool:
            return list(pool.map(function, parts))
    except BrokenProcessPool as error:
        raise ModelError(
            f"One of {workers} processes that read the examples was killed; give the machine more memory (0.7 GB each)."
        ) from error
