"""Drafts of certificates, filled from the records, for a person to check and sign.

Two documents: a certification under Fed. R. Evid. 902(13) and (14) (English), and the Korean 디지털 증거 해시값 확인서
with preservation copy and working copy, each with its digests and when they were computed. Every page is marked as a
draft: software certifies nothing. What is not in the records is left as a blank to fill in, never guessed. The
references to rules and statutes are leads that a lawyer verifies (see the printed note).
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from include.evidence.bundle import Part

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CertificateFacts", "CopyFact", "FileFact", "StageFact", "draft_certificates", "file_facts"]

TEMPLATES = Path(__file__).resolve().parent / "templates"
_HEX64 = r"^[0-9a-f]{64}$"


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("the time has no zone")
    return value.astimezone(UTC)


def _brief(value: str) -> str:
    """A form has no room for more, and laying out a word of 10,000 signs takes WeasyPrint many seconds."""
    return value if len(value) <= 300 else f"{value[:200]}…{value[-99:]}"


Moment = Annotated[datetime, AfterValidator(_utc)]
Text = Annotated[str, AfterValidator(_brief)]


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class CopyFact(_Facts):
    """One copy of the recording, and when its digests were computed by what."""

    role: Literal["original", "preservation", "working"]
    place: Text
    """Where it lies, such as ``originals/job-1/call.m4a``."""
    size: int = Field(ge=0)
    """Bytes."""
    sha256: str = Field(pattern=_HEX64)
    sha512: str | None = Field(None, pattern=r"^[0-9a-f]{128}$")
    hashed_at: Moment | None = None
    """When the digests were computed (해시값 생성시각); None prints a blank."""
    tool: Text | None = None
    """What computed them, with its version."""


class StageFact(_Facts):
    """One step of the processing, from its attestation."""

    stage: Text
    started: Moment | None = None
    ended: Moment | None = None
    commit: Text | None = None
    """Commit of the code."""
    models: dict[Text, Text] = {}
    """Model file → SHA-256 of its weights."""


class FileFact(_Facts):
    """One document of the bundle."""

    path: Text
    sha256: str = Field(pattern=_HEX64)
    size: int = Field(ge=0)


class CertificateFacts(_Facts):
    """Everything that the drafts print. None and empty texts print a blank line to fill in."""

    case: Text
    job: Text
    file_id: Text
    file_name: Text
    """As received."""
    received_at: Moment | None = None
    submitter: Text | None = None
    requester: Text | None = None
    device: Text | None = None
    """What it was recorded with, as stated."""
    legal_basis: Text | None = None
    organisation: Text | None = None
    copies: tuple[CopyFact, ...]
    stages: tuple[StageFact, ...] = ()
    documents: tuple[FileFact, ...] = ()
    ledger_seq: int | None = None
    ledger_hash: str | None = Field(None, pattern=_HEX64)
    keyid: str | None = Field(None, pattern=_HEX64)
    """Fingerprint of the key that signs the bundle."""
    demo_key: bool
    made_at: Moment
    """When the draft was made."""
    software_version: Text

    @property
    def agree(self) -> bool | None:
        """Whether all copies have one digest; None when there is only one copy to look at."""
        return len({(copy.sha256, copy.size) for copy in self.copies}) == 1 if len(self.copies) > 1 else None


def file_facts(parts: Iterable[Part]) -> tuple[FileFact, ...]:
    """The documents of a bundle with their digests, sorted by path."""
    import hashlib

    made = [FileFact(path=one.path, sha256=hashlib.sha256(one.data).hexdigest(), size=len(one.data)) for one in parts]
    return tuple(sorted(made, key=lambda fact: fact.path))


def draft_certificates(facts: CertificateFacts) -> list[Part]:
    """Render both drafts.

    Returns:
        ``documents/certificate.fre902.en.pdf`` and ``documents/certificate.hash.ko.pdf``; the same facts give the same
        bytes.

    Raises:
        ToolError: no Hangul font is installed.
    """
    from include.report import render_page  # WeasyPrint and the speech package's types come with it

    style = (TEMPLATES / "certificate.css").read_text(encoding="utf-8")
    made_at = facts.made_at.isoformat(timespec="seconds").replace("+00:00", "Z")
    return [
        Part(
            f"documents/certificate.{name}.pdf",
            render_page(
                TEMPLATES / f"certificate.{name}.html.j2", facts=facts, style=style, made_at=made_at, stamp=_stamp
            ),
            "certificate_draft",
        )
        for name in ("fre902.en", "hash.ko")
    ]


def _stamp(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
