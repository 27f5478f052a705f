"""The gate in front of every HTTP route of the service, Ray Serve's own (``/-/healthz``, ``/-/routes``) included.

Serve's proxy loads it by ``RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH``, so that nothing is read, queued or answered
for a caller without the token; each replica has it once more, for a cluster whose proxies were not told.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any

from include.errors import InputError, ServiceError, SettingsError, VoiceManError
from include.settings import get_settings
from include.stt.service.wire import BUSY, CONFIRM, ENGINE, HEALTH, RETRY_S, TRANSCRIBE, UNAVAILABLE, encode_error

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Guard", "check_token", "proxy_middlewares"]

_LEAST_TOKEN = 16
_BUDGET = 4
"""Bodies of so many of the largest recordings may be under way in one proxy: it holds what the replica has not read."""


def check_token() -> str:
    """The token that callers must send.

    Raises:
        SettingsError: there is none, or a short one.
    """
    value = get_settings().stt_token.get_secret_value()
    if len(value) < _LEAST_TOKEN:
        raise SettingsError(
            f"VOICEMAN_STT_TOKEN is missing or shorter than {_LEAST_TOKEN} characters; make one with openssl rand -hex "
            "32 and set it for the service and for who calls it."
        )
    return value


class Guard:
    """ASGI middleware: token, size of the body, and 503 for a service that isn't there (yet, or any more)."""

    def __init__(self, app: ASGIApp, *, most_bytes: int, proxy: bool) -> None:
        """Wrap an application.

        Args:
            app: what is behind.
            most_bytes: largest body, bytes.
            proxy: in front of Serve's proxy, where a 404 for a path of ours means that no replica serves it.

        Raises:
            SettingsError: there is no token.
        """
        self._app, self._most, self._proxy = app, most_bytes, proxy
        self._token = hashlib.sha256(check_token().encode()).digest()
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # websockets: nothing here speaks them
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = dict(scope["headers"])
        size = _length(headers)
        if not self._knows(headers.get(b"authorization", b"")):
            error: VoiceManError = ServiceError("The token is missing or wrong; set VOICEMAN_STT_TOKEN.")
            await _answer(send, 401, error, extra=[(b"www-authenticate", b"Bearer")])
        elif size is None:
            await _answer(send, 411, InputError("The request doesn't say how long it is; send Content-Length."))
        elif size > self._most:
            told = f"The recording has {size:,} bytes, the service takes {self._most:,} (VOICEMAN_STT_MAX_MB)."
            await _answer(send, 413, InputError(told))
        elif self._proxy and self._under_way + size > _BUDGET * self._most:
            await _answer(send, 503, ServiceError("Too much is being uploaded; try again."), BUSY)
        else:
            self._under_way += size
            try:
                await self._app(scope, receive, self._translating(scope["path"], send) if self._proxy else send)
            finally:
                self._under_way -= size

    def _knows(self, given: bytes) -> bool:
        kind, _, token = given.partition(b" ")
        # digests: equal lengths, so that the time taken tells nothing about the token
        same = hmac.compare_digest(hashlib.sha256(token.strip()).digest(), self._token)
        return kind.lower() == b"bearer" and same

    def _translating(self, path: str, send: Send) -> Send:
        """What Serve's proxy says about our paths, in our words."""
        ours = path in {TRANSCRIBE, CONFIRM, ENGINE, HEALTH}
        replaced = False

        async def translate(message: Message) -> None:
            nonlocal replaced
            if replaced:
                return
            if message["type"] == "http.response.start" and ours:
                kind = dict(message["headers"]).get(b"content-type", b"")
                status = message["status"]
                if status in {404, 503} and not kind.startswith(b"application/json"):
                    replaced = True
                    busy = any(name.lower() == b"retry-after" for name, _ in message["headers"])
                    await _answer(send, 503, ServiceError(_BUSY if busy else _AWAY), BUSY if busy else UNAVAILABLE)
                    return
            await send(message)

        return translate


_BUSY = "The service's queue is full; try again."
_AWAY = "No model is loaded: the service is starting or ending."


def _length(headers: dict[bytes, bytes]) -> int | None:
    """Bytes of the body; None when it comes in chunks of untold number."""
    if b"transfer-encoding" in headers:
        return None
    value = headers.get(b"content-length", b"0")
    return int(value) if value.isdigit() else None


async def _answer(
    send: Send,
    status: int,
    error: VoiceManError,
    code: str | None = None,
    extra: list[tuple[bytes, bytes]] | None = None,
) -> None:
    body = encode_error(error, code)
    headers = [
        (b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *(extra or []),
    ]  # fmt: skip
    if status == 503:
        headers.append((b"retry-after", str(RETRY_S).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def proxy_middlewares() -> list[Any]:
    """What Ray Serve's proxies put in front of every route."""
    from starlette.middleware import Middleware

    return [Middleware(Guard, most_bytes=get_settings().stt_max_mb << 20, proxy=True)]
