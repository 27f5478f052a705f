"""Functionals of one stretch of speech for the emotion model: what the voice did, whatever the words were.

After the eGeMAPS idea (Eyben et al. 2016, IEEE Trans. Affective Computing 7(2): 190-202), computed here with Praat's
pitch and numpy's spectra: pitch level, range, slopes and contour shape; energy and its dynamics; spectral balance of
voiced frames; voice quality; rhythm; MFCC statistics. Spectra end at :data:`BAND_HZ`, which telephones transmit.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from include.forensic.praat import Piece, measure_piece
from include.forensic.voice_spectra import (
    BAND_HZ,
    FFT,
    MELS,
    RATE,
    aligned,
    band,
    decibels,
    frequencies,
    mel_filters,
    slope,
)

__all__ = ["BAND_HZ", "FEATURES_VERSION", "MINIMUM_VOICED_FRAMES", "feature_names", "features", "spectral_balance"]

Audio = NDArray[np.float32]
Values = NDArray[np.float64]

FEATURES_VERSION = "1"
"""Raise it when a functional changes: a model refuses features of another version."""

MINIMUM_VOICED_FRAMES = 25
"""Fewer voiced 10 ms frames than this give no functionals."""

_CEPSTRA = 13


def features(audio: Audio, sample_rate: int, piece: Piece | None = None) -> dict[str, float] | None:
    """Functionals by name, in a fixed order; NaN where one is undefined. None with too little voice.

    Args:
        audio: mono, in [-1, 1].
        sample_rate: Hz; must be 16000.
        piece: Praat's measures of exactly this stretch, when they are at hand already.
    """
    if sample_rate != RATE:
        raise ValueError(f"features are computed at {RATE} Hz, not {sample_rate}")
    piece = measure_piece(audio, sample_rate) if piece is None else piece
    if int(np.count_nonzero(piece.f0_hz)) < MINIMUM_VOICED_FRAMES:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of no frames is NaN, and is meant to be
        return dict(_all(audio, piece))


@cache
def feature_names() -> tuple[str, ...]:
    """The functionals' names in their order."""
    time = np.arange(RATE) / RATE
    tone = sum(np.sin(2 * np.pi * 150 * number * time) / number for number in range(1, 9))
    found = features(np.asarray(0.1 * tone, dtype=np.float32), RATE)
    return tuple(found or ())  # a second of a steady buzz is voiced


def spectral_balance(audio: Audio, piece: Piece) -> float:
    """Mean over voiced frames of the level of 1-3.7 kHz less that of 0.2-1 kHz, dB (16 kHz audio; NaN otherwise)."""
    spectrum = aligned(audio, piece)[piece.voiced]
    low, high = BAND_HZ
    if not len(spectrum):
        return float("nan")
    return float(np.mean(decibels(band(spectrum, 1000, high).sum(1)) - decibels(band(spectrum, low, 1000).sum(1))))


def _all(audio: Audio, piece: Piece) -> Iterator[tuple[str, float]]:
    spectrum = aligned(audio, piece)
    energy = piece.intensity_db
    active = energy > np.percentile(energy, 95) - 30
    voiced = piece.voiced & active
    if np.count_nonzero(voiced) < 5:
        voiced = piece.voiced
    yield from _pitch(piece.f0_hz, voiced)
    yield from _energy(energy, active)
    yield from _spectral(spectrum, voiced, active)
    yield from _cepstral(spectrum, voiced, active)
    yield from _quality(piece, spectrum, voiced)
    yield from _rhythm(energy, voiced, active)


def _stats(name: str, values: Values, quantiles: tuple[int, ...] = (10, 50, 90)) -> Iterator[tuple[str, float]]:
    kept = values[np.isfinite(values)]
    if len(kept) < 3:
        kept = np.full(3, np.nan)
    yield f"{name}_mean", float(np.mean(kept))
    yield f"{name}_sd", float(np.std(kept))
    for quantile in quantiles:
        yield f"{name}_p{quantile}", float(np.percentile(kept, quantile))


def _contour(name: str, values: Values, count: int) -> Iterator[tuple[str, float]]:
    """The shape of a track over normalised time: DCT-II coefficients 1 to ``count`` (the mean, 0, is left out)."""
    grid = (np.arange(len(values)) + 0.5) / len(values)
    for order in range(1, count + 1):
        yield f"{name}_dct{order}", float(2 * np.mean(values * np.cos(np.pi * order * grid)))


def _pitch(f0_hz: Values, voiced: NDArray[np.bool_]) -> Iterator[tuple[str, float]]:
    places = np.flatnonzero(voiced)
    semitones = 12 * np.log2(f0_hz[places] / 27.5)
    middle = np.median(semitones)
    kept = np.abs(semitones - middle) < 14  # octave errors of the tracker
    places, semitones = places[kept], semitones[kept]
    yield from _stats("f0", semitones, (5, 20, 50, 80, 95))
    yield "f0_range", float(np.percentile(semitones, 95) - np.percentile(semitones, 5))
    grid = np.arange(places[0], places[-1] + 1)
    track = np.interp(grid, places, semitones)
    yield from _contour("f0", track, 4)
    third = max(1, len(track) // 3)
    yield "f0_end_less_start", float(np.mean(track[-third:]) - np.mean(track[:third]))
    yield "f0_final", float(np.mean(track[-15:]) - np.mean(track))
    yield "f0_final_slope", float(np.polyfit(np.arange(len(track[-25:])) / 100, track[-25:], 1)[0])
    step = np.diff(semitones)[np.diff(places) == 1] * 100
    rising, falling = step[step > 0], step[step < 0]
    yield "f0_rise", float(np.mean(rising)) if len(rising) else np.nan
    yield "f0_fall", float(np.mean(falling)) if len(falling) else np.nan
    yield "f0_rise_share", float(np.mean(step > 0)) if len(step) else np.nan
    yield "f0_speed_sd", float(np.std(step)) if len(step) else np.nan
    tops = [np.max(semitones[run]) for run in _runs(places)]
    yield "f0_peaks_sd", float(np.std(tops))
    yield "f0_peaks_mean", float(np.mean(tops))


def _runs(places: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Index groups of consecutive frames."""
    return [run for run in np.split(np.arange(len(places)), np.flatnonzero(np.diff(places) > 1) + 1) if len(run)]


def _energy(energy: Values, active: NDArray[np.bool_]) -> Iterator[tuple[str, float]]:
    first, last = np.flatnonzero(active)[[0, -1]]
    track, loud = energy[first : last + 1], energy[active]
    yield from _stats("level", loud, (10, 50, 90))
    yield "level_range", float(np.percentile(loud, 95) - np.percentile(loud, 10))
    yield from _contour("level", np.maximum(track, np.max(track) - 40), 3)
    step = np.diff(track) * 100
    yield "level_rise", float(np.mean(step[step > 0])) if np.any(step > 0) else np.nan
    yield "level_fall", float(np.mean(step[step < 0])) if np.any(step < 0) else np.nan
    third = max(1, len(track) // 3)
    yield "level_end_less_start", float(np.mean(track[-third:]) - np.mean(track[:third]))


def _spectral(spectrum: Values, voiced: NDArray[np.bool_], active: NDArray[np.bool_]) -> Iterator[tuple[str, float]]:
    low, high = BAND_HZ
    own = spectrum[voiced]
    inside = band(own, low, high)
    hertz = frequencies()[(frequencies() >= low) & (frequencies() < high)]
    share = inside / inside.sum(axis=1, keepdims=True)
    centroid = share @ hertz
    tracks = {
        "alpha": decibels(band(own, 1000, high).sum(1)) - decibels(band(own, low, 1000).sum(1)),
        "hammarberg": decibels(band(own, low, 2000).max(1)) - decibels(band(own, 2000, high).max(1)),
        "slope_low": slope(own, low, 600),
        "slope_mid": slope(own, 500, 1500),
        "slope_high": slope(own, 1500, high),
        "centroid": centroid,
        "spread": np.sqrt((share * (hertz[None, :] - centroid[:, None]) ** 2).sum(1)),
        "mid_band": decibels(band(own, 1000, 2000).sum(1)) - decibels(inside.sum(1)),
        "high_band": decibels(band(own, 2000, high).sum(1)) - decibels(inside.sum(1)),
    }
    for name, track in tracks.items():
        yield from _stats(name, track, (20, 80))
    loud = np.sqrt(band(spectrum, low, high))
    flux = np.sqrt((np.diff(loud / loud.sum(1, keepdims=True), axis=0) ** 2).sum(1))
    yield from _stats("flux", flux[active[1:] & active[:-1]], (50,))
    mean = decibels(own.mean(axis=0, keepdims=True))  # the long-term spectrum of the voiced frames
    bands = [float(band(mean, edge, edge + 400).mean()) for edge in range(200, 3400, 400)]
    for number, level in enumerate(bands[1:], start=1):
        yield f"ltas_{number}", level - bands[0]


def _cepstral(spectrum: Values, voiced: NDArray[np.bool_], active: NDArray[np.bool_]) -> Iterator[tuple[str, float]]:
    logs = np.log(spectrum @ mel_filters().T + 1e-10)
    grid = (np.arange(MELS) + 0.5) / MELS
    basis = np.cos(np.pi * np.arange(1, _CEPSTRA)[:, None] * grid[None, :]) * np.sqrt(2 / MELS)
    cepstra = logs @ basis.T
    delta = np.gradient(cepstra, axis=0) if len(cepstra) > 2 else np.zeros_like(cepstra)
    for number in range(_CEPSTRA - 1):
        yield f"mfcc{number + 1}_mean", float(np.mean(cepstra[voiced, number]))
        yield f"mfcc{number + 1}_sd", float(np.std(cepstra[voiced, number]))
        yield f"mfcc{number + 1}_delta", float(np.std(delta[active, number]))


def _quality(piece: Piece, spectrum: Values, voiced: NDArray[np.bool_]) -> Iterator[tuple[str, float]]:
    yield from _stats("hnr", piece.hnr_db[voiced], (20, 80))
    yield "jitter", float(np.log(piece.jitter_local + 1e-4))
    yield "shimmer", float(np.log(piece.shimmer_local + 1e-3))
    for number in (0, 1, 2):
        yield from _stats(f"formant{number + 1}", piece.formants_hz[voiced, number], (20, 80))
    yield from _stats("h1_h2", _harmonic(spectrum, piece.f0_hz, voiced, 2), ())
    yield from _stats("h1_a3", _harmonic(spectrum, piece.f0_hz, voiced, 0), ())


def _harmonic(spectrum: Values, f0_hz: Values, voiced: NDArray[np.bool_], other: int) -> Values:
    """Level of the first harmonic less that of the ``other``-th (0: of the strongest between 2 and 3.5 kHz), dB."""
    own, f0 = decibels(spectrum[voiced]), f0_hz[voiced]
    rows = np.arange(len(f0))

    def level(hertz: Values) -> Values:
        place = np.clip(np.round(hertz * FFT / RATE).astype(int), 1, own.shape[1] - 2)
        return np.asarray(np.maximum(np.maximum(own[rows, place - 1], own[rows, place]), own[rows, place + 1]))

    top = level(f0 * other) if other else own[:, 64:112].max(axis=1)
    return np.asarray(level(f0) - top)


def _rhythm(energy: Values, voiced: NDArray[np.bool_], active: NDArray[np.bool_]) -> Iterator[tuple[str, float]]:
    first, last = np.flatnonzero(active)[[0, -1]]
    length = (last - first + 1) / 100
    lengths = np.array([len(run) for run in _runs(np.flatnonzero(voiced))]) / 100
    gaps = np.diff(np.flatnonzero(voiced))
    gaps = (gaps[gaps > 1] - 1) / 100
    yield "voiced_per_s", len(lengths) / length
    yield "voiced_length_mean", float(np.mean(lengths))
    yield "voiced_length_sd", float(np.std(lengths))
    yield "gap_mean", float(np.mean(gaps)) if len(gaps) else 0.0
    yield "gap_sd", float(np.std(gaps)) if len(gaps) else 0.0
    yield "voiced_share", float(np.mean(voiced[first : last + 1]))
    yield "pause_share", float(np.mean(~active[first : last + 1]))
    smooth = np.convolve(energy[first : last + 1], np.hanning(9) / np.hanning(9).sum(), mode="same")
    inner = smooth[1:-1]
    tops = np.flatnonzero((inner > smooth[:-2]) & (inner >= smooth[2:]) & voiced[first + 1 : last])
    nuclei, previous = 0, -np.inf
    for top in tops:  # a syllable nucleus: a voiced peak 2 dB above the dip before it (de Jong & Wempe 2009)
        dip = smooth[int(max(previous, 0)) : top + 1].min() if top else smooth[0]
        if inner[top] - dip > 2:
            nuclei, previous = nuclei + 1, float(top)
    yield "nuclei_per_s", nuclei / length
