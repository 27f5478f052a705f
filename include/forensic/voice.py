"""One door to the voice: description, departures, emotion and cross-check from one pass over the audio."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from include.described import DESCRIBED
from include.forensic.acoustics import describe_voice
from include.forensic.analysis import Finding
from include.forensic.crosscheck import CROSSCHECK_VERSION, CrossChecks, cross_check
from include.forensic.emotion import EmotionReport, EmotionSource, describe_emotion
from include.forensic.praat import PARAMETERS
from include.forensic.stress import MOVED, STRESS_VERSION, VoiceDepartures, voice_departures
from include.forensic.voice_features import FEATURES_VERSION
from include.forensic.voice_gate import LIMITS
from include.forensic.voice_models import VoiceDescription
from include.forensic.voice_sounds import NO_AUDIO, measurable, measure_turns, turn_reader
from include.stt import NotMeasured, Transcript

__all__ = ["VOICE_PARAMETERS", "VoiceAnalysis", "analyze_voice"]

VOICE_PARAMETERS: dict[str, Any] = {
    "praat": PARAMETERS,
    "gate": LIMITS,
    "features": FEATURES_VERSION,
    "stress": [STRESS_VERSION, MOVED],
    "crosscheck": CROSSCHECK_VERSION,
}
"""Everything that can change a voice analysis, for an artefact's key; an emotion model adds its digests."""


class VoiceAnalysis(BaseModel):
    """What the audio of a recording gives."""

    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=DESCRIBED, allow_inf_nan=False, hide_input_in_errors=True
    )

    description: VoiceDescription | NotMeasured
    departures: VoiceDepartures | NotMeasured
    emotion: EmotionReport | NotMeasured
    cross_checks: CrossChecks | NotMeasured


def analyze_voice(
    transcript: Transcript,
    channels: Sequence[NDArray[np.float32]] | None,
    sample_rate: int,
    *,
    findings: Sequence[Finding] | NotMeasured,
    emotion: EmotionSource | None = None,
    emotion_off: bool = False,
) -> VoiceAnalysis:
    """Measure every turn once and derive the rest from it.

    Args:
        transcript: what was said by whom, when.
        channels: float32 in [-1, 1], one array per decoded channel; None when no audio is at hand.
        sample_rate: Hz.
        findings: of the transcript, for the cross-check.
        emotion: a loaded model (:func:`include.forensic.emotion.load_emotion`), or None.
        emotion_off: there is no model because the job switched it off.
    """
    none = measurable(transcript, channels)
    if none is not None or channels is None:
        none = none or NO_AUDIO
        return VoiceAnalysis(description=none, departures=none, emotion=none, cross_checks=none)
    wanted = emotion is not None and emotion.wants_functionals
    sounds = measure_turns(transcript, channels, sample_rate, functionals=wanted)
    reason = "The emotion model is switched off (VOICEMAN_EMOTION=off, or by the job)."
    read = turn_reader(channels, sample_rate)
    if emotion_off:
        report = describe_emotion(sounds, None, read, sample_rate, off_reason=reason)
    else:
        report = describe_emotion(sounds, emotion, read, sample_rate)
    confidences = [segment.confidence for segment in transcript.segments]
    return VoiceAnalysis(
        description=describe_voice(transcript, channels, sample_rate, sounds),
        departures=voice_departures(sounds),
        emotion=report,
        cross_checks=cross_check(sounds, report, findings, transcript.language, confidences),
    )
