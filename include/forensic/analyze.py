"""One recording's analysis: findings, voice, scores, and what was not measured."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from include.forensic import acoustics, detect, passages, scores, second_decode, speech_timing
from include.forensic.analysis import CaseSignal, TaxonomyInfo, TranscriptRef
from include.forensic.document import Analysis
from include.forensic.emotion import EmotionSource, load_emotion
from include.forensic.findings import NOT_DECODED, Language, located, not_analysed
from include.forensic.learned.combine import PARAMETERS as COMBINATION
from include.forensic.rulebook import load_taxonomy
from include.forensic.search import family_entry, language_model
from include.forensic.second_decode import SecondDecodes, with_second_decodes
from include.forensic.vectors import encoder_version
from include.forensic.voice import VOICE_PARAMETERS, VoiceAnalysis, analyze_voice
from include.forensic.voice_models import VoiceTurns
from include.settings import get_settings
from include.stt import NotMeasured, Transcript, file_sha256

__all__ = ["analyze_transcript", "settings_digest"]

CODE_VERSION = "5"
"""Raise it when a change in this package can change an analysis without changing the taxonomy or a parameter."""


def analyze_transcript(
    transcript: Transcript,
    *,
    transcript_name: str,
    transcript_sha256: str,
    channels: Sequence[NDArray[np.float32]] | None,
    sample_rate: int = 16000,
    words: Language | None = None,
    second_decodes: SecondDecodes | NotMeasured = NOT_DECODED,
    emotion: bool | None = None,
) -> Analysis:
    """Analyse a transcript and, where at hand, its audio.

    Args:
        transcript: what was said, by whom, when.
        transcript_name: file name, so that the analysis says what it read.
        transcript_sha256: of the transcript's file, hex.
        channels: float32 in [-1, 1], one array per decoded audio channel; None when no audio is at hand.
        sample_rate: Hz of the arrays.
        words: what :func:`include.forensic.findings.located` found in it, when that is known already.
        second_decodes: of the findings' passages, or why there are none.
        emotion: whether an emotion model is applied; the setting's when None.

    Raises:
        SettingsError: the taxonomy's files are damaged.
        ModelError: the language model or the emotion model can't be used.
    """
    words = words or located(transcript)
    found = words.findings
    if not isinstance(found, NotMeasured):
        found = with_second_decodes(found, transcript, second_decodes)
    voice = _voice(transcript, channels, sample_rate, found, emotion)
    return Analysis(
        transcript=TranscriptRef(
            name=transcript_name, sha256=transcript_sha256, recording_sha256=transcript.recording.sha256
        ),
        language=transcript.language,
        duration_s=transcript.recording.duration_s,
        taxonomy=_taxonomy(words),
        language_model=words.card.id if words.card else NotMeasured(reason="No language model was applied."),
        findings=found,
        set_aside=words.set_aside,
        case_signals=_signals(words),
        not_analysed=not_analysed(transcript),
        acoustics=voice.description if isinstance(voice.description, NotMeasured) else voice.description.speakers,
        voice_turns=_turns(voice),
        waveform=acoustics.envelope(channels, sample_rate),
        emotion=voice.emotion,
        stress=voice.departures,
        cross_checks=voice.cross_checks,
        scores=scores.score(found, transcript.recording.duration_s),
        versions=_versions(),
        settings_digest=settings_digest(),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _signals(words: Language) -> list[CaseSignal] | NotMeasured:
    """None could be looked for where no findings could."""
    return words.findings if isinstance(words.findings, NotMeasured) else words.signals


def _voice(
    transcript: Transcript,
    channels: Sequence[NDArray[np.float32]] | None,
    sample_rate: int,
    found: Any,
    emotion: bool | None,
) -> VoiceAnalysis:
    settings = get_settings()
    wanted = settings.emotion if emotion is None else emotion
    folder = settings.emotion_folder if wanted else None
    return analyze_voice(
        transcript,
        channels,
        sample_rate,
        findings=found,
        emotion=None if folder is None else _emotion_model(folder),
        emotion_off=not wanted,
    )


@cache
def _emotion_model(folder: Path) -> EmotionSource:
    """The process's one emotion model of a folder."""
    return load_emotion(folder, get_settings().models / "base")


def _turns(voice: VoiceAnalysis) -> VoiceTurns | NotMeasured:
    found = voice.description
    if isinstance(found, NotMeasured):
        return found
    if isinstance(found.turns, NotMeasured):
        return found.turns
    return VoiceTurns(method=found.method, units=found.units, left_out=found.left_out, turns=found.turns)


def _taxonomy(words: Language) -> TaxonomyInfo:
    """What the taxonomy says of its categories, and the families that the model named."""
    info = load_taxonomy().info()
    named = {one.category for one in words.findings} if isinstance(words.findings, list) else set()
    for family in sorted(named - set(info.categories)):
        info.categories[family] = family_entry(family)
    return info


def settings_digest() -> str:
    """SHA-256 (hex) over the taxonomy's digest, models, package versions and every parameter: an artefact's key.

    Cheap but for a lab's emotion model, whose files are read once a process.
    """
    settings = get_settings()
    parameters: dict[str, Any] = {
        "taxonomy": load_taxonomy().sha256,
        "versions": _versions(),
        "detect": detect.PARAMETERS,
        "language_model": [language_model().card.id, COMBINATION],
        "voice": VOICE_PARAMETERS,
        "emotion": _emotion_files(settings.emotion_folder) if settings.emotion_folder else None,
        "emotion_on": settings.emotion,
        "second_decode": [second_decode.PARAMETERS, settings.confirm_model],
        "minimum_voiced_s": acoustics.MINIMUM_VOICED_S,
        "minimum_words": speech_timing.MINIMUM_WORDS,
        "waveform_points": acoustics.WAVEFORM_POINTS,
        "join": [passages.JOIN_GAP_S, passages.JOIN_CHARACTERS],
        "score": [scores.FORMULA_VERSION, scores.FORMULA],
    }
    return hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()


@cache
def _emotion_files(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of an emotion model; none of a folder that isn't there (its use says so)."""
    return {path.name: file_sha256(path) for path in sorted(folder.glob("*")) if path.is_file()}


def _versions() -> dict[str, str]:
    packages = ("kiwipiepy", "kiwipiepy-model", "praat-parselmouth", "numpy")
    encoder, _, number = encoder_version().rpartition(" ")
    return {"voiceman-analysis": CODE_VERSION, encoder: number, **{one: version(one) for one in packages}}
