"""Silero's voice activity detector over a long recording, a few minutes of it in memory at a time.

faster-whisper brings the network (ONNX) and a loop around it that copies the whole recording twice: half a gigabyte
beside a call of 70 minutes. Here the same frames go through it in the same batches, and the same rule makes regions of
the probabilities; the tests compare both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.stt.audio import SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from include.stt.work import Region

__all__ = ["load", "probabilities", "regions_of"]

FRAME = 512
"""Samples of one probability: 32 ms."""
_CONTEXT = 64
_STATE = (1, 1, 128)
_BATCH = 2_000
"""Frames at once, 64 s: the network's layers take about 12 KB each. faster-whisper's 10,000 give the same numbers, for
a frame's layers know nothing of the others and the recurrent one goes on from where it was."""


def load() -> None:
    """Load the network, once a process."""
    from faster_whisper.vad import get_vad_model

    get_vad_model()


def probabilities(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """How likely each frame of 32 ms is speech, (frames,), 0–1; the last one is padded with zeros.

    Args:
        audio: (samples,), 16 kHz, -1 to 1.
    """
    import numpy as np
    from faster_whisper.vad import get_vad_model

    session = get_vad_model().session
    count = len(audio) // FRAME + 1  # as faster-whisper pads: a whole frame of zeros when nothing is left over
    hidden, cell = np.zeros(_STATE, np.float32), np.zeros(_STATE, np.float32)
    found = np.zeros(count, np.float32)
    for first in range(0, count, _BATCH):
        last = min(first + _BATCH, count)
        piece = np.zeros(_CONTEXT + (last - first) * FRAME, np.float32)
        begin = first * FRAME - _CONTEXT
        sound = audio[max(begin, 0) : last * FRAME]
        piece[max(-begin, 0) : max(-begin, 0) + len(sound)] = sound
        if last == count:
            piece[-_CONTEXT:] = 0  # faster-whisper clears these, meaning the first frame's context
        frames = np.lib.stride_tricks.sliding_window_view(piece, _CONTEXT + FRAME)[::FRAME]
        given = {"input": np.ascontiguousarray(frames), "h": hidden, "c": cell}
        said, hidden, cell = session.run(None, given)
        found[first:last] = np.asarray(said).reshape(-1)
    return found


def regions_of(
    likely: Sequence[float] | NDArray[np.float32], samples: int, *, onset: float, offset: float, min_silence_s: float,
    pad_s: float, min_speech_s: float,
) -> list[Region]:  # fmt: skip
    """Speech, (start, end) seconds, in order and disjoint.

    It begins at ``onset``, and ends where ``offset`` is not reached for ``min_silence_s``; what is longer than
    ``min_speech_s`` is widened by ``pad_s``, where the neighbours leave room. Silero's rule without a longest length.

    Args:
        likely: by frame.
        samples: of the recording.
        onset, offset: probabilities.
        min_silence_s, pad_s, min_speech_s: seconds.
    """
    silence, least, pad = (round(one * 1000) * SAMPLE_RATE / 1000 for one in (min_silence_s, min_speech_s, pad_s))
    spans: list[list[int]] = []
    start, quiet = -1, 0
    for at, one in zip(range(0, len(likely) * FRAME, FRAME), likely, strict=True):
        if one >= onset:
            quiet = 0
            start = at if start < 0 else start
        elif one < offset and start >= 0:
            quiet = quiet or at
            if at - quiet >= silence:
                if quiet - start > least:
                    spans.append([start, quiet])
                start, quiet = -1, 0
    if start >= 0 and samples - start > least:
        spans.append([start, samples])
    return [(a / SAMPLE_RATE, b / SAMPLE_RATE) for a, b in _widened(spans, pad, samples)]


def _widened(spans: Sequence[Sequence[int]], pad: float, samples: int) -> list[tuple[int, int]]:
    """Spans with ``pad`` more on either side, no more than half of a pause between two; all in samples."""
    starts, ends = [one[0] for one in spans], [one[1] for one in spans]
    for at in range(len(spans)):
        before = starts[at] if not at else starts[at] - spans[at - 1][1]
        if not at or before >= 2 * pad:
            starts[at] = int(max(0, starts[at] - pad))
        else:
            starts[at] = int(max(0, starts[at] - before // 2))
            ends[at - 1] += int(before // 2)
            continue
        if at:
            ends[at - 1] = int(min(samples, ends[at - 1] + pad))
    if spans:
        ends[-1] = int(min(samples, ends[-1] + pad))
    return list(zip(starts, ends, strict=True))
