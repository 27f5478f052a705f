"""English names: after a title, after "my name is", a known first name, or two capitalised words in a row."""

# ruff: noqa: E501 (patterns read better whole, and Hangul counts twice)
from __future__ import annotations

import re
import unicodedata
from functools import cache
from pathlib import Path
from typing import Final

from include.redaction.hits import Hit

__all__ = ["find_english_names"]

_LISTS: Final = Path(__file__).resolve().parent / "words"
_UP, _LOW = "[A-ZÀ-ÖØ-Þ]", "[a-zß-öø-ÿ]"
_WORD = rf"{_UP}{_LOW}+(?:['’-]{_UP}?{_LOW}+)*"
_RULES: Final = (
    (
        "name.en.title",
        rf"\b(?:Mr|Mrs|Ms|Miss|Mister|Dr|Doctor|Prof|Professor|Officer|Detective|Inspector|Sergeant|Captain|Agent|Judge|Attorney"
        rf"|Lieutenant|Uncle|Aunt|Auntie|Sir|Madam)\.?\s({_WORD}(?:\s{_WORD})?)",
    ),
    (
        "name.en.intro",
        rf"\b(?:[Mm]y name is|[Mm]y name's|[Tt]he name is|[Tt]his is|I am|I'm|[Ss]peaking to|[Tt]alking to|[Cc]alled|[Nn]amed"
        rf"|[Aa]sk for|[Ii]t's|[Hh]is name is|[Hh]er name is)\s({_WORD}(?:\s{_WORD})?)",
    ),
)
_COMPILED: Final = tuple((rule, re.compile(pattern)) for rule, pattern in _RULES)
_CAPITALS: Final = re.compile(rf"(?<![\w'’])({_UP}{{2,}})\s({_UP}{{2,}})(?![\w'’])")
_INTRO_LOW: Final = re.compile(
    rf"\b(?:my name is|my name's|the name is|his name is|her name is)\s({_LOW}+)(?:\s({_LOW}{{3,}}))?(?!\w)"
)
_GOES_ON: Final = frozenset(
    ("and", "but", "from", "with", "calling", "here", "speaking", "who", "not", "the", "you", "are")
)
_PAIR: Final = re.compile(rf"(?<![\w'’])({_WORD})\s({_WORD}(?:\s{_WORD})?)")
_SINGLE: Final = re.compile(rf"(?<![\w'’-]){_WORD}")


@cache
def word_list(name: str) -> frozenset[str]:
    """A list of the package: words separated by white space, ``#`` to the line's end is a remark."""
    lines = (_LISTS / name).read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines for word in line.partition("#")[0].split())


def find_english_names(text: str) -> list[Hit]:
    """The names of a text; a title stays, the name after it is a hit."""
    hits = []
    for rule, pattern in _COMPILED:
        for found in pattern.finditer(text):
            hits += _hit(text, found.start(1), found.end(1), rule)
    hits += _unusual(text)
    for found in _PAIR.finditer(text):
        if _first(found[1]):
            hits += _hit(text, found.start(), found.end(), "name.en.full")
        elif not _begins(text, found.start()) and not {one.lower() for one in found.group().split()} & word_list(
            "not_names_en.txt"
        ):
            hits += _hit(text, found.start(), found.end(), "name.en.pair")
    for found in _SINGLE.finditer(text):
        if _first(found.group().partition("'")[0].partition("’")[0]):
            hits += _hit(text, found.start(), found.end(), "name.en.first")
    return hits


def _first(word: str) -> bool:
    """Whether a word is a first name, with or without its accents."""
    plain = "".join(one for one in unicodedata.normalize("NFD", word.lower()) if not unicodedata.combining(one))
    return plain in word_list("first_names.txt")


def _unusual(text: str) -> list[Hit]:
    """JOHN SMITH, and "my name is josé garcía": a known first name, in whatever case, and the word after it."""
    hits = []
    for rule, pattern in (("name.en.capitals", _CAPITALS), ("name.en.intro", _INTRO_LOW)):
        for found in pattern.finditer(text):
            if _first(found[1]):
                last = (found[2] or "").lower()
                alone = not last or last in _GOES_ON or last in word_list("not_names_en.txt")
                end = found.end(1 if alone else 2)
                hits.append(Hit(found.start(1), end, "name", rule, text[found.start(1) : end].lower()))
    return hits


def _begins(text: str, at: int) -> bool:
    """Whether a sentence begins here, where every word has a capital."""
    before = text[:at].rstrip()
    return not before or before[-1] in '.?!:"“'


def _hit(text: str, start: int, end: int, rule: str) -> list[Hit]:
    """The words of the stretch up to the first that is no name; nothing when that is the first."""
    stop = start
    for word in _SINGLE.finditer(text, start, end):
        if word.group().lower() in word_list("not_names_en.txt"):
            break
        stop = word.end()
    for tail in ("'s", "’s"):
        if text[start:stop].endswith(tail):
            stop -= 2
    return [Hit(start, stop, "name", rule, text[start:stop].lower())] if stop > start else []
