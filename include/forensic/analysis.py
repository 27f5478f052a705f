"""The parts of an analysis (:mod:`include.forensic.document` is the whole).

Nothing here claims lying, guilt, intent or a propensity: findings are located passages that
match a described category, voice values are descriptions with their method beside them, and what
was not measured is a :class:`NotMeasured` with its reason (DESIGN §6).
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from include.described import DESCRIBED
from include.forensic.rates import Rate
from include.stt import Confirmation as Decodings
from include.stt import NotMeasured

__all__ = [
    "CaseSignal",
    "Confirmation",
    "Context",
    "CounterEvidence",
    "Finding",
    "Measure",
    "Measurement",
    "NotAnalysed",
    "RatedCount",
    "Scores",
    "SetAsidePassage",
    "Span",
    "TaxonomyInfo",
    "TranscriptRef",
    "Waveform",
]


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=DESCRIBED, allow_inf_nan=False, hide_input_in_errors=True
    )


class TranscriptRef(_Model):
    """Which transcript was analysed."""

    name: str = Field(pattern=r"^[^/\\\x00]{1,200}$")
    """File name; looked for beside the analysis."""
    sha256: str
    recording_sha256: str


class TaxonomyInfo(_Model):
    """Which rules were applied."""

    version: str
    sha256: str
    """Over the taxonomy's files, in name order."""
    languages: list[str]
    categories: dict[str, dict[str, str]]
    """Category id → ``name_ko``, ``name_en``, ``reference`` (a lead to verify, not a legal opinion), ``verified_on``
    (date on which a person checked the reference; empty until then)."""


class Span(_Model):
    """Where a passage lies."""

    segment: int
    """Index into the transcript's segments."""
    speaker: str | None
    start: float | None
    end: float | None
    timing: Literal["acoustic", "attention", "segment", "none"]
    """Where the times come from; ``segment`` when the words themselves have none."""
    text: str
    """The matched words, as transcribed."""


class Context(_Model):
    """The sentence that holds the match and its neighbours, as transcribed."""

    before: str
    sentence: str
    after: str


class Confirmation(_Model):
    """What decoding the finding's passages again under other settings gave."""

    measured: Literal[True] = True
    status: Literal["confirmed", "unconfirmed"]
    """``confirmed``: every passage was heard again (the rule: :mod:`include.stt.confirmation`; for a model's finding
    :data:`include.forensic.second_decode.MODEL_AGREEMENT`). An unconfirmed finding never raises the review order."""
    detail: str
    """One sentence."""
    decodings: list[Decodings]
    """Each passage with what every decoding heard in it, and its most probable alternatives."""


class CounterEvidence(_Model):
    """Something near the finding that points the other way."""

    kind: Literal["negation", "quotation", "joke", "hypothetical", "question", "narration", "reciprocity"]
    text: str
    start: float | None


class Finding(_Model):
    """A located passage that matches a category."""

    id: str
    """Stable in this analysis: ``F001`` …"""
    category: str
    severity: Literal[1, 2, 3, 4]
    """1 ambiguous · 2 clear, low harm · 3 clear, specific · 4 specific with means, time or target."""
    found_by: Literal["rule", "model"] = "rule"
    """A rule of the taxonomy, or the learned language model. A model's finding names a family of categories and no
    words, and has severity 1: a place to listen to."""
    rule: str
    """Id of the rule; of the model when it is the model's finding."""
    rule_version: str
    """Version of the rule; the version of the model's features when it is the model's finding."""
    probability: float | None = None
    """The model's, calibrated for the share of harmful talk that its card names; None: a rule has none."""
    heard: str | None = None
    """The words that matched where they are not the transcript's own but what a known near-homophone stands for."""
    span: Span
    related: list[Span] = Field(default_factory=list)
    """The other passages that a combination of elements needed, or that the model read with the first."""
    context: Context
    asr_confidence: float | None
    """The segment's decoder confidence, 0–1."""
    confirmation: Confirmation | NotMeasured
    """Of the words by a second decode; ``NotMeasured`` when none was made, with why."""
    counter_evidence: list[CounterEvidence]


class SetAsidePassage(_Model):
    """A passage whose words match a rule and that a filter set aside: a denial, a quotation, a news item … No finding;
    listed so that the reader can see what was set aside, and why."""

    category: str
    """Of the rule that would have fired."""
    rule: str
    rule_version: str
    filter: str
    """Id of the filter that set it aside."""
    span: Span
    context: Context
    counter_evidence: list[CounterEvidence]
    """The words that the filter found, first of all."""


class CaseSignal(_Model):
    """Words that mean nothing in one recording and count only over the recordings of a case: contact refused, asked
    for again, its number, and what explains it. No finding; no count, rate or order holds it."""

    category: str
    rule: str
    rule_version: str
    span: Span


class NotAnalysed(_Model):
    """Part of the recording in which no findings were looked for."""

    kind: Literal["set_aside", "uncovered_speech", "language"]
    """``set_aside``: text that the decoder's guards took for its own invention; ``uncovered_speech``: speech without
    words; ``language``: a segment in a language without rules."""
    start: float
    end: float
    channel: int | None
    """As in the transcript, from 0; None: not known."""
    reasons: list[str]


class Measure(_Model):
    """A value with its unit and how it was measured."""

    measured: Literal[True] = True
    value: float
    unit: str
    method: str


Measurement = Measure | NotMeasured


class Waveform(_Model):
    """Peak envelope for drawing: one absolute peak (0–1 of full scale) per step, a list per channel."""

    step_s: float = Field(gt=0, le=3600)
    peaks: list[list[float]] = Field(max_length=2)


class RatedCount(_Model):
    """One category's findings in a recording, with the uncertainty of so short a sample."""

    category: str
    confirmed: int
    """Findings whose words a second decode confirmed."""
    unconfirmed: int
    """Findings whose words it did not confirm, or that were not decoded again."""
    rate: Rate | NotMeasured
    """All of them per hour of recording."""


class Scores(_Model):
    """Counts, rates and one review order. Not a probability of anything."""

    counts: dict[str, dict[str, dict[str, int]]]
    """category → severity → speaker (``unknown`` when not separated) → count."""
    per_audio_hour: dict[str, float]
    """category → findings per hour of recording."""
    rates: list[RatedCount] = Field(default_factory=list)
    """The same with exact Poisson intervals."""
    review_order: float | NotMeasured
    """0–100: which recording to listen to first."""
    formula: str
    formula_version: str
    inputs: dict[str, float]
