"""Turns: one speaker's uninterrupted stretches, the unit of every voice measure.

Made from the transcript's segments, so each turn has words to compare the voice with. Who speaks when over the whole
recording (for overlap and latency) comes from the diarization's turns where the transcript has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from include.stt import Segment, Transcript, Word

__all__ = ["TURN_GAP_S", "TURN_LONGEST_S", "VoiceTurn", "covered", "floor_of", "turns_of"]

TURN_GAP_S = 1.0
"""Segments of one speaker closer than this, with nobody else's between them, are one turn."""

TURN_LONGEST_S = 20.0
"""A turn takes no further segment beyond this; a longer segment is cut into equal parts of at most this."""


@dataclass(frozen=True, slots=True)
class VoiceTurn:
    """A stretch of one speaker."""

    index: int
    speaker: str | None
    start: float
    end: float
    """Seconds from the start of the recording."""
    segments: tuple[int, ...]
    """Indices into the transcript's segments."""
    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        """The words, as transcribed."""
        return " ".join(word.text.strip() for word in self.words)


def turns_of(transcript: Transcript) -> list[VoiceTurn]:
    """The turns by time; segments without a duration (a transcript without times) give none."""
    order = sorted(range(len(transcript.segments)), key=lambda at: transcript.segments[at].start)
    groups: list[list[int]] = []
    for at in order:
        segment = transcript.segments[at]
        if segment.end <= segment.start:
            continue
        if groups and _continues([transcript.segments[item] for item in groups[-1]], segment):
            groups[-1].append(at)
        else:
            groups.append([at])
    found: list[VoiceTurn] = []
    for group in groups:
        found += _parts(group, transcript.segments, len(found))
    return found


def _continues(group: Sequence[Segment], segment: Segment) -> bool:
    return (
        group[-1].speaker == segment.speaker
        and segment.start - group[-1].end < TURN_GAP_S
        and segment.end - group[0].start <= TURN_LONGEST_S
    )


def _parts(group: Sequence[int], segments: Sequence[Segment], first: int) -> list[VoiceTurn]:
    start, end = segments[group[0]].start, max(segments[at].end for at in group)
    words = [word for at in group for word in segments[at].words]
    count = max(1, -int(-(end - start) // TURN_LONGEST_S))
    width = (end - start) / count
    turns = []
    for part in range(count):
        low, high = start + part * width, start + (part + 1) * width
        own = words if count == 1 else [word for word in words if _inside(word, low, high)]
        turns.append(VoiceTurn(first + part, segments[group[0]].speaker, low, high, tuple(group), tuple(own)))
    return turns


def _inside(word: Word, low: float, high: float) -> bool:
    """A word belongs to the part its middle lies in; words without times to none."""
    return word.start is not None and word.end is not None and low <= (word.start + word.end) / 2 < high


def floor_of(transcript: Transcript) -> tuple[list[tuple[float, float, str]], str]:
    """Who speaks when, (start, end, speaker) by time, and where that comes from.

    The diarization's turns where there are any; else each speaker's segments, joined over gaps under 0.3 s.
    """
    given: Sequence[Any] = getattr(transcript.speakers, "turns", None) or []
    if given:
        return sorted((turn.start, turn.end, turn.speaker) for turn in given), "speaker turns of the transcript"
    spans: list[tuple[float, float, str]] = []
    latest: dict[str, int] = {}
    for segment in sorted(transcript.segments, key=lambda item: item.start):
        if segment.speaker is None or segment.end <= segment.start:
            continue
        at = latest.get(segment.speaker)
        if at is not None and segment.start - spans[at][1] < 0.3:
            spans[at] = (spans[at][0], max(spans[at][1], segment.end), segment.speaker)
        else:
            latest[segment.speaker] = len(spans)
            spans.append((segment.start, segment.end, segment.speaker))
    return sorted(spans), "segments of the transcript, joined over gaps under 0.3 s"


def covered(spans: Sequence[tuple[float, float]]) -> float:
    """Seconds that the spans cover together."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total
