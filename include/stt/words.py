"""Decoded chunks, their words, and segments made of them.

Where word times come from: :mod:`include.stt.align` (forced alignment) and :mod:`include.stt.attention`
(cross-attention, placed between pauses). How well: bench/README.md, "Word times".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.stt.text_units import syllables
from include.stt.transcript import DecodeFacts, Segment, Word

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["IMPLAUSIBLE", "DecodedChunk", "flag_times", "snap_to_speech", "to_segments", "untimed"]

IMPLAUSIBLE = "implausible_time"
"""Flag of a word whose time can't be right."""

_SENTENCE_END = (".", "?", "!", "…", "。", "？", "！")
_PAUSE_S = 0.8
_LONGEST_S = 12.0
_LONGEST_WORD_S = 2.0
_SYLLABLE_S = 0.25
_SYLLABLES_PER_S = 20.0
_TOLERANCE_S = 0.02


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
    temperature: float = 0.0
    """0: beam search; above: sampled."""
    compression_ratio: float = 1.0
    """Bytes of the text over its zlib-compressed bytes."""
    language: str = ""
    """ISO 639-1 code it was decoded in; empty when the whole recording's counts."""
    tokens: tuple[int, ...] = ()
    """The decoder's text tokens, without time stamps."""
    decode_pass: int = 1
    """2: decoded again because no word covered speech here."""


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


def flag_times(words: Sequence[Word], duration: float) -> list[Word]:
    """Mark times that can't be right with ``implausible_time``; change none.

    A time is implausible when the word lasts nothing or less, longer than 2 s and 0.25 s a syllable more, or is spoken
    faster than 20 syllables a second (this project's own bounds: fast Korean speech has about 8, and 2 s is room for a
    drawn-out or a hesitating word), when it lies outside the audio, or begins before the word before it begins.

    Args:
        words: of one channel, in the order in which they are said.
        duration: of the channel, seconds.
    """
    marked, reached = [], 0.0
    for word in words:
        if word.start is None or word.end is None:
            marked.append(word)
            continue
        lasts, count = word.end - word.start, syllables(word.text)
        odd = lasts <= 0 or lasts > _LONGEST_WORD_S + _SYLLABLE_S * count or count / lasts > _SYLLABLES_PER_S
        odd = odd or word.start < 0 or word.end > duration + _TOLERANCE_S or word.start < reached - _TOLERANCE_S
        reached = max(reached, word.start)
        flags = [flag for flag in word.flags if flag != IMPLAUSIBLE] + ([IMPLAUSIBLE] if odd else [])
        marked.append(word.model_copy(update={"flags": flags}))
    return marked


def untimed(text: str) -> list[Word]:
    """The words of a text for which no times are known: ``timing`` none, no score."""
    return [Word(text=f" {part}", start=None, end=None, score=None, timing="none") for part in text.split()]


def to_segments(chunk: DecodedChunk, speaker: str | None) -> list[Segment]:
    """Cut a chunk's words into sentences: at closing punctuation, at a pause, and after 12 s.

    A chunk whose words have no times stays one segment with the chunk's own times.
    """
    if not chunk.words:
        if not chunk.text.strip():
            return []
        flags = [*chunk.flags, "no_word_times"]
        return [
            Segment(
                start=chunk.start,
                end=chunk.end,
                speaker=speaker,
                text=chunk.text.strip(),
                confidence=_likelihood(chunk),
                language=chunk.language or None,
                decoding=_facts(chunk),
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
        confidence=_confidence(group) or _likelihood(chunk),
        language=chunk.language or None,
        decoding=_facts(chunk),
        flags=list(chunk.flags),
        words=words,
    )


def _facts(chunk: DecodedChunk) -> DecodeFacts:
    return DecodeFacts(
        temperature=chunk.temperature,
        avg_logprob=round(chunk.avg_logprob, 4),
        no_speech_prob=round(chunk.no_speech_prob, 4),
        compression_ratio=round(chunk.compression_ratio, 3),
        decode_pass=chunk.decode_pass,
    )


def _likelihood(chunk: DecodedChunk) -> float:
    return round(min(math.exp(chunk.avg_logprob), 1.0), 4)


def _confidence(group: list[Word]) -> float | None:
    """Geometric mean of the words' scores; a score of 0 counts as 0.0001."""
    scores = [max(word.score, 1e-4) for word in group if word.score is not None]
    return round(math.exp(sum(map(math.log, scores)) / len(scores)), 4) if scores else None
