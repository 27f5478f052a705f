"""The analysis: ``voiceman.analysis/1``, what ``{file_id}_forensic.json`` holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from include.described import DESCRIBED
from include.errors import DocumentError
from include.forensic.analysis import (
    CaseSignal,
    Finding,
    NotAnalysed,
    Scores,
    SetAsidePassage,
    TaxonomyInfo,
    TranscriptRef,
    Waveform,
)
from include.forensic.crosscheck import CrossChecks
from include.forensic.emotion import EmotionReport
from include.forensic.stress import VoiceDepartures
from include.forensic.voice_models import SpeakerVoice, VoiceTurns
from include.stt import NotMeasured

__all__ = ["SCHEMA", "Analysis", "load_analysis"]

SCHEMA: Final = "voiceman.analysis/1"


class Analysis(BaseModel):
    """A whole recording's analysis."""

    schema_: Literal["voiceman.analysis/1"] = Field(SCHEMA, alias="schema")
    transcript: TranscriptRef
    language: str
    duration_s: float
    taxonomy: TaxonomyInfo
    language_model: str | NotMeasured = NotMeasured(reason="No language model was applied.")
    """Id of the learned detector's model, with the first characters of its digest."""
    findings: list[Finding] | NotMeasured
    """``NotMeasured`` when there are no rules for the language."""
    set_aside: list[SetAsidePassage] = Field(default_factory=list)
    """Passages that match a rule and that a filter set aside."""
    case_signals: list[CaseSignal] | NotMeasured = NotMeasured(
        reason="The analysis was made before signals for a case were looked for."
    )
    """What ``./voiceman case`` and a job's course read; no findings."""
    not_analysed: list[NotAnalysed] = Field(default_factory=list)
    """Where nothing was looked for, by time."""
    acoustics: list[SpeakerVoice] | NotMeasured
    """The voice of each speaker over the recording."""
    voice_turns: VoiceTurns | NotMeasured = NotMeasured(reason="No turn was measured.")
    """The same measures turn by turn."""
    waveform: Waveform | NotMeasured
    emotion: EmotionReport | NotMeasured
    stress: VoiceDepartures | NotMeasured
    """Departure of voice measures from the speaker's own baseline, nothing more."""
    cross_checks: CrossChecks | NotMeasured
    scores: Scores
    versions: dict[str, str]
    settings_digest: str
    """SHA-256 over taxonomy, models, versions and parameters."""
    created_at: str

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
