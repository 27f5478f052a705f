"""Pauses and speech rate from a transcript's word times."""

from __future__ import annotations

import re
from collections.abc import Sequence

from include.forensic.analysis import Measure, Measurement
from include.stt import NotMeasured, Word

__all__ = ["pause_ratio", "rate_value", "speech_rate", "syllables"]

_VOWELS = re.compile(r"[aeiouy]+", re.IGNORECASE)
MINIMUM_WORDS = 3
"""Fewer timed words than this give neither a pause ratio nor a rate."""

_COUNTING = {
    "ko": "Hangul syllable blocks (digits and Latin letters not counted)",
    "en": "groups of vowel letters (an estimate, not a count: silent e counts, diphthongs are one)",
}


def syllables(word: str, language: str) -> int:
    """Syllables of a word: Hangul blocks for ``ko``, groups of vowel letters for ``en`` (at least one a word)."""
    if language == "ko":
        return sum("가" <= character <= "힣" for character in word)
    return max(1, len(_VOWELS.findall(word))) if any(character.isalpha() for character in word) else 0


def pause_ratio(words: Sequence[Word]) -> Measurement:
    """Share of the time between a speaker's first and last word that none of their words covers, 0–1."""
    timed = _timed(words)
    if len(timed) < MINIMUM_WORDS:
        return _too_few(len(timed))
    first, last = min(start for _, start, _ in timed), max(end for _, _, end in timed)
    if last <= first:
        return NotMeasured(reason="The words' times span no time.")
    value = 1 - _covered([(start, end) for _, start, end in timed]) / (last - first)
    return Measure(
        value=round(value, 4),
        unit="share of time",
        method=f"1 - words' union / (last end - first start); {_source(words)}",
    )


def speech_rate(words: Sequence[Word], language: str) -> Measurement:
    """Syllables per second of the time that a speaker's words cover."""
    if language not in _COUNTING:
        return NotMeasured(reason=f"Syllables aren't counted in the language {language!r}.")
    timed = _timed(words)
    if len(timed) < MINIMUM_WORDS:
        return _too_few(len(timed))
    covered = _covered([(start, end) for _, start, end in timed])
    count = sum(syllables(text, language) for text, _, _ in timed)
    if covered <= 0 or count == 0:
        return NotMeasured(reason="No syllables with a time of their own.")
    return Measure(
        value=round(count / covered, 3),
        unit="syllables/s",
        method=f"{_COUNTING[language]} / words' union; {_source(words)}",
    )


def rate_value(words: Sequence[Word], language: str) -> float | None:
    """:func:`speech_rate` of a turn as a number; None where it can't be measured."""
    found = speech_rate(words, language)
    return found.value if isinstance(found, Measure) else None


def _too_few(count: int) -> NotMeasured:
    return NotMeasured(reason=f"Only {count} words with times; {MINIMUM_WORDS} are needed.")


def _timed(words: Sequence[Word]) -> list[tuple[str, float, float]]:
    return [(word.text, word.start, word.end) for word in words if word.start is not None and word.end is not None]


def _covered(spans: list[tuple[float, float]]) -> float:
    """Seconds that the spans cover together."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def _source(words: Sequence[Word]) -> str:
    timings = sorted({word.timing for word in words if word.start is not None and word.end is not None})
    return f"word times: {', '.join(timings)}"
