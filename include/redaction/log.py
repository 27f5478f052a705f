"""The redaction log (``voiceman.redaction/1``, ``{file_id}_redaction.json``). It never holds what was masked."""

from __future__ import annotations

import json
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from include.described import DESCRIBED
from include.redaction.hits import Kind

__all__ = ["REVIEW", "SCHEMA", "Elsewhere", "MaskedSpan", "RedactionLog"]

SCHEMA: Final = "voiceman.redaction/1"

REVIEW: Final = "Automatic redaction can miss. A person must compare it with the recording before it leaves the house."
"""Stands in every log."""


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=DESCRIBED, allow_inf_nan=False, hide_input_in_errors=True
    )


class MaskedSpan(_Model):
    """One masked stretch of the transcript's text."""

    segment: int
    word: int | None
    """Index of the word with the mask among those of the segment in the *redacted* copy, where all words under a mask
    are one: how many they were would tell what they were. None where the segment has no words."""
    start: float
    """Seconds; of the segment where the words have no times."""
    end: float
    kind: Kind
    rule: str
    """Id of the rule that found it."""
    mask: str


class Elsewhere(_Model):
    """Masks in another text of the documents."""

    document: Literal["transcript", "analysis", "facts"]
    path: str
    """Where: ``findings[0].context.before``."""
    kind: Kind
    rule: str
    mask: str


class RedactionLog(_Model):
    """What was masked, where and by which rule, without what it was."""

    schema_: Literal["voiceman.redaction/1"] = Field(SCHEMA, alias="schema")
    recording_sha256: str
    language: Literal["ko", "en"]
    """Of the masks."""
    rules_sha256: str
    """Over the rules and their word lists, without the lab's own terms."""
    lab_terms: int
    """How many terms the lab gave."""
    withheld: list[str]
    """Digests over masked texts that are in no redacted copy, because names could be tried until they fit: fields."""
    review: str = REVIEW
    spans: list[MaskedSpan]
    elsewhere: list[Elsewhere]
    counts: dict[Kind, int]
    """Kind → how many different ones (persons, numbers …)."""

    model_config = ConfigDict(
        extra="forbid",
        populate_by_name=True,
        use_attribute_docstrings=DESCRIBED,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )

    def to_json(self) -> str:
        """JSON with stable key order, UTF-8, two-space indent."""
        return json.dumps(self.model_dump(by_alias=True), ensure_ascii=False, indent=2) + "\n"
