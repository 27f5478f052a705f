"""Short-time spectra in the telephone's band: power, bands, slopes and mel filters, in numpy."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from include.forensic.praat import Piece

__all__ = ["BAND_HZ", "FFT", "MELS", "RATE", "aligned", "band", "decibels", "frequencies", "mel_filters", "slope"]

Audio = NDArray[np.float32]
Values = NDArray[np.float64]

BAND_HZ = (200.0, 3700.0)
"""Band of every spectral functional, Hz."""

RATE, FFT, MELS = 16000, 512, 22
"""Hz of the audio, points of a spectrum, filters of a mel spectrum."""

_WINDOW, _HOP = 400, 160


def aligned(audio: Audio, piece: Piece) -> Values:
    """One power spectrum per Praat frame."""
    spectrum = _power(audio)
    centre = np.clip(np.round((piece.times - piece.times[0]) / 0.01 + 2).astype(int), 0, len(spectrum) - 1)
    return np.asarray(spectrum[centre])


def frequencies() -> Values:
    """Of a spectrum's points, Hz."""
    return np.asarray(np.fft.rfftfreq(FFT, 1 / RATE), dtype=np.float64)


def _power(audio: Audio) -> Values:
    """Power spectra, shape (frames, 257): 25 ms Hamming windows every 10 ms."""
    padded = np.concatenate([np.zeros(_WINDOW // 2), np.asarray(audio, dtype=np.float64), np.zeros(_WINDOW)])
    count = 1 + (len(padded) - _WINDOW) // _HOP
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP][:count]
    return np.asarray(np.abs(np.fft.rfft(frames * np.hamming(_WINDOW), FFT)) ** 2 + 1e-12)


def band(spectrum: Values, low: float, high: float) -> Values:
    """The columns from ``low`` to below ``high`` Hz."""
    hertz = frequencies()
    return spectrum[:, (hertz >= low) & (hertz < high)]


def decibels(power: Values) -> Values:
    """10 log10, with a floor."""
    return np.asarray(10 * np.log10(power + 1e-12))


def slope(spectrum: Values, low: float, high: float) -> Values:
    """Least-squares slope of each spectrum between two frequencies, dB per kHz."""
    chosen = (frequencies() >= low) & (frequencies() < high)
    x = frequencies()[chosen] / 1000
    x = x - x.mean()
    return np.asarray(decibels(spectrum[:, chosen]) @ x / (x @ x))


@cache
def mel_filters() -> Values:
    """Triangular mel filters inside :data:`BAND_HZ`, shape (filters, 257)."""

    def mel(value: float) -> float:
        return float(1127 * np.log1p(value / 700))

    edges = 700 * np.expm1(np.linspace(mel(BAND_HZ[0]), mel(BAND_HZ[1]), MELS + 2) / 1127)
    hertz = frequencies()
    rise = (hertz[None, :] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - hertz[None, :]) / (edges[2:] - edges[1:-1])[:, None]
    return np.asarray(np.maximum(0, np.minimum(rise, fall)))
