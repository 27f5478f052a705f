"""Digests over what is masked. With the rest of a text known, a name is tried until the digest fits: they are left out.

The recording's own digest stays: nobody guesses its bytes.
"""

from __future__ import annotations

from typing import Final, Literal, TypeVar

from pydantic import BaseModel

from include.forensic import Analysis
from include.redaction.walk import Policy, walk

__all__ = ["facts_without", "reference_without"]

_Model = TypeVar("_Model", bound=BaseModel)
_TOLD: Final = {"ko": "비식별본에서는 밝히지 않음", "en": "withheld in a redacted copy"}
_SHORT: Final = {"ko": "비공개", "en": "withheld"}  # where twelve signs of a digest are printed


def reference_without(analysis: Analysis, language: Literal["ko", "en"], withheld: set[str]) -> Analysis:
    """An analysis without the digest of the transcript before redaction."""
    withheld.add("analysis.transcript.sha256")
    return analysis.model_copy(
        update={"transcript": analysis.transcript.model_copy(update={"sha256": _TOLD[language]})}
    )


def facts_without(facts: _Model, recording: str, language: Literal["ko", "en"], withheld: set[str]) -> _Model:
    """Facts without the digests of intake documents, of artefacts and of the ledger's events.

    An event's hash goes over its reason, its file's name and, through the one before, over all earlier events: none of
    a chain's can be shown as soon as one of them names somebody.

    Args:
        facts: of the report.
        recording: SHA-256 of the recording, the only digest of an event that stays.
        language: of what stands there instead.
        withheld: gets the names of the fields.
    """

    def special(model: BaseModel, path: str) -> BaseModel | None:
        del path
        fields = type(model).model_fields
        if "document_sha256" in fields and getattr(model, "document_sha256", None) is not None:
            withheld.add("facts.stated.document_sha256")
            return model.model_copy(update={"document_sha256": None})
        if {"hash", "digests"} <= set(fields):
            digests: dict[str, str] = getattr(model, "digests", {})
            shown = {name: one if one == recording else _SHORT[language] for name, one in digests.items()}
            withheld.add("facts.custody.hash")
            withheld.update({"facts.custody.digests"} if shown != digests else ())
            return model.model_copy(update={"hash": _TOLD[language], "digests": shown})
        return None

    return walk(facts, _same, special=special)


def _same(text: str, path: str, policy: Policy) -> str:
    del path, policy
    return text
