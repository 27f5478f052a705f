"""Words with times from cross-attention, and segments made of them.

Without an aligner WhisperX gives no word times. They come from the decoder's cross-attention over the
chunk's encoder output, as faster-whisper's ``find_alignment`` computes them (dynamic time warping over the
alignment heads): onset error median 0.15 s, 90th percentile 0.34 s (DESIGN §5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.stt.transcript import Segment, Word

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DecodedChunk", "snap_to_speech", "to_segments"]

_SENTENCE_END = (".", "?", "!", "…", "。", "？", "！")
_PAUSE_S = 0.8
_LONGEST_S = 12.0


@dataclass(frozen=True)
class DecodedChunk:
    """What the decoder made of one stretch of speech."""

    channel: int
    start: float
    end: float
    text: str
    words: list[Word]
    """Times are absolute, inside [start, end]."""
    avg_logprob: float
    no_speech_prob: float
    flags: list[str]


def snap_to_speech(words: list[Word], regions: Sequence[tuple[float, float]]) -> list[Word]:
    """Keep each word inside the speech region it overlaps most.

    Attention gives a pause to the word after it: a word that reaches over a gap the voice activity detector found
    keeps only the part in one region. A word that lies wholly in a gap keeps its times.

    Args:
        words: in order, absolute seconds.
        regions: speech of the same channel, (start, end) seconds, in order and disjoint.
    """
    snapped = []
    for word in words:
        if word.start is None or word.end is None:
            snapped.append(word)
            continue
        shared = [(min(word.end, end) - max(word.start, start), start, end) for start, end in regions]
        longest, start, end = max(shared, default=(0.0, 0.0, 0.0))
        if longest > 0:
            times = {"start": round(max(word.start, start), 3), "end": round(min(word.end, end), 3)}
            word = word.model_copy(update=times)  # noqa: PLW2901 - the corrected word takes its place
        snapped.append(word)
    return snapped


def to_segments(chunk: DecodedChunk, speaker: str | None) -> list[Segment]:
    """Cut a chunk's words into sentences: at closing punctuation, at a pause, and after 12 s.

    A chunk whose words have no times stays one segment with the chunk's own times.
    """
    if not chunk.words:
        confidence = round(min(math.exp(chunk.avg_logprob), 1.0), 4)
        if not chunk.text.strip():
            return []
        flags = [*chunk.flags, "no_word_times"]
        return [
            Segment(
                start=chunk.start,
                end=chunk.end,
                speaker=speaker,
                text=chunk.text.strip(),
                confidence=confidence,
                flags=flags,
            )
        ]
    groups: list[list[Word]] = [[]]
    for word in chunk.words:
        if groups[-1] and _breaks(groups[-1], word):
            groups.append([])
        groups[-1].append(word)
    return [_segment(group, chunk, speaker) for group in groups if group]


def _breaks(group: list[Word], word: Word) -> bool:
    last = group[-1]
    if last.text.rstrip().endswith(_SENTENCE_END):
        return True
    if last.end is None or word.start is None or group[0].start is None:
        return False
    return word.start - last.end >= _PAUSE_S or word.start - group[0].start >= _LONGEST_S


def _segment(group: list[Word], chunk: DecodedChunk, speaker: str | None) -> Segment:
    starts = [word.start for word in group if word.start is not None]
    ends = [word.end for word in group if word.end is not None]
    text = "".join(word.text for word in group).strip()
    words = [word.model_copy(update={"text": word.text.strip()}) for word in group]
    return Segment(
        start=starts[0] if starts else chunk.start,
        end=ends[-1] if ends else chunk.end,
        speaker=speaker,
        text=text,
        confidence=_confidence(group),
        flags=list(chunk.flags),
        words=words,
    )


def _confidence(group: list[Word]) -> float | None:
    """Geometric mean of the words' scores; a score of 0 counts as 0.0001."""
    scores = [max(word.score, 1e-4) for word in group if word.score is not None]
    return round(math.exp(sum(map(math.log, scores)) / len(scores)), 4) if scores else None
