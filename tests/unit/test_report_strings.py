"""The strings: same keys, same blanks, a label for everything, and no claim the house doesn't make."""

from __future__ import annotations

import re
from collections.abc import Iterator
from string import Formatter
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel

from include.forensic import Analysis, Confirmation, CounterEvidence, Finding, NotAnalysed, Span, SpeakerVoice
from include.forensic.floor_timing import FloorMeasures
from include.forensic.stress import MovedMeasure
from include.forensic.voice_models import TURN_MEASURES
from include.report.strings import load_strings
from include.report.voice_table import FLOOR, MEASURES
from include.stt import NotMeasured, Transcript

CLAIMS = {
    "en": r"\b(l(ie|ies|ied|ying|iar)|deceiv\w*|decept\w*|dishonest\w*|guilt\w*|culpab\w*|intent\w*|propens\w*|"
    r"criminals?|offenders?|perpetrators?|suspects?|malice|motive|inclin\w*|character)\b",
    "ko": r"거짓말|속이|속임|기만|유죄|범인|범죄자|피의자|가해자|고의|의도|성향|악의|동기|성격|범의|습벽",
}
DISCLAIMERS = {"disclaimer.no_lie_detection", "disclaimer.no_opinion"}
"""The only keys that may name these things, and only to say that the report doesn't."""
NEGATION = {"en": r"\bno\b|\bnot\b", "ko": r"않습니다|아닙니다"}


def test_both_languages_have_the_same_keys_and_blanks() -> None:
    ko, en = load_strings("ko").table, load_strings("en").table
    assert set(ko) == set(en)
    for key in ko:
        blanks = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in (ko[key], en[key])]
        assert blanks[0] == blanks[1], key


@pytest.mark.parametrize("language", ["ko", "en"])
def test_no_string_claims_lying_guilt_intent_or_propensity(language: str) -> None:
    table = load_strings(language).table
    named = {key for key, text in table.items() if re.search(CLAIMS[language], text, re.IGNORECASE)}
    assert named == DISCLAIMERS
    for key in DISCLAIMERS:
        assert all(re.search(NEGATION[language], part, re.IGNORECASE) for part in re.findall(r"[^.]+\.", table[key])), (
            key
        )


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en", "The speaker is lying."),
        ("en", "This shows intent."),
        ("ko", "화자가 거짓말을 합니다."),
        ("ko", "고의가 있다."),
    ],
)
def test_the_scan_finds_a_claim(language: str, sentence: str) -> None:
    assert re.search(CLAIMS[language], sentence, re.IGNORECASE)


def _choices(model: type[BaseModel], field: str) -> tuple[Any, ...]:
    annotation = model.model_fields[field].annotation
    assert get_origin(annotation) is Literal
    return get_args(annotation)


@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_choice_of_the_documents_has_a_label(language: str) -> None:
    table = load_strings(language).table
    wanted = [f"severity.{one}" for one in _choices(Finding, "severity")]
    wanted += [f"timing.{one}" for one in _choices(Span, "timing")]
    wanted += [f"confirmation.{one}" for one in _choices(Confirmation, "status")]
    wanted += [f"counter.{one}" for one in _choices(CounterEvidence, "kind")]
    wanted += [f"voice.{one}" for one in MEASURES]
    wanted += [f"voice.floor.{one}" for one in FLOOR]
    wanted += [f"turn_measure.{one}" for one in TURN_MEASURES]
    wanted += [f"stress.{one}" for one in _choices(MovedMeasure, "direction")]
    wanted += [f"not_analysed.{one}" for one in _choices(NotAnalysed, "kind")]
    wanted += [f"findings.by_{one}" for one in _choices(Finding, "found_by")]
    assert not [key for key in wanted if key not in table]
    assert set(MEASURES) == set(SpeakerVoice.model_fields) - {"speaker", "floor"}
    assert set(FLOOR) == set(FloorMeasures.model_fields)


def _gap_fields(annotation: Any, path: str) -> Iterator[str]:
    """Paths of every field that may hold a NotMeasured, from the models' annotations."""
    if annotation is NotMeasured:
        yield path
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            yield from _gap_fields(field.annotation, f"{path}.{name}")
    else:
        for inner in get_args(annotation):
            yield from _gap_fields(inner, path)


@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_field_that_may_be_unmeasured_has_a_label(language: str) -> None:
    paths = {*_gap_fields(Transcript, "transcript"), *_gap_fields(Analysis, "analysis")}
    assert len(paths) >= 15
    assert not {f"gap.{path}" for path in paths} - set(load_strings(language).table)
