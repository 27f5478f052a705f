"""What a model takes of its device's memory, measured while it works."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MemoryMeter", "MemoryUse"]

_POLL_S = {"cuda": 0.002, "cpu": 0.02}
_LOOKS = 3


@dataclass(frozen=True)
class MemoryUse:
    """Bytes that a model took."""

    compute_type: str
    fixed_bytes: int
    """Loaded and warmed up, nothing decoded; without CUDA's own context (see :class:`MemoryMeter`)."""
    bytes_per_chunk: int
    """More for each 30-s chunk decoded together with others: the peak of the largest group, by its size."""


class MemoryMeter:
    """Reads the device's memory before a model is loaded, after it, and all the time while a group is decoded.

    A look after the work isn't enough: CTranslate2 gives most of it back (on an H100, base, 32 chunks: 66 of 1,730 MiB
    were left; bench/cuda.py shows both readings). Only the largest groups count, the first three of them: what the
    allocators keep would be laid on later, smaller ones, and looking costs time (up to a tenth of a group's).

    On CUDA it is the driver's count of the whole device, right as long as the device lease keeps others off it; the
    first reading makes CUDA's context, so that is in no number. On the CPU it is this process's resident set, right
    as long as nothing else works in this process.
    """

    def __init__(self, device: str, compute_type: str) -> None:
        self._device, self._compute_type = device, compute_type
        self._before = self._used()
        self._loaded: int | None = None
        self._largest = 0
        self._growth = 0
        self._counted = 0
        self._disturbed = False

    def loaded(self) -> None:
        """The model is loaded, nothing decoded yet."""
        self._loaded = self._used()

    def disturbed(self) -> None:
        """Somebody else takes memory meanwhile: what is being measured counts for nothing."""
        self._disturbed = True

    @contextmanager
    def group(self, chunks: int) -> Iterator[None]:
        """Inside, ``chunks`` are decoded together; a group that fails or that is smaller than another isn't counted."""
        if self._loaded is None or chunks < self._largest or (chunks == self._largest and self._counted >= _LOOKS):
            yield
            return
        self._disturbed = False
        done = threading.Event()
        seen = [self._used()]

        def poll() -> None:
            while not done.wait(_POLL_S[self._device]):
                seen[0] = max(seen[0], self._used())

        watcher = threading.Thread(target=poll, name="memory-meter", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()
        if self._disturbed:
            return
        growth = max(seen[0], self._used()) - self._loaded
        larger = chunks > self._largest
        self._growth = growth if larger else max(growth, self._growth)
        self._counted = 1 if larger else self._counted + 1
        self._largest = chunks

    def use(self) -> MemoryUse | None:
        """What was measured; None when nothing was decoded yet."""
        if self._loaded is None or self._growth <= 0:
            return None
        return MemoryUse(self._compute_type, max(self._loaded - self._before, 0), -(-self._growth // self._largest))

    def _used(self) -> int:
        if self._device == "cuda":
            import torch

            free, total = torch.cuda.mem_get_info()
            return int(total - free)
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
