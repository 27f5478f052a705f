"""Text to tokens: Korean morphemes (kiwipiepy) and English words.

Both languages come out as the same :class:`Token`, so that one pattern language serves them. Punctuation is
dropped except sentence ends (``SF``): a call's transcript has little of it, and it may be wrong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

__all__ = ["LANGUAGES", "Token", "tokenize"]

LANGUAGES = ("ko", "en")
"""Languages that have rules."""

_ENGLISH = re.compile(r"[a-z]+(?:['’][a-z]+)*|\d+(?:[.,]\d+)*|[.?!]+", re.IGNORECASE)
_CONTRACTED = {
    "won't": ("will", "not"),
    "wont": ("will", "not"),
    "can't": ("can", "not"),
    "cant": ("can", "not"),
    "cannot": ("can", "not"),
    "dont": ("do", "not"),
    "didnt": ("did", "not"),
    "doesnt": ("does", "not"),
    "im": ("i", "am"),
    "ive": ("i", "have"),
    "youre": ("you", "are"),
    "gonna": ("going", "to"),
    "gotta": ("got", "to"),
    "wanna": ("want", "to"),
    "imma": ("i", "will"),
    "i'ma": ("i", "will"),
}
_TAILS = {"ll": "will", "m": "am", "re": "are", "ve": "have", "d": "would", "s": "'s"}


@dataclass(frozen=True, slots=True)
class Token:
    """One morpheme (Korean) or word (English, lower case, contractions undone)."""

    form: str
    tag: str
    """kiwi's tag (VV, EC …), or ``W`` word, ``N`` number; ``SF`` is a sentence end in both."""
    start: int
    """Offset of the first character in the text."""
    end: int
    """Offset after the last character."""
    sentence: int
    """Index of the sentence in the text."""


@cache
def _kiwi() -> Any:
    """The process's one Kiwi (1 s to load, not configurable: its version is in the settings digest)."""
    from kiwipiepy import Kiwi

    return Kiwi(num_workers=1)


def tokenize(texts: Sequence[str], language: str) -> list[list[Token]]:
    """Tokens of each text.

    Args:
        texts: passages.
        language: ``ko`` or ``en``; the caller checks.
    """
    if language == "ko":
        # compatible_jamo: endings read ㄴ다, ㄹ게 in the rules, not bare final consonants.
        return [_korean(tokens) for tokens in _kiwi().tokenize(list(texts), compatible_jamo=True)]
    return [_english(text) for text in texts]


def _korean(tokens: list[Any]) -> list[Token]:
    found = []
    for token in tokens:
        tag = str(token.tag)
        if tag[0] in "SW" and tag not in ("SF", "SL", "SN"):
            continue
        found.append(Token(token.form, tag, token.start, token.start + token.len, token.sent_position))
    return found


def _english(text: str) -> list[Token]:
    found = []
    sentence = 0
    for match in _ENGLISH.finditer(text):
        word = match.group().lower().replace("’", "'")
        span = match.span()
        if word[0] in ".?!":
            found.append(Token("?" if "?" in word else word[0], "SF", *span, sentence))
            sentence += 1
        elif word[0].isdigit():
            found.append(Token(word, "N", *span, sentence))
        else:
            found.extend(Token(form, "W", *span, sentence) for form in _uncontract(word))
    return found


def _uncontract(word: str) -> tuple[str, ...]:
    """``I'm`` → i am, ``won't`` → will not, ``gonna`` → going to; anything else as it is."""
    if word in _CONTRACTED:
        return _CONTRACTED[word]
    if word.endswith("n't"):
        return (word[:-3], "not")
    head, quote, tail = word.partition("'")
    if quote and tail in _TAILS:
        return (head, _TAILS[tail])
    return (word,)
