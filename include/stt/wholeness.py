"""Which of two texts of the same window counts: first the one that leaves less speech without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.stt import guards
from include.stt.segments import covered
from include.stt.vad import subtract

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.stt.work import Heard, Region

__all__ = ["LEAST_UNCOVERED_S", "PARAMETERS", "better", "left_out", "more_whole"]

LEAST_UNCOVERED_S = 0.8
"""Shorter stretches without a word are within the error of the word times."""
_LEAST_SHARE = 0.9
_PRECISION_S = 0.02

PARAMETERS = {"least_uncovered_s": LEAST_UNCOVERED_S, "least_share": _LEAST_SHARE}


def left_out(heard: Heard, speech: Sequence[Region], begin: int) -> float:
    """Seconds of a window's speech that no word covers, in stretches too long to be an error of the word times.

    Args:
        heard: its words with times, seconds from the window's start.
        speech: of the window, seconds from its start.
        begin: the token of time stamp 0. Where time stamps end a segment and begin another that isn't ended, decoding
            goes on from there: what lies behind is not left out.
    """
    end = _goes_on_from(heard.tokens, begin)
    wanted = [(first, min(last, end)) for first, last in speech if first < end]
    spans = [covered(float(one["start"]), float(one["end"]), one["word"]) for one in heard.words]
    return sum(last - first for first, last in subtract(wanted, spans, LEAST_UNCOVERED_S))


def _goes_on_from(tokens: Sequence[int], begin: int) -> float:
    pairs = [i for i in range(1, len(tokens)) if tokens[i] >= begin and tokens[i - 1] >= begin]
    ended = len(tokens) >= 2 and tokens[-2] < begin <= tokens[-1]
    return float("inf") if ended or not pairs else (tokens[pairs[-1] - 1] - begin) * _PRECISION_S


def more_whole(one: Heard, other: Heard, speech: Sequence[Region], begin: int) -> Heard:
    """Of two texts of the same window the one that leaves out less, if it passes its checks; else the better one."""
    more = left_out(one, speech, begin) - left_out(other, speech, begin)
    if more >= LEAST_UNCOVERED_S and other.text and not other.failed and other.avg_logprob >= guards.LOG_PROB:
        return other
    if more <= -LEAST_UNCOVERED_S and one.text and not one.failed:
        return one
    return better(one, other)


def better(one: Heard, other: Heard) -> Heard:
    """Of two texts of the same window one that is no loop; else the one that passes more checks, then the likelier one.

    A decoder is sure of its loops, so a loop's likelihood says nothing. A likelier text that has a tenth less of it is
    no better one: leaving a passage out makes a text likelier.
    """
    if _faults(other) != _faults(one):
        return other if _faults(other) < _faults(one) else one
    if len(other.text) < _LEAST_SHARE * len(one.text) and "repetitive" not in one.failed:
        return one
    return other if other.avg_logprob > one.avg_logprob else one


def _faults(heard: Heard) -> tuple[bool, int]:
    return "repetitive" in heard.failed, len(heard.failed)
