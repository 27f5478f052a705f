"""A loaded model, the recordings it is given, and the signs that it has gone bad. No Ray here."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from include.errors import VoiceManError
from include.stt.service.guard import check_token
from include.stt.stream import Feed, Request
from include.stt.transcriber import Transcriber

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from include.stt.again import Passage
    from include.stt.confirmation import Confirmation
    from include.stt.service.options import ServiceOptions
    from include.stt.transcript import Transcript

__all__ = ["ResidentModel"]

_BROKEN_AFTER = 3

T = TypeVar("T")


class ResidentModel:
    """One model for all requests of a replica.

    Batching is the feed's: recordings are taken up as long as the seconds of audio in flight allow, and those that wait
    for the device are decoded together, whoever sent them, while others are read or ended. Ray Serve's own batching
    would hold every recording back until its whole batch is done.
    """

    def __init__(self, options: ServiceOptions) -> None:
        """Load the model: Serve sends nothing to a replica before its constructor is through.

        Raises:
            SettingsError: there is no token.
            ModelError: weights are missing or can't be loaded.
        """
        check_token()
        transcriber = Transcriber(options.threads or None, options.model)
        transcriber.ready()
        self._engine = transcriber.engine
        self._feed = Feed(transcriber, in_flight_s=options.audio_s)
        self._threads = ThreadPoolExecutor(options.at_once, thread_name_prefix="request")
        self._limit_s = options.work_limit_s
        self._since: dict[int, float] = {}
        self._number = 0
        self._failures = 0

    @property
    def engine(self) -> str:
        """The engine as JSON."""
        return self._engine.model_dump_json()

    @property
    def digest(self) -> str:
        """The engine's settings digest."""
        return self._engine.settings_digest

    def check(self) -> None:
        """Serve starts a replica anew when this raises.

        Raises:
            RuntimeError: a recording takes longer than any should, or none got through for want of a sound model.
        """
        now = time.monotonic()
        if any(now - since > self._limit_s for since in self._since.values()):
            raise RuntimeError(f"a recording has been at work for more than {self._limit_s:.0f} s")
        if self._failures >= _BROKEN_AFTER:
            raise RuntimeError(f"{self._failures} recordings in a row failed with errors that are not theirs")

    async def transcribe(self, path: Path, language: str, name: str) -> Transcript:
        """One recording, in a thread: the event loop goes on answering.

        Raises:
            AudioError, ModelError …: as :meth:`include.stt.Transcriber.transcribe`.
        """
        return await self._work(self._feed.transcribe, Request(path, language, name))

    async def confirm(self, path: Path, passages: Sequence[Passage], name: str) -> list[Confirmation]:
        """Passages of one recording decoded again, between other recordings.

        Raises:
            AudioError, ModelError …: as :meth:`include.stt.Transcriber.confirm`.
        """
        return await self._work(self._feed.confirm, Request(path, name=name, passages=tuple(passages)))

    async def _work(self, act: Callable[[Request], T], request: Request) -> T:
        self._number += 1
        number = self._number
        self._since[number] = time.monotonic()
        try:
            loop = asyncio.get_running_loop()
            made = await loop.run_in_executor(self._threads, act, request)
        except Exception as error:
            self._failures = 0 if isinstance(error, VoiceManError) else self._failures + 1
            raise
        finally:
            del self._since[number]
        self._failures = 0
        return made
