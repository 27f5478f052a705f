"""How far two decodings of a span say the same: alignment by edit distance, and the verdict (rule in
:mod:`include.stt.confirmation`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.stt.confirmation import Confirmation, Variant, Verdict, WordAgreement
from include.stt.text_units import units

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Comparison", "compare", "confirmation", "spoken"]

_NO_SPEECH, _LOG_PROB = 0.6, -1.0  # Whisper's own rule for silence


@dataclass(frozen=True)
class Comparison:
    """Words of a span beside the text of a window around it."""

    shares: tuple[float, ...]
    """Of each word, the share of its units that the text has at its place."""
    places: tuple[str, ...]
    """What the text has in each word's place."""
    inserted: tuple[str, ...]
    """What the text has between the words beyond them."""
    heard: str
    agreement: float
    """Share of all units."""


def compare(words: Sequence[str], text: str) -> Comparison:
    """Find the words in a text that may begin before and end after them.

    The alignment has the fewest edits over units (:func:`include.stt.text_units.units`), what the text has before
    the first and after the last word being free; among equals the one with the most matches, then the most central.
    """
    owner = [index for index, word in enumerate(words) for _ in units(word)]
    expected = [unit for word in words for unit in units(word)]
    other = units(text)
    matched = [0] * len(words)
    places: list[list[str]] = [[] for _ in words]
    inserted: list[str] = []
    heard: list[str] = []
    for mine, theirs in _aligned(expected, other):
        if theirs is not None:
            heard.append(other[theirs])
        if mine is None:
            inserted.append(other[theirs or 0])
        elif theirs is not None:
            places[owner[mine]].append(other[theirs])
            matched[owner[mine]] += expected[mine] == other[theirs]
    counts = [owner.count(index) for index in range(len(words))]
    return Comparison(
        shares=tuple(hit / count if count else 1.0 for hit, count in zip(matched, counts, strict=True)),
        places=tuple(map(_joined, places)),
        inserted=tuple(inserted),
        heard=_joined(heard),
        agreement=sum(matched) / len(expected) if expected else 0.0,
    )


def _joined(found: Sequence[str]) -> str:
    """Units as text: spaces only where one is not a single wide character."""
    out = ""
    for unit in found:
        wide = len(unit) == 1 and ord(unit) > 0x2FFF
        out += unit if not out or (wide and ord(out[-1]) > 0x2FFF) else f" {unit}"
    return out


def _aligned(expected: Sequence[str], other: Sequence[str]) -> list[tuple[int | None, int | None]]:
    """Pairs of indexes, None for a gap; what lies before the first and after the last expected unit is left out."""
    rows, columns = len(expected), len(other)
    # (edits, -matches, gaps): fewest edits, then most matches, then something in each place rather than nothing
    cost = [[(0, 0, 0)] * (columns + 1) for _ in range(rows + 1)]
    for i in range(1, rows + 1):
        cost[i][0] = (i, 0, i)
        for j in range(1, columns + 1):
            cost[i][j] = min(
                _paired(cost[i - 1][j - 1], expected[i - 1] == other[j - 1]),
                _gapped(cost[i - 1][j]),
                _gapped(cost[i][j - 1]),
            )
    middle = (rows + columns) / 2  # the window reaches about as far beyond the span on both sides
    i, j = rows, min(range(columns + 1), key=lambda at: (cost[rows][at], abs(at - middle)))
    pairs: list[tuple[int | None, int | None]] = []
    while i > 0:
        if j > 0:
            if cost[i][j] == _paired(cost[i - 1][j - 1], expected[i - 1] == other[j - 1]):
                i, j = i - 1, j - 1
                pairs.append((i, j))
                continue
            if cost[i][j] == _gapped(cost[i][j - 1]):
                j -= 1
                pairs.append((None, j))
                continue
        i -= 1
        pairs.append((i, None))
    return pairs[::-1]


def _paired(cost: tuple[int, int, int], same: bool) -> tuple[int, int, int]:
    return cost[0] + (not same), cost[1] - same, cost[2]


def _gapped(cost: tuple[int, int, int]) -> tuple[int, int, int]:
    return cost[0] + 1, cost[1], cost[2] + 1


def confirmation(
    start: float, end: float, language: str, words: Sequence[str], variants: Sequence[Variant]
) -> Confirmation:
    """Put the variants together and judge.

    Args:
        start, end: of the span, seconds.
        language: of the span.
        words: what is to be confirmed.
        variants: the decodings; none when the span has no speech.
    """
    texts = [spoken(one.text, one.avg_logprob, one.no_speech_prob) for one in variants]
    found = [compare(words, text) for text in texts]
    agreed = [_word(index, word, found) for index, word in enumerate(words)]
    mean = sum(one.agreement for one in found) / len(found) if found else 0.0
    verdict, reason = _judged(agreed, found, texts)
    return Confirmation(
        start=start, end=end, language=language, words=agreed, variants=list(variants), agreement=round(mean, 4),
        verdict=verdict, reason=reason,
    )  # fmt: skip


def spoken(text: str, avg_logprob: float, no_speech_prob: float) -> str:
    """The text, or none when Whisper's own rule takes the window for silence."""
    return "" if no_speech_prob > _NO_SPEECH and avg_logprob < _LOG_PROB else text


def _word(index: int, word: str, found: Sequence[Comparison]) -> WordAgreement:
    shares = [one.shares[index] for one in found]
    places = [one.places[index] for one in found]
    if 2 * sum(share == 1.0 for share in shares) > len(shares):
        verdict: Verdict = "confirmed"
    elif not any(places):
        verdict = "not_heard"
    else:
        verdict = "differs"
    mean = sum(shares) / len(shares) if shares else 0.0
    return WordAgreement(text=word.strip(), agreement=round(mean, 4), heard=places, verdict=verdict)


def _judged(words: Sequence[WordAgreement], found: Sequence[Comparison], texts: Sequence[str]) -> tuple[Verdict, str]:
    count = len(found)
    if not count:
        return "not_heard", "the voice activity detector finds no speech in the span"
    if not any(units(text) for text in texts):
        return "not_heard", f"none of {count} decodings under other settings has any text"
    if words and all(word.verdict == "not_heard" for word in words):
        return "not_heard", f"none of {count} decodings under other settings has anything in the words' place"
    more = sum(bool(one.inserted) for one in found)
    if not words or any(word.verdict != "confirmed" for word in words):
        missing = sum(word.verdict != "confirmed" for word in words)
        return "differs", f"{missing} of {len(words)} words are not the same in most of {count} decodings"
    if 2 * more >= count:
        return "differs", f"{more} of {count} decodings hear more words between these"
    return "confirmed", f"every word is the same in most of {count} decodings under other settings"
