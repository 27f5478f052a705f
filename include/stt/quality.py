"""Recording quality: speech seconds, speech-to-noise level, bandwidth and clipping, from the decoded audio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.stt.audio import SAMPLE_RATE
from include.stt.transcript import NotMeasured, Quality

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["measure_quality"]

_FULL_SCALE = 32_700
_MIN_NOISE_S = 0.5
_FFT = 1024


def measure_quality(
    pcm: NDArray[np.int16],
    channels: Sequence[NDArray[np.int16]],
    regions: Sequence[Sequence[tuple[float, float]]],
    missing_s: float | NotMeasured,
) -> Quality:
    """Measure a recording.

    Args:
        pcm: everything decoded, shape (frames, channels), 16 kHz; clipping is counted here.
        channels: what was transcribed, one array a channel (the mix, when channels were mixed).
        regions: for each of ``channels`` the (start, end) seconds of speech, in order and disjoint.
        missing_s: declared less decoded duration, seconds.
    """
    import numpy as np

    speech_power = noise_power = 0.0
    speech_n = noise_n = 0
    spectrum = np.zeros(_FFT // 2 + 1)
    for channel, spans in zip(channels, regions, strict=True):
        position = 0
        for start, end in [*spans, (channel.shape[0] / SAMPLE_RATE,) * 2]:
            first, last = int(start * SAMPLE_RATE), min(int(end * SAMPLE_RATE), channel.shape[0])
            noise_power += _energy(channel[position:first])
            noise_n += max(first - position, 0)
            speech_power += _energy(channel[first:last])
            speech_n += max(last - first, 0)
            spectrum += _power_spectrum(channel[first:last])
            position = max(last, position)
    return Quality(
        speech_s=round(_union([span for spans in regions for span in spans]), 3),
        snr_db=_snr(speech_power, speech_n, noise_power, noise_n),
        bandwidth_hz=_bandwidth(spectrum),
        clipping=round(float(np.mean((pcm >= _FULL_SCALE) | (pcm <= -_FULL_SCALE))), 6) if pcm.size else 0.0,
        missing_s=missing_s if isinstance(missing_s, NotMeasured) else round(max(missing_s, 0.0), 3),
    )


def _union(spans: list[tuple[float, float]]) -> float:
    """Seconds covered by at least one span."""
    covered, reached = 0.0, 0.0
    for start, end in sorted(spans):
        covered += max(end - max(start, reached), 0.0)
        reached = max(reached, end)
    return covered


def _energy(part: NDArray[np.int16]) -> float:
    import numpy as np

    wide = part.astype(np.float64)
    return float(np.dot(wide, wide))


def _power_spectrum(part: NDArray[np.int16]) -> NDArray[np.float64]:
    import numpy as np

    whole = part[: part.shape[0] // _FFT * _FFT].reshape(-1, _FFT).astype(np.float64)
    if whole.shape[0] == 0:
        return np.zeros(_FFT // 2 + 1)
    power: NDArray[np.float64] = (np.abs(np.fft.rfft(whole * np.hanning(_FFT), axis=1)) ** 2).sum(axis=0)
    return power


def _snr(speech_power: float, speech_n: int, noise_power: float, noise_n: int) -> float | NotMeasured:
    import numpy as np

    if speech_n == 0:
        return NotMeasured(reason="no speech found")
    if noise_n < _MIN_NOISE_S * SAMPLE_RATE:
        return NotMeasured(reason=f"less than {_MIN_NOISE_S} s without speech to compare with")
    if noise_power == 0:
        return NotMeasured(reason="the parts without speech are digital silence")
    noise = noise_power / noise_n
    signal = speech_power / speech_n - noise
    if signal <= 0:
        return NotMeasured(reason="the speech is not louder than the rest")
    return round(float(10 * np.log10(signal / noise)), 1)


def _bandwidth(spectrum: NDArray[np.float64]) -> float | NotMeasured:
    import numpy as np

    if spectrum.sum() == 0:
        return NotMeasured(reason="no speech found")
    share = np.cumsum(spectrum) / spectrum.sum()
    return round(float(np.searchsorted(share, 0.99)) * SAMPLE_RATE / _FFT, 0)
