"""Several transcribers on one CPU: a model object isn't thread-safe, so each thread takes one of its own."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from include.settings import get_settings
from include.stt.engine import resolve_device
from include.stt.transcriber import Transcriber

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from include.stt.transcript import Transcript

__all__ = ["TranscriberPool"]


class TranscriberPool:
    """As many transcribers as the CPU's cores can feed; on CUDA one. Thread-safe; models load when first needed."""

    def __init__(self, recordings: int) -> None:
        """Plan the replicas.

        Args:
            recordings: how many recordings there are to do; more replicas than that would stand idle.
        """
        settings = get_settings()
        most = settings.cpu_replicas if resolve_device() == "cpu" else 1
        self.replicas = max(min(recordings, settings.cpu_threads, most), 1)
        self.threads = max(settings.cpu_threads // self.replicas, 1)
        self._free = threading.Semaphore(self.replicas)
        self._lock = threading.Lock()
        self._idle: list[Transcriber] = []

    @contextmanager
    def _one(self) -> Iterator[Transcriber]:
        with self._free:
            with self._lock:
                transcriber = self._idle.pop() if self._idle else Transcriber(self.threads)
            try:
                yield transcriber
            finally:
                with self._lock:
                    self._idle.append(transcriber)

    def transcribe(self, path: Path, *, language: str = "auto", name: str | None = None) -> Transcript:
        """As :meth:`Transcriber.transcribe`, on the next free replica."""
        with self._one() as transcriber:
            return transcriber.transcribe(path, language=language, name=name)
