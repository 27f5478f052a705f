"""A caller's HTTP connection to the service: one engine, patience, and our errors instead of status codes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from include.settings import get_settings
from include.stt.service.expect import difference
from include.stt.service.guard import check_token
from include.stt.service.patience import Patience, Unusable
from include.stt.service.wire import BUSY, ENGINE, OTHER, UNAVAILABLE, decode_error
from include.stt.transcript import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import httpx

__all__ = ["AT_ONCE", "Connection"]

AT_ONCE = 16
"""Requests of one caller at once."""

_CONNECT_S = 5.0
_SEND_S = 120.0


class Connection:
    """Thread-safe."""

    def __init__(self, model: str | None) -> None:
        """Connect to nothing yet.

        Args:
            model: Whisper weights that the service must have; the setting's when None.

        Raises:
            SettingsError: there is no token.
        """
        settings = get_settings()
        self.url = settings.stt_url.rstrip("/")
        self._model, self._digest_wanted = model, settings.stt_digest
        self._retry_s, self._timeout_s = settings.stt_retry_s, settings.stt_timeout_s
        self._headers = {"Authorization": f"Bearer {check_token()}"}
        self._lock = threading.Lock()
        self._http: httpx.Client | None = None
        self._served: Engine | None = None

    def post(
        self, path: str, body: Callable[[], Iterable[bytes]], *, size: int, headers: dict[str, str], **more: Any
    ) -> tuple[bytes, Engine]:
        """Post a body until there is an answer.

        Args:
            path: of the route.
            body: makes the body, anew for each try.
            size: of it, bytes.
            headers: beside the token, the length and the engine that is meant.
            more: for httpx, such as ``params``.

        Returns:
            The answer's bytes, and the engine that made it.

        Raises:
            Unusable: patience is at its end, or trying again is of no use.
            VoiceManError: what the service says of this recording.
        """
        patience = self._patience()
        while True:
            engine = self.engine(patience)
            meant = {"If-Match": f'"{engine.settings_digest}"', "Content-Length": str(size)}
            answer = self._ask(patience, "POST", path, headers=headers | meant, content=body(), **more)
            if answer is None:
                continue
            if answer.status_code == 412:
                self._served = None
                patience.again("its engine changed meanwhile")
                continue
            return answer.content, engine

    def engine(self, patience: Patience | None = None) -> Engine:
        """The service's engine, checked to be the one that is expected.

        Raises:
            Unusable: it can't be reached, or has another engine.
        """
        if self._served is not None:
            return self._served
        patience = patience or self._patience()
        while (answer := self._ask(patience, "GET", ENGINE)) is None:
            pass
        try:
            found = Engine.model_validate_json(answer.content)
        except ValueError as error:
            raise Unusable(f"{self.url} is no VoiceMan speech service.") from error
        other = difference(found, self._model, self._digest_wanted)
        if other is not None:
            raise Unusable(f"The speech service {self.url} has another engine: {other}.")
        self._served = found
        return found

    def close(self) -> None:
        """Close what is open."""
        with self._lock:
            if self._http is not None:
                self._http.close()
                self._http = None

    def _patience(self) -> Patience:
        return Patience(self.url, self._retry_s, self._timeout_s)

    def _ask(self, patience: Patience, method: str, path: str, **more: Any) -> httpx.Response | None:
        """One request: an answer to use, or None when it is to be tried again, after the wait that is due."""
        import httpx

        headers = self._headers | more.pop("headers", {})
        try:
            answer = self._client().request(method, self.url + path, headers=headers, **more)
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
            raise Unusable(f"The speech service {self.url} refuses: {told[0] if told else answer.status_code}")
        if told is None:
            patience.again(f"status {answer.status_code}")
            return None
        said, code = told
        if code == OTHER:
            raise Unusable(f"The speech service {self.url} refuses: {said}", lasting=False)
        if code in {BUSY, UNAVAILABLE}:
            patience.wait(answer.headers.get("retry-after", ""), busy=code == BUSY)
            return None
        raise said

    def _client(self) -> httpx.Client:
        import httpx

        with self._lock:
            if self._http is None:
                limits = httpx.Limits(max_connections=None, max_keepalive_connections=AT_ONCE)
                timeout = httpx.Timeout(self._timeout_s, connect=_CONNECT_S, write=_SEND_S)
                # no proxy from the environment: recordings go to the service and nowhere else
                self._http = httpx.Client(timeout=timeout, limits=limits, trust_env=False)
            return self._http
