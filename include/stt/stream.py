"""Many recordings through one model: while the device decodes some, others are read, searched for speech, or ended."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from include.settings import get_settings
from include.stt.overlap import NOTHING_YET, Outcome, Stage, run_stages
from include.stt.prepare import Prepared, heard_channels, prepare
from include.stt.transcript import Transcript

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from include.stt.again import Passage
    from include.stt.confirmation import Confirmation
    from include.stt.overlap import StageMeter
    from include.stt.transcriber import Transcriber

__all__ = ["Feed", "Request", "transcribe_stream"]

_BYTES_PER_S = 4_000  # of a phone's AAC; only the bound on what is in flight goes by it
_IN_FLIGHT_S = 2 * 3600.0
_TOGETHER = 32
_POLL_S = 0.02


@dataclass(frozen=True)
class Request:
    """One recording to transcribe."""

    path: Path
    language: str = "auto"
    name: str | None = None
    passages: tuple[Passage, ...] | None = None
    """Decode these again instead: the outcome is a list of confirmations."""


@dataclass(frozen=True)
class _Again:
    """Passages to decode again, with the audio."""

    channels: list[NDArray[np.int16]]
    passages: tuple[Passage, ...]


@dataclass(frozen=True)
class _Heard:
    """What came of them."""

    confirmations: list[Confirmation]


def transcribe_stream(
    transcriber: Transcriber,
    requests: Iterable[Any],
    in_flight_s: float = _IN_FLIGHT_S,
    meter: StageMeter | None = None,
) -> Iterator[Outcome[Request]]:
    """Transcribe recordings in overlapping stages; recordings that wait for the device are decoded together.

    Args:
        transcriber: used by this call alone until it ends.
        requests: taken up as there is room; ``NOTHING_YET`` among them keeps the place for later ones.
        in_flight_s: at most so many seconds of audio are under way, by the files' sizes.
        meter: counts the seconds of work by stage.

    Yields:
        One outcome a request, as they get ready: its :class:`Transcript`, or its error. One that fails takes no
        neighbour along.
    """
    device = transcriber.ready().device
    cores = get_settings().cpu_threads
    listens, ends = (1, 1) if device == "cpu" else (max(min(cores // 2, 8), 1), max(min(cores // 4, 4), 1))

    def read(request: Request) -> Prepared | Transcript | _Again:
        if request.passages is not None:
            return _Again(heard_channels(request.path, name=request.name), request.passages)
        prepared = prepare(request.path, language=request.language, name=request.name)
        return transcriber.kept(prepared) or prepared

    def decode(waiting: list[Any]) -> list[Any]:
        wanted = [one for one in waiting if not isinstance(one, Transcript | _Again)]
        done = iter(zip(wanted, transcriber.decode(wanted), strict=True))
        return [_passed(one, transcriber) or next(done) for one in waiting]

    stages = [
        Stage("read", read, workers=min(max(cores // 2, 1), 4)),
        Stage(
            "listen",
            lambda one: one if isinstance(one, Transcript | _Again) else transcriber.listen(one),
            workers=listens,
        ),
        Stage("decode", decode, workers=transcriber.model.calls_at_once, together=_TOGETHER),
        Stage(
            "end", lambda one: one if isinstance(one, Transcript | _Heard) else transcriber.finish(*one), workers=ends
        ),
    ]
    return run_stages(
        requests,
        stages,
        bound_s=in_flight_s,
        weigh=lambda request: request.path.stat().st_size / _BYTES_PER_S,
        meter=meter,
    )


def _passed(one: Any, transcriber: Transcriber) -> Transcript | _Heard | None:
    """What needs no transcription as it leaves the decoder's stage; None for what does."""
    if isinstance(one, _Again):
        return _Heard(transcriber.confirm_in(one.channels, one.passages))
    return one if isinstance(one, Transcript) else None


class Feed:
    """One model for many threads: each hands over its recording and waits for its transcript."""

    def __init__(self, transcriber: Transcriber, in_flight_s: float = _IN_FLIGHT_S) -> None:
        """Start a thread that works as long as somebody uses the feed; :meth:`close` ends it."""
        self._transcriber, self._in_flight_s = transcriber, in_flight_s
        self._waiting: queue.SimpleQueue[tuple[Request, Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="transcribe-stream", daemon=True)
        self._thread.start()

    def transcribe(self, request: Request) -> Transcript:
        """Transcribe one recording, together with those of other threads.

        Raises:
            AudioError, ModelError …: as :meth:`include.stt.Transcriber.transcribe`.
        """
        return cast("Transcript", self._done(request))

    def confirm(self, request: Request) -> list[Confirmation]:
        """Decode the request's passages again, between other threads' recordings.

        Raises:
            AudioError, ModelError …: as :meth:`include.stt.Transcriber.confirm`.
        """
        return cast("_Heard", self._done(request)).confirmations

    def _done(self, request: Request) -> Transcript | _Heard:
        future: Future[Any] = Future()
        self._waiting.put((request, future))
        return cast("Transcript | _Heard", future.result())

    def close(self) -> None:
        """End the thread when what was handed over is done."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        asked: dict[int, Future[Any]] = {}
        try:
            self._serve(asked)
        except BaseException as error:
            for future in asked.values():  # nobody must wait for a thread that is gone
                future.set_exception(error)
            raise

    def _serve(self, asked: dict[int, Future[Any]]) -> None:

        def source() -> Iterator[Any]:
            while True:
                try:
                    given = self._waiting.get(timeout=_POLL_S)
                except queue.Empty:
                    yield NOTHING_YET
                    continue
                if given is None:
                    return
                asked[id(given[0])] = given[1]
                yield given[0]

        for outcome in transcribe_stream(self._transcriber, source(), self._in_flight_s):
            future = asked.pop(id(outcome.item))
            if outcome.error is None:
                future.set_result(outcome.result)
            else:
                future.set_exception(outcome.error)
