"""Whose word is it: turns of a diarization laid over timed words.

A word belongs to the speaker whose turns cover most of it. Word times by cross-attention are off by 0.15 s at the
median (bench/README.md, "Word times"), so a word near a border says little: it is flagged, and a lone short word that
leans only a little to another speaker than its neighbours stays with them.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.stt.transcript import Segment, Word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.stt.diarization import Diarization, Turn

__all__ = ["NEAREST_S", "OVERLAP", "UNCERTAIN", "assign_speakers"]

UNCERTAIN = "uncertain_speaker"
"""Flag: the word lies in no turn, near a border, or where the voice itself is unclear."""
OVERLAP = "overlap"
"""Flag: two speak at once during most of the word."""
NEAREST_S = 0.5
"""A word in no turn goes to the nearest turn not farther than this; otherwise it has no speaker."""

_MARGIN = 0.2
"""A word's first and second speaker must differ by this share of its length, else it is uncertain."""
_SHARE = 0.5
"""So much of a word must lie in its speaker's turns, else it is uncertain."""
_UNSURE = 0.5
"""Turns less confident than this make their words uncertain."""
_LONE_S = 0.6
_STRONG = 0.7
"""A word not longer than ``_LONE_S`` between words of one other speaker is kept only when its own speaker's turns cover
so much more of it than that speaker's."""


@dataclass
class _Claim:
    """What the turns say about one word: seconds per speaker, and the turn's confidence."""

    covered: dict[str, float]
    confidence: float | None
    length: float
    near: str | None = None
    both: float = 0.0
    """Seconds of the word in which two speak."""

    @property
    def first(self) -> str | None:
        """The speaker who covers most of it, else the nearest."""
        return max(self.covered, key=lambda name: self.covered[name]) if self.covered else self.near

    def share(self, speaker: str | None) -> float:
        """Of the word's length, 0–1."""
        return self.covered.get(speaker or "", 0.0) / self.length


def assign_speakers(segments: Sequence[Segment], diarization: Diarization) -> list[Segment]:
    """Give every word its speaker, and cut segments where the speaker changes.

    Args:
        segments: in order of time, with words; a segment without timed words is taken as one stretch.
        diarization: of the same channel.

    Returns:
        New segments, in order of time; the given ones are not changed. ``text`` is the words' text; ``overlap`` and
        ``uncertain_speaker`` are flags of words, and of a segment when they hold for at least half of its words.
        Without turns the segments come back as they are.
    """
    if not diarization.turns:
        return [segment.model_copy(deep=True) for segment in segments]
    index = _Index(diarization)
    made: list[Segment] = []
    for segment in segments:
        made += _cut(segment, index)
    return sorted(made, key=lambda one: (one.start, one.end))


class _Index:
    """Turns by their start, so that a word looks only at those near it."""

    def __init__(self, diarization: Diarization) -> None:
        self.turns = sorted(diarization.turns, key=lambda turn: turn.start)
        self.overlaps = diarization.overlaps
        self._starts = [turn.start for turn in self.turns]
        self._longest = max(turn.end - turn.start for turn in self.turns)

    def near(self, start: float, end: float) -> list[Turn]:
        first = bisect_left(self._starts, start - self._longest - NEAREST_S)
        last = bisect_left(self._starts, end + NEAREST_S)
        return [turn for turn in self.turns[first:last] if turn.end >= start - NEAREST_S]

    def claim(self, start: float, end: float) -> _Claim:
        length = max(end - start, 0.02)
        start, end = (start, end) if end - start >= 0.02 else ((start + end) / 2 - 0.01, (start + end) / 2 + 0.01)
        near = self.near(start, end)
        covered: dict[str, float] = {}
        confidences: list[tuple[float, float]] = []
        for turn in near:
            inside = min(turn.end, end) - max(turn.start, start)
            if inside > 0:
                covered[turn.speaker] = covered.get(turn.speaker, 0.0) + inside
                if turn.confidence is not None:
                    confidences.append((inside, turn.confidence))
        both = sum(max(0.0, min(b, end) - max(a, start)) for a, b in self.overlaps if a < end and b > start)
        closest = min(near, key=lambda turn: max(turn.start - end, start - turn.end), default=None)
        return _Claim(
            covered, max(confidences)[1] if confidences else None, length,
            near=closest.speaker if closest is not None and not covered else None, both=both,
        )  # fmt: skip


def _cut(segment: Segment, index: _Index) -> list[Segment]:
    if not any(word.start is not None and word.end is not None for word in segment.words):
        return [_whole(segment, index)]
    claims = [
        index.claim(word.start, word.end) if word.start is not None and word.end is not None else None
        for word in segment.words
    ]
    names = _smooth(claims, [claim.first if claim else None for claim in claims])
    words = [_marked(word, name, claim) for word, name, claim in zip(segment.words, names, claims, strict=True)]
    groups: list[list[Word]] = [[words[0]]]
    for word in words[1:]:
        if word.speaker == groups[-1][-1].speaker:
            groups[-1].append(word)
        else:
            groups.append([word])
    if len(groups) == 1:
        return [_piece(segment, words, segment.text, segment.start, segment.end)]
    texts = _texts(segment.text, groups)
    return [
        _piece(segment, group, text, segment.start if not at else None, segment.end if at == len(groups) - 1 else None)
        for at, (group, text) in enumerate(zip(groups, texts, strict=True))
    ]


def _texts(text: str, groups: Sequence[Sequence[Word]]) -> list[str]:
    """The segment's text cut before each group's first word, so that its own spacing stays; joined words where the
    words are not found in it."""
    cuts, at = [0], 0
    for number, group in enumerate(groups):
        for place, word in enumerate(group):
            found = text.find(word.text.strip(), at)
            if found < 0:
                return [" ".join(word.text.strip() for word in one) for one in groups]
            if number and not place:
                cuts.append(found)
            at = found + len(word.text.strip())
    return [text[a:b].strip() for a, b in zip(cuts, [*cuts[1:], len(text)], strict=True)]


def _whole(segment: Segment, index: _Index) -> Segment:
    """A segment without word times: the speaker who covers most of it; uncertain when another speaks in it, too."""
    claim = index.claim(segment.start, segment.end)
    words = [word.model_copy(update={"speaker": claim.first}) for word in segment.words]
    flags = list(segment.flags)
    if _uncertain(claim, claim.first) or len(claim.covered) > 1:
        flags.append(UNCERTAIN)
    if claim.both >= claim.length / 2:
        flags.append(OVERLAP)
    return segment.model_copy(update={"speaker": claim.first, "words": words, "flags": list(dict.fromkeys(flags))})


def _smooth(claims: Sequence[_Claim | None], names: list[str | None]) -> list[str | None]:
    """Words without a time go with the word before them; a lone short word goes with the words around it, unless the
    turns say clearly that it is another's."""
    known = next((name for name in names if name is not None), None)
    filled: list[str | None] = []
    for name, claim in zip(names, claims, strict=True):
        filled.append(name if claim is not None else filled[-1] if filled else known)
    smooth = list(filled)
    for at, (name, claim) in enumerate(zip(filled, claims, strict=True)):
        before = smooth[at - 1] if at else None
        after = filled[at + 1] if at + 1 < len(filled) else None
        if claim is None or before is None or before != after or name == before:
            continue
        if name is None or (claim.length <= _LONE_S and claim.share(name) - claim.share(before) < _STRONG):
            smooth[at] = before
    return smooth


def _uncertain(claim: _Claim, speaker: str | None) -> bool:
    own = claim.share(speaker)
    others = max((claim.share(name) for name in claim.covered if name != speaker), default=0.0)
    unsure = claim.confidence is not None and claim.confidence < _UNSURE
    return speaker is None or own < _SHARE or own - others < _MARGIN or unsure


def _marked(word: Word, speaker: str | None, claim: _Claim | None) -> Word:
    flags = list(word.flags)
    if claim is None or _uncertain(claim, speaker):
        flags.append(UNCERTAIN)
    if claim is not None and claim.both >= claim.length / 2:
        flags.append(OVERLAP)
    return word.model_copy(update={"speaker": speaker, "flags": list(dict.fromkeys(flags))})


def _piece(segment: Segment, words: list[Word], text: str, start: float | None, end: float | None) -> Segment:
    """One speaker's part of a segment; ``start`` and ``end`` where it keeps the segment's own."""
    starts = [word.start for word in words if word.start is not None]
    ends = [word.end for word in words if word.end is not None]
    begin = start if start is not None else min(starts, default=segment.start)
    last = end if end is not None else max(ends, default=segment.end)
    flags = list(segment.flags)
    flags += [flag for flag in (UNCERTAIN, OVERLAP) if sum(flag in word.flags for word in words) * 2 >= len(words)]
    confidence = segment.confidence
    scores = [math.log(max(word.score, 1e-6)) for word in words if word.score is not None]
    if (start is None or end is None) and scores:
        confidence = round(math.exp(sum(scores) / len(scores)), 4)
    return segment.model_copy(
        update={
            "start": begin, "end": max(begin, last), "speaker": words[0].speaker, "words": words, "text": text,
            "confidence": confidence, "flags": list(dict.fromkeys(flags)),
        }
    )  # fmt: skip
