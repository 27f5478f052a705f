"""A transcriber that lets a resident service do the work; the same calls as :class:`include.stt.TranscriberPool`."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from include.errors import ServiceError
from include.settings import get_settings
from include.stt.replicas import TranscriberPool
from include.stt.service.expect import difference
from include.stt.service.guard import check_token
from include.stt.service.patience import Patience, Unusable
from include.stt.service.wire import BUSY, ENGINE, NAME, TRANSCRIBE, UNAVAILABLE, decode_error, encode_name
from include.stt.transcript import Engine, NotMeasured, load_transcript
from include.stt.weights import file_sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    import httpx

    from include.stt.again import Passage
    from include.stt.memory import MemoryUse
    from include.stt.transcript import Transcript

__all__ = ["RemoteTranscriber"]

log = logging.getLogger(__name__)

_AT_ONCE = 16
_AVOID_S = 60.0
_CONNECT_S = 5.0
_SEND_S = 120.0


class RemoteTranscriber:
    """Transcribes through ``VOICEMAN_STT_URL``; thread-safe.

    When the service can't be used (it is away after all retries, refuses the token, serves another engine, takes no
    recording of this size), ``VOICEMAN_STT_FALLBACK`` decides: ``local`` transcribes in this process, with a warning
    in the log and the reason in the transcript's ``engine.fallback``; ``fail`` raises.
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
        self._url, self._local_allowed = settings.stt_url.rstrip("/"), settings.stt_fallback == "local"
        self._most_bytes, self._digest_wanted = settings.stt_max_mb << 20, settings.stt_digest
        self._retry_s, self._timeout_s = settings.stt_retry_s, settings.stt_timeout_s
        self.replicas = max(min(recordings, _AT_ONCE), 1)
        self._headers = {"Authorization": f"Bearer {check_token()}"}
        self._lock = threading.Lock()
        self._http: httpx.Client | None = None
        self._served: Engine | None = None
        self._avoid: tuple[float, str] | None = None
        self._pool: TranscriberPool | None = None
        self._held = ExitStack()
        if urlsplit(self._url).scheme == "http" and urlsplit(self._url).hostname not in {"127.0.0.1", "localhost"}:
            log.warning(
                "Recordings and the token go to %s unencrypted; use https outside a trusted network.", self._url
            )

    def confirm(self, path: Path, passages: Sequence[Passage], *, name: str | None = None) -> NotMeasured:  # noqa: ARG002
        """Nothing: the service has no such call, and its devices are its own."""
        return NotMeasured(reason="The resident speech service made the transcript; it decodes no passage again.")

    def memory(self) -> MemoryUse | None:
        """None: the service's memory is not this process's."""
        return None

    def engine(self) -> Engine:
        """The service's engine, checked to be the one that is expected.

        Raises:
            ServiceError: it can't be reached, or has another engine.
        """
        try:
            return self._engine()
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
            if self._avoid is not None and time.monotonic() < self._avoid[0]:
                raise Unusable(self._avoid[1])
            return self._remote(path, language, name)
        except Unusable as error:
            if error.lasting:
                self._avoid = (time.monotonic() + _AVOID_S, str(error))
            if not self._local_allowed:
                raise ServiceError(f"{error} VOICEMAN_STT_FALLBACK=fail forbids to transcribe {name} here.") from error
            log.warning("%s %s is transcribed in this process instead.", error, name)
            made = self._local().transcribe(path, language=language, name=name)
            return made.model_copy(update={"engine": made.engine.model_copy(update={"fallback": str(error)})})

    def _remote(self, path: Path, language: str, name: str) -> Transcript:
        size = path.stat().st_size
        if size > self._most_bytes:
            raise Unusable(
                f"The speech service takes {self._most_bytes:,} bytes at most (VOICEMAN_STT_MAX_MB), not {size:,}.",
                lasting=False,
            )
        patience = Patience(self._url, self._retry_s, self._timeout_s)
        while True:
            engine = self._engine(patience)
            headers = {
                NAME: encode_name(name), "If-Match": f'"{engine.settings_digest}"', "Content-Length": str(size),
            }  # fmt: skip
            with path.open("rb") as file:
                answer = self._ask(
                    patience, "POST", TRANSCRIBE, params={"language": language}, headers=headers, content=file
                )
            if answer is None:
                continue
            if answer.status_code == 412:
                self._served = None
                patience.again("its engine changed meanwhile")
                continue
            made = load_transcript(answer.content, name=f"the service's answer for {name}")
            if made.engine.settings_digest != engine.settings_digest or made.recording.sha256 != file_sha256(path):
                raise ServiceError(f"The service's answer for {name} is about another recording or engine; try again.")
            return made.model_copy(update={"engine": made.engine.model_copy(update={"served_by": self._url})})

    def _engine(self, patience: Patience | None = None) -> Engine:
        if self._served is not None:
            return self._served
        patience = patience or Patience(self._url, self._retry_s, self._timeout_s)
        while (answer := self._ask(patience, "GET", ENGINE)) is None:
            pass
        try:
            found = Engine.model_validate_json(answer.content)
        except ValueError as error:
            raise Unusable(f"{self._url} is no VoiceMan speech service.") from error
        other = difference(found, self._model, self._digest_wanted)
        if other is not None:
            raise Unusable(f"The speech service {self._url} has another engine: {other}.")
        self._served = found
        return found

    def _ask(self, patience: Patience, method: str, path: str, **more: Any) -> httpx.Response | None:
        """One request: an answer to use, or None when it is to be tried again, after the wait that is due.

        Raises:
            Unusable: patience is at its end, or trying again is of no use.
            VoiceManError: what the service says of this recording.
        """
        import httpx

        headers = self._headers | more.pop("headers", {})
        try:
            answer = self._client().request(method, self._url + path, headers=headers, **more)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            patience.away(type(error).__name__)
            return None
        except httpx.HTTPError as error:  # broken off: the replica may have died over it
            patience.again(type(error).__name__)
            return None
        if answer.status_code in {200, 412}:
            return answer
        told = decode_error(answer.content)
        if answer.status_code in {401, 411, 413}:
            raise Unusable(f"The speech service {self._url} refuses: {told[0] if told else answer.status_code}")
        if told is None:
            patience.again(f"status {answer.status_code}")
            return None
        said, code = told
        if code in {BUSY, UNAVAILABLE}:
            patience.wait(answer.headers.get("retry-after", ""), busy=code == BUSY)
            return None
        raise said

    def _client(self) -> httpx.Client:
        import httpx

        with self._lock:
            if self._http is None:
                limits = httpx.Limits(max_connections=None, max_keepalive_connections=_AT_ONCE)
                timeout = httpx.Timeout(self._timeout_s, connect=_CONNECT_S, write=_SEND_S)
                # no proxy from the environment: recordings go to the service and nowhere else
                self._http = httpx.Client(timeout=timeout, limits=limits, trust_env=False)
            return self._http

    def _local(self) -> TranscriberPool:
        with self._lock:
            if self._pool is None:
                if self._device is not None:
                    self._held.enter_context(self._device())
                self._pool = TranscriberPool(self._recordings, self._model)
            return self._pool

    def close(self) -> None:
        """Close connections and let go of the device."""
        with self._lock:
            if self._http is not None:
                self._http.close()
                self._http = None
            self._held.close()
