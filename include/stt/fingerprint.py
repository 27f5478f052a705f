"""Is this the same recording in another container? Chromaprint fingerprints, compared bit by bit.

A fingerprint says only that two files *sound* the same: an mp3 copy of an m4a has another digest and other samples,
and is still the same call. Nothing is merged because of it; it is said so that a person can look.

Chromaprint (algorithm 1, as ffmpeg's ``chromaprint`` muxer has it) gives 32 bits for every 0.124 s. The copy may
begin or end elsewhere, so the offset at which most of the rarer values agree is searched first, then the bits there are
compared (as the AcoustID matcher does it).
"""

from __future__ import annotations

import base64
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from include.errors import ToolError
from include.stt.audio import SAMPLE_RATE
from include.stt.probe import tool

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["THRESHOLD", "Fingerprint", "fingerprint", "related", "similarity"]

THRESHOLD = 0.66
"""Bit agreement from which two recordings count as related. Measured (bench/README.md): copies as mp3, Opus, AMR, GSM,
cut or quieter 0.69-1.00, calls by the same speakers 0.60 at most."""

_ALGORITHM = "chromaprint 1 (ffmpeg)"
_PREFIX = "chromaprint-1:"
_LONGEST_S = 600  # of a longer recording the first ten minutes: enough to know it by
_TIMEOUT_S = 600
_LEAST = 40  # values in common, about 5 s: fewer can agree by chance
_STILL = 3  # values that don't change over this many steps: silence or a steady tone, which all recordings share
_INDEX_BITS = 12  # of 32, the low ones are left out when offsets are voted for
_MOST_REPEATS = 20
_OFFSETS = 12


@dataclass(frozen=True)
class Fingerprint:
    """What a recording sounds like."""

    values: tuple[int, ...]
    """32 bits each, one every 0.124 s."""
    duration_s: float
    algorithm: str = _ALGORITHM

    def text(self) -> str:
        """As one word: ``chromaprint-1:`` and the values as little-endian 32-bit numbers in base64."""
        return _PREFIX + base64.b64encode(b"".join(value.to_bytes(4, "little") for value in self.values)).decode()

    @classmethod
    def parse(cls, text: str, duration_s: float) -> Self:
        """Read what :meth:`text` wrote.

        Raises:
            ValueError: it is something else.
        """
        if not text.startswith(_PREFIX):
            raise ValueError("not a fingerprint of this kind")
        data = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
        values = tuple(int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4))
        return cls(values, duration_s)


def fingerprint(pcm: NDArray[np.int16]) -> Fingerprint:
    """The fingerprint of the first ten minutes of decoded audio; about 2.6 s shorter than the audio.

    Args:
        pcm: shape (frames, channels) as :class:`include.stt.audio.DecodedAudio` has it; channels are mixed.

    Raises:
        ToolError: ffmpeg is missing, was built without Chromaprint, or broke.
    """
    import numpy as np

    shape = ["-f", "s16le", "-ar", str(SAMPLE_RATE), "-ac", str(pcm.shape[1])]
    command = [tool("ffmpeg"), "-nostdin", "-v", "error", *shape, "-i", "pipe:0", "-ac", "1"]
    command += ["-f", "chromaprint", "-algorithm", "1", "-fp_format", "raw", "pipe:1"]
    data = np.ascontiguousarray(pcm[: _LONGEST_S * SAMPLE_RATE], dtype="<i2").data.cast("B")
    try:
        run = subprocess.run(command, input=data, capture_output=True, check=True, timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"ffmpeg made no fingerprint within {_TIMEOUT_S} s; look at the machine's load.") from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()
        why = f" ({said[-1]})" if said else ""
        raise ToolError(f"ffmpeg made no fingerprint{why}; it needs a build with libchromaprint.") from error
    values = np.frombuffer(run.stdout[: len(run.stdout) // 4 * 4], dtype="<u4")
    return Fingerprint(tuple(int(value) for value in values), pcm.shape[0] / SAMPLE_RATE)


def similarity(first: Fingerprint, second: Fingerprint) -> float:
    """Share of bits that agree at the best alignment, 0–1: about 0.5 for unrelated audio, 1 for the same.

    Only stretches that change are compared (silence is the same in every recording); 0.0 when fewer than about 5 s of
    these are in both. A recording that is a part of the other compares as that part.
    """
    import numpy as np

    one, two = (np.array(print_.values, dtype=np.uint32) for print_ in (first, second))
    if first.algorithm != second.algorithm or min(one.size, two.size) < _LEAST:
        return 0.0
    moving = _moving(one), _moving(two)
    return max((_agreement(one, two, moving, offset) for offset in _offsets(one, two, moving)), default=0.0)


def related(first: Fingerprint, second: Fingerprint) -> bool:
    """Whether the two sound like the same recording; a reason to look, never to merge."""
    return similarity(first, second) >= THRESHOLD


def _moving(values: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Where a value differs in more than a few bits from its neighbours: not silence, not a steady tone."""
    import numpy as np

    same = _bits(values[1:] ^ values[:-1]) <= 1
    run = np.convolve(same.astype(np.int8), np.ones(_STILL, dtype=np.int8), mode="valid") == _STILL
    still = np.zeros(values.size, dtype=bool)
    for shift in range(_STILL + 1):
        still[shift : shift + run.size] |= run
    return ~still


def _bits(values: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """Number of set bits of each."""
    import numpy as np

    table = np.array([bin(byte).count("1") for byte in range(256)], dtype=np.uint8)
    each: NDArray[np.uint8] = table[np.ascontiguousarray(values).view(np.uint8)].reshape(-1, 4)
    count: NDArray[np.uint8] = each.sum(axis=1, dtype=np.uint8)
    return count


def _offsets(
    one: NDArray[np.uint32], two: NDArray[np.uint32], moving: tuple[NDArray[np.bool_], NDArray[np.bool_]]
) -> list[int]:
    """Offsets of ``two`` against ``one`` at which most values agree in their upper bits; 0 among them."""
    import numpy as np

    votes: dict[int, int] = {}
    places: dict[int, list[int]] = {}
    for index in np.flatnonzero(moving[1]):
        places.setdefault(int(two[index]) >> _INDEX_BITS, []).append(int(index))
    for index in np.flatnonzero(moving[0]):
        found = places.get(int(one[index]) >> _INDEX_BITS, [])
        if len(found) <= _MOST_REPEATS:
            for other in found:
                votes[int(index) - other] = votes.get(int(index) - other, 0) + 1
    best = sorted(votes, key=lambda offset: -votes[offset])[:_OFFSETS]
    return sorted({near for offset in [*best, 0] for near in (offset - 1, offset, offset + 1)})


def _agreement(
    one: NDArray[np.uint32],
    two: NDArray[np.uint32],
    moving: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    offset: int,
) -> float:
    start, end = max(offset, 0), min(one.size, two.size + offset)
    if end - start < _LEAST:
        return 0.0
    here, there = slice(start, end), slice(start - offset, end - offset)
    both = moving[0][here] & moving[1][there]
    count = int(both.sum())
    if count < _LEAST:
        return 0.0
    wrong = int(_bits((one[here] ^ two[there])[both]).sum(dtype="int64"))
    return 1.0 - wrong / (32 * count)
