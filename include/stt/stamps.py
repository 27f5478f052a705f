"""A text that was heard without time stamps gets some: of the hearing that has them, or of its own pauses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.stt.work import Heard

__all__ = ["with_pauses", "with_stamps"]

_PRECISION_S = 0.02
_NEAR_S = 1.0
"""A word boundary further from the time stamp than this is another one."""
_PAUSE_S = 0.5
_SENTENCE_PAUSE_S = 0.1
"""A segment ends before a pause of this length; after the end of a sentence before a shorter one (own choice)."""
_SENTENCE_END = (".", "?", "!", "。", "？", "！")


def with_pauses(heard: Heard, begin: int) -> Heard:
    """A text that has no time stamps, cut into segments at its pauses.

    Args:
        heard: its words with times (seconds from the window's start).
        begin: the token of time stamp 0; one further is 0.02 s later.

    Returns:
        ``heard`` with time stamps in its tokens: where its last segment ends, the window ends.
    """
    if not heard.words or any(one >= begin for one in heard.tokens):
        return heard
    tokens, last = [begin + round(float(heard.words[0]["start"]) / _PRECISION_S)], None
    for word in heard.words:
        start, end, text = float(word["start"]), float(word["end"]), word["word"].strip()
        if last is not None and any(c.isalnum() for c in text):
            least = _SENTENCE_PAUSE_S if last[1].endswith(_SENTENCE_END) else _PAUSE_S
            if start - last[0] >= least:
                tokens += [begin + round(last[0] / _PRECISION_S), begin + round(start / _PRECISION_S)]
        tokens += word["tokens"]
        last = (end, text)
    return replace(heard, tokens=(*tokens, begin + round(float(heard.words[-1]["end"]) / _PRECISION_S)))


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
