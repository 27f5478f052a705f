"""Labelled dialogues: the project's own (``include/forensic/corpus/*.tsv``) and a lab's.

A file has the columns ``labels`` (category groups with commas between, ``-`` for harmless), ``scenario`` (what must not
be torn apart by a split: its lines may reword each other) and ``text`` (turns with `` / `` between them, speakers
alternating).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from include.errors import DocumentError
from include.forensic.rulebook import load_taxonomy

__all__ = ["CLASSES", "GROUPS", "HARMLESS", "OWN", "SILENT", "TAXONOMY", "Example", "own_examples", "read_examples"]

GROUPS = (
    "THREAT",
    "EXTORTION",
    "COERCION",
    "DEBT",
    "FRAUD",
    "VISHING",
    "DEFAMATION",
    "INSULT",
    "STALKING",
    "CONTROL",
    "MANIPULATION",
    "OBSTRUCTION",
    "WORKPLACE",
    "HARASSMENT",
    "SELF_HARM",
)
"""What a model tells apart: the first parts of the taxonomy's category ids."""

HARMLESS = "-"

CLASSES = (*GROUPS, HARMLESS)
"""What a window can be."""

OWN = Path(__file__).resolve().parent.parent / "corpus"
"""The project's own examples, every one written for it."""

TAXONOMY = OWN.parent / "taxonomy"
"""The rules, whose examples are examples, too."""

SILENT = ".silent"
"""How the scenarios of the rules' hard negatives end."""

_COLUMNS = ["labels", "scenario", "text"]


@dataclass(frozen=True, slots=True)
class Example:
    """A dialogue with the groups it belongs to; none: harmless."""

    labels: tuple[str, ...]
    scenario: str
    turns: tuple[str, ...]
    whole: bool = False
    """The label is the dialogue's as a whole: a part of it need not show it."""
    weight: float = 1.0
    """How much it counts beside others."""
    times: int = 1
    """How often a network is shown it in a pass."""


def own_examples() -> list[Example]:
    """The examples that the project wrote: the corpus, by file name, then line, and the taxonomy's.

    Raises:
        DocumentError: a file is malformed.
        SettingsError: the taxonomy is.
    """
    found = [example for path in sorted(OWN.glob("*.tsv")) for example in read_examples(path)]
    seen = {_letters(example) for example in found}
    for example in _taxonomy():
        if _letters(example) not in seen:
            seen.add(_letters(example))
            found.append(example)
    return found


def _taxonomy() -> Iterator[Example]:
    """The examples and hard negatives of the taxonomy's rules; those of one rule are one scenario."""
    for category in load_taxonomy().categories:
        family = category.id.split(".")[0]
        for rule in category.rules:
            for labels, kind, given in (((family,), ".fires", rule.positive), ((), SILENT, rule.negative)):
                for text in given:
                    turns = (text,) if isinstance(text, str) else tuple(text)
                    yield Example(labels, f"{rule.id}{kind}", turns)


def _letters(example: Example) -> str:
    return "".join(character for character in "".join(example.turns).lower() if character.isalnum())


def read_examples(path: Path) -> Iterator[Example]:
    """The examples of one file.

    Raises:
        DocumentError: other columns, an unknown group, or no text.
    """
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        if reader.fieldnames != _COLUMNS:
            raise DocumentError(f"{path} has not the columns {', '.join(_COLUMNS)}; give it these.")
        for number, row in enumerate(reader, start=2):
            labels = () if row["labels"] == HARMLESS else tuple((row["labels"] or "").split(","))
            turns = tuple(part.strip() for part in (row["text"] or "").split(" / ") if part.strip())
            if not turns or not row["scenario"] or any(label not in GROUPS for label in labels):
                raise DocumentError(f"{path}, line {number}: give known labels (or -), a scenario and a text.")
            yield Example(labels, row["scenario"], turns)
