"""What client and service say to each other about a second decode.

``POST /v1/confirmations``: the body is a JSON line with the passages, then the recording; ``X-VoiceMan-Passages`` says
how many bytes the JSON takes. The answer names the recording by its digest, so that it can't be another one's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from include.errors import InputError, ServiceError
from include.stt.again import LONGEST_PASSAGE_S, Passage
from include.stt.confirmation import Confirmation

__all__ = ["MOST_JSON", "Asked", "decode_answer", "decode_asked", "encode_answer", "encode_asked", "json_bytes"]

MOST_JSON = 1 << 20
"""Bytes that the passages may take."""

_MOST_PASSAGES = 500


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


class _Passage(_Model):
    channel: int = Field(ge=0, le=1)
    start: float = Field(ge=0)
    end: float
    words: list[str] = Field(max_length=1000)
    language: str = Field(pattern=r"^[a-z]{2,3}$")


class _Asked(_Model):
    confirm_model: str = Field(max_length=200)
    passages: list[_Passage] = Field(min_length=1, max_length=_MOST_PASSAGES)


class _Answer(_Model):
    recording_sha256: str
    confirmations: list[Confirmation]


@dataclass(frozen=True)
class Asked:
    """What is to be decoded again, and with which second model (empty: none)."""

    confirm_model: str
    passages: tuple[Passage, ...]


def encode_asked(asked: Asked) -> bytes:
    """As JSON, ASCII."""
    told = {"confirm_model": asked.confirm_model, "passages": [vars(one) for one in asked.passages]}
    return json.dumps(told).encode()


def decode_asked(data: bytes) -> Asked:
    """The passages again.

    Raises:
        InputError: these bytes are something else, or a passage is empty or too long.
    """
    try:
        found = _Asked.model_validate_json(data)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"]) or "the JSON"
        raise InputError(f"The passages to decode again are malformed at {where}; send what the wire says.") from error
    passages = tuple(Passage(one.channel, one.start, one.end, tuple(one.words), one.language) for one in found.passages)
    if any(not 0 < one.end - one.start <= LONGEST_PASSAGE_S for one in passages):
        raise InputError(f"A passage to decode again is empty or longer than {LONGEST_PASSAGE_S:g} s; send others.")
    return Asked(found.confirm_model, passages)


def json_bytes(value: str) -> int:
    """The header's number.

    Raises:
        InputError: it is none, or too large.
    """
    if not (value.isascii() and value.isdigit() and 0 < int(value[:10]) <= MOST_JSON):
        raise InputError(f"X-VoiceMan-Passages must be 1 to {MOST_JSON} bytes; send how many the JSON takes.")
    return int(value[:10])


def encode_answer(recording_sha256: str, confirmations: Sequence[Confirmation]) -> bytes:
    """As JSON."""
    return _Answer(recording_sha256=recording_sha256, confirmations=list(confirmations)).model_dump_json().encode()


def decode_answer(data: bytes, recording_sha256: str, passages: Sequence[Passage]) -> list[Confirmation]:
    """The confirmations, one a passage.

    Raises:
        ServiceError: they are about another recording or other passages, or no confirmations.
    """
    try:
        found = _Answer.model_validate_json(data)
    except ValidationError as error:
        raise ServiceError(
            "The service's answer about passages can't be read; see that both run one version."
        ) from error
    same = found.recording_sha256 == recording_sha256 and len(found.confirmations) == len(passages)
    if not same or any(
        [word.text for word in heard.words] != list(asked.words)
        for heard, asked in zip(found.confirmations, passages, strict=True)
    ):
        raise ServiceError("The service's answer is about another recording or other passages; try again.")
    return found.confirmations
