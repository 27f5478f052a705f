"""A transcript as passages: one speaker's uninterrupted stretches, and where their characters lie in the recording.

Adjacent segments of one speaker are read as one passage, for the decoder cuts sentences where it likes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from include.forensic.analysis import Span
from include.forensic.detect import Passage, Place
from include.stt import Segment, Transcript, Word

__all__ = ["JOIN_CHARACTERS", "JOIN_GAP_S", "Located", "Piece", "find_passages", "span_of", "whole_words"]

JOIN_GAP_S = 1.0
"""Segments of one speaker closer than this are one passage, unless the first ends a sentence."""

JOIN_CHARACTERS = 400
"""A passage takes no further segment once it is this long."""

_Timing = Literal["acoustic", "attention", "segment", "none"]
_WEAKER: tuple[_Timing, ...] = ("none", "segment", "attention", "acoustic")


@dataclass(frozen=True, slots=True)
class Piece:
    """A segment inside a passage: it takes the passage's characters from ``offset``."""

    segment: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Located:
    """A passage with the segments it is made of."""

    passage: Passage
    language: str
    pieces: tuple[Piece, ...]


def find_passages(transcript: Transcript) -> list[Located]:
    """One speaker's uninterrupted stretches in one language, in the transcript's order."""
    segments = transcript.segments
    groups: list[list[int]] = []
    for index in range(len(segments)):
        if groups and _continues([segments[item] for item in groups[-1]], segments[index]):
            groups[-1].append(index)
        else:
            groups.append([index])
    return [_located(transcript, group) for group in groups]


def _continues(group: list[Segment], segment: Segment) -> bool:
    last = group[-1]
    return (
        last.speaker == segment.speaker
        and last.language == segment.language
        and segment.start - last.end < JOIN_GAP_S
        and not last.text.rstrip().endswith((".", "?", "!"))
        and sum(len(item.text) for item in group) < JOIN_CHARACTERS
    )


def _located(transcript: Transcript, group: list[int]) -> Located:
    segments = transcript.segments
    text = ""
    pieces = []
    for index in group:
        text += " " if text else ""
        pieces.append(Piece(index, len(text), len(segments[index].text)))
        text += segments[index].text
    first = segments[group[0]]
    return Located(Passage(first.speaker, text), first.language or transcript.language, tuple(pieces))


def span_of(place: Place, passages: Sequence[Located], segments: Sequence[Segment]) -> Span:
    """Where characters of a passage lie in the recording, and where the times come from."""
    located = passages[place.passage]
    text = located.passage.text
    touched = [
        piece for piece in located.pieces if piece.offset < place.end and place.start < piece.offset + piece.length
    ]
    words: list[Word] = []
    complete = True
    for piece in touched:
        found = _words(segments[piece.segment], place.start - piece.offset, place.end - piece.offset)
        complete = complete and bool(found)
        words.extend(found)
    from_, to = whole_words(text, place.start, place.end)
    first = touched[0].segment
    timed = [(word.start, word.end) for word in words if word.start is not None and word.end is not None]
    if not complete or len(timed) < len(words):
        start: float = segments[first].start
        end: float = segments[touched[-1].segment].end
        timing: _Timing = "segment"
    else:
        start, end = min(item[0] for item in timed), max(item[1] for item in timed)
        timing = min((word.timing for word in words), key=_WEAKER.index)
    return Span(
        segment=first, speaker=located.passage.speaker, start=start, end=end, timing=timing, text=text[from_:to]
    )


def _words(segment: Segment, start: int, end: int) -> list[Word]:
    """The segment's words that share characters with ``text[start:end]``; words not found in the text are left out."""
    found = []
    position = 0
    for word in segment.words:
        form = word.text.strip()
        offset = segment.text.find(form, position) if form else -1
        if offset < 0:
            continue
        position = offset + len(form)
        if offset < end and start < position:
            found.append(word)
    return found


def whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    """The characters from the first to the last word touched, whole."""
    while start > 0 and not text[start - 1].isspace():
        start -= 1
    while end < len(text) and not text[end].isspace():
        end += 1
    return start, end
