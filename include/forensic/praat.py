"""Praat's measures of the voice, through parselmouth (GPLv3): the only module that imports it.

A *piece* is a stretch of at most :data:`PIECE_S` seconds. It is given to Praat as it is, so that anybody who cuts the
same stretch from the recording and enters the parameters below gets the same values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

__all__ = ["METHOD", "PARAMETERS", "PIECE_S", "Frames", "Piece", "measure_piece", "pieces_of", "voiced_frames"]

Audio = NDArray[np.float32]
Values = NDArray[np.float64]

PIECE_S = 30.0
"""Longest stretch handed to Praat at once, seconds: keeps memory flat."""

PARAMETERS = {
    "time_step_s": 0.01,
    "pitch_floor_hz": 75.0,
    "pitch_ceiling_hz": 600.0,
    "piece_s": PIECE_S,
    "formant_ceiling_hz": 5000.0,
    "formants": 5.0,
    "narrowband_formant_ceiling_hz": 4000.0,
    "narrowband_formants": 4.0,
    "formant_window_s": 0.025,
    "pre_emphasis_hz": 50.0,
    "shortest_period_s": 0.0001,
    "longest_period_s": 0.02,
    "period_factor": 1.3,
    "amplitude_factor": 1.6,
}
"""Praat's own standard values of "To Pitch (ac)", "To Intensity", "To Formant (burg)",
"To PointProcess (cc)" and "Get jitter/shimmer (local)"."""

METHOD = (
    f"Praat (parselmouth {version('praat-parselmouth')}), autocorrelation pitch 75-600 Hz, 10 ms steps, "
    "voiced frames inside transcribed segments"
)

_FULL_SCALE_DB = 20 * float(np.log10(1 / 2e-5))
"""Praat's dB are re 20 µPa with a sample of 1.0 read as 1 Pa; less this they are re an RMS of 1.0."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What Praat measured on one stretch: a value per 10 ms frame, and the periods' irregularity."""

    times: Values
    """Seconds from the start of the recording."""
    f0_hz: Values
    """0 where unvoiced."""
    intensity_db: Values
    """dB re an RMS of full scale (1.0)."""
    hnr_db: Values
    """NaN where Praat gives none; all NaN when voice quality was not asked for."""
    formants_hz: Values
    """Shape (frames, 3); NaN where Praat finds none."""
    jitter_local: float
    """Mean difference of neighbouring periods over the mean period; NaN without enough periods."""
    shimmer_local: float
    """Mean difference of neighbouring periods' amplitudes over their mean; NaN without enough periods."""

    @property
    def voiced(self) -> NDArray[np.bool_]:
        """Which frames have a pitch."""
        return self.f0_hz > 0


@dataclass(frozen=True, slots=True)
class Frames:
    """Voiced frames, one per 10 ms."""

    f0_hz: Values
    intensity_db: Values
    """dB re an RMS of full scale (1.0)."""
    step_s: float

    @property
    def voiced_s(self) -> float:
        """Seconds of voiced frames."""
        return len(self.f0_hz) * self.step_s


def pieces_of(spans: Sequence[tuple[float, float]], last: float) -> Iterator[tuple[float, float]]:
    """Stretches of at most :data:`PIECE_S` that cover the union of ``spans`` up to ``last`` (all in seconds)."""
    merged: list[list[float]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    for start, end in merged:
        first, stop = max(0.0, start), min(end, last)
        while first < stop:
            yield first, min(first + PIECE_S, stop)
            first += PIECE_S


def measure_piece(
    audio: Audio, sample_rate: int, *, start: float = 0.0, voice_quality: bool = True, narrowband: bool = False
) -> Piece:
    """Pitch, intensity and, unless ``voice_quality`` is off, harmonicity, formants, jitter and shimmer of one stretch.

    Args:
        audio: mono, in [-1, 1].
        sample_rate: Hz.
        start: where the stretch begins in the recording, seconds; added to the frames' times.
        voice_quality: measure what needs a wide band and little noise, too.
        narrowband: look for four formants below 4 kHz instead of five below 5 kHz.
    """
    import parselmouth

    floor, step = PARAMETERS["pitch_floor_hz"], PARAMETERS["time_step_s"]
    if len(audio) <= 6.4 / floor * sample_rate:  # Praat refuses a sound shorter than the intensity window
        nothing = np.empty(0)
        return Piece(nothing, nothing, nothing, nothing, np.empty((0, 3)), np.nan, np.nan)
    sound = parselmouth.Sound(np.asarray(audio, dtype=np.float64), sampling_frequency=float(sample_rate))
    pitch = sound.to_pitch_ac(time_step=step, pitch_floor=floor, pitch_ceiling=PARAMETERS["pitch_ceiling_hz"])
    level = sound.to_intensity(minimum_pitch=floor, time_step=step)
    times = np.asarray(pitch.xs(), dtype=np.float64)
    levels = np.interp(times, np.asarray(level.xs()), np.asarray(level.values[0], dtype=np.float64)) - _FULL_SCALE_DB
    f0 = np.asarray(pitch.selected_array["frequency"], dtype=np.float64)
    hnr, formants = np.full(len(times), np.nan), np.full((len(times), 3), np.nan)
    jitter = shimmer = float("nan")
    if voice_quality and np.any(f0 > 0):
        hnr = _harmonicity(np.asarray(pitch.selected_array["strength"], dtype=np.float64), f0)
        formants = _formants(sound, times, narrowband)
        jitter, shimmer = _perturbation(sound)
    return Piece(times + start, f0, levels, hnr, formants, jitter, shimmer)


def _harmonicity(strength: Values, f0: Values) -> Values:
    """Harmonics-to-noise ratio of the voiced frames, dB: 10·log10(r / (1 - r)), r the autocorrelation at the period.

    What Praat's "Voice report" averages (Boersma 1993, IFA Proceedings 17: 97-110), without a second analysis.
    """
    r = np.clip(strength, 1e-6, 1 - 1e-6)
    return np.where(f0 > 0, 10 * np.log10(r / (1 - r)), np.nan)


def _formants(sound: object, times: Values, narrowband: bool) -> Values:
    """First three formants at ``times``, Hz, shape (frames, 3)."""
    prefix = "narrowband_" if narrowband else ""
    formant = sound.to_formant_burg(  # type: ignore[attr-defined]
        time_step=PARAMETERS["time_step_s"],
        max_number_of_formants=PARAMETERS[prefix + "formants"],
        maximum_formant=PARAMETERS[prefix + "formant_ceiling_hz"],
        window_length=PARAMETERS["formant_window_s"],
        pre_emphasis_from=PARAMETERS["pre_emphasis_hz"],
    )
    return np.array([[formant.get_value_at_time(n, t) for n in (1, 2, 3)] for t in times]).reshape(len(times), 3)


def _perturbation(sound: object) -> tuple[float, float]:
    """Jitter (local) and shimmer (local), shares; NaN without enough periods."""
    from parselmouth.praat import call

    names = ("shortest_period_s", "longest_period_s", "period_factor")
    periods = [PARAMETERS[name] for name in names]
    points = call(sound, "To PointProcess (periodic, cc)", PARAMETERS["pitch_floor_hz"], PARAMETERS["pitch_ceiling_hz"])
    jitter = call(points, "Get jitter (local)", 0, 0, *periods)
    shimmer = call([sound, points], "Get shimmer (local)", 0, 0, *periods, PARAMETERS["amplitude_factor"])
    return float(jitter), float(shimmer)


def voiced_frames(
    read: Callable[[int, int], Audio], samples: int, sample_rate: int, spans: Sequence[tuple[float, float]]
) -> Frames:
    """Pitch and intensity of the voiced frames that lie in ``spans``.

    Args:
        read: samples ``start`` to ``stop`` as mono in [-1, 1]; called for one piece at a time.
        samples: how many samples there are.
        sample_rate: Hz.
        spans: seconds.
    """
    f0: list[Values] = []
    intensity: list[Values] = []
    for start, end in pieces_of(spans, samples / sample_rate):
        piece = measure_piece(
            read(round(start * sample_rate), round(end * sample_rate)), sample_rate, start=start, voice_quality=False
        )
        f0.append(piece.f0_hz[piece.voiced])
        intensity.append(piece.intensity_db[piece.voiced])
    empty = np.empty(0)
    return Frames(np.concatenate([empty, *f0]), np.concatenate([empty, *intensity]), PARAMETERS["time_step_s"])
