"""Minimal pairs written to test with (``eval/data/pairs.jsonl``): part ``written_pairs``.

240 pairs, 165 Korean and 75 English, by a "clerk of a court" and a retired "police interviewer" who had seen neither
the rules nor the examples: one to two turns that mean harm, now, to the listener (or, of oneself, to end one's life),
and as many that are near to them and harmless: denied, quoted, reported, told of long ago, asked, supposed, recounted
by a victim, joked, of a film, of an animal or thing, lawful, or a warning. The clerk's halves share nearly all words
(the harmful ones are often quoted), the interviewer's the situation. Of the clerk's every other pair is here (they hold
no FRAUD, COERCION or STALKING); the rest was read while filters were made and is an example now. **The writers are
language models.** Counted, not read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.written_calls import searched
from include.forensic.learned import LanguageModel
from include.forensic.search import Found

__all__ = ["PAIRS", "evaluate", "measured", "pairs"]

PAIRS = Path(__file__).resolve().parent / "data" / "pairs.jsonl"


def pairs() -> list[dict[str, Any]]:
    """The pairs, in the order of the file."""
    return [json.loads(line) for line in PAIRS.read_text(encoding="utf-8").splitlines()]


def evaluate(model: LanguageModel, limit: int | None = None) -> dict[str, Any]:
    """Counts for each language; ``limit``: at most so many pairs of a language."""
    everything = pairs()
    languages = sorted({pair["language"] for pair in everything})
    return {name: measured([p for p in everything if p["language"] == name][:limit], model) for name in languages}


def measured(chosen: Sequence[dict[str, Any]], model: LanguageModel) -> dict[str, Any]:
    """:func:`evaluate` of pairs at hand. Flagged: a finding, or a probability of 0.5 or more of any group."""
    harmful = [searched({"turns": pair["harmful"]}, model) for pair in chosen]
    harmless = [searched({"turns": pair["harmless"]}, model) for pair in chosen]
    told = [_flagged(one) and not _flagged(other) for one, other in zip(harmful, harmless, strict=True)]
    above = [_highest(one) > _highest(other) for one, other in zip(harmful, harmless, strict=True)]
    wrong = [pair["kind"] for pair, found in zip(chosen, harmless, strict=True) if _flagged(found)]
    missed = [pair["group"] for pair, found in zip(chosen, harmful, strict=True) if not _flagged(found)]
    return {
        "pairs": len(chosen),
        "harmful flagged": sum(map(_flagged, harmful)),
        "harmful with a finding": sum(map(_found, harmful)),
        "harmless flagged": sum(map(_flagged, harmless)),
        "harmless with a finding": sum(map(_found, harmless)),
        "told apart": sum(told),
        "harmful one more probable": sum(above),
        "harmless flagged, by kind": {kind: wrong.count(kind) for kind in sorted(set(wrong))},
        "harmful missed, by group": {group: missed.count(group) for group in sorted(set(missed))},
    }


def _found(found: Found) -> bool:
    return bool(found.hits or found.by_model)


def _highest(found: Found) -> float:
    return max(found.categories.values(), default=0.0)


def _flagged(found: Found) -> bool:
    return _found(found) or _highest(found) >= 0.5
