"""A transcriber that lets a resident service do the work; the same calls as :class:`include.stt.TranscriberPool`."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from include.errors import ServiceError
from include.settings import get_settings
from include.stt.replicas import TranscriberPool
from include.stt.service.again_wire import Asked, decode_answer, encode_asked
from include.stt.service.connection import AT_ONCE, Connection
from include.stt.service.patience import Unusable
from include.stt.service.wire import CONFIRM, NAME, PASSAGES, TRANSCRIBE, encode_name
from include.stt.transcript import NotMeasured, load_transcript
from include.stt.weights import file_sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from include.stt.again import Passage
    from include.stt.confirmation import Confirmation
    from include.stt.memory import MemoryUse
    from include.stt.transcript import Engine, Transcript

__all__ = ["RemoteTranscriber"]

log = logging.getLogger(__name__)

_AVOID_S = 60.0
_BLOCK = 1 << 16


class RemoteTranscriber:
    """Transcribes, and decodes passages again, through ``VOICEMAN_STT_URL``; thread-safe.

    When the service can't be used (it is away after all retries, refuses the token, serves another engine, takes no
    recording of this size), ``VOICEMAN_STT_FALLBACK`` decides: ``local`` does the work in this process, with a warning
    in the log and the reason in the output (the transcript's ``engine.fallback``, each confirmation's ``fallback``);
    ``fail`` raises, and leaves passages undecoded with the reason.
    """

    def __init__(
        self,
        recordings: int,
        model: str | None = None,
        *,
        device: Callable[[], AbstractContextManager[object]] | None = None,
    ) -> None:
        """Nothing is connected to or loaded yet.

        Args:
            recordings: how many recordings there are to do.
            model: Whisper weights by name, which the service must have; the setting's when None.
            device: entered before models are loaded in this process after all, and held as long as this object
                lives: a device lease.

        Raises:
            SettingsError: there is no token.
        """
        settings = get_settings()
        self._recordings, self._model, self._device = recordings, model, device
        self._local_allowed, self._most_bytes = settings.stt_fallback == "local", settings.stt_max_mb << 20
        self.replicas = max(min(recordings, AT_ONCE), 1)
        self._lock = threading.Lock()
        self._connection = Connection(model)
        self._url = self._connection.url
        self._avoid: tuple[float, str] | None = None
        self._pool: TranscriberPool | None = None
        self._held = ExitStack()
        if urlsplit(self._url).scheme == "http" and urlsplit(self._url).hostname not in {"127.0.0.1", "localhost"}:
            log.warning(
                "Recordings and the token go to %s unencrypted; use https outside a trusted network.", self._url
            )

    def memory(self) -> MemoryUse | None:
        """None: the service's memory is not this process's."""
        return None

    def engine(self) -> Engine:
        """The service's engine, checked to be the one that is expected.

        Raises:
            ServiceError: it can't be reached, or has another engine.
        """
        try:
            return self._connection.engine()
        except Unusable as error:
            raise ServiceError(str(error)) from error

    def transcribe(self, path: Path, *, language: str = "auto", name: str | None = None) -> Transcript:
        """As :meth:`include.stt.Transcriber.transcribe`, at the service.

        Raises:
            AudioError, ModelError, …: what the service's transcriber raised for this recording.
            ServiceError: the service can't be used and the setting forbids to do without, or it failed.
        """
        name = name or path.name
        try:
            self._raise_if_avoided()
            return self._remote(path, language, name)
        except Unusable as error:
            self._remember(error)
            if not self._local_allowed:
                raise ServiceError(f"{error} VOICEMAN_STT_FALLBACK=fail forbids to transcribe {name} here.") from error
            log.warning("%s %s is transcribed in this process instead.", error, name)
            made = self._local().transcribe(path, language=language, name=name)
            return made.model_copy(update={"engine": made.engine.model_copy(update={"fallback": str(error)})})

    def confirm(
        self, path: Path, passages: Sequence[Passage], *, name: str | None = None
    ) -> list[Confirmation] | NotMeasured:
        """As :meth:`include.stt.Transcriber.confirm`, at the service; each confirmation names it, or says why not.

        Returns:
            One for each passage; ``NotMeasured`` when the service can't be used and the setting forbids to do without.

        Raises:
            AudioError, ModelError, …: what the service's transcriber raised for this recording.
            ServiceError: the service failed.
        """
        if not passages:
            return []
        name = name or path.name
        try:
            self._raise_if_avoided()
            return self._remote_confirm(path, passages, name)
        except Unusable as error:
            self._remember(error)
            if not self._local_allowed:
                reason = f"{error} VOICEMAN_STT_FALLBACK=fail forbids to decode passages of {name} here."
                log.warning("%s", reason)
                return NotMeasured(reason=reason)
            log.warning("%s %d passages of %s are decoded in this process instead.", error, len(passages), name)
            heard = self._local().confirm(path, passages, name=name)
            return [one.model_copy(update={"fallback": str(error)}) for one in heard]

    def _raise_if_avoided(self) -> None:
        if self._avoid is not None and time.monotonic() < self._avoid[0]:
            raise Unusable(self._avoid[1])

    def _remember(self, error: Unusable) -> None:
        if error.lasting:
            self._avoid = (time.monotonic() + _AVOID_S, str(error))

    def _remote(self, path: Path, language: str, name: str) -> Transcript:
        answer, engine = self._connection.post(
            TRANSCRIBE, lambda: _blocks(path), size=self._size(path), headers={NAME: encode_name(name)},
            params={"language": language},
        )  # fmt: skip
        made = load_transcript(answer, name=f"the service's answer for {name}")
        if made.engine.settings_digest != engine.settings_digest or made.recording.sha256 != file_sha256(path):
            raise ServiceError(f"The service's answer for {name} is about another recording or engine; try again.")
        return made.model_copy(update={"engine": made.engine.model_copy(update={"served_by": self._url})})

    def _remote_confirm(self, path: Path, passages: Sequence[Passage], name: str) -> list[Confirmation]:
        asked = encode_asked(Asked(get_settings().confirm_model, tuple(passages)))
        headers = {NAME: encode_name(name), PASSAGES: str(len(asked))}
        answer, _ = self._connection.post(
            CONFIRM, lambda: _blocks(path, asked), size=len(asked) + self._size(path, len(asked)), headers=headers
        )
        heard = decode_answer(answer, file_sha256(path), passages)
        return [one.model_copy(update={"served_by": self._url}) for one in heard]

    def _size(self, path: Path, beside: int = 0) -> int:
        size = path.stat().st_size
        if size + beside > self._most_bytes:
            raise Unusable(
                f"The speech service takes {self._most_bytes:,} bytes at most (VOICEMAN_STT_MAX_MB), not "
                f"{size + beside:,}.",
                lasting=False,
            )
        return size

    def _local(self) -> TranscriberPool:
        with self._lock:
            if self._pool is None:
                if self._device is not None:
                    self._held.enter_context(self._device())
                self._pool = TranscriberPool(self._recordings, self._model)
            return self._pool

    def close(self) -> None:
        """Close connections and let go of the device."""
        self._connection.close()
        with self._lock:
            self._held.close()


def _blocks(path: Path, before: bytes = b"") -> Iterator[bytes]:
    if before:
        yield before
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block
