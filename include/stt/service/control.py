"""From outside: is a service running, is it ready, end it."""

from __future__ import annotations

import json
from typing import Any

import psutil

from include.errors import ServiceError, StackError
from include.settings import get_settings
from include.stt.service.environment import Folders
from include.stt.service.guard import check_token
from include.stt.service.wire import HEALTH, decode_error

__all__ = ["service_status", "state_of", "stop_service"]


def state_of(url: str) -> str:
    """What a running service leaves for those who look for it: its process and address."""
    me = psutil.Process()
    return json.dumps({"pid": me.pid, "created": me.create_time(), "url": url})


def _running(folders: Folders) -> tuple[psutil.Process, str] | None:
    """The running service's process and address."""
    try:
        told = json.loads(folders.state.read_text())
        process = psutil.Process(int(told["pid"]))
        return (process, str(told["url"])) if abs(process.create_time() - told["created"]) < 1 else None
    except (OSError, ValueError, KeyError, psutil.NoSuchProcess):
        return None


def stop_service(limit_s: float = 960.0) -> bool:
    """Ask the service of this ``VOICEMAN_HOME`` to finish and end; waits for it.

    Returns:
        False when none runs.

    Raises:
        StackError: it has not ended in time.
    """
    found = _running(Folders.current())
    if found is None:
        return False
    process, _ = found
    process.terminate()
    try:
        process.wait(limit_s)
    except psutil.TimeoutExpired as error:
        raise StackError(
            f"The speech service (process {process.pid}) has not ended in {limit_s:.0f} s; end it with kill -9."
        ) from error
    return True


def service_status(url: str | None = None) -> dict[str, Any]:
    """What ``/healthz`` says.

    Args:
        url: the service; the one of ``VOICEMAN_STT_URL``, else the one that runs here, when None.

    Raises:
        ServiceError: it can't be reached, or is not ready.
        SettingsError: there is no token.
    """
    import httpx

    found = _running(Folders.current())
    url = url or get_settings().stt_url or (found[1] if found else "")
    if not url:
        raise ServiceError("No speech service runs here; start one with ./voiceman serve, or set VOICEMAN_STT_URL.")
    url = url.rstrip("/")
    try:
        answer = httpx.get(
            url + HEALTH, headers={"Authorization": f"Bearer {check_token()}"}, timeout=10.0, trust_env=False
        )
    except httpx.HTTPError as error:
        raise ServiceError(f"The speech service {url} can't be reached ({type(error).__name__}).") from error
    if answer.status_code != 200:
        told = decode_error(answer.content)
        raise ServiceError(f"{url} is not ready ({answer.status_code}): {told[0] if told else 'no VoiceMan service'}")
    return {"url": url, **answer.json()}
