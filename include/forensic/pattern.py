"""The pattern language of the taxonomy's rules: a sequence of elements over tokens.

::

    죽이/VV 어/EC 버리/VX          three morphemes in a row, whatever the spacing in the text
    칼|흉기/NNG 로/JKB? ~2 찌르/VV   alternatives; an optional element; up to two tokens of anything between
    !애들|형님/NNG 이|가/JKS        any noun but these
    */NNG   신고*/NNG              any form; any form with this beginning
    $KIN/NNG                      a word list of the shared file (may stand among alternatives: ``$KIN|애``)
    @INTENT                       a set of sequences of the shared file, tried one after the other (``자|@INTENT``)
    END                           the sentence ends here
    ( ... )                       not offered: write two patterns

A tag given as ``VV`` also takes kiwi's ``VV-R`` and ``VV-I``, one given as ``VX`` also ``VV`` (kiwi takes one for
the other where punctuation is missing); without a slash every tag will do. An ending is taken in its plain form
too: ``어`` takes ``아요`` (``=어`` doesn't), and the honorific ``시`` is not among the tokens. A gap never crosses a
sentence end (``SF``), and before an ending no tense (``EP``): ``하 ~1 어`` is an order, ``했어`` is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from include.errors import SettingsError
from include.forensic.tokens import Token

__all__ = ["Pattern", "PatternIndex", "compile_pattern"]


@dataclass(frozen=True, slots=True)
class _Element:
    forms: frozenset[str] | None
    prefixes: tuple[str, ...]
    tags: frozenset[str]
    negated: bool
    optional: bool
    gap: int
    end: bool

    def takes(self, token: Token) -> bool:
        if self.tags and token.tag.split("-")[0] not in self.tags:
            return False
        if self.forms is None:
            return True
        known = token.form in self.forms or token.base in self.forms or f"={token.form}" in self.forms
        known = known or (bool(self.prefixes) and token.form.startswith(self.prefixes))
        return known != self.negated


Pattern = tuple[_Element, ...]
"""One compiled sequence."""


def compile_pattern(
    source: str, lists: Mapping[str, Sequence[str]], sequences: Mapping[str, Sequence[str]]
) -> list[Pattern]:
    """The sequences that a pattern stands for (several when it names a ``@SET``).

    Args:
        source: the pattern as written in the taxonomy.
        lists: word lists for ``$NAME``.
        sequences: pattern sets for ``@NAME``; they may hold lists, not other sets.

    Raises:
        SettingsError: a malformed element, or a list or set that isn't defined.
    """
    parts: list[list[Pattern]] = []
    for word in source.split():
        alternatives = word.split("|") if "@" in word else [word]
        named = [item[1:] for item in alternatives if item.startswith("@")]
        choices: list[Pattern] = []
        for name in named:
            if name not in sequences:
                raise SettingsError(
                    f"The pattern {source!r} names @{name}, which the taxonomy doesn't define; define it."
                )
            choices.extend(_sequence(item, source, lists) for item in sequences[name])
        rest = "|".join(item for item in alternatives if not item.startswith("@"))
        if rest or not named:
            choices.append((_element(rest, source, lists),))
        parts.append(choices)
    patterns = [tuple(element for part in choice for element in part) for choice in product(*parts)]
    for pattern in patterns:
        if not pattern or pattern[0].gap or pattern[0].end or pattern[0].optional or pattern[-1].gap:
            raise SettingsError(f"The pattern {source!r} must begin with a required element and not end in a gap.")
    return patterns


def _sequence(item: str, source: str, lists: Mapping[str, Sequence[str]]) -> Pattern:
    return tuple(_element(word, source, lists) for word in item.split())


def _element(word: str, source: str, lists: Mapping[str, Sequence[str]]) -> _Element:
    if word == "END":
        return _Element(None, (), frozenset(), negated=False, optional=False, gap=0, end=True)
    if word.startswith("~"):
        if not word[1:].isdigit() or not 0 < int(word[1:]) <= 20:
            raise SettingsError(f"The pattern {source!r} has the gap {word!r}; write ~1 to ~20.")
        return _Element(None, (), frozenset(), negated=False, optional=False, gap=int(word[1:]), end=False)
    body = word.removesuffix("?") if word not in ("?", "?/SF") else word
    negated = body.startswith("!")
    forms_part, _, tags_part = body.removeprefix("!").partition("/")
    tags = tags_part.split("|")
    forms: set[str] = set()
    prefixes: list[str] = []
    for form in forms_part.split("|"):
        if form.startswith("$"):
            if form[1:] not in lists:
                raise SettingsError(
                    f"The pattern {source!r} names {form}, which the taxonomy doesn't define; define it."
                )
            forms.update(lists[form[1:]])
        elif form.endswith("*") and form != "*":
            prefixes.append(form[:-1])
        elif form:
            forms.add(form)
        else:
            raise SettingsError(f"The pattern {source!r} has the empty element {word!r}; remove it.")
    return _Element(
        forms=None if "*" in forms else frozenset(forms),
        prefixes=tuple(prefixes),
        tags=frozenset(tag for tag in tags if tag) | ({"VV"} if "VX" in tags else set()),
        negated=negated,
        optional=word.endswith("?") and word not in ("?", "?/SF"),
        gap=0,
        end=False,
    )


class PatternIndex:
    """Many patterns, looked up by the form that they begin with: a scan costs about the same for ten or a thousand."""

    def __init__(self, patterns: Iterable[tuple[int, Pattern]]) -> None:
        self._by_form: dict[str, list[tuple[int, Pattern]]] = {}
        self._others: list[tuple[int, Pattern]] = []
        for key, pattern in patterns:
            first = pattern[0]
            if first.forms is None or first.negated or first.prefixes:
                self._others.append((key, pattern))
            else:
                for form in first.forms:
                    self._by_form.setdefault(form.removeprefix("="), []).append((key, pattern))

    def scan(self, tokens: Sequence[Token]) -> dict[int, list[tuple[int, int]]]:
        """Key → where its patterns lie: (first token, after last token), in order, each once."""
        found: dict[int, dict[tuple[int, int], None]] = {}
        for position, token in enumerate(tokens):
            candidates = self._by_form.get(token.form, ())
            if token.base != token.form:
                candidates = [*candidates, *self._by_form.get(token.base, ())]
            for group in (candidates, self._others):
                for key, pattern in group:
                    if pattern[0].takes(token):
                        end = _match(pattern, 1, tokens, position + 1, len(tokens))
                        if end is not None:
                            found.setdefault(key, {})[position, end] = None
        return {key: list(places) for key, places in found.items()}


def _match(pattern: Pattern, index: int, tokens: Sequence[Token], position: int, stop: int) -> int | None:
    """Token index after the match of ``pattern[index:]`` at ``position``; None when it doesn't match."""
    if index == len(pattern):
        return position
    element = pattern[index]
    if element.end:
        ends = position == len(tokens) or tokens[position].tag == "SF"
        ends = ends or (position > 0 and tokens[position].sentence != tokens[position - 1].sentence)
        return _match(pattern, index + 1, tokens, position, stop) if ends else None
    if element.gap:
        return _match_after_gap(pattern, index, tokens, position, stop)
    if position < stop and element.takes(tokens[position]):
        end = _match(pattern, index + 1, tokens, position + 1, stop)
        if end is not None:
            return end
    return _match(pattern, index + 1, tokens, position, stop) if element.optional else None


def _match_after_gap(pattern: Pattern, index: int, tokens: Sequence[Token], position: int, stop: int) -> int | None:
    """The same where ``pattern[index]`` is a gap: the shortest that lets the rest match."""
    ending = pattern[index + 1].tags <= {"EF", "EC"} and bool(pattern[index + 1].tags)
    for skipped in range(pattern[index].gap + 1):
        end = _match(pattern, index + 1, tokens, position + skipped, stop)
        if end is not None:
            return end
        if position + skipped >= stop or tokens[position + skipped].tag == "SF":
            break
        if ending and tokens[position + skipped].tag == "EP":
            break
    return None
