"""Voice measures per speaker and per turn, and the waveform's envelope. Descriptions of the sound, no more."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import SupportsFloat

import numpy as np
from numpy.typing import NDArray

from include.forensic.analysis import Measure, Measurement, Waveform
from include.forensic.floor_timing import floor_measures, pauses
from include.forensic.praat import METHOD
from include.forensic.speech_timing import pause_ratio, speech_rate
from include.forensic.voice_gate import VoiceGate, gate_of
from include.forensic.voice_models import TURN_MEASURES, SpeakerVoice, TurnVoice, VoiceDescription
from include.forensic.voice_sounds import NO_AUDIO, TurnSound, measurable, measure_turns
from include.forensic.voice_turns import floor_of
from include.stt import NotMeasured, Transcript

__all__ = ["MINIMUM_VOICED_S", "WAVEFORM_POINTS", "describe_voice", "envelope"]

Audio = NDArray[np.float32]

MINIMUM_VOICED_S = 1.0
"""Less voiced speech of a speaker than this gives no pitch and no intensity."""


WAVEFORM_POINTS = 4000
"""Most points of a channel's envelope."""


def describe_voice(
    transcript: Transcript,
    channels: Sequence[Audio] | None,
    sample_rate: int,
    sounds: Sequence[TurnSound] | None = None,
) -> VoiceDescription | NotMeasured:
    """The voices of a recording, per speaker and per turn.

    Args:
        transcript: its speakers ``channel-N`` are read from channel N; others from the mean of the channels.
        channels: float32 in [-1, 1], equal lengths; None when no audio is at hand.
        sample_rate: Hz.
        sounds: what :func:`measure_turns` gave for the same recording, so that it is measured once.
    """
    none = measurable(transcript, channels)
    if none is not None or channels is None:
        return none or NO_AUDIO
    sounds = measure_turns(transcript, channels, sample_rate) if sounds is None else sounds
    gate = gate_of(transcript)
    speakers = list(dict.fromkeys(sound.turn.speaker for sound in sounds))
    return VoiceDescription(
        method=METHOD,
        units=dict(TURN_MEASURES),
        left_out=gate.notes,
        speakers=[_speaker(who, sounds, gate, floor_of(transcript), transcript.language) for who in speakers],
        turns=[_turn_voice(sound) for sound in sounds],
    )


def _turn_voice(sound: TurnSound) -> TurnVoice:
    turn = sound.turn
    return TurnVoice(
        index=turn.index,
        speaker=turn.speaker,
        start=round(turn.start, 3),
        end=round(turn.end, 3),
        segments=list(turn.segments),
        voiced_s=round(sound.voiced_s, 2),
        values=sound.values,
        overlapped_s=round(sound.overlapped_s, 2),
    )


def _speaker(
    who: str | None,
    sounds: Sequence[TurnSound],
    gate: VoiceGate,
    floor_and_source: tuple[Sequence[tuple[float, float, str]], str],
    language: str,
) -> SpeakerVoice:
    floor, source = floor_and_source
    own = [sound for sound in sounds if sound.turn.speaker == who]
    words = [word for sound in own for word in sound.turn.words]
    f0 = _joined(sound.f0_hz for sound in own)
    level, hnr = _joined(sound.intensity_db for sound in own), _joined(sound.hnr_db for sound in own)
    formants = np.concatenate([np.empty((0, 3), np.float32), *(sound.formants_hz for sound in own)])
    few = _few(len(f0) / 100)
    semitones = 12 * np.log2(f0 / 27.5) if len(f0) else f0
    weights = [sound.voiced_s for sound in own]
    rate, length = pauses(words, [(start, end) for start, end, one in floor if one != who])
    pitch, loud, quality = few or gate.pitch, few or gate.intensity, few or gate.quality
    return SpeakerVoice(
        speaker=who,
        voiced_s=Measure(value=round(len(f0) / 100, 2), unit="s", method=METHOD),
        f0_median_hz=pitch or _measure(np.median(f0), 1, "Hz", "median"),
        f0_iqr_semitones=pitch or _measure(_between(semitones, 25, 75), 2, "semitones", "interquartile range"),
        f0_range_semitones=pitch or _measure(_between(semitones, 10, 90), 2, "semitones", "10th to 90th percentile"),
        intensity_median_db=loud or _measure(np.median(level), 1, "dB re full scale (RMS 1.0)", "median"),
        intensity_iqr_db=loud or _measure(_between(level, 25, 75), 2, "dB", "interquartile range"),
        jitter_local=quality or _weighted([sound.jitter for sound in own], weights, "jitter (local)"),
        shimmer_local=quality or _weighted([sound.shimmer for sound in own], weights, "shimmer (local)"),
        hnr_db=quality or _measure(np.nanmean(hnr), 2, "dB", "mean; autocorrelation at the period"),
        formant1_hz=few or gate.formants[0] or _formant(formants[:, 0], gate),
        formant2_hz=few or gate.formants[1] or _formant(formants[:, 1], gate),
        formant3_hz=few or gate.formants[2] or _formant(formants[:, 2], gate),
        speech_rate=speech_rate(words, language),
        pause_ratio=pause_ratio(words),
        pauses_per_minute=rate,
        pause_median_s=length,
        floor=floor_measures(who, floor, source),
    )


def _joined(parts: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate([np.empty(0, np.float32), *parts])


def _few(voiced_s: float) -> NotMeasured | None:
    if voiced_s >= MINIMUM_VOICED_S:
        return None
    return NotMeasured(reason=f"Only {voiced_s:.2f} s voiced; {MINIMUM_VOICED_S:g} s are needed.")


def _measure(value: SupportsFloat, digits: int, unit: str, how: str) -> Measure:
    return Measure(value=round(float(value), digits), unit=unit, method=f"{how}; {METHOD}")


def _between(values: NDArray[np.float32], low: int, high: int) -> float:
    first, last = np.percentile(values, [low, high])
    return float(last - first)


def _weighted(values: Sequence[float], weights: Sequence[float], how: str) -> Measurement:
    """Mean over the turns that have one, weighted by voiced seconds."""
    pairs = [(value, weight) for value, weight in zip(values, weights, strict=True) if math.isfinite(value)]
    if not pairs:
        return NotMeasured(reason=f"No turn has enough periods for {how}.")
    mean = sum(value * weight for value, weight in pairs) / sum(weight for _, weight in pairs)
    return _measure(mean, 5, "share", f"{how}, mean over {len(pairs)} turns weighted by voiced seconds")


def _formant(values: NDArray[np.float32], gate: VoiceGate) -> Measurement:
    kept = values[np.isfinite(values)]
    if not len(kept):
        return NotMeasured(reason="Praat finds no such formant.")
    how = "4 formants below 4 kHz" if gate.narrowband else "5 formants below 5 kHz"
    return _measure(np.median(kept), 0, "Hz", f"median over voiced frames, Burg, {how}")


def envelope(channels: Sequence[Audio] | None, sample_rate: int) -> Waveform | NotMeasured:
    """Absolute peaks per step for drawing, at most :data:`WAVEFORM_POINTS` a channel."""
    if channels is None:
        return NO_AUDIO
    longest = max((len(channel) for channel in channels), default=0)
    if not longest:
        return NotMeasured(reason="The audio holds no samples.")
    step = max(1, -(-longest // WAVEFORM_POINTS))
    return Waveform(step_s=step / sample_rate, peaks=[_peaks(channel, step) for channel in channels])


def _peaks(channel: Audio, step: int) -> list[float]:
    """Peak by peak, so that no copy of a long recording is made."""
    return [
        round(min(1.0, float(np.max(np.abs(channel[start : start + step])))), 4)
        for start in range(0, len(channel), step)
    ]
