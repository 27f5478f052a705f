"""Dialogues as text: what ``./voiceman analyze --text`` does, one JSON line out for each line in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from pydantic import BaseModel, ConfigDict, ValidationError

from include.errors import LanguageError
from include.forensic.detect import Hit, Passage, detect
from include.forensic.rulebook import load_taxonomy
from include.forensic.scores import review_order
from include.forensic.tokens import LANGUAGES

__all__ = ["TextAnalysis", "TextFinding", "Turn", "analyze_text", "analyze_text_lines"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Turn(_Model):
    """What one speaker said before the other spoke."""

    speaker: str | None = None
    text: str


class TextFinding(_Model):
    """A passage of a dialogue that matches a category."""

    category: str
    severity: int
    """1–4, as in the analysis; 1 where words near it make it ambiguous."""
    turn: int
    """Index of the turn."""
    text: str
    rule_or_model: str
    probability: float | None
    """None: a rule has no calibrated probability."""
    filters: list[str]
    """Filters that found words pointing the other way."""


class TextAnalysis(_Model):
    """Findings of one dialogue."""

    id: str | int | None
    findings: list[TextFinding]
    categories: dict[str, float]
    """Family (THREAT …) → 1.0 where a rule fired with severity 2 or more; families without are absent.
    A rule fired = 1.0 is not a calibrated probability."""
    review_order: float
    """0–100 (formula: :data:`include.forensic.scores.FORMULA`)."""


class _Dialogue(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: str | int | None = None
    turns: list[Turn]
    language: str | None = None


def analyze_text(turns: list[Turn], *, identity: str | int | None = None, language: str | None = None) -> TextAnalysis:
    """Findings of a dialogue given as text.

    Args:
        turns: in the order spoken.
        identity: handed through as ``id``.
        language: ``ko`` or ``en``; when None, Korean if any Hangul is in the text, else English.

    Raises:
        LanguageError: a language without rules.
    """
    chosen = language or _script_language(turns)
    if chosen not in LANGUAGES:
        raise LanguageError(f"There are no rules for the language {chosen!r}; give one of {', '.join(LANGUAGES)}.")
    hits = detect([Passage(turn.speaker, turn.text) for turn in turns], chosen, load_taxonomy())
    return TextAnalysis(
        id=identity,
        findings=[_finding(hit, turns) for hit in hits],
        categories={hit.category.split(".")[0]: 1.0 for hit in hits if hit.severity > 1},
        review_order=review_order([hit.severity for hit in hits]),
    )


def _script_language(turns: list[Turn]) -> str:
    return "ko" if any("가" <= character <= "힣" for turn in turns for character in turn.text) else "en"


def _finding(hit: Hit, turns: list[Turn]) -> TextFinding:
    return TextFinding(
        category=hit.category,
        severity=hit.severity,
        turn=hit.place.passage,
        text=turns[hit.place.passage].text[hit.place.start : hit.place.end],
        rule_or_model=hit.rule.data.id,
        probability=None,
        filters=list(dict.fromkeys(counter.filter for counter in hit.counters)),
    )


def analyze_text_lines(lines: Iterable[str]) -> Iterator[str]:
    """One JSON line for each non-empty line; a malformed one gives ``{"id": null, "error": …}`` and the rest go on.

    Args:
        lines: plain text (one turn, no speaker), or ``{"id": …, "turns": [{"speaker": …, "text": …}]}``.
    """
    for number, line in enumerate(lines, start=1):
        text = line.strip().removeprefix("\ufeff")
        if text:
            yield _analyzed_line(number, text)


def _analyzed_line(number: int, text: str) -> str:
    try:
        if text.startswith("{"):
            dialogue = _Dialogue.model_validate_json(text)
            result = analyze_text(dialogue.turns, identity=dialogue.id, language=dialogue.language)
        else:
            result = analyze_text([Turn(text=text)], identity=number)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the line"
        return _error_line(f"Line {number}: {where}: {first['msg']}; give plain text or an object with turns.")
    except LanguageError as error:
        return _error_line(f"Line {number}: {error}")
    return result.model_dump_json()


def _error_line(message: str) -> str:
    return json.dumps({"id": None, "error": message}, ensure_ascii=False)
