"""Dialogues as text: what ``./voiceman analyze --text`` does, one JSON line out for each line in."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, ValidationError, model_serializer

from include.errors import LanguageError
from include.forensic.detect import Hit, Passage, SetAside
from include.forensic.learned import MODEL_SEVERITY, Card, Prediction
from include.forensic.rulebook import load_taxonomy
from include.forensic.scores import review_order
from include.forensic.search import search
from include.forensic.tokens import LANGUAGES

__all__ = ["TextAnalysis", "TextFinding", "TextSetAside", "Turn", "analyze_text", "analyze_text_lines"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


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
    """A model's, calibrated (its card says for which share of harmful talk); None: a rule has none."""
    filters: list[str]
    """Filters that found words pointing the other way."""
    heard: str | None = None
    """The words that matched, where they are not the text's own but what a near-homophone stands for; left out of
    the JSON where they are the text's own."""

    @model_serializer(mode="wrap")
    def _without_none(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = handler(self)
        return {key: value for key, value in data.items() if key != "heard" or value is not None}


class TextSetAside(_Model):
    """A passage that matches a category's rule and that a filter set aside: no finding."""

    category: str
    turn: int
    text: str
    rule_or_model: str
    filter: str


class TextAnalysis(_Model):
    """Findings of one dialogue."""

    id: str | int | None
    findings: list[TextFinding]
    set_aside: list[TextSetAside] = []
    """Matches that a filter set aside; left out of the JSON where there are none."""
    categories: dict[str, float]
    """Family (THREAT …) → the language model's probability, raised where a rule fired with severity 2 or more
    (:func:`include.forensic.learned.combined`)."""
    review_order: float
    """0–100 (formula: :data:`include.forensic.scores.FORMULA`)."""

    @model_serializer(mode="wrap")
    def _without_empty(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = handler(self)
        return {key: value for key, value in data.items() if key != "set_aside" or value}


class _Dialogue(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

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
    passages = [Passage(turn.speaker, turn.text) for turn in turns]
    result = search(passages, [chosen] * len(passages), load_taxonomy())
    found = [
        *(_finding(hit, turns) for hit in result.hits),
        *(_model_finding(item, turns, result.card) for item in result.by_model),
    ]
    return TextAnalysis(
        id=identity,
        findings=sorted(found, key=lambda item: item.turn),
        set_aside=[_set_aside(item, turns) for item in result.set_aside],
        categories=result.categories,
        review_order=review_order([item.severity for item in found]),
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
        heard=hit.heard,
    )


def _model_finding(item: Prediction, turns: list[Turn], card: Card) -> TextFinding:
    return TextFinding(
        category=item.group,
        severity=MODEL_SEVERITY,
        turn=item.first,
        text=" / ".join(turn.text for turn in turns[item.first : item.last]),
        rule_or_model=card.id,
        probability=item.probability,
        filters=[],
    )


def _set_aside(item: SetAside, turns: list[Turn]) -> TextSetAside:
    place = item.hit.place
    return TextSetAside(
        category=item.hit.category,
        turn=place.passage,
        text=turns[place.passage].text[place.start : place.end],
        rule_or_model=item.hit.rule.data.id,
        filter=item.filter or "",
    )


def analyze_text_lines(lines: Iterable[str], *, told: Callable[[str], None] | None = None) -> Iterator[str]:
    """One JSON line for each non-empty line; a malformed one gives ``{"id": null, "error": …}`` and the rest go on.

    Args:
        lines: plain text (no speaker; a written ``\\n`` separates turns), or
            ``{"id": …, "turns": [{"speaker": …, "text": …}]}``.
        told: is given one sentence about the throughput when the lines are done.
    """
    begun = time.perf_counter()
    done = characters = refused = 0
    for number, line in enumerate(lines, start=1):
        text = line.strip().removeprefix("\ufeff")
        if text:
            answer, understood = _analyzed_line(number, text)
            yield answer
            done += understood
            refused += not understood
            characters += len(text) if understood else 0
    if told is not None:
        seconds = time.perf_counter() - begun
        also = f"; {refused} lines refused, see their errors" if refused else ""
        rate = f"{done / max(seconds, 1e-9):.1f} a second"
        told(f"{done} dialogues, {characters} characters in {seconds:.1f} s: {rate}{also}")


def _analyzed_line(number: int, text: str) -> tuple[str, bool]:
    """The answer, and whether the line was understood."""
    try:
        if text.startswith("{"):
            dialogue = _Dialogue.model_validate_json(text)
            result = analyze_text(dialogue.turns, identity=dialogue.id, language=dialogue.language)
        else:
            result = analyze_text([Turn(text=part) for part in text.split("\\n")], identity=number)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the line"
        return _error_line(
            f"Line {number}: {where}: {first['msg']}; give plain text, or "
            '{"id": "1", "turns": [{"speaker": "A", "text": "…"}]}.'
        ), False
    except LanguageError as error:
        return _error_line(f"Line {number}: {error}"), False
    return result.model_dump_json(), True


def _error_line(message: str) -> str:
    return json.dumps({"id": None, "error": message}, ensure_ascii=False)
