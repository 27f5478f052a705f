"""What a report prints of the case, its custody and its signing: stated or recorded elsewhere, never measured here.

None of it is needed: what is not given is printed as "not stated" (a statement nobody made) or "not obtained" (a record
that was not at hand), so a report made on the command line says plainly what it lacks.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

__all__ = ["CustodyEvent", "Sha256", "SigningKey", "StatedFacts", "UtcTime", "VerifiedCopy"]


def _utc(value: str) -> str:
    """The instant as ``YYYY-MM-DDTHH:MM:SSZ``; a time without a zone is refused, not guessed."""
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("the time has no zone; write it in UTC, for instance 2025-03-01T09:00:00Z")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


UtcTime = Annotated[str, AfterValidator(_utc)]
"""An instant, ISO 8601; kept in UTC to the second."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""Hex SHA-256."""


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class StatedFacts(_Facts):
    """What whoever handed the recording in stated (``intake.json``); None: not stated."""

    case_number: str | None = None
    evidence_number: str | None = None
    requester: str | None = None
    questions: tuple[str, ...] | None = None
    legal_basis: str | None = None
    recorded_at: str | None = None
    """When it was recorded, ISO 8601 with a zone, as stated."""
    recorded_by: str | None = None
    conversation: Literal["own", "others"] | None = None
    """Whether whoever recorded was a party to the conversation."""
    consent_or_warrant: str | None = None
    device: str | None = None
    submitter: str | None = None
    speakers: dict[str, str] | None = None
    """The transcript's label → who that is, as stated."""
    copies: tuple[str, ...] | None = None
    """Copies and conversions before the recording came in; empty: declared that there was none."""
    document_sha256: Sha256 | None = None
    """Of the document that states them."""


class SigningKey(_Facts):
    """The key with which the pipeline signs its statements and the ledger's heads."""

    keyid: str
    """Hex SHA-256 of the DER public key."""
    demo: bool
    """Made for trying out: proves nothing to others."""


class VerifiedCopy(_Facts):
    """A copy of the original whose bytes were read again for this report and had the original's digest."""

    role: Literal["preservation", "working"]
    place: str
    verified_at: UtcTime
    tool: str


class CustodyEvent(_Facts):
    """One event of the custody ledger (docs/evidence.md), as far as a reader needs it."""

    seq: int = Field(ge=1)
    """Its number in the case."""
    at: UtcTime
    actor: str
    run: str | None = None
    attempt: int | None = None
    """The task's try."""
    action: str
    from_state: str | None = None
    to_state: str | None = None
    reason: str | None = None
    digests: dict[str, str] = Field(default_factory=dict)
    """Name → hex SHA-256."""
    hash: str
    """Hex SHA-256 that links the next event to this one."""
