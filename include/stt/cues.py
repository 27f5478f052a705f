"""Subtitle cues: a segment's words in pieces that can be read.

At most two lines of 42 columns, a Hangul syllable or other wide character counting for 2 (Netflix's timed-text
guides: 42 characters for Latin scripts, 16 to 20 for Korean). Cues of one speaker never overlap; two speakers who
talk at once have cues at once.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from include.stt.transcript import Segment, Word

__all__ = ["COLUMNS", "Cue", "cues_of", "width"]

COLUMNS = 42
"""Of one line; a wide character takes two."""
_LINES = 2
_LONGEST_S = 7.0
_SHORTEST_S = 0.001


@dataclass(frozen=True)
class Cue:
    """What is shown at once; times in seconds."""

    start: float
    end: float
    speaker: str | None
    lines: tuple[str, ...]


@dataclass(frozen=True)
class _Piece:
    text: str
    start: float | None
    end: float | None


def width(text: str) -> int:
    """Columns a text takes."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in ("W", "F") else 1 for c in text
    )


def cues_of(segments: Iterable[Segment]) -> list[Cue]:
    """All segments as cues, in order of time."""
    cues: list[Cue] = []
    last: dict[str | None, int] = {}
    for segment in sorted(segments, key=lambda one: (one.start, one.end)):
        for cue in _segment(segment):
            before = last.get(cue.speaker)
            if before is not None and cues[before].end > cue.start:
                if cues[before].start < cue.start:
                    cues[before] = replace(cues[before], end=cue.start)
                else:  # nothing of the one before could be seen: this one waits for it
                    end = cues[before].end
                    cue = replace(cue, start=end, end=max(cue.end, end + _SHORTEST_S))  # noqa: PLW2901
            last[cue.speaker] = len(cues)
            cues.append(cue)
    return sorted(cues, key=lambda cue: (cue.start, cue.end))


def _segment(segment: Segment) -> list[Cue]:
    pieces = _pieces(segment.words) or _pieces_of_text(segment.text)
    groups: list[list[_Piece]] = []
    for piece in pieces:
        if groups and _fits([*groups[-1], piece]):
            groups[-1].append(piece)
        else:
            groups.append([piece])
    return _timed(groups, segment)


def _pieces(words: Sequence[Word]) -> list[_Piece]:
    return [
        _Piece(part, word.start, word.end) for word in words for part in _parts(" ".join(_clean(word.text).split()))
    ]


def _pieces_of_text(text: str) -> list[_Piece]:
    return [_Piece(part, None, None) for word in _clean(text).split() for part in _parts(word)]


def _parts(word: str) -> list[str]:
    """A word that is wider than a line is cut: spaceless scripts, endless repetitions."""
    parts, line = [], ""
    for c in word:
        if width(line + c) > COLUMNS:
            parts.append(line)
            line = ""
        line += c
    return [part for part in (*parts, line) if part.strip()]


def _clean(text: str) -> str:
    return "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text)


def _lines(texts: Sequence[str]) -> list[str]:
    lines: list[str] = []
    for text in texts:
        if lines and width(f"{lines[-1]} {text}") <= COLUMNS:
            lines[-1] = f"{lines[-1]} {text}"
        else:
            lines.append(text)
    return lines


def _fits(group: Sequence[_Piece]) -> bool:
    starts = [piece.start for piece in group if piece.start is not None]
    ends = [piece.end for piece in group if piece.end is not None]
    if starts and ends and max(ends) - min(starts) > _LONGEST_S:
        return False
    return len(_lines([piece.text for piece in group])) <= _LINES


def _timed(groups: Sequence[Sequence[_Piece]], segment: Segment) -> list[Cue]:
    """A cue runs from its first word's start to its last word's end, as far as they have times; what has none shares
    its segment's time up to the next cue that has one, by the number of characters."""
    starts: list[float | None] = [next((p.start for p in group if p.start is not None), None) for group in groups]
    if starts:
        starts[0] = segment.start
    edges = _filled([*starts, segment.end], [sum(len(p.text) for p in group) for group in groups])
    cues = []
    for number, group in enumerate(groups):
        ends = [p.end for p in group if p.end is not None]
        start, limit = edges[number], max(edges[number + 1], edges[number])
        whole = group[-1].end is not None
        end = min(max(ends), limit) if whole and number + 1 < len(groups) else limit
        end = max(end, start + _SHORTEST_S)
        cues.append(Cue(start, end, segment.speaker, tuple(_lines([p.text for p in group]))))
    return cues


def _filled(edges: list[float | None], lengths: list[int]) -> list[float]:
    done = [edges[0] or 0.0]
    for number in range(1, len(edges)):
        known = edges[number]
        if known is None:
            after = next(i for i in range(number, len(edges)) if edges[i] is not None)
            share = lengths[number - 1] / max(sum(lengths[number - 1 : after]), 1)
            known = done[-1] + (max(edges[after] or 0.0, done[-1]) - done[-1]) * share
        done.append(max(known, done[-1]))
    return done
