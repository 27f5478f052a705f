"""Rules and learned detector over passages: the one detection of ``analyze --text`` and of recordings.

A passage is one speaker's uninterrupted stretch of text. Rules read the passages of their language; the model is
multilingual and reads all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from include.forensic.detect import Hit, Passage, Place, SetAside, examine
from include.forensic.learned import Card, LanguageModel, Prediction, combined, default_model, unmet, weighed
from include.forensic.rulebook import Taxonomy
from include.forensic.tokens import LANGUAGES
from include.settings import get_settings

__all__ = ["FAMILIES", "Found", "family_entry", "language_model", "search"]

FAMILIES = {
    "THREAT": ("협박", "Threat"),
    "VISHING": ("전화금융사기", "Voice phishing"),
    "CONTROL": ("강압적 통제", "Coercive control"),
    "MANIPULATION": ("심리적 조종", "Manipulation"),
}
"""Korean and English names of families that are no category of their own: the model names a family only."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found in a dialogue; passages by their index."""

    hits: list[Hit]
    set_aside: list[SetAside]
    signals: list[Hit]
    """What is read over the recordings of a case: no findings."""
    by_model: list[Prediction]
    """The model's findings that no rule made."""
    categories: dict[str, float]
    """Family → probability (:func:`include.forensic.learned.combined`)."""
    card: Card
    """Of the model."""


def language_model() -> LanguageModel:
    """The configured model (``VOICEMAN_LANGUAGE_MODEL``), or the one that ships; once a process.

    Raises:
        ModelError: no such model, or a damaged one.
    """
    return default_model(get_settings().language_model)


def search(
    passages: Sequence[Passage], languages: Sequence[str], taxonomy: Taxonomy, model: LanguageModel | None = None
) -> Found:
    """Everything that is found in a dialogue.

    Args:
        passages: in the order spoken.
        languages: one for each, of :data:`include.forensic.tokens.LANGUAGES`; the caller checks.
        taxonomy: the rules.
        model: the learned detector; None: :func:`language_model`.
    """
    hits: list[Hit] = []
    aside: list[SetAside] = []
    signals: list[Hit] = []
    for language in LANGUAGES:
        own = [number for number, spoken in enumerate(languages) if spoken == language]
        if not own:
            continue
        detection = examine([passages[number] for number in own], language, taxonomy)
        hits += [_back(hit, own) for hit in detection.hits]
        aside += [replace(item, hit=_back(item.hit, own)) for item in detection.set_aside]
        signals += [_back(hit, own) for hit in detection.signals]
    model = model or language_model()
    reading = model.read([passage.text for passage in passages])
    doubted = {item.hit.family for item in aside} | {hit.family for hit in hits if hit.severity < 2}
    hits, held = weighed(hits, reading)
    aside += held
    by_rule = {(hit.family, hit.place.passage) for hit in [*hits, *(item.hit for item in aside)]}
    fired = {hit.family for hit in hits if hit.severity > 1}
    return Found(
        hits=hits,
        set_aside=aside,
        signals=signals,
        by_model=unmet(model.findings(reading), by_rule),
        categories=combined(reading, fired, doubted),
        card=model.card,
    )


def _back(hit: Hit, own: Sequence[int]) -> Hit:
    """A hit in the passages of one language as one in all of them."""

    def moved(place: Place) -> Place:
        return replace(place, passage=own[place.passage])

    return replace(
        hit,
        place=moved(hit.place),
        related=tuple(moved(place) for place in hit.related),
        counters=tuple(replace(counter, place=moved(counter.place)) for counter in hit.counters),
    )


def family_entry(family: str) -> dict[str, str]:
    """A family as the taxonomy's part of an analysis lists categories."""
    korean, english = FAMILIES[family]
    return {"name_ko": korean, "name_en": english, "reference": "", "nature": "family", "verified_on": ""}
