"""A text that was heard without time stamps gets those of the hearing with time stamps, between the nearest words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.stt.work import Heard

__all__ = ["with_stamps"]

_PRECISION_S = 0.02
_NEAR_S = 1.0
"""A word boundary further from the time stamp than this is another one."""


def with_stamps(heard: Heard, stamped: Sequence[int], begin: int) -> Heard:
    """The same words, cut into segments where another hearing of the same window was.

    Args:
        heard: without time stamps, its words with times (seconds from the window's start).
        stamped: the tokens of the hearing with time stamps.
        begin: the token of time stamp 0; one further is 0.02 s later.

    Returns:
        ``heard`` with time stamps in its tokens: where its last segment ends, the window ends.
    """
    if not heard.words or any(one >= begin for one in heard.tokens):
        return heard
    pairs = [
        (stamped[i - 1], stamped[i]) for i in range(1, len(stamped)) if stamped[i] >= begin and stamped[i - 1] >= begin
    ]
    starts = [float(one["start"]) for one in heard.words]
    ends = [float(one["end"]) for one in heard.words]

    def away(index: int, moment: float) -> float:
        """From the pause before a word, seconds."""
        return max(ends[index - 1] - moment, moment - starts[index], 0.0)

    cuts: dict[int, tuple[int, int]] = {}
    for pair in pairs:
        middle = (sum(pair) / 2 - begin) * _PRECISION_S
        near = [
            index
            for index in range(max(cuts, default=0) + 1, len(starts))
            if away(index, middle) <= _NEAR_S and any(c.isalnum() for c in heard.words[index]["word"])
        ]
        if near:
            cuts[min((away(index, middle), index) for index in near)[1]] = pair
    tokens = [begin + round(starts[0] / _PRECISION_S)]
    for index, word in enumerate(heard.words):
        tokens += [*cuts.get(index, ()), *word["tokens"]]
    return replace(heard, tokens=(*tokens, begin + round(ends[-1] / _PRECISION_S)))
