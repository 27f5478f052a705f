"""Intake facts as a report prints them: of evidence's document, one recording's part, in the report's own model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.report import StatedFacts

if TYPE_CHECKING:
    from include.evidence import IntakeFacts

__all__ = ["stated_facts"]

_OF_DROP = ("case_number", "requester", "questions", "legal_basis")


def stated_facts(facts: IntakeFacts, sha256: str, name: str) -> StatedFacts:
    """What a drop's intake facts state of one recording.

    Args:
        facts: of the drop.
        sha256: of the document that states them.
        name: of the recording's file as received.
    """
    of_drop = {key: getattr(facts, key) for key in _OF_DROP}
    return StatedFacts.model_validate(of_drop | facts.of(name).model_dump(mode="json") | {"document_sha256": sha256})
