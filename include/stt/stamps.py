"""A text that was heard without time stamps gets some, from its own pauses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from include.stt.segments import covered

if TYPE_CHECKING:
    from include.stt.work import Heard

__all__ = ["PARAMETERS", "with_pauses"]

_PRECISION_S = 0.02
_PAUSE_S = 0.5
"""A segment ends before a pause of this length, and at the end of a sentence (own choice)."""
_SENTENCE_END = (".", "?", "!", "。", "？", "！")
PARAMETERS = {"segment_pause_s": _PAUSE_S, "sentence_end": "".join(_SENTENCE_END)}


def with_pauses(heard: Heard, begin: int) -> Heard:
    """A text that has no time stamps, cut into segments at its pauses.

    Args:
        heard: its words with times (seconds from the window's start).
        begin: the token of time stamp 0; one further is 0.02 s later.

    A text that failed a check stays in one piece: a loop cut into sentences would look like none.

    Returns:
        ``heard`` with time stamps in its tokens: where its last segment ends, the window ends.
    """
    if heard.failed or not heard.words or any(one >= begin for one in heard.tokens):
        return heard
    tokens, last = [begin + round(float(heard.words[0]["start"]) / _PRECISION_S)], None
    for word in heard.words:
        start, end, text = float(word["start"]), float(word["end"]), word["word"].strip()
        spoken = any(c.isalnum() for c in text)
        if last is not None and spoken:
            start = covered(start, end, text)[0]
            if start - last[0] >= _PAUSE_S or last[1].endswith(_SENTENCE_END):
                tokens += [begin + round(last[0] / _PRECISION_S), begin + round(start / _PRECISION_S)]
        tokens += word["tokens"]
        last = (end if spoken or last is None else last[0], text or (last[1] if last else ""))
    rest = heard.tokens[sum(len(word["tokens"]) for word in heard.words) :]  # half a character at the token limit
    return replace(heard, tokens=(*tokens, *rest, begin + round(float(heard.words[-1]["end"]) / _PRECISION_S)))
