"""The analysis: ``voiceman.analysis/1``, what ``{file_id}_forensic.json`` holds.

Nothing here claims lying, guilt, intent or a propensity: findings are located passages that
match a described category, voice values are descriptions with their method beside them, and what
was not measured is a :class:`NotMeasured` with its reason (DESIGN §6).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from include.errors import DocumentError
from include.stt import NotMeasured

__all__ = [
    "SCHEMA",
    "Analysis",
    "Confirmation",
    "Context",
    "CounterEvidence",
    "Finding",
    "Measure",
    "Measurement",
    "Scores",
    "Span",
    "TaxonomyInfo",
    "TranscriptRef",
    "VoiceMeasures",
    "Waveform",
    "load_analysis",
]

SCHEMA: Final = "voiceman.analysis/1"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


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
    """Whether a second decode of the span gave the same words (not made yet: ``not_run``)."""

    status: Literal["confirmed", "differs", "not_run"]
    detail: str


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
    rule: str
    rule_version: str
    span: Span
    related: list[Span] = Field(default_factory=list)
    """The other passages that a combination of elements needed, for rules that look for one."""
    context: Context
    asr_confidence: float | None
    """The segment's decoder confidence, 0–1."""
    confirmation: Confirmation
    counter_evidence: list[CounterEvidence]


class Measure(_Model):
    """A value with its unit and how it was measured."""

    measured: Literal[True] = True
    value: float
    unit: str
    method: str


Measurement = Measure | NotMeasured


class VoiceMeasures(_Model):
    """Voice measures of one speaker (or of the whole recording where speakers were not separated)."""

    speaker: str | None
    voiced_s: Measurement
    f0_median_hz: Measurement
    f0_iqr_semitones: Measurement
    intensity_median_db: Measurement
    pause_ratio: Measurement
    """Share of the time between the speaker's first and last word that none of their words covers: pauses and the other
    party's turns together."""
    speech_rate: Measurement
    """Articulation rate: syllables per second of the time that the speaker's words cover, pauses excluded."""


class Waveform(_Model):
    """Peak envelope for drawing: one absolute peak (0–1 of full scale) per step, a list per channel."""

    step_s: float = Field(gt=0, le=3600)
    peaks: list[list[float]] = Field(max_length=2)


class Scores(_Model):
    """Counts, rates and one review order. Not a probability of anything."""

    counts: dict[str, dict[str, dict[str, int]]]
    """category → severity → speaker (``unknown`` when not separated) → count."""
    per_audio_hour: dict[str, float]
    """category → findings per hour of recording."""
    review_order: float | NotMeasured
    """0–100: which recording to listen to first."""
    formula: str
    formula_version: str
    inputs: dict[str, float]


class Analysis(_Model):
    """A whole recording's analysis."""

    schema_: Literal["voiceman.analysis/1"] = Field(SCHEMA, alias="schema")
    transcript: TranscriptRef
    language: str
    duration_s: float
    taxonomy: TaxonomyInfo
    findings: list[Finding] | NotMeasured
    """``NotMeasured`` when there are no rules for the language."""
    acoustics: list[VoiceMeasures] | NotMeasured
    waveform: Waveform | NotMeasured
    emotion: NotMeasured
    stress: NotMeasured
    cross_checks: NotMeasured
    scores: Scores
    versions: dict[str, str]
    settings_digest: str
    """SHA-256 over taxonomy, versions and parameters."""
    created_at: str

    model_config = ConfigDict(extra="forbid", populate_by_name=True, use_attribute_docstrings=True, allow_inf_nan=False)

    def to_json(self) -> str:
        """JSON with stable key order, UTF-8, two-space indent."""
        return json.dumps(self.model_dump(by_alias=True), ensure_ascii=False, indent=2) + "\n"


def load_analysis(source: Path | bytes | str, *, name: str = "analysis") -> Analysis:
    """Read and check an analysis.

    Raises:
        DocumentError: unreadable, not JSON, or not a ``voiceman.analysis/1``.
    """
    label = str(source) if isinstance(source, Path) else name
    try:
        data = source.read_bytes() if isinstance(source, Path) else source
        return Analysis.model_validate_json(data)
    except OSError as error:
        raise DocumentError(f"{label} can't be read ({error.strerror}); give the path of an analysis JSON.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise DocumentError(
            f"{label} is not a {SCHEMA} document: {where}: {first['msg']}; make it with ./voiceman analyze."
        ) from error
