"""Redaction on sentences written for it: how much of what is to be masked is masked, and how much is masked in vain.

python -m eval.redaction [FILE …]        (make eval-redaction)

A stretch counts as found when *all* its letters and digits are masked. The files are small and written by the authors
of the rules: the figures say that the rules work as meant, not how often real calls will slip through.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from include.redaction import find_all

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "unit" / "data" / "redaction"
_MARK = re.compile(r"\{(\w+):([^}]*)\}")


@dataclass
class Score:
    """Counts over a file."""

    sentences: int = 0
    wanted: int = 0
    found: int = 0
    kind_right: int = 0
    masked: int = 0
    right: int = 0
    missed: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)

    @property
    def recall(self) -> float:
        """Share of the marked stretches that are masked as a whole."""
        return self.found / self.wanted

    @property
    def precision(self) -> float:
        """Share of the masks that lie on something marked."""
        return self.right / self.masked


def parse(line: str) -> tuple[str, list[tuple[int, int, str]]]:
    """The sentence without marks, and start, end and kind of each marked stretch."""
    text, spans, at = "", [], 0
    for mark in _MARK.finditer(line):
        text += line[at : mark.start()]
        spans.append((len(text), len(text) + len(mark[2]), mark[1]))
        text += mark[2]
        at = mark.end()
    return text + line[at:], spans


def score(path: Path) -> Score:
    """Score the rules on a file."""
    total = Score()
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        total.sentences += 1
        text, spans = parse(line)
        hits = find_all(text)
        masked = {at for hit in hits for at in range(hit.start, hit.end)}
        for start, end, kind in spans:
            total.wanted += 1
            if all(at in masked or not text[at].isalnum() for at in range(start, end)):
                total.found += 1
                total.kind_right += any(hit.kind == kind and hit.start < end and hit.end > start for hit in hits)
            else:
                total.missed[kind] += 1
                total.errors.append(f"missed {kind}: {line}")
        for hit in hits:
            total.masked += 1
            if any(hit.start < end and hit.end > start for start, end, _ in spans):
                total.right += 1
            else:
                total.errors.append(f"in vain ({hit.rule}) {text[hit.start : hit.end]!r}: {line}")
    return total


def main() -> None:
    """Print the scores of the committed files, or of those that are named."""
    show = "--errors" in sys.argv
    paths = [Path(one) for one in sys.argv[1:] if not one.startswith("--")] or sorted(FOLDER.glob("*.txt"))
    for path in paths:
        one = score(path)
        print(
            f"{path.name}: {one.sentences} sentences; recall {one.found}/{one.wanted} = {one.recall:.3f}, precision "
            f"{one.right}/{one.masked} = {one.precision:.3f}, kind right {one.kind_right}/{one.found}; "
            f"missed {dict(one.missed)}"
        )
        for error in one.errors if show else ():
            print("   ", error)


if __name__ == "__main__":
    main()
