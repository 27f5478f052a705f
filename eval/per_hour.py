"""Findings in harmless talk by the hour: part ``hours`` (sentences strung together) and ``written_talk``.

``written_talk`` is 122 ordinary calls (``eval/data/harmless_calls_ko.jsonl``: 92 of 96 to 147 turns, 30 of 35 and more,
11.4 h at :data:`SYLLABLES_PER_S`) by six writers who had seen nothing of the examples or rules: friends, families,
quarrels that end well, offices, banks that warn, angry customers, crimes in the news and in films, idioms that sound
like threats. What was found in the 92 was counted by rule, and the model's probabilities beside it looked at, before
rules and gates were made narrower (by what held-out examples said); the 30 had no finding before and have none.
**The writers are language models, these are no recorded calls.** They are counted, not read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.written_calls import calls, searched
from include.forensic.learned import LanguageModel
from include.forensic.search import Found

__all__ = ["SYLLABLES_PER_S", "TALK", "per_hour", "written_talk"]

SYLLABLES_PER_S = 5.0
"""Korean conversation without its pauses: 4.5 to 5.5 syllables a second."""

TALK = Path(__file__).resolve().parent / "data" / "harmless_calls_ko.jsonl"


def per_hour(found: Sequence[Found], dialogues: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Findings an hour, each with an exact (Garwood) 95 % Poisson interval.

    Args:
        found: what was found in each dialogue.
        dialogues: the turns of each.
    """
    from scipy.stats import chi2

    syllables = sum("가" <= letter <= "힣" for turns in dialogues for line in turns for letter in line)
    length = syllables / SYLLABLES_PER_S / 3600
    counts = {
        "findings": sum(len(item.hits) + len(item.by_model) for item in found),
        "findings of severity 2 or more": sum(hit.severity > 1 for item in found for hit in item.hits),
        "model's findings": sum(len(item.by_model) for item in found),
    }
    return {
        "dialogues": len(dialogues),
        "hours": round(length, 2),
        "per_hour": {
            name: [
                round(count / length, 2),
                round(float(chi2.ppf(0.025, 2 * count)) / 2 / length, 2) if count else 0.0,
                round(float(chi2.ppf(0.975, 2 * count + 2)) / 2 / length, 2),
            ]
            for name, count in counts.items()
        },
        "dialogues with a probability of 0.5 or more": sum(max(f.categories.values(), default=0) >= 0.5 for f in found),
        "by_rule": dict(Counter(hit.rule.data.id for item in found for hit in item.hits)),
    }


def written_talk(model: LanguageModel, limit: int | None = None) -> dict[str, Any]:
    """Findings an hour in long ordinary calls.

    Args:
        model: the detector to ask beside the rules.
        limit: at most so many calls.
    """
    chosen = calls(TALK)[:limit]
    found = [searched(call, model) for call in chosen]
    return per_hour(found, [[turn["text"] for turn in call["turns"]] for call in chosen])
