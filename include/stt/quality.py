"""Recording quality: speech seconds, speech-to-noise level, bandwidth, clipping and digital silence.

Everything is summed over blocks of a few seconds, so that a 70-minute call takes no memory beyond itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.stt.audio import SAMPLE_RATE
from include.stt.transcript import NotMeasured, Quality, QualityFlag

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["measure_quality"]

_FULL_SCALE = 32_700
_MIN_NOISE_S = 0.5
_FFT = 1024
_BLOCK = _FFT * 400  # 25.6 s
_SILENCE_FRAME = SAMPLE_RATE // 50
_SILENCE_S = 2.0
_MOST_SILENCES = 20


@dataclass
class _Level:
    """Energy and power spectrum of the parts that are speech, or of those that are not."""

    energy: float = 0.0
    samples: int = 0
    """Digital silence is not counted: it is a muted line, not a quiet one."""
    spectrum: NDArray[np.float64] | float = 0.0
    windows: int = 0
    muted: int = 0

    def add(self, part: NDArray[np.int16]) -> None:
        import numpy as np

        window = np.hanning(_FFT).astype(np.float32)
        for start in range(0, part.shape[0], _BLOCK):
            if not part[start : start + _BLOCK].any():
                self.muted += part[start : start + _BLOCK].shape[0]
                continue
            block = part[start : start + _BLOCK].astype(np.float32)
            heard = _heard(block)
            self.samples, self.muted = self.samples + heard, self.muted + block.shape[0] - heard
            self.energy += float(np.dot(block, block))
            whole = block[: block.shape[0] // _FFT * _FFT].reshape(-1, _FFT)
            if whole.shape[0]:
                power = np.abs(np.fft.rfft(whole * window, axis=1)) ** 2
                self.spectrum = self.spectrum + power.sum(axis=0, dtype=np.float64)
                self.windows += whole.shape[0]


def _heard(block: NDArray[np.float32]) -> int:
    """Samples of the block outside 20 ms frames of zeros."""
    whole = block[: block.shape[0] // _SILENCE_FRAME * _SILENCE_FRAME].reshape(-1, _SILENCE_FRAME)
    return int(block.shape[0]) - int((~whole.any(axis=1)).sum()) * _SILENCE_FRAME


def measure_quality(
    pcm: NDArray[np.int16],
    channels: Sequence[NDArray[np.int16]],
    regions: Sequence[Sequence[tuple[float, float]]],
    missing_s: float | NotMeasured,
    *,
    clipping: float | None = None,
    flags: Sequence[QualityFlag] = (),
) -> Quality:
    """Measure a recording.

    Args:
        pcm: everything decoded, shape (frames, channels), 16 kHz.
        channels: what was transcribed, one array a channel (the mix, when channels were mixed).
        regions: for each of ``channels`` the (start, end) seconds of speech, in order and disjoint.
        missing_s: declared less decoded duration, seconds.
        clipping: share of samples at full scale as :class:`include.stt.audio.DecodedAudio` counted it before
            resampling; counted in ``pcm`` when None.
        flags: what decoding found (``DecodedAudio.flags``); stretches of digital silence are added.
    """
    speech, noise = _Level(), _Level()
    for channel, spans in zip(channels, regions, strict=True):
        position = 0
        for start, end in [*spans, (channel.shape[0] / SAMPLE_RATE,) * 2]:
            first, last = int(start * SAMPLE_RATE), min(int(end * SAMPLE_RATE), channel.shape[0])
            noise.add(channel[position:first])
            speech.add(channel[first:last])
            position = max(last, position)
    return Quality(
        speech_s=round(_union([span for spans in regions for span in spans]), 3),
        snr_db=_snr(speech, noise),
        bandwidth_hz=_bandwidth(speech, noise),
        clipping=clipping if clipping is not None else _clipping(pcm),
        missing_s=missing_s if isinstance(missing_s, NotMeasured) else round(max(missing_s, 0.0), 3),
        flags=[*flags, *_silences(pcm)],
    )


def _union(spans: list[tuple[float, float]]) -> float:
    """Seconds covered by at least one span."""
    covered, reached = 0.0, 0.0
    for start, end in sorted(spans):
        covered += max(end - max(start, reached), 0.0)
        reached = max(reached, end)
    return covered


def _snr(speech: _Level, noise: _Level) -> float | NotMeasured:
    import numpy as np

    if speech.samples == 0:
        return NotMeasured(reason="no speech found")
    if noise.energy == 0 and noise.muted >= _MIN_NOISE_S * SAMPLE_RATE:
        return NotMeasured(reason="the parts without speech are digital silence")
    if noise.samples < _MIN_NOISE_S * SAMPLE_RATE:
        return NotMeasured(reason=f"less than {_MIN_NOISE_S} s without speech to compare with")
    level = noise.energy / noise.samples
    signal = speech.energy / speech.samples - level
    if signal <= 0:
        return NotMeasured(reason="the speech is not louder than the rest")
    return round(float(10 * np.log10(signal / level)), 1)


def _bandwidth(speech: _Level, noise: _Level) -> float | NotMeasured:
    """Frequency below which 99 % of the speech energy lies; the noise's spectrum, where there is any,
    is taken away first: broadband noise would make a telephone line look wide."""
    import numpy as np

    if speech.windows == 0 or not np.any(speech.spectrum):
        return NotMeasured(reason="no speech found")
    spectrum = np.asarray(speech.spectrum) / speech.windows
    if noise.windows:
        cleaned = np.maximum(spectrum - np.asarray(noise.spectrum) / noise.windows, 0.0)
        spectrum = cleaned if cleaned.any() else spectrum
    share = np.cumsum(spectrum) / spectrum.sum()
    return round(float(np.searchsorted(share, 0.99)) * SAMPLE_RATE / _FFT, 0)


def _clipping(pcm: NDArray[np.int16]) -> float:
    clipped = sum(int(((b >= _FULL_SCALE) | (b <= -_FULL_SCALE)).sum()) for b in _blocks(pcm))
    return round(clipped / pcm.size, 6) if pcm.size else 0.0


def _blocks(pcm: NDArray[np.int16]) -> Iterator[NDArray[np.int16]]:
    size = _SILENCE_FRAME * 5000
    return (pcm[start : start + size] for start in range(0, pcm.shape[0], size))


def _silences(pcm: NDArray[np.int16]) -> list[QualityFlag]:
    """Stretches of two seconds and more in which every sample of every channel is zero: no microphone is that quiet."""
    import numpy as np

    zero: list[NDArray[np.bool_]] = [np.zeros(0, dtype=bool)]
    for block in _blocks(pcm):
        whole = block[: block.shape[0] // _SILENCE_FRAME * _SILENCE_FRAME]
        heard: NDArray[np.bool_] = np.asarray(whole.reshape(-1, _SILENCE_FRAME * pcm.shape[1]).any(axis=1))
        zero.append(~heard)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], *zero, [False]]).astype(np.int8)))
    frame = _SILENCE_FRAME / SAMPLE_RATE
    runs = [
        (float(start) * frame, float(end - start) * frame)
        for start, end in zip(edges[::2], edges[1::2], strict=True)
        if (end - start) * frame >= _SILENCE_S
    ]
    flags = [
        QualityFlag(
            kind="digital_silence",
            detail=f"{length:.1f} s in which every sample is zero: muted, or lost before it was recorded.",
            seconds=round(length, 2),
            at_s=round(at, 2),
        )
        for at, length in runs[:_MOST_SILENCES]
    ]
    if len(runs) > _MOST_SILENCES:
        rest = sum(length for _, length in runs[_MOST_SILENCES:])
        detail = f"{len(runs) - _MOST_SILENCES} further stretches in which every sample is zero."
        flags.append(QualityFlag(kind="digital_silence", detail=detail, seconds=round(rest, 2)))
    return flags
