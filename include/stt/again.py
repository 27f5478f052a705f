"""Passages of a recording decoded again: only their surroundings are read, overlapping ones share their decodings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.stt.agreement import compare, confirmation, spoken
from include.stt.audio import SAMPLE_RATE
from include.stt.confirm import Span
from include.stt.confirmation import Confirmation, Variant

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from include.stt.confirm import Confirmer

__all__ = ["LONGEST_PASSAGE_S", "Passage", "decode_again"]

LONGEST_PASSAGE_S = 28.0
"""Longest passage, seconds: with some sound around it, it must fit Whisper's 30 s."""

_AROUND_S = 5.0
"""Sound that is read around a window: more than any setting of :mod:`include.stt.confirm` looks at."""


@dataclass(frozen=True)
class Passage:
    """Words at a place of a recording."""

    channel: int
    """Of those that were transcribed, from 0."""
    start: float
    end: float
    """Seconds, at most :data:`LONGEST_PASSAGE_S` apart."""
    words: tuple[str, ...]
    language: str


def decode_again(
    confirmer: Confirmer, channels: Sequence[NDArray[np.int16]], passages: Sequence[Passage]
) -> list[Confirmation]:
    """Decode passages under other settings.

    Args:
        confirmer: with its model.
        channels: what was transcribed, (samples,), 16 kHz, 16 bit.
        passages: in any order; one that lies outside its channel counts as not heard.

    Returns:
        One for each, in order.

    Raises:
        ValueError: a passage is empty or too long.
        ModelError, DeviceMemoryError: as :meth:`include.stt.Confirmer.confirm_many`.
    """
    groups = _together(passages, channels)
    windows, offsets = [], []
    for members in groups:
        window, offset = _window([passages[index] for index in members], channels)
        windows.append(window)
        offsets.append(offset)
    heard = confirmer.confirm_many(windows)
    found: dict[int, Confirmation] = {}
    for members, one, offset in zip(groups, heard, offsets, strict=True):
        variants = [_moved(variant, offset) for variant in one.variants]
        for index in members:
            found[index] = _narrowed(passages[index], variants)
    return [found.get(index) or _narrowed(passage, []) for index, passage in enumerate(passages)]


def _together(passages: Sequence[Passage], channels: Sequence[NDArray[np.int16]]) -> list[list[int]]:
    """Indices of passages that share a window: those that overlap, as long as the window stays short enough."""
    groups: list[list[int]] = []
    reached = (-1, "", 0.0, 0.0)
    for index in sorted(range(len(passages)), key=lambda at: _order(passages[at])):
        one = passages[index]
        if one.channel >= len(channels) or one.start >= len(channels[one.channel]) / SAMPLE_RATE:
            continue
        channel, language, start, end = reached
        shares = (channel, language) == (one.channel, one.language) and one.start < end
        if shares and max(end, one.end) - start <= LONGEST_PASSAGE_S:
            groups[-1].append(index)
            reached = (channel, language, start, max(end, one.end))
        else:
            groups.append([index])
            reached = (one.channel, one.language, one.start, one.end)
    return groups


def _order(passage: Passage) -> tuple[int, str, float, float]:
    return passage.channel, passage.language, passage.start, passage.end


def _window(members: Sequence[Passage], channels: Sequence[NDArray[np.int16]]) -> tuple[Span, float]:
    """The part of the channel around the passages, and where it begins in the recording."""
    import numpy as np

    channel = channels[members[0].channel]
    start = min(one.start for one in members)
    end = min(max(one.end for one in members), len(channel) / SAMPLE_RATE)
    first = max(int((start - _AROUND_S) * SAMPLE_RATE), 0)
    part = channel[first : int((end + _AROUND_S) * SAMPLE_RATE)].astype(np.float32) / np.float32(32768.0)
    offset = first / SAMPLE_RATE
    return Span(part, start - offset, end - offset, (), members[0].language), offset


def _moved(variant: Variant, offset: float) -> Variant:
    times = {"start": round(variant.start + offset, 3), "end": round(variant.end + offset, 3)}
    return variant.model_copy(update=times)


def _narrowed(passage: Passage, variants: Sequence[Variant]) -> Confirmation:
    """What the window's decodings say about one of its passages."""
    own = []
    for one in variants:
        found = compare(passage.words, spoken(one.text, one.avg_logprob, one.no_speech_prob))
        update = {
            "heard": found.heard,
            "inserted": list(found.inserted),
            "agreement": round(found.agreement, 4),
        }
        own.append(one.model_copy(update=update))
    return confirmation(passage.start, passage.end, passage.language, passage.words, own)
