"""Intake facts: what whoever hands recordings in says about them (``intake.json`` of a drop, ``voiceman.intake/1``).

Every fact is optional: what is not given is *not stated*, and the report says so. One combination holds a job up:
recordings declared to be of a conversation between others (``conversation: "others"``) without a stated basis.
통신비밀보호법 §3, §14 forbid recording others' conversations and using such recordings; whether a case is one of
those is for a person to decide, so a named person has to release it (docs/evidence.md).
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from include.described import DESCRIBED
from include.errors import IntakeFactsError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MAX_INTAKE_BYTES", "NEEDED", "IntakeFacts", "RecordingFacts", "parse_intake"]

SCHEMA: Final = "voiceman.intake/1"

MAX_INTAKE_BYTES: Final = 1 << 20
"""Largest intake.json that is read."""

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000, pattern=r"^[^\x00]*$")]
Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
CaseNumber = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")
]


class _Facts(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=DESCRIBED,
        populate_by_name=True,
        hide_input_in_errors=True,
    )


class RecordingFacts(_Facts):
    """What may be said of all recordings of a drop, or of one by itself."""

    evidence_number: Text | None = None
    recorded_by: Text | None = None
    """Who recorded."""
    conversation: Literal["own", "others"] | None = None
    """``own``: whoever recorded was a party to the conversation; ``others``: it is one between other people."""
    consent_or_warrant: Text | None = None
    """Whose consent, or which warrant."""
    device: Text | None = None
    """Device, system and app that recorded."""
    submitter: Text | None = None
    """Who handed it in, and when."""
    copies: tuple[Text, ...] | None = None
    """Every copy and conversion between the recording and this file; ``[]``: there was none."""
    recorded_at: AwareDatetime | None = None
    """When the recording began, with its zone (``2026-03-02T14:05:00+09:00``)."""
    speakers: dict[Label, Label] | None = Field(None, max_length=50)
    """Speaker as the transcript names it (``channel-1``) → who that is. Somebody states it; no voices are compared."""


class IntakeFacts(RecordingFacts):
    """A drop's intake facts."""

    schema_: Literal["voiceman.intake/1"] = Field(SCHEMA, alias="schema")
    case_number: CaseNumber | None = None
    """The case whose custody ledger the job's events are in; fixed with the job's first drop."""
    requester: Text | None = None
    questions: tuple[Text, ...] | None = None
    """What is to be found out."""
    legal_basis: Text | None = None
    """On which the recordings are examined."""
    recordings: dict[Text, RecordingFacts] = Field(default_factory=dict)
    """File name as dropped → what is said of it instead of the drop's own facts. Composed (NFC): macOS writes Hangul
    names in parts, and what a person types is composed."""

    @field_validator("recordings")
    @classmethod
    def _composed(cls, given: dict[str, RecordingFacts]) -> dict[str, RecordingFacts]:
        found = {_nfc(name): facts for name, facts in given.items()}
        if len(found) < len(given):
            raise ValueError("two of the recordings have the same name")
        return found

    def of(self, name: str) -> RecordingFacts:
        """What is said of one recording: its own facts, and the drop's where it has none."""
        common = {key: getattr(self, key) for key in RecordingFacts.model_fields}
        own = self.recordings.get(_nfc(name))
        given = {} if own is None else own.model_dump(exclude_none=True)
        return RecordingFacts.model_validate(common | given)

    def unknown(self, names: Iterable[str]) -> list[str]:
        """Recordings of which something is said, and which are not among these: a name may be misspelt."""
        there = {_nfc(name) for name in names}
        return [name for name in self.recordings if name not in there]

    def needs_release(self, names: Iterable[str]) -> list[str]:
        """Those recordings that are declared to be of others' conversations without a stated basis.

        One of which that is said and which is not among ``names`` is among them, too, where there are any: whoever
        misspelt its name meant some recording.
        """
        if self.legal_basis is not None:
            return []
        known = list(names)
        meant = [one for one in self.unknown(known) if self.recordings[one].conversation == "others"] if known else []
        facts = {name: self.of(name) for name in [*known, *meant]}
        return [name for name, one in facts.items() if one.conversation == "others" and one.consent_or_warrant is None]

    def not_stated(self, names: Iterable[str]) -> list[str]:
        """Facts of :data:`NEEDED` that are not given: of the drop, or (``name: fact``) of one of its recordings."""
        missing: list[str] = [one for one in NEEDED if one in _OF_DROP and getattr(self, one) is None]
        for name in names:
            facts = self.of(name)
            missing += [f"{name}: {one}" for one in NEEDED if one not in _OF_DROP and getattr(facts, one) is None]
        return missing


def _nfc(name: str) -> str:
    return unicodedata.normalize("NFC", name)


_OF_DROP: Final = ("case_number", "requester", "questions", "legal_basis")

NEEDED: Final = (*_OF_DROP, "recorded_by", "conversation", "device", "submitter", "copies")
"""What ``VOICEMAN_INTAKE_FACTS=required`` demands. ``consent_or_warrant`` is not: an own conversation needs none."""


def parse_intake(data: bytes, told: str) -> IntakeFacts:
    """Read an intake.json.

    Args:
        data: the document.
        told: how messages name it.

    Raises:
        IntakeFactsError: it is none. The message names the field, never its contents.
    """
    if len(data) > MAX_INTAKE_BYTES:
        raise IntakeFactsError(f"{told} is larger than {MAX_INTAKE_BYTES >> 20} MiB; shorten it.")
    try:
        return IntakeFacts.model_validate_json(data)
    except ValidationError as error:
        first: Any = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise IntakeFactsError(
            f"{told} holds no intake facts ({where}: {first['msg']}); correct it or remove it: the job waits, "
            "because it may say that recordings must not be transcribed."
        ) from error
