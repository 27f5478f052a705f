"""Praat's measures of pitch and intensity, through parselmouth (GPLv3): the only module that imports it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

__all__ = ["METHOD", "PARAMETERS", "Frames", "voiced_frames"]

Audio = NDArray[np.float32]

PARAMETERS = {
    "time_step_s": 0.01,
    "pitch_floor_hz": 75.0,
    "pitch_ceiling_hz": 500.0,
    "chunk_s": 60.0,
    "margin_s": 1.0,
}
"""Praat's standard pitch range; chunks keep memory flat, margins keep their edges out of the result."""

METHOD = (
    f"Praat (parselmouth {version('praat-parselmouth')}), autocorrelation pitch 75-500 Hz, 10 ms steps, "
    "voiced frames inside transcribed segments"
)

_FULL_SCALE_DB = 20 * float(np.log10(1 / 2e-5))
"""Praat's dB are re 20 µPa with a sample of 1.0 read as 1 Pa; less this they are re an RMS of 1.0."""


@dataclass(frozen=True, slots=True)
class Frames:
    """Voiced frames, one per 10 ms."""

    f0_hz: NDArray[np.float64]
    intensity_db: NDArray[np.float64]
    """dB re an RMS of full scale (1.0); NaN where Praat gives none."""
    step_s: float

    @property
    def voiced_s(self) -> float:
        """Seconds of voiced frames."""
        return len(self.f0_hz) * self.step_s


def voiced_frames(
    read: Callable[[int, int], Audio], samples: int, sample_rate: int, spans: Sequence[tuple[float, float]]
) -> Frames:
    """Pitch and intensity of the voiced frames that lie in ``spans``.

    Args:
        read: samples ``start`` to ``stop`` as mono in [-1, 1]; called for one chunk at a time.
        samples: how many samples there are.
        sample_rate: Hz.
        spans: seconds, sorted by start.
    """
    step = PARAMETERS["time_step_s"]
    chunk, margin = int(PARAMETERS["chunk_s"] * sample_rate), int(PARAMETERS["margin_s"] * sample_rate)
    f0: list[NDArray[np.float64]] = []
    intensity: list[NDArray[np.float64]] = []
    for start in range(0, samples, chunk):
        first, last = start / sample_rate, min(start + chunk, samples) / sample_rate
        inside = [span for span in spans if span[0] < last and first < span[1]]
        if not inside:
            continue
        low, high = max(0, start - margin), min(samples, start + chunk + margin)
        times, pitch, level = _chunk(read(low, high), sample_rate)
        times = times + low / sample_rate
        keep = (pitch > 0) & (times >= first) & (times < last)
        keep &= np.any([(times >= span[0]) & (times < span[1]) for span in inside], axis=0)
        f0.append(pitch[keep])
        intensity.append(level[keep])
    empty = np.empty(0)
    return Frames(np.concatenate([empty, *f0]), np.concatenate([empty, *intensity]), step)


def _chunk(audio: Audio, sample_rate: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Frame times (from the chunk's start), F0 in Hz (0 unvoiced), intensity in dB re full scale."""
    import parselmouth

    floor, step = PARAMETERS["pitch_floor_hz"], PARAMETERS["time_step_s"]
    nothing = np.empty(0)
    if len(audio) <= 6.4 / floor * sample_rate:  # Praat refuses a sound shorter than the intensity window
        return nothing, nothing, nothing
    sound = parselmouth.Sound(audio.astype(np.float64), sampling_frequency=float(sample_rate))
    pitch = sound.to_pitch_ac(time_step=step, pitch_floor=floor, pitch_ceiling=PARAMETERS["pitch_ceiling_hz"])
    level = sound.to_intensity(minimum_pitch=floor, time_step=step)
    times = np.asarray(pitch.xs(), dtype=np.float64)
    values = np.asarray(level.values[0], dtype=np.float64)
    levels = np.interp(times, np.asarray(level.xs(), dtype=np.float64), values) - _FULL_SCALE_DB
    return times, np.asarray(pitch.selected_array["frequency"], dtype=np.float64), levels
