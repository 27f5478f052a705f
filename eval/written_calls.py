"""Voice phishing on calls written to test with (``eval/data/vishing_calls9_ko.jsonl``, ``10``): part ``written_calls``.

400 Korean calls by three writers, each of whom had seen neither the examples, nor the rules, nor the others': 50
phishing and 75 harmless ones by a retired emergency "dispatcher", as many by a bank's "typist", 60 and 90 by a court's
"stenographer". The dispatcher's phishing is often calm, long, broken off early, or never says what it wants; of the
typist's a quarter are long monologues and a quarter one line that holds a whole call, of the stenographer's a third. Of
the harmless ones half are the real counterparts, half ordinary. More than half has errors like a recogniser's and no
punctuation. **The writers are language models of one make, these are no recorded calls**: what is reached here says how
kinds of calls are told apart that were thought of, not what real callers say. They are counted, not read; the model
that shipped before was counted on them first. Eight earlier files of that kind are training examples now
(``include/forensic/corpus/ko.*.calls1.tsv`` to ``3``, ``ko.calls8.tsv`` to ``10``, ``ko.calls18.tsv``,
``ko.calls19.tsv``); a test keeps these out of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eval.intervals import interval
from include.forensic.detect import Passage
from include.forensic.learned import LanguageModel
from include.forensic.learned.features import is_korean
from include.forensic.rulebook import load_taxonomy
from include.forensic.search import Found, search

__all__ = ["CALLS", "calls", "curve", "evaluate", "measured", "searched"]

_DATA = Path(__file__).resolve().parent / "data"

CALLS = (_DATA / "vishing_calls9_ko.jsonl", _DATA / "vishing_calls10_ko.jsonl")


def calls(*paths: Path) -> list[dict[str, Any]]:
    """The calls, in the order of the files; without a path :data:`CALLS`.

    Raises:
        FileNotFoundError: the file is not there.
        json.JSONDecodeError: a line is no JSON.
    """
    return [json.loads(line) for path in paths or CALLS for line in path.read_text(encoding="utf-8").splitlines()]


def evaluate(model: LanguageModel, limit: int | None = None) -> dict[str, Any]:
    """Recall and false positives, as ``analyze --text`` would answer; shares, with 95 % intervals.

    Args:
        model: the detector to ask beside the rules.
        limit: at most so many calls of a writer.
    """
    everything = calls()
    writers = list(dict.fromkeys(call["writer"] for call in everything))
    chosen = [call for name in writers for call in [one for one in everything if one["writer"] == name][:limit]]
    return measured(chosen, model)


def measured(chosen: Sequence[dict[str, Any]], model: LanguageModel) -> dict[str, Any]:
    """:func:`evaluate` on calls at hand."""
    found = [searched(call, model) for call in chosen]
    pairs = list(zip(chosen, found, strict=True))
    result: dict[str, Any] = {
        kind: _shares([f for call, f in pairs if call["phishing"] is wanted])
        for kind, wanted in (("phishing", True), ("harmless", False))
    }
    result["curve"] = curve([call["phishing"] for call in chosen], [_probability(item) for item in found])
    keys: dict[str, Callable[[dict[str, Any]], str]] = {"by writer": _writer, "by form": form}
    for name, key in keys.items():
        result[name] = {
            f"{value}, {kind}": f"{sum(flags)} of {len(flags)}"
            for kind, wanted in (("phishing", True), ("harmless", False))
            for value in sorted({key(call) for call in chosen})
            if (flags := [_likely(f) or _named(f) for c, f in pairs if c["phishing"] is wanted and key(c) == value])
        }
    return result


def _writer(call: dict[str, Any]) -> str:
    return str(call["writer"])


def form(call: dict[str, Any]) -> str:
    """``one line`` for a call that is one turn, ``one speaker`` where only one is heard, else ``talk``."""
    if len(call["turns"]) == 1:
        return "one line"
    return "one speaker" if len({turn["speaker"] for turn in call["turns"]}) == 1 else "talk"


def curve(truth: Sequence[bool], likely: Sequence[float]) -> dict[str, float]:
    """Area under the curve, and recall at the probability that a share of the harmless calls reaches."""
    wanted, values = np.array(truth), np.array(likely)
    found, other = values[wanted], np.sort(values[~wanted])[::-1]
    if not len(found) or not len(other):
        return {}
    area = (found[:, None] > other).mean() + (found[:, None] == other).mean() / 2
    recall = {
        f"recall where {share:.1%} of the harmless are flagged": (found > other[int(share * len(other))]).mean()
        for share in (0.01, 0.025, 0.05)
    }
    return {name: round(float(value), 4) for name, value in {"area": area, **recall}.items()}


def searched(call: dict[str, Any], model: LanguageModel) -> Found:
    """What ``analyze --text`` finds in a call."""
    passages = [Passage(turn["speaker"], turn["text"]) for turn in call["turns"]]
    language = "ko" if is_korean(" ".join(passage.text for passage in passages)) else "en"
    return search(passages, [language] * len(passages), load_taxonomy(), model)


def _probability(found: Found) -> float:
    return found.categories.get("VISHING", 0.0)


def _likely(found: Found) -> bool:
    return _probability(found) >= 0.5


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
