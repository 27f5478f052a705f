"""Recordings of many threads: on the CPU several transcribers side by side, on CUDA one whose stages overlap."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from include.settings import get_settings
from include.stt.cache import TranscriptCache
from include.stt.engine import resolve_device
from include.stt.stream import Feed, Request
from include.stt.transcriber import Transcriber

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from include.stt.again import Passage
    from include.stt.cache import ByteStore
    from include.stt.confirmation import Confirmation
    from include.stt.memory import MemoryUse
    from include.stt.transcript import Transcript

__all__ = ["TranscriberPool"]

_CUDA_IN_FLIGHT = 16
"""Recordings that one GPU is given at once: some are read, some decoded together, some ended."""


class TranscriberPool:
    """As many transcribers as the CPU's cores can feed; on CUDA one, fed by many threads. Thread-safe.

    Models load when first needed. A model object isn't thread-safe: on the CPU each thread takes one of its own.
    """

    def __init__(self, recordings: int, model: str | None = None, kept: ByteStore | None = None) -> None:
        """Plan the replicas.

        Args:
            recordings: how many recordings there are to do; more replicas than that would stand idle.
            model: Whisper weights by name; the setting's when None.
            kept: where transcripts lie by their sound; None: each recording is transcribed anew.
        """
        settings = get_settings()
        self._model = model
        self._cache = TranscriptCache(settings.cache_mb << 20, kept) if kept is not None else None
        self._cuda = resolve_device() == "cuda"
        most = _CUDA_IN_FLIGHT if self._cuda else min(settings.cpu_threads, settings.cpu_replicas)
        self.replicas = max(min(recordings, most), 1)
        self.threads = settings.cpu_threads if self._cuda else max(settings.cpu_threads // self.replicas, 1)
        self._free = threading.Semaphore(self.replicas)
        self._lock = threading.Lock()
        self._idle: list[Transcriber] = []
        self._feed: Feed | None = None

    def _new(self) -> Transcriber:
        return Transcriber(self.threads, self._model, self._cache)

    @contextmanager
    def _one(self) -> Iterator[Transcriber]:
        with self._free:
            with self._lock:
                transcriber = self._idle.pop() if self._idle else self._new()
            try:
                yield transcriber
            finally:
                with self._lock:
                    self._idle.append(transcriber)

    def memory(self) -> MemoryUse | None:
        """What the model took of the device's memory; None when several share the process, or none worked."""
        with self._lock:
            alone = self._cuda or self.replicas == 1
            return self._idle[0].memory() if alone and self._idle else None

    def transcribe(self, path: Path, *, language: str = "auto", name: str | None = None) -> Transcript:
        """As :meth:`Transcriber.transcribe`, on the next free replica, or together with others on the GPU."""
        if not self._cuda:
            with self._one() as transcriber:
                return transcriber.transcribe(path, language=language, name=name)
        return self._fed().transcribe(Request(path, language, name))

    def confirm(self, path: Path, passages: Sequence[Passage], *, name: str | None = None) -> list[Confirmation]:
        """As :meth:`Transcriber.confirm`, on the next free replica, or between others' recordings on the GPU."""
        if not self._cuda:
            with self._one() as transcriber:
                return transcriber.confirm(path, passages, name=name)
        return self._fed().confirm(Request(path, name=name, passages=tuple(passages)))

    def _fed(self) -> Feed:
        with self._lock:
            if self._feed is None:
                transcriber = self._new()
                transcriber.ready()  # an error of loading is this caller's, and the next one tries again
                self._idle, self._feed = [transcriber], Feed(transcriber)
            return self._feed
