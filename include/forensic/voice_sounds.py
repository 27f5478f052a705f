"""Voice measures per turn. Descriptions of the sound, no more.

One pass over the turns: each is read, measured by Praat and let go, so memory does not grow with the recording.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from include.forensic.praat import Piece, measure_piece
from include.forensic.speech_timing import rate_value
from include.forensic.voice_features import features, spectral_balance
from include.forensic.voice_gate import VoiceGate, gate_of
from include.forensic.voice_models import TURN_MEASURES
from include.forensic.voice_turns import VoiceTurn, covered, floor_of, turns_of
from include.stt import NotMeasured, Transcript

__all__ = ["NO_AUDIO", "TurnSound", "measurable", "measure_turns", "turn_reader"]

Audio = NDArray[np.float32]
Read = Callable[[VoiceTurn], Audio]

MINIMUM_TURN_VOICED_S = 0.4
"""A turn with less voiced speech than this has no measures."""

NO_AUDIO = NotMeasured(reason="The audio was not at hand; only the transcript was analysed.")
NO_TIMES = NotMeasured(reason="The transcript's segments have no times, so no passage of the audio can be measured.")


@dataclass(slots=True)
class TurnSound:
    """One turn with what was measured on it; frames of voiced speech only."""

    turn: VoiceTurn
    values: dict[str, float]
    f0_hz: NDArray[np.float32]
    intensity_db: NDArray[np.float32]
    hnr_db: NDArray[np.float32]
    formants_hz: NDArray[np.float32]
    jitter: float
    shimmer: float
    overlapped_s: float = 0.0
    functionals: dict[str, float] | None = field(default=None)
    """For an emotion model; None when not asked for or with too little voice."""

    @property
    def voiced_s(self) -> float:
        """Seconds of voiced frames."""
        return len(self.f0_hz) / 100


def measurable(transcript: Transcript, channels: Sequence[Audio] | None) -> NotMeasured | None:
    """Why no voice can be measured; None when it can."""
    if channels is None:
        return NO_AUDIO
    if not channels or not len(channels[0]):
        return NotMeasured(reason="The audio holds no samples.")
    if not transcript.segments:
        return NotMeasured(reason=transcript.empty_reason or "The transcript has no segments.")
    if all(segment.end <= segment.start for segment in transcript.segments):
        return NO_TIMES
    return None


def turn_reader(channels: Sequence[Audio], sample_rate: int) -> Read:
    """A function that cuts a turn from its speaker's channel (``channel-N``), or from the channels' mean."""
    length = min(len(channel) for channel in channels)

    def read(turn: VoiceTurn) -> Audio:
        start, stop = max(0, round(turn.start * sample_rate)), min(length, round(turn.end * sample_rate))
        parts = [channel[start:stop] for channel in _chosen(turn.speaker, channels)]
        return parts[0] if len(parts) == 1 else np.mean(parts, axis=0, dtype=np.float32)

    return read


def _chosen(speaker: str | None, channels: Sequence[Audio]) -> Sequence[Audio]:
    """The channel that ``channel-N`` names; all of them for anybody else."""
    if speaker is not None and speaker.startswith("channel-"):
        number = speaker.removeprefix("channel-")
        if number.isdigit() and 1 <= int(number) <= len(channels):
            return [channels[int(number) - 1]]
    return channels


def measure_turns(
    transcript: Transcript, channels: Sequence[Audio], sample_rate: int, *, functionals: bool = False
) -> list[TurnSound]:
    """Measure every turn, in order of time.

    Args:
        transcript: what was said by whom; its quality decides what is measured at all.
        channels: float32 in [-1, 1], equal lengths.
        sample_rate: Hz.
        functionals: compute the emotion model's features, too.
    """
    gate, read = gate_of(transcript), turn_reader(channels, sample_rate)
    floor, _ = floor_of(transcript)
    mixed = len(channels) == 1 or transcript.speakers.method != "channel"
    found = []
    for turn in turns_of(transcript):
        audio = read(turn)
        piece = measure_piece(audio, sample_rate, start=turn.start, narrowband=gate.narrowband)
        shared = [(max(a, turn.start), min(b, turn.end)) for a, b, who in floor if who != turn.speaker]
        overlapped = covered([span for span in shared if span[1] > span[0]]) if mixed else 0.0
        sound = _turn_sound(turn, piece, audio, gate, transcript.language)
        sound.overlapped_s = overlapped
        if functionals and sample_rate == 16000:
            sound.functionals = features(audio, sample_rate, piece)
        found.append(sound)
    return found


def _turn_sound(turn: VoiceTurn, piece: Piece, audio: Audio, gate: VoiceGate, language: str) -> TurnSound:
    voiced = piece.voiced
    f0, level, hnr = piece.f0_hz[voiced], piece.intensity_db[voiced], piece.hnr_db[voiced]
    values: dict[str, float] = {}
    if len(f0) / 100 >= MINIMUM_TURN_VOICED_S:
        semitones = 12 * np.log2(f0 / 27.5)
        low, high = np.percentile(semitones, [10, 90])
        values = {
            "f0_median_st": math.nan if gate.pitch else float(np.median(semitones)),
            "f0_range_st": math.nan if gate.pitch else float(high - low),
            "intensity_db": math.nan if gate.intensity else float(np.median(level)),
            "balance_db": math.nan if gate.intensity else spectral_balance(audio, piece),
            "hnr_db": math.nan if gate.quality else float(np.nanmean(hnr)),
            "jitter": math.nan if gate.quality else piece.jitter_local,
            "shimmer": math.nan if gate.quality else piece.shimmer_local,
        }
    rate = rate_value(turn.words, language)
    if rate is not None:
        values["speech_rate"] = rate
    kept = {name: round(values[name], 4) for name in TURN_MEASURES if math.isfinite(values.get(name, math.nan))}
    small = np.float32
    return TurnSound(
        turn, kept, f0.astype(small), level.astype(small), hnr.astype(small), piece.formants_hz[voiced].astype(small),
        piece.jitter_local, piece.shimmer_local,
    )  # fmt: skip
