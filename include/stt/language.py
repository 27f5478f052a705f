"""Which language a recording is in, from the encoder output that decoding needs anyway.

WhisperX detects on the first 30 s and gives no probability. Here every window has one: Whisper's own language head
(one decoder step on the encoder output), and a recording's language is the one with the most probability over several
windows, each counted by its length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.stt.transcript import LanguageWindow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.stt.work import Window

__all__ = ["CONFIDENT", "SAMPLED_WINDOWS", "detectable", "elsewhere", "overall", "sample", "window_of"]

SAMPLED_WINDOWS = 5
"""At most so many windows decide a recording's language; they are spread over it."""
CONFIDENT = 0.8
"""A window at least this sure of another language is in that language."""
_LEAST_S = 2.0
"""A shorter window says little about its language: it is in the recording's."""
_LONG_S = 10.0
"""One window this long in another language is enough to decode it in that; shorter ones must be two at least."""


def sample(windows: Sequence[Window]) -> list[Window]:
    """Up to five windows spread over a recording, of those long enough if there are any."""
    long = [one for one in windows if one.seconds >= _LEAST_S] or list(windows)
    if len(long) <= SAMPLED_WINDOWS:
        return long
    step = (len(long) - 1) / (SAMPLED_WINDOWS - 1)
    return [long[round(step * index)] for index in range(SAMPLED_WINDOWS)]


def overall(found: Sequence[tuple[Window, Sequence[tuple[str, float]]]]) -> tuple[str, float]:
    """The recording's language and its probability: the mean over windows, weighted by seconds.

    Args:
        found: windows with their languages, the most probable first; at least one.
    """
    total = sum(window.seconds for window, _ in found) or 1.0
    sums: dict[str, float] = {}
    for window, languages in found:
        for code, probability in languages:
            sums[code] = sums.get(code, 0.0) + probability * window.seconds / total
    best = max(sums, key=lambda code: sums[code])
    return best, round(min(sums[best], 1.0), 4)


def detectable(window: Window) -> bool:
    """Whether a window is long enough to have a language of its own."""
    return window.seconds >= _LEAST_S


def elsewhere(found: Sequence[tuple[Window, Sequence[tuple[str, float]]]], language: str) -> dict[Window, str]:
    """Windows that are in another language than the recording, with that language.

    Those at least 0.8 sure of it, where it is a long window or two windows at least are sure of the same.
    """
    sure = [
        (window, languages[0][0])
        for window, languages in found
        if languages and detectable(window) and languages[0][0] != language and languages[0][1] >= CONFIDENT
    ]
    others = [code for _, code in sure]
    return {window: code for window, code in sure if window.seconds >= _LONG_S or others.count(code) > 1}


def window_of(window: Window, languages: Sequence[tuple[str, float]]) -> LanguageWindow:
    """As the transcript shows it."""
    code, probability = languages[0]
    return LanguageWindow(
        start=round(window.start, 3), end=round(window.end, 3), channel=window.channel, language=code,
        probability=round(min(max(probability, 0.0), 1.0), 4),
    )  # fmt: skip
