"""Voice phishing on calls written to test with (``eval/data/vishing_calls*_ko.jsonl``): part ``written_calls``.

192 Korean dialogues, 77 of phishing and 115 harmless ones that are near it (banks, police, courts, lenders, families
who need money, warnings, victims who tell). Written for this project before anybody looked at what fails, by the same
hand that wrote training examples afterwards, and kept out of the corpus (a test compares them). **They are no recorded
calls**: what is reached here says how kinds of calls are told apart that were thought of, not what real callers say.
A third has errors like a recogniser's and no punctuation, a sixth holds one speaker only, a sixth is one line.

Two halves by the order of their ids: errors of ``dev`` were read while rules and examples were made, those of ``test``
never.

The second and third files are of other hands, which had seen neither the examples nor the other files (language
models', told only what kinds there are; no recorded calls either). Which of their calls are wrong is not read: nearly
each is of a kind of its own, so kinds are not printed. Half of the third file's harmless calls are everyday talk. The
weighting of pieces by their rarity was chosen on the first two files.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eval.intervals import interval
from include.forensic.detect import Passage
from include.forensic.learned import LanguageModel
from include.forensic.rulebook import load_taxonomy
from include.forensic.search import Found, search

__all__ = ["CALLS", "OTHER_HANDS", "calls", "evaluate"]

CALLS = Path(__file__).resolve().parent / "data" / "vishing_calls_ko.jsonl"
OTHER_HANDS = {
    "other hand": CALLS.with_name("vishing_calls2_ko.jsonl"),
    "third hand": CALLS.with_name("vishing_calls3_ko.jsonl"),
}


def calls(path: Path = CALLS) -> list[dict[str, Any]]:
    """The calls, in the order of the file.

    Raises:
        FileNotFoundError: the file is not there.
        json.JSONDecodeError: a line is no JSON.
    """
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def evaluate(model: LanguageModel, limit: int | None = None) -> dict[str, Any]:
    """Recall and false positives of each part, as ``analyze --text`` would answer; shares, with 95 % intervals.

    Args:
        model: the detector to ask beside the rules.
        limit: at most so many calls of a part.
    """
    result: dict[str, Any] = {}
    parts = {half: [call for call in calls() if call["half"] == half] for half in ("dev", "test")}
    for half, everything in {**parts, **{name: calls(path) for name, path in OTHER_HANDS.items()}}.items():
        chosen = everything[:limit]
        found = [_searched(call, model) for call in chosen]
        for kind, wanted in (("phishing", True), ("harmless", False)):
            pairs = [(c, f) for c, f in zip(chosen, found, strict=True) if c["phishing"] is wanted]
            result[f"{half}, {kind}"] = _shares([f for _, f in pairs])
        if half in parts:
            result[f"{half}, by kind"] = _by(chosen, found, "kind")
        result[f"{half}, by form"] = _by(chosen, found, "form")
    return result


def _searched(call: dict[str, Any], model: LanguageModel) -> Found:
    passages = [Passage(turn["speaker"], turn["text"]) for turn in call["turns"]]
    return search(passages, ["ko"] * len(passages), load_taxonomy(), model)


def _likely(found: Found) -> bool:
    return found.categories.get("VISHING", 0.0) >= 0.5


def _named(found: Found) -> bool:
    """A finding of VISHING that somebody would read: a rule's of severity 2 or more, or the model's."""
    by_rule = any(hit.family == "VISHING" and hit.severity > 1 for hit in found.hits)
    return by_rule or any(item.group == "VISHING" for item in found.by_model)


def _shares(found: Sequence[Found]) -> dict[str, Any]:
    seen = {
        "probability of 0.5 or more": np.array([_likely(item) for item in found]),
        "a finding of VISHING": np.array([_named(item) for item in found]),
        "either": np.array([_likely(item) or _named(item) for item in found]),
        "any finding": np.array([bool(item.hits or item.by_model) for item in found]),
    }
    return {
        "calls": len(found),
        **{
            name: [round(float(flags.mean()), 3), *interval(lambda index, f=flags: float(f[index].mean()), len(flags))]
            for name, flags in seen.items()
            if len(flags)
        },
    }


def _by(chosen: Sequence[dict[str, Any]], found: Sequence[Found], key: str) -> dict[str, str]:
    """Flagged of all, for each kind; harmless kinds are marked."""
    names = sorted({(not call["phishing"], call[key]) for call in chosen})
    result = {}
    for harmless, name in names:
        flags = [
            _likely(f) or _named(f)
            for c, f in zip(chosen, found, strict=True)
            if c[key] == name and c["phishing"] is not harmless
        ]
        result[f"{'harmless: ' if harmless else ''}{name}"] = f"{sum(flags)} of {len(flags)}"
    return result
