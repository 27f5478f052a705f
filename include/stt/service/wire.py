"""What client and service say to each other over HTTP: paths, headers, errors as JSON.

``POST /v1/transcriptions?language=ko`` with the recording as body gives the transcript's JSON; ``POST
/v1/confirmations`` decodes passages again (:mod:`include.stt.service.again_wire`); ``GET /v1/engine`` the engine;
``GET /healthz`` whether a model is loaded. An error is ``{"error": {"type", "code", "message"}}``; ``type`` is a class
of :mod:`include.errors`, so that the caller gets the error that a transcriber of its own would have raised.
"""

from __future__ import annotations

import json
import re
from urllib.parse import quote, unquote

from include import errors
from include.errors import ServiceError, VoiceManError

__all__ = [
    "BUSY",
    "CONFIRM",
    "ENGINE",
    "HEALTH",
    "NAME",
    "OTHER",
    "PASSAGES",
    "PREFIX",
    "RETRY_S",
    "TRANSCRIBE",
    "UNAVAILABLE",
    "check_language",
    "decode_error",
    "decode_name",
    "encode_error",
    "encode_name",
]

PREFIX = "/v1"
TRANSCRIBE = "/v1/transcriptions"
CONFIRM = "/v1/confirmations"
ENGINE = "/v1/engine"
HEALTH = "/healthz"

NAME = "X-VoiceMan-Name"
"""Header: what to call the recording in an error, percent-encoded. Not in the address, which servers log."""

PASSAGES = "X-VoiceMan-Passages"
"""Header: bytes of the JSON that stands before the recording in the body."""

OTHER = "other_engine"
"""Error code: the service decodes with something else than what is meant; trying again is of no use."""

BUSY = "busy"
"""Error code: the queue is full; waiting helps."""

UNAVAILABLE = "unavailable"
"""Error code: no model is loaded, because the service starts or drains."""

RETRY_S = 2
"""What ``Retry-After`` says, seconds."""

_LANGUAGE = re.compile(r"auto|[a-z]{2,3}")
_NAME_BYTES = 1024


def encode_name(name: str) -> str:
    """A recording's name as a header value."""
    return quote(name.encode("utf-8", "replace"), safe="")[:_NAME_BYTES]


def decode_name(value: str) -> str:
    """The name again; ``recording`` when there is none."""
    return unquote(value[:_NAME_BYTES], errors="replace") or "recording"


def check_language(language: str) -> str:
    """The language, if it can be one.

    Raises:
        LanguageError: it isn't ``auto`` or a code of two or three letters.
    """
    if not _LANGUAGE.fullmatch(language):
        raise errors.LanguageError(f"{language[:20]!r} is no language; use auto, or a code such as ko or en.")
    return language


def encode_error(error: VoiceManError, code: str | None = None) -> bytes:
    """One error as JSON."""
    told = {"type": type(error).__name__, "code": code or error.code, "message": str(error)}
    return json.dumps({"error": told}, ensure_ascii=False).encode()


def decode_error(data: bytes) -> tuple[VoiceManError, str] | None:
    """The error that :func:`encode_error` wrote and its code; None when these bytes are something else."""
    try:
        told = json.loads(data)["error"]
        name, code, message = str(told["type"]), str(told["code"]), str(told["message"])
    except (ValueError, KeyError, TypeError):
        return None
    kind = getattr(errors, name, None) if name in errors.__all__ else None
    if not (isinstance(kind, type) and issubclass(kind, VoiceManError)):
        kind = ServiceError
    return kind(message), code
