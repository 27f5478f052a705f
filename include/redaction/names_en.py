"""English names: after a title, after "my name is", a known first name, or two capitalised words in a row."""

# ruff: noqa: E501 (patterns read better whole, and Hangul counts twice)
from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

from include.redaction.hits import Hit

__all__ = ["find_english_names"]

_LISTS: Final = Path(__file__).resolve().parent / "words"
_WORD = r"[A-Z][a-z]+(?:['’-][A-Z]?[a-z]+)*"
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
    for found in _PAIR.finditer(text):
        if found[1].lower() in word_list("first_names.txt"):
            hits += _hit(text, found.start(), found.end(), "name.en.full")
        elif not _begins(text, found.start()) and not {one.lower() for one in found.group().split()} & word_list(
            "not_names_en.txt"
        ):
            hits += _hit(text, found.start(), found.end(), "name.en.pair")
    for found in _SINGLE.finditer(text):
        if found.group().partition("'")[0].partition("’")[0].lower() in word_list("first_names.txt"):
            hits += _hit(text, found.start(), found.end(), "name.en.first")
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
