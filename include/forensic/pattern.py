"""The pattern language of the taxonomy's rules: a sequence of elements over tokens.

::

    죽이/VV 어/EC 버리/VX          three morphemes in a row, whatever the spacing in the text
    칼|흉기/NNG 로/JKB? ~2 찌르/VV   alternatives; an optional element; up to two tokens of anything between
    !애들|형님/NNG 이|가/JKS        any noun but these
    */NNG   신고*/NNG              any form; any form with this beginning
    $KIN/NNG                      a word list of the shared file (may stand among alternatives: ``$KIN|애``)
    @INTENT                       a set of sequences of the shared file, tried one after the other
    END                           the sentence ends here
    ( ... )                       not offered: write two patterns

A tag given as ``VV`` also takes kiwi's ``VV-R`` and ``VV-I``, one given as ``VX`` also ``VV`` (kiwi takes one for
the other where punctuation is missing); without a slash every tag will do. A gap never
crosses a sentence end (``SF``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from include.errors import SettingsError
from include.forensic.tokens import Token

__all__ = ["Pattern", "compile_pattern", "find"]


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
        known = token.form in self.forms or (bool(self.prefixes) and token.form.startswith(self.prefixes))
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
        if word.startswith("@"):
            if word[1:] not in sequences:
                raise SettingsError(
                    f"The pattern {source!r} names {word}, which the taxonomy doesn't define; define it."
                )
            parts.append([_sequence(item, source, lists) for item in sequences[word[1:]]])
        else:
            parts.append([(_element(word, source, lists),)])
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


def find(patterns: Sequence[Pattern], tokens: Sequence[Token], start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Where any of the patterns lies wholly inside ``tokens[start:stop]``: (first token, after last token)."""
    for position in range(start, stop):
        token = tokens[position]
        for pattern in patterns:
            if pattern[0].takes(token):
                end = _match(pattern, 1, tokens, position + 1, stop)
                if end is not None:
                    yield position, end


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
    for skipped in range(pattern[index].gap + 1):
        end = _match(pattern, index + 1, tokens, position + skipped, stop)
        if end is not None:
            return end
        if position + skipped >= stop or tokens[position + skipped].tag == "SF":
            break
    return None
