"""From the segmentation's overlapping looks to frames: speech, overlap, changes of speaker, and windows for voices."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from include.stt.voices import FRAME_S, FRAME_START_S, LOCAL_SPEAKERS, STEP_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from include.stt.work import Region

__all__ = ["PARAMETERS", "Frames", "Piece", "frame_at", "look_at", "pieces_of", "runs", "short_lengths", "windows_of"]

PARAMETERS = {
    "onset": 0.5, "offset": 0.4, "overlap": 0.5, "fill_s": 0.3, "least_s": 0.1,
    "window_s": 1.5, "hop_s": 0.75, "least_window_s": 0.6,
}  # fmt: skip
"""Speech begins above ``onset`` and ends below ``offset``; pauses up to ``fill_s`` are filled; windows for voices."""
_LENGTH_STEP_S = 0.1


@dataclass(frozen=True)
class Frames:
    """The recording in frames of ``FRAME_S``; frame n begins at ``FRAME_START_S + n * FRAME_S``."""

    speech: NDArray[np.bool_]
    """(frames,)"""
    overlap: NDArray[np.bool_]
    """(frames,): two speak."""
    changes: NDArray[np.bool_]
    """(frames,): another speaker than before begins here, as the look around this frame sees it."""
    duration: float

    def time(self, frame: float) -> float:
        """Where a frame begins, seconds, within the recording."""
        return min(max(FRAME_START_S + frame * FRAME_S, 0.0), self.duration)


@dataclass(frozen=True)
class Piece:
    """Speech without a change of speaker as far as the segmentation sees one; frames, the end not included."""

    start: int
    end: int


def look_at(probabilities: NDArray[np.float16], duration: float, regions: Sequence[Region] | None = None) -> Frames:
    """Put the looks together.

    Args:
        probabilities: (looks, frames, 7), of looks every ``STEP_S``.
        duration: of the recording, seconds.
        regions: speech by another detector, seconds: speech is what either finds (on telephone speech that misses
            a quarter less than the segmentation alone; bench/README.md, "Speakers").
    """
    import numpy as np

    looks, width = probabilities.shape[:2]
    total = max(int((duration - FRAME_START_S) / FRAME_S), 1)
    speakers = np.array(LOCAL_SPEAKERS, np.int8)
    several = speakers.sum(1) > 1
    speech, both, seen = np.zeros(total), np.zeros(total), np.zeros(total)
    nearest = np.full(total, np.inf)
    changes = np.zeros(total, bool)
    distance = np.abs(np.arange(width) - width / 2)
    for at in range(looks):
        first = round(at * STEP_S / FRAME_S)
        last = min(first + width, total)
        if last <= first:
            continue
        mine = probabilities[at, : last - first].astype(np.float32)
        best = mine.argmax(1)
        speech[first:last] += 1 - mine[:, 0]
        both[first:last] += several[best]
        seen[first:last] += 1
        better = distance[: last - first] < nearest[first:last]
        where = np.flatnonzero(better) + first
        nearest[where] = distance[: last - first][better]
        changes[where] = _changes(speakers[best])[better]
    seen = np.maximum(seen, 1)
    talking = _hysteresis(speech / seen, PARAMETERS["onset"], PARAMETERS["offset"])
    talking = _clean(talking, round(PARAMETERS["fill_s"] / FRAME_S), round(PARAMETERS["least_s"] / FRAME_S))
    for start, end in regions or ():
        talking[frame_at(start) : frame_at(end)] = True
    return Frames(talking, talking & (both / seen > PARAMETERS["overlap"]), changes & talking, duration)


def frame_at(seconds: float) -> int:
    """The frame in which a time lies."""
    return max(round((seconds - FRAME_START_S) / FRAME_S), 0)


def _changes(active: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Frames at which a look's only speaker is another than the last one who spoke alone."""
    import numpy as np

    alone = np.where(active.sum(1) == 1, active.argmax(1), -1)
    found = np.zeros(len(alone), bool)
    spoken = np.flatnonzero(alone >= 0)
    if len(spoken) > 1:
        turned = np.flatnonzero(alone[spoken][1:] != alone[spoken][:-1]) + 1
        found[spoken[turned]] = True
    return found


def _hysteresis(values: NDArray[np.float64], onset: float, offset: float) -> NDArray[np.bool_]:
    """On above ``onset`` until below ``offset``."""
    import numpy as np

    possible = values > offset
    on = np.zeros(len(values), bool)
    for start, end in runs(possible):
        above = np.flatnonzero(values[start:end] > onset)
        if len(above):
            on[start + above[0] : end] = True
    return on


def runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, one after the last) of each stretch of True."""
    import numpy as np

    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _clean(mask: NDArray[np.bool_], gap: int, least: int) -> NDArray[np.bool_]:
    """Gaps inside up to ``gap`` frames filled, then stretches shorter than ``least`` taken out."""
    out = mask.copy()
    found = runs(mask)
    for (_, end), (start, _) in pairwise(found):
        if start - end <= gap:
            out[end:start] = True
    for start, end in runs(out):
        if end - start < least:
            out[start:end] = False
    return out


def pieces_of(frames: Frames) -> list[Piece]:
    """Speech cut where a look sees another speaker begin."""
    import numpy as np

    pieces = []
    for start, end in runs(frames.speech):
        cuts = [start, *(np.flatnonzero(frames.changes[start + 1 : end]) + start + 1).tolist(), end]
        pieces += [Piece(a, b) for a, b in pairwise(cuts)]
    return pieces


def short_lengths() -> list[float]:
    """How long windows are that are shorter than most, seconds (see :func:`windows_of`)."""
    first, last = (round(PARAMETERS[name] / _LENGTH_STEP_S) for name in ("least_window_s", "window_s"))
    return [step * _LENGTH_STEP_S for step in range(first, last)]


def windows_of(piece: Piece, frames: Frames) -> list[Region]:
    """Windows for voices within one piece, seconds; one shorter than the least is widened evenly."""
    start, end = frames.time(piece.start), frames.time(piece.end)
    width, hop, least = PARAMETERS["window_s"], PARAMETERS["hop_s"], PARAMETERS["least_window_s"]
    if end - start <= width:
        wanted = max(round((end - start) / _LENGTH_STEP_S) * _LENGTH_STEP_S, least)  # few lengths: batches
        middle = (start + end) / 2
        begin = min(max(middle - wanted / 2, 0.0), max(frames.duration - wanted, 0.0))
        return [(begin, begin + wanted)]
    count = max(round((end - start - width) / hop), 0) + 1
    if count == 1:
        middle = (start + end) / 2
        return [(middle - width / 2, middle + width / 2)]
    step = (end - start - width) / (count - 1)
    return [(start + n * step, start + n * step + width) for n in range(count)]
