"""A laboratory's labelled data as examples: what ``make train DATA=dir`` reads.

Known files: ``dktc.tsv`` (columns ``label``, ``text``; turns separated by a written ``\\n``), ``mentalmanip.tsv``
(``manipulative``, ``technique``, ``dialogue``), and any other ``*.tsv`` in the project's own format (``labels``,
``scenario``, ``text``).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from include.errors import DocumentError
from include.forensic.learned.corpus import Example, read_examples

__all__ = ["DKTC", "OFTEN", "YIELDING", "beside", "lab_examples", "lab_files"]

DKTC = {
    "threat": "THREAT",
    "extortion": "EXTORTION",
    "workplace_bullying": "WORKPLACE",
    "other_bullying": "HARASSMENT",
}
"""Label of DKTC → group."""

YIELDING = 0.05
"""How much the project's examples of a group count beside a laboratory's of the same group: what belongs to a group is
the laboratory's to say. Macro-F1 of DKTC's held-out folds: 0.880 with 0.2, 0.883 with this (bench/README.md)."""

OFTEN = 10
"""How often at most a network is shown a laboratory's example in a pass, together not more than the project's own: two
thousand dialogues drown beside twenty times as many windows. Held-out folds of DKTC: 0.883 once, 0.891 with 4 and 10
(the network by itself 0.852, 0.870, 0.878)."""

_SHARED = 12
"""Dialogues that share a turn of this many letters or more are one scenario: they are rewordings of each other."""

_NEWLINE = re.compile(r"\\n|\n")
_PERSON = re.compile(r"^Person\d+:\s*")
_NOT_EXAMPLES = {"benign_ko.tsv"}
"""Kept for counting false alarms."""


def lab_files(folder: Path) -> list[Path]:
    """The files of a folder that are trained on, or of its ``text/`` where it has none itself (as ``make eval`` reads).

    Raises:
        DocumentError: there is none.
    """
    found: list[Path] = []
    for place in (folder, folder / "text"):
        found = found or sorted(path for path in place.glob("*.tsv") if path.name not in _NOT_EXAMPLES)
    if not found:
        raise DocumentError(
            f"{folder} holds no .tsv file of labelled dialogues; see include/forensic/learned/labdata.py."
        )
    return found


def lab_examples(path: Path) -> list[Example]:
    """The examples of one file.

    Raises:
        DocumentError: unknown columns or labels.
    """
    with path.open(encoding="utf-8") as stream:
        columns = stream.readline().rstrip("\n").split("\t")
    if columns == ["label", "text"]:
        return _scenarios(path.stem, list(_dktc(path)))
    if columns == ["manipulative", "technique", "dialogue"]:
        return _scenarios(path.stem, list(_mentalmanip(path)))
    return list(read_examples(path))


def beside(own: Sequence[Example], lab: Sequence[Example]) -> tuple[list[Example], list[Example]]:
    """The project's examples and a laboratory's as they count beside each other.

    The project's count less where the laboratory labels the same group, harmless ones in full: ordinary calls look
    harmful without them. The laboratory's are shown to networks more often.
    """
    taken = {label for example in lab for label in example.labels}
    times = max(1, min(OFTEN, len(own) // max(1, len(lab))))
    yielding = [replace(one, weight=YIELDING) if one.labels and one.labels[0] in taken else one for one in own]
    return yielding, [replace(one, times=times) for one in lab]


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)


def _turns(text: str) -> tuple[str, ...]:
    return tuple(cut for part in _NEWLINE.split(text) if (cut := _PERSON.sub("", part.strip()).strip()))


def _dktc(path: Path) -> Iterator[Example]:
    for number, row in enumerate(_rows(path), start=2):
        turns = _turns(row["text"] or "")
        if row["label"] not in DKTC or not turns:
            raise DocumentError(f"{path}, line {number}: the label is none of {', '.join(DKTC)}, or there is no text.")
        yield Example((DKTC[row["label"]],), "", turns, whole=True)


def _mentalmanip(path: Path) -> Iterator[Example]:
    for number, row in enumerate(_rows(path), start=2):
        turns = _turns(row["dialogue"] or "")
        if row["manipulative"] not in ("0", "1") or not turns:
            raise DocumentError(f"{path}, line {number}: manipulative is neither 0 nor 1, or there is no dialogue.")
        yield Example(("MANIPULATION",) if row["manipulative"] == "1" else (), "", turns, whole=True)


def _scenarios(name: str, examples: list[Example]) -> list[Example]:
    """The examples with scenarios: connected through long turns that they share."""
    parent = list(range(len(examples)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict[str, int] = {}
    for index, example in enumerate(examples):
        for turn in example.turns:
            letters = "".join(character for character in turn.lower() if character.isalnum())
            if len(letters) >= _SHARED:
                parent[root(index)] = root(first.setdefault(letters, index))
    return [
        Example(example.labels, f"{name}.{root(index)}", example.turns, example.whole)
        for index, example in enumerate(examples)
    ]
