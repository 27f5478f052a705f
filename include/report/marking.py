"""Which characters of a passage to shade (decoder confidence) and which to emphasise (a finding's words)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from include.report.text import clean
from include.stt import Word

__all__ = ["LEVELS", "Piece", "emphasise", "mark_segment", "word_class"]

LEVELS: tuple[tuple[float, str], ...] = ((0.3, "c1"), (0.5, "c2"), (0.7, "c3"))
"""Upper bounds of the decoder's word probability and the style class below each; from the last on, no shade."""


@dataclass(frozen=True)
class Piece:
    """A run of characters that look the same."""

    text: str
    shade: str
    """``c1`` … ``c3``, or empty."""
    marked: bool


def word_class(score: float | None) -> str:
    """The style class for a word's probability; empty when it is high or not known."""
    if score is None:
        return ""
    return next((name for bound, name in LEVELS if score < bound), "")


def _pieces(text: str, shades: Sequence[str], marks: Sequence[bool]) -> list[Piece]:
    return [
        Piece("".join(char for char, _, _ in run), shade, marked)
        for (shade, marked), run in groupby(zip(text, shades, marks, strict=True), key=lambda item: item[1:])
    ]


def _mark(text: str, needles: Iterable[str]) -> list[bool]:
    marks = [False] * len(text)
    for needle in needles:
        wanted = clean(needle).strip()
        at = text.find(wanted) if wanted else -1
        if at >= 0:
            marks[at : at + len(wanted)] = [True] * len(wanted)
    return marks


def mark_segment(text: str, words: Sequence[Word], needles: Iterable[str]) -> list[Piece]:
    """A segment's text in pieces: words shaded by their probability, findings' words marked.

    A word that can't be found in the text after the word before it is left unshaded, never shaded in a wrong place.
    """
    shown = clean(text)
    shades = [""] * len(shown)
    cursor = 0
    for word in words:
        wanted = clean(word.text).strip()
        at = shown.find(wanted, cursor) if wanted else -1
        # A far jump means the same word occurs again later: the decoder's words and its text disagree here.
        if at < 0 or at > cursor + 40:
            continue
        cursor = at + len(wanted)
        shades[at:cursor] = [word_class(word.score)] * len(wanted)
    for at in range(1, len(shown) - 1):
        # neighbours of one shade are one run: half the elements, and a calmer page
        if shown[at] == " " and shades[at - 1] == shades[at + 1]:
            shades[at] = shades[at - 1]
    return _pieces(shown, shades, _mark(shown, needles))


def emphasise(sentence: str, match: str) -> list[Piece]:
    """A sentence in pieces with the matched words marked; one unmarked piece when it doesn't hold them literally."""
    shown = clean(sentence)
    return _pieces(shown, [""] * len(shown), _mark(shown, [match]))
