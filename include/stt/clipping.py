"""Clipping, counted in the samples as they were coded, before any resampling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.stt.transcript import QualityFlag

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ClippingCounter", "full_scale"]

_BLOCKS_PER_S = 10
_LEAST_IN_BLOCK = 3
_LEAST_S = 0.5
# the largest value that each coding can give as 16 bits: G.711's tables, and 8 bits shifted up
_LARGEST = {"pcm_mulaw": 32_124, "pcm_alaw": 32_256, "pcm_u8": 32_512, "pcm_s8": 32_512}
_TOLERANCE = 68  # 32,700 of 32,767: rounding after a lossy codec


def full_scale(codec: str) -> int:
    """Absolute 16-bit value from which a sample of this codec counts as clipped."""
    return _LARGEST.get(codec, 32_767 + 1 - _TOLERANCE)


class ClippingCounter:
    """Counts samples at full scale in a stream of interleaved 16-bit PCM; keeps none of it.

    A place counts as clipped where a tenth of a second holds three or more such samples in one channel.
    """

    def __init__(self, channels: int, sample_rate: int, level: int) -> None:
        self._channels, self._level = channels, level
        self._block = max(sample_rate // _BLOCKS_PER_S, 1)
        self._seconds = self._block / sample_rate
        self._rest = b""
        self._counted = self._clipped = self._blocks = self._concerned = 0
        self._first: float | None = None

    def feed(self, block: bytes) -> None:
        """Take the next bytes."""
        data = self._rest + block
        size = self._block * self._channels * 2
        whole = len(data) // size * size
        self._rest = data[whole:]
        if whole:
            self._count(data[:whole])

    def _count(self, data: bytes) -> None:
        import numpy as np

        samples: NDArray[np.int16] = np.frombuffer(data, dtype="<i2")
        self._counted += samples.size
        blocks = samples.size // (self._block * self._channels)
        if samples.max() >= self._level or samples.min() <= -self._level:
            over = (samples >= self._level) | (samples <= -self._level)
            each = over.reshape(blocks, -1, self._channels).sum(axis=1)
            self._clipped += int(each.sum())
            concerned = np.flatnonzero(each.max(axis=1) >= _LEAST_IN_BLOCK)
            self._concerned += concerned.size
            if concerned.size and self._first is None:
                self._first = (self._blocks + int(concerned[0])) * self._seconds
        self._blocks += blocks

    def _finish(self) -> None:
        import numpy as np

        samples = np.frombuffer(self._rest[: len(self._rest) // 2 * 2], dtype="<i2")
        self._rest = b""
        self._counted += samples.size
        self._clipped += int(((samples >= self._level) | (samples <= -self._level)).sum())

    def share(self) -> float | None:
        """Share of all samples at full scale, 0–1; None when nothing was counted."""
        self._finish()
        return round(self._clipped / self._counted, 6) if self._counted else None

    def flags(self) -> list[QualityFlag]:
        """A flag when half a second or more is clipped."""
        seconds = self._concerned * self._seconds
        if seconds < _LEAST_S:
            return []
        detail = f"{seconds:.1f} s hold three or more samples at full scale in a tenth of a second."
        return [QualityFlag(kind="clipped", detail=detail, seconds=round(seconds, 1), at_s=self._first)]
