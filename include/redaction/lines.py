"""What people say in pieces: a number over several segments is found in the joined text and masked in each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from include.redaction.detect import find_all, find_formal
from include.redaction.hits import Hit, merged
from include.stt import Segment

__all__ = ["across", "segment_hits"]

_PAUSE_S: Final = 20.0
"""Longest pause within which a speaker may go on dictating a number, seconds."""


def segment_hits(segments: Sequence[Segment]) -> list[list[Hit]]:
    """The hits of each segment's text: found in itself, in what the same speaker says before and after it, and in the
    whole conversation in its order (diarization may give half a number to the other speaker)."""
    found: list[list[Hit]] = [find_all(one.text) for one in segments]
    for speaker in dict.fromkeys(one.speaker for one in segments):
        _join(found, segments, [at for at, one in enumerate(segments) if one.speaker == speaker])
    _join(found, segments, list(range(len(segments))))
    return [merged(hits) for hits in found]


def _join(found: list[list[Hit]], segments: Sequence[Segment], chosen: Sequence[int]) -> None:
    chains: list[list[int]] = []
    for at in chosen:
        if chains and segments[at].start - segments[chains[-1][-1]].end <= _PAUSE_S:
            chains[-1].append(at)
        else:
            chains.append([at])
    for chain in chains:
        if len(chain) > 1:
            for at, hits in zip(chain, across([segments[at].text for at in chain]), strict=True):
                found[at] += hits


def across(texts: Sequence[str]) -> list[list[Hit]]:
    """What has a form and is found in the texts joined by spaces, by text; a hit over several is cut into its parts."""
    offsets, at = [], 0
    for text in texts:
        offsets.append(at)
        at += len(text) + 1
    found: list[list[Hit]] = [[] for _ in texts]
    for hit in find_formal(" ".join(texts)):
        for number, (offset, text) in enumerate(zip(offsets, texts, strict=True)):
            start, end = max(hit.start - offset, 0), min(hit.end - offset, len(text))
            if start < end:
                found[number].append(replace(hit, start=start, end=end))
    return found
