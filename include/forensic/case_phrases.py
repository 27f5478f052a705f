"""Phrases that come again in another recording of a case."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from include.described import DESCRIBED
from include.forensic.case_recording import CaseRecording

__all__ = ["MOST_PHRASES", "MOST_PLACES", "PhrasePlace", "RepeatedPhrase", "repeated_phrases"]

PHRASE_WORDS = 3
"""A repeated phrase has at least this many words."""
LONGEST_WORDS = 8
MOST_PHRASES = 50
MOST_PLACES = 40
"""Of so many of a phrase's places is told where they are; ``times`` counts all."""


class PhrasePlace(BaseModel):
    """Where a repeated phrase was said."""

    recording: str
    speaker: str | None
    start: float | None
    """When the turn that holds it begins, seconds; None when not known."""

    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=DESCRIBED, allow_inf_nan=False, hide_input_in_errors=True
    )


class RepeatedPhrase(BaseModel):
    """Words said in more than one recording, spacing and punctuation left aside."""

    text: str
    """As first said."""
    recordings: list[str]
    times: int
    places: list[PhrasePlace] = Field(default_factory=list, max_length=MOST_PLACES)
    """By recording and turn; the first ones of very many."""

    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=DESCRIBED, allow_inf_nan=False, hide_input_in_errors=True
    )


def repeated_phrases(recordings: Sequence[CaseRecording]) -> list[RepeatedPhrase]:
    """Longest word sequences that occur in more than one recording, those of most recordings first.

    Only what is made of shared sequences of three words is counted, so memory goes with what is shared, beside one
    short entry a word.
    """
    spoken = [(one.name, [(text.split(), _plain_words(text)) for _, text in one.turns]) for one in recordings]
    turns = [
        PhrasePlace(recording=one.name, speaker=speaker, start=one.starts[at] if at < len(one.starts) else None)
        for one in recordings
        for at, (speaker, _) in enumerate(one.turns)
    ]
    known = _shared_seeds(spoken)
    where: dict[tuple[str, ...], list[int]] = defaultdict(list)
    said: dict[tuple[str, ...], str] = {}
    for number, (words, plain) in enumerate(turn for _, own in spoken for turn in own):
        for key, start in _sequences(plain, known):
            where[key].append(number)
            said.setdefault(key, " ".join(words[start : start + len(key)]))
    shared = {
        key: places
        for key, places in where.items()
        if len({turns[at].recording for at in places}) > 1 and all(key) and len(set(key)) > 1
    }
    # every place of a sequence is one of its parts': a part that has no other place tells nothing more
    inside = {
        part
        for key, places in shared.items()
        for part in (key[1:], key[:-1])
        if part in shared and shared[part] == places
    }
    named = {key: sorted({turns[at].recording for at in shared[key]}) for key in shared if key not in inside}
    kept = sorted(named, key=lambda key: (-len(named[key]), -len(key), said[key]))
    return [
        RepeatedPhrase(
            text=said[key],
            recordings=named[key],
            times=len(shared[key]),
            places=[turns[at] for at in shared[key][:MOST_PLACES]],
        )
        for key in kept[:MOST_PHRASES]
    ]


def _shared_seeds(spoken: Sequence[tuple[str, list[tuple[list[str], list[str]]]]]) -> set[tuple[str, ...]]:
    first: dict[tuple[str, ...], str] = {}
    shared: set[tuple[str, ...]] = set()
    for name, turns in spoken:
        for _, plain in turns:
            for start in range(len(plain) - PHRASE_WORDS + 1):
                key = tuple(plain[start : start + PHRASE_WORDS])
                if first.setdefault(key, name) != name:
                    shared.add(key)
    return shared


def _sequences(plain: list[str], known: set[tuple[str, ...]]) -> list[tuple[tuple[str, ...], int]]:
    """Every sequence of 3 to 8 words whose threes are all shared, and where it begins."""
    found = []
    for start in range(len(plain) - PHRASE_WORDS + 1):
        for length in range(PHRASE_WORDS, min(len(plain) - start, LONGEST_WORDS) + 1):
            end = start + length
            if tuple(plain[end - PHRASE_WORDS : end]) not in known:
                break
            found.append((tuple(plain[start:end]), start))
    return found


def _plain_words(text: str) -> list[str]:
    return [re.sub(r"\W", "", unicodedata.normalize("NFKC", word).lower()) for word in text.split()]
