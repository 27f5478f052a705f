"""A segment masked in its text and in its words alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from include.redaction.hits import Hit
from include.redaction.masks import apply
from include.stt import Segment, Word

__all__ = ["Placed", "by_words", "place", "placed_words", "redact_segment", "word_groups"]

Masked = list[tuple[Hit, str]]


@dataclass(frozen=True)
class Placed:
    """Where a hit lies among a segment's words, and when."""

    first_word: int | None
    """Before redaction."""
    start: float
    end: float


def placed_words(segment: Segment) -> list[tuple[int, int]] | None:
    """Start and end of each word in the segment's text; None where the words are not all in it, in their order."""
    spans, at = [], 0
    for word in segment.words:
        wanted = word.text.strip()
        start = segment.text.find(wanted, at)
        if not wanted or start < 0:
            return None
        at = start + len(wanted)
        spans.append((start, at))
    return spans


def place(segment: Segment, spans: Sequence[tuple[int, int]] | None, hit: Hit) -> Placed:
    """Words and times of a hit; the segment's times where its words have none."""
    touched = (
        [] if spans is None else [at for at, (start, end) in enumerate(spans) if start < hit.end and end > hit.start]
    )
    if not touched:
        return Placed(None, segment.start, segment.end)
    starts = [one for at in touched if (one := segment.words[at].start) is not None]
    ends = [one for at in touched if (one := segment.words[at].end) is not None]
    return Placed(touched[0], min(starts, default=segment.start), max(ends, default=segment.end))


def word_groups(spans: Sequence[tuple[int, int]], masked: Masked) -> list[list[int]]:
    """The words that become one, by index: those that one mask reaches over; the others are alone."""
    groups: list[list[int]] = []
    reach = -1
    for at, (start, end) in enumerate(spans):
        over = [hit for hit, _ in masked if hit.start < end and hit.end > start]
        if groups and over and over[0].start < reach:
            groups[-1].append(at)
        else:
            groups.append([at])
        reach = max([reach, *(hit.end for hit in over)])
    return groups


def redact_segment(segment: Segment, spans: Sequence[tuple[int, int]], masked: Masked) -> Segment:
    """A copy with masks. Words that one mask reaches over become one word: their number would tell its length.

    Args:
        segment: as transcribed.
        spans: of its words in its text.
        masked: hits with their masks, in order, disjoint.
    """
    words = [_joined(segment, spans, group, masked) for group in word_groups(spans, masked)]
    return segment.model_copy(update={"text": apply(segment.text, masked), "words": words})


def _joined(segment: Segment, spans: Sequence[tuple[int, int]], group: list[int], masked: Masked) -> Word:
    members = [segment.words[at] for at in group]
    start, end = spans[group[0]][0], spans[group[-1]][1]
    text = apply(segment.text, masked, start, end)
    if text == segment.text[start:end]:
        return members[0]
    scores = [one.score for one in members if one.score is not None]
    return members[0].model_copy(
        update={
            "text": text,
            "start": next((one.start for one in members if one.start is not None), None),
            "end": next((one.end for one in reversed(members) if one.end is not None), None),
            "score": min(scores, default=None),
            "flags": list(dict.fromkeys(flag for one in members for flag in one.flags)),
        }
    )


def by_words(segment: Segment) -> Segment:
    """A segment whose words and text disagree, with the words as its text: both must be masked alike."""
    words = [word for word in segment.words if word.text.strip()]
    return (
        segment.model_copy(update={"text": " ".join(one.text.strip() for one in words), "words": words})
        if words
        else segment
    )
