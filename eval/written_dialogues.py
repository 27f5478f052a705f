"""The groups of categories on dialogues written to test with (``eval/data/dialogues4_*.jsonl``): part
``written_dialogues``.

195 Korean dialogues by a "hotline counsellor" (seven harmful ones a group and 90 harmless ones near them) and 170
English ones by a "court stenographer" (six a group and 80), each of whom had seen neither the examples, nor the rules,
nor the other's. A third of the harmful ones is open, a third calm or indirect, a third late. Two fifths have a
recogniser's errors and no punctuation, a tenth holds one speaker only. **The writers are language models of one make,
nothing is recorded**; seven a group are few: the intervals say so. Which dialogues are wrong is not read, but counts
were seen when it was chosen how both members of the model are calibrated (bench/README.md); a test keeps them out of
the examples. Six earlier files of that kind are examples now (``include/forensic/corpus/ko.dialogues21.tsv``, ``31``
and ``32``, ``en.dialogues8.tsv``, ``18`` and ``19``).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eval.intervals import interval
from eval.written_calls import calls, curve, searched
from include.forensic.learned import GROUPS, LanguageModel
from include.forensic.search import Found

__all__ = ["DIALOGUES", "evaluate", "measured"]

DIALOGUES = {
    language: Path(__file__).resolve().parent / "data" / f"dialogues4_{language}.jsonl" for language in ("ko", "en")
}


def evaluate(model: LanguageModel, limit: int | None = None) -> dict[str, Any]:
    """Of each language, and of each writer: :func:`measured`."""
    result: dict[str, Any] = {}
    for language, path in DIALOGUES.items():
        everything = calls(path)[:limit]
        result[language] = measured(everything, model)
        for writer in sorted({dialogue["writer"] for dialogue in everything}):
            own = [dialogue for dialogue in everything if dialogue["writer"] == writer]
            result[f"{language}, {writer}"] = measured(own, model)
    return result


def measured(chosen: Sequence[dict[str, Any]], model: LanguageModel) -> dict[str, Any]:
    """Recall a group and false positives, as ``analyze --text`` would answer; shares, with 95 % intervals.

    A group counts as named where its probability is 0.5 or more, or a finding of it would be read: a rule's of severity
    2 or more, or the model's.

    Args:
        chosen: dialogues as :func:`eval.written_calls.calls` reads them, with ``labels``.
        model: the detector to ask beside the rules.
    """
    found = [searched(dialogue, model) for dialogue in chosen]
    labels = [set(dialogue["labels"]) for dialogue in chosen]
    named = [_named(item) for item in found]
    harmful = [index for index, wanted in enumerate(labels) if wanted]
    harmless = [index for index, wanted in enumerate(labels) if not wanted]
    likely = [max(item.categories.values(), default=0.0) for item in found]
    first = [dialogue["labels"][0] if dialogue["labels"] else "" for dialogue in chosen]
    return {
        "harmful": {
            "dialogues": len(harmful),
            "a group of its labels is named": _share([bool(named[i] & labels[i]) for i in harmful]),
            "a finding of a group of its labels": _share([bool(_located(found[i]) & labels[i]) for i in harmful]),
            "any group is named": _share([bool(named[i]) for i in harmful]),
            "the most probable group is one of its labels": _share([_leading(found[i]) in labels[i] for i in harmful]),
        },
        "harmless": {
            "dialogues": len(harmless),
            "any group is named": _share([bool(named[i]) for i in harmless]),
            "a finding": _share([bool(found[i].hits or found[i].by_model) for i in harmless]),
        },
        "curve of the highest probability": curve([bool(wanted) for wanted in labels], likely),
        "groups": {
            group: f"{sum(group in named[i] for i in own)} of {len(own)}, "
            f"most probable {sum(_leading(found[i]) == group for i in own)}"
            for group in GROUPS
            if (own := [i for i in harmful if first[i] == group])
        },
        "named in harmless ones": {
            group: count for group in GROUPS if (count := sum(group in named[i] for i in harmless))
        },
    }  # fmt: skip


def _named(found: Found) -> set[str]:
    return _located(found) | {group for group, probability in found.categories.items() if probability >= 0.5}


def _located(found: Found) -> set[str]:
    """Groups with a finding that would be read."""
    return {hit.family for hit in found.hits if hit.severity > 1} | {item.group for item in found.by_model}


def _leading(found: Found) -> str:
    return max(found.categories, key=lambda group: found.categories[group], default="")


def _share(flags: Sequence[bool]) -> list[float]:
    seen = np.array(flags, dtype=float)
    if not len(seen):
        return []
    return [round(float(seen.mean()), 3), *interval(lambda index: float(seen[index].mean()), len(seen))]
