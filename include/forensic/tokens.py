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

__all__ = ["KIWI_CHARACTERS", "LANGUAGES", "Morpheme", "Token", "listed_morphemes", "morphemes", "tokenize"]

LANGUAGES = ("ko", "en")
"""Languages that have rules."""

_ENGLISH = re.compile(r"[a-z]+(?:['’][a-z]+)*|\d+(?:[.,]\d+)*|[.?!]+", re.IGNORECASE)
# Recognisers leave apostrophes out; what would be another word without one (ill, were, its) is left as it is.
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
    "youll": ("you", "will"),
    "youve": ("you", "have"),
    "theyre": ("they", "are"),
    "theyll": ("they", "will"),
    "theyve": ("they", "have"),
    "weve": ("we", "have"),
    "thats": ("that", "'s"),
    "whats": ("what", "'s"),
    "theres": ("there", "'s"),
    "heres": ("here", "'s"),
    "isnt": ("is", "not"),
    "arent": ("are", "not"),
    "wasnt": ("was", "not"),
    "werent": ("were", "not"),
    "havent": ("have", "not"),
    "hasnt": ("has", "not"),
    "hadnt": ("had", "not"),
    "wouldnt": ("would", "not"),
    "couldnt": ("could", "not"),
    "shouldnt": ("should", "not"),
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
    base: str = ""
    """Endings without politeness and vowel harmony (``아요`` → ``어``, ``았`` → ``었``), a few words of dialects in the
    standard's; else the form."""
    ident: int = -1
    """Kiwi's number of the morpheme; -1 for English."""


@dataclass(frozen=True, slots=True)
class Morpheme:
    """One morpheme of a Korean text as kiwi gives it, nothing left out or rewritten."""

    form: str
    tag: str
    start: int
    end: int
    known: bool
    """Whether kiwi's dictionary holds it; a word that it doesn't may be a name."""


KIWI_CHARACTERS = 1000
"""Kiwi's time grows with the square of a text's length: longer texts are cut, at a sentence end where there is one."""

_CUT = re.compile(r"[.?!…\n]\s|\s")
_UNKNOWN = 42
"""Morpheme ids up to here are kiwi's own: one for each tag, given to words of no dictionary entry."""
_HARMONY = str.maketrans({"아": "어", "았": "었"})
_DIALECT = {
    ("뿌", "VX"): "버리",
    ("불", "VX"): "버리",
    ("삐", "VX"): "버리",
    ("직이", "VV"): "죽이",
    ("쥑이", "VV"): "죽이",
}
"""What Gyeongsang and Jeolla say (해뿐다, 해분다, 직인다) where the rules have the standard word."""


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
        return _korean(texts)
    return [_english(text) for text in texts]


def morphemes(text: str) -> list[Morpheme]:
    """The morphemes of a Korean text, in order."""
    found = []
    for start, stop in _pieces(text):
        for one in _kiwi().tokenize(text[start:stop]):
            begin = start + one.start
            found.append(Morpheme(str(one.form), str(one.tag), begin, begin + one.len, one.id > _UNKNOWN))
    return found


def listed_morphemes(count: int) -> list[tuple[str, str]]:
    """Form and tag of Kiwi's first morphemes, the most common ones, by their number."""
    listed = [_kiwi().morpheme(number) for number in range(count)]
    return [(str(one.form), str(one.tag)) for one in listed]


def _korean(texts: Sequence[str]) -> list[list[Token]]:
    pieces = [(number, start, stop) for number, text in enumerate(texts) for start, stop in _pieces(text)]
    # compatible_jamo: endings read ㄴ다, ㄹ게 in the rules, not bare final consonants.
    analysed = _kiwi().tokenize([texts[number][start:stop] for number, start, stop in pieces], compatible_jamo=True)
    found: list[list[Token]] = [[] for _ in texts]
    for (number, start, _), tokens in zip(pieces, analysed, strict=True):
        own = found[number]
        _append(own, tokens, start, own[-1].sentence + 1 if own else 0)
    return found


def _pieces(text: str) -> list[tuple[int, int]]:
    """The text in stretches of at most :data:`KIWI_CHARACTERS`, whole where it is shorter."""
    found = []
    start = 0
    while len(text) - start > KIWI_CHARACTERS:
        window = text[start : start + KIWI_CHARACTERS]
        cuts = list(_CUT.finditer(window, KIWI_CHARACTERS // 2))
        ends = [match.end() for match in cuts if len(match.group()) > 1] or [match.end() for match in cuts]
        stop = start + (ends[-1] if ends else KIWI_CHARACTERS)
        found.append((start, stop))
        start = stop
    return [*found, (start, len(text))]


def _append(found: list[Token], tokens: Sequence[Any], offset: int, sentence: int) -> None:
    """Kiwi's tokens without punctuation, honorific ``시`` and polite ``요``: rules needn't spell them out."""
    for token in tokens:
        tag, form = str(token.tag), str(token.form)
        if tag[0] in "SW" and tag not in ("SF", "SL", "SN"):
            continue
        if (tag == "EP" and form in ("시", "으시", "셔")) or (tag == "JX" and form in ("요", "이요")):
            continue
        start = offset + token.start
        base = _base(form) if tag[0] == "E" else _DIALECT.get((form, tag), form)
        found.append(Token(form, tag, start, start + token.len, sentence + token.sent_position, base, token.id))


def _base(ending: str) -> str:
    plain = ending.removesuffix("요") if len(ending) > 1 else ending
    return plain[:1].translate(_HARMONY) + plain[1:]


def _english(text: str) -> list[Token]:
    found = []
    sentence = 0
    for match in _ENGLISH.finditer(text):
        word = match.group().lower().replace("’", "'")
        span = match.span()
        if word[0] in ".?!":
            found.append(Token("?" if "?" in word else word[0], "SF", *span, sentence, ""))
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
