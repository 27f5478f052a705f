"""One recording's analysis: findings, voice measures, scores, and what was not measured."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from include.forensic import acoustics, detect, findings, praat, scores, speech_timing
from include.forensic.analysis import Analysis, Finding, TranscriptRef
from include.forensic.rulebook import Taxonomy, load_taxonomy
from include.forensic.tokens import LANGUAGES
from include.stt import NotMeasured, Transcript

__all__ = ["analyze_transcript", "settings_digest"]

CODE_VERSION = "2"
"""Raise it when a change in this package can change an analysis without changing the taxonomy or a parameter."""


def analyze_transcript(
    transcript: Transcript,
    *,
    transcript_name: str,
    transcript_sha256: str,
    channels: Sequence[NDArray[np.float32]] | None,
    sample_rate: int = 16000,
) -> Analysis:
    """Analyse a transcript and, where at hand, its audio.

    Args:
        transcript: what was said, by whom, when.
        transcript_name: file name, so that the analysis says what it read.
        transcript_sha256: of the transcript's file, hex.
        channels: float32 in [-1, 1], one array per decoded audio channel; None when no audio is at hand.
        sample_rate: Hz of the arrays.

    Raises:
        SettingsError: the taxonomy's files are damaged.
    """
    taxonomy = load_taxonomy()
    found = _findings(transcript, taxonomy)
    return Analysis(
        transcript=TranscriptRef(
            name=transcript_name, sha256=transcript_sha256, recording_sha256=transcript.recording.sha256
        ),
        language=transcript.language,
        duration_s=transcript.recording.duration_s,
        taxonomy=taxonomy.info(),
        findings=found,
        acoustics=acoustics.voice_measures(transcript, channels, sample_rate),
        waveform=acoustics.envelope(channels, sample_rate),
        emotion=NotMeasured(reason="No emotion model is installed."),
        stress=NotMeasured(reason="Departure from the speaker's own baseline isn't computed in this version."),
        cross_checks=NotMeasured(reason="They need emotion or stress measures, which were not made."),
        scores=scores.score(found, transcript.recording.duration_s),
        versions=_versions(),
        settings_digest=settings_digest(),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _findings(transcript: Transcript, taxonomy: Taxonomy) -> list[Finding] | NotMeasured:
    if not transcript.segments:
        return NotMeasured(reason=transcript.empty_reason or "The transcript has no segments.")
    if transcript.language not in LANGUAGES:
        return NotMeasured(reason=f"There are no rules for the language {transcript.language!r} (rules: ko, en).")
    return findings.located_findings(transcript, taxonomy)


def settings_digest() -> str:
    """SHA-256 (hex) over the taxonomy's digest, package versions and every parameter: an artefact's key.

    Cheap: it loads neither Kiwi nor Praat.
    """
    parameters: dict[str, Any] = {
        "taxonomy": load_taxonomy().sha256,
        "versions": _versions(),
        "praat": praat.PARAMETERS,
        "minimum_voiced_s": acoustics.MINIMUM_VOICED_S,
        "minimum_words": speech_timing.MINIMUM_WORDS,
        "waveform_points": acoustics.WAVEFORM_POINTS,
        "join": [findings.JOIN_GAP_S, findings.JOIN_CHARACTERS],
        "reciprocity_passages": detect.RECIPROCITY_PASSAGES,
        "score": [scores.FORMULA_VERSION, scores.FORMULA],
    }
    return hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()


def _versions() -> dict[str, str]:
    packages = ("kiwipiepy", "kiwipiepy-model", "praat-parselmouth", "numpy")
    return {"voiceman-analysis": CODE_VERSION, **{package: version(package) for package in packages}}
