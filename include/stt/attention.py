"""Word times from cross-attention, put right by the pauses in the sound.

The decoder's cross-attention (faster-whisper's ``find_alignment`` on the encoder output that gave the text) tells which
word comes when, not exactly where it begins: it runs ahead of the voice, so a word's time starts in the pause before it
or even in the word before that, and the word before a pause ends too soon. The pauses themselves are plain to hear. So
each boundary between two words is either left where attention put it (less its usual lead), or moved onto a pause, by
the cheapest of all orderly assignments (Viterbi). What costs: the distance (moving a boundary later is cheap, earlier
is dear, for attention runs ahead); a pause left inside a word; a word much shorter or longer than its syllables at the
stretch's own rate; a word squeezed to nothing. The weights were chosen on turn beginnings of ``ko_calls``, where they
lie on a plateau, and checked on other calls (bench/README.md, "Word times").
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

from include.stt.audio import SAMPLE_RATE
from include.stt.text_units import syllables

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from include.stt.transcript import Word

__all__ = ["Pauses", "find_pauses", "place_words"]

Span = tuple[float, float]

_HOP = SAMPLE_RATE // 100
_BLOCK_S = 30.0
_THRESHOLD = 0.2  # of the way from the stretch's quiet level (5 %) to its speech level (95 %), in dB
_DEEPEST_DB = 50.0
_SHORTEST_S = 0.12  # a stop consonant's closure is shorter
_REACH_S = 2.0
_AHEAD_S = 0.06  # attention's lead inside fluent speech: median 0.064 s at 917 word boundaries of synthetic speech
_LATER, _EARLIER, _INSIDE, _RATE, _SQUEEZED = 0.25, 1.0, 2.0, 0.3, 1.0
_FREE = 0.7  # a word may be twice as long or short as expected at no cost
_LEAST_WORD_S = 0.02
_TAIL_S = 0.6
_RATES = (0.08, 0.35)  # seconds a syllable


class Pauses:
    """Disjoint pauses in order, with the pause time inside any stretch."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self.spans = sorted(spans)
        self._starts = [start for start, _ in self.spans]
        self._ends = [end for _, end in self.spans]
        self._total = [0.0, *accumulate(end - start for start, end in self.spans)]

    def near(self, start: float, end: float) -> list[Span]:
        """Pauses that reach into a stretch, ends excluded."""
        return self.spans[bisect_right(self._ends, start) : bisect_left(self._starts, end)]

    def inside(self, start: float, end: float) -> float:
        """Seconds of pause in a stretch."""
        first, last = bisect_right(self._ends, start), bisect_left(self._starts, end)
        if last <= first:
            return 0.0
        over = max(start - self._starts[first], 0.0) + max(self._ends[last - 1] - end, 0.0)
        return self._total[last] - self._total[first] - over


def find_pauses(audio: NDArray[np.float32], regions: Sequence[Span]) -> Pauses:
    """Where nobody speaks.

    A pause is a stretch of at least 0.12 s whose 30 ms level stays below a fifth of the way from the quiet to the
    loud of its half minute; and where noise hides that, a gap between the speech regions.

    Args:
        audio: shape (samples,), 16 kHz, -1 to 1.
        regions: speech by the voice activity detector, seconds, in order and disjoint; none: level only.
    """
    import numpy as np

    count = audio.shape[0] // _HOP
    low = np.zeros(count + 2, dtype=np.int8)
    step = int(_BLOCK_S * 100)
    for first in range(0, count, step):
        block = slice(first, min(first + step, count))
        low[1 + block.start : 1 + block.stop] = _quiet(audio[block.start * _HOP : block.stop * _HOP])
    edges = np.flatnonzero(np.diff(low))
    found = [(float(a) / 100, float(b) / 100) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    heard = Pauses([span for span in found if span[1] - span[0] >= _SHORTEST_S])
    gaps = _gaps(regions, audio.shape[0] / SAMPLE_RATE) if regions else []
    return Pauses([*heard.spans, *(gap for gap in gaps if not heard.near(*gap))])


def _quiet(samples: NDArray[np.float32]) -> NDArray[np.bool_]:
    import numpy as np

    power = np.square(samples, dtype=np.float32).reshape(-1, _HOP).mean(axis=1)
    smooth = np.convolve(np.pad(power, 1, mode="edge"), np.ones(3) / 3, mode="valid")
    level = 10.0 * np.log10(smooth + 1e-12)
    loud = float(np.quantile(level, 0.95))
    quiet = max(float(np.quantile(level, 0.05)), loud - _DEEPEST_DB)
    below: NDArray[np.bool_] = level < quiet + _THRESHOLD * (loud - quiet)
    return below


def _gaps(regions: Sequence[Span], duration: float) -> list[Span]:
    edges = [0.0, *(edge for region in regions for edge in region), duration]
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= _SHORTEST_S]


def place_words(words: Sequence[Word], pauses: Pauses, limits: Span) -> list[Word]:
    """Put the boundaries of a contiguous run of words on pauses where that is likelier.

    Args:
        words: in order, all with attention times, each beginning where the one before ends.
        pauses: of the same channel.
        limits: what the words must stay inside, seconds.

    Returns:
        The words with new times; order, number and text unchanged.
    """
    if not words:
        return []
    boundaries = [min(at + _AHEAD_S, limits[1]) for at in (words[0].start or 0.0, *(word.end or 0.0 for word in words))]
    edges = _best(words, boundaries, pauses, limits)
    placed, last = [], limits[0]
    for word, (_, after), (before, _) in zip(words, edges[:-1], edges[1:], strict=True):
        start = min(max(after, last), limits[1])
        last = min(max(before, start), limits[1])
        placed.append(word.model_copy(update={"start": round(start, 3), "end": round(last, 3)}))
    return placed


def _best(words: Sequence[Word], boundaries: list[float], pauses: Pauses, limits: Span) -> list[Span]:
    """For each boundary the end of the word before it and the start of the word after it."""
    counts = [syllables(word.text) for word in words]
    spoken = boundaries[-1] - boundaries[0] - pauses.inside(boundaries[0], boundaries[-1])
    rate = min(max(spoken / sum(counts), _RATES[0]), _RATES[1])
    options = [_options(at, pauses, limits) for at in boundaries]
    last = boundaries[-1]
    tail = next((start for start, _ in pauses.near(last, last + _TAIL_S) if start > last), last)
    options[-1][0] = (options[-1][0][0], _INSIDE * (tail - last))  # sound up to the pause would belong to no word
    costs = [cost for _, cost in options[0]]
    back: list[list[int]] = []
    for j, count in enumerate(counts):
        before = [edge[1] for edge, _ in options[j]]
        chosen, new = [], []
        for (until, _), own in options[j + 1]:
            through = [c + _word_cost(at, until, count * rate, pauses) for at, c in zip(before, costs, strict=True)]
            chosen.append(min(range(len(through)), key=through.__getitem__))
            new.append(through[chosen[-1]] + own)
        costs = new
        back.append(chosen)
    at = min(range(len(costs)), key=costs.__getitem__)
    path = [at]
    for chosen in reversed(back):
        at = chosen[at]
        path.append(at)
    return [one[index][0] for one, index in zip(options, reversed(path), strict=True)]


def _options(at: float, pauses: Pauses, limits: Span) -> list[tuple[Span, float]]:
    found = [((at, at), 0.0)]
    for start, end in pauses.near(max(at - _REACH_S, limits[0]), min(at + _REACH_S, limits[1])):
        cost = (start - at) * _LATER if at < start else max(at - end, 0.0) * _EARLIER
        found.append(((start, end), cost))
    return found


def _word_cost(start: float, end: float, expected: float, pauses: Pauses) -> float:
    if end - start < _LEAST_WORD_S:
        return _SQUEEZED * (1.0 + _LEAST_WORD_S - (end - start))
    odd = max(abs(math.log((end - start) / expected)) - _FREE, 0.0)
    return _RATE * odd + _INSIDE * pauses.inside(start, end)
