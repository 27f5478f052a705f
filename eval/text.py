"""Rules, the learned detector, and both, on labelled text: ``make eval`` runs it.

``python -m eval.text --data DIR [--out FILE] [--parts own,benign,…] [--limit N]``. Prints and writes numbers only;
nothing of the data. What is measured:

- ``own``: each group on held-out folds of the project's examples (the folds that calibrated the shipped model);
- ``benign``: findings per 1,000 ordinary sentences, each a dialogue of its own;
- ``hours``: findings per hour of speech in dialogues of 40 ordinary sentences;
- ``dktc``: macro-F1 on its four classes (most probable of the four groups), with the shipped model, and with one
  trained on 80 % of its scenarios (and the project's examples), both tested on the other 20 %;
- ``manip``: MentalManip, F1 of MANIPULATION with the same two kinds of models;
- ``calls``: voice phishing by call, on held-out examples of the project;
- ``written_calls``: the same with the shipped model, on calls written to test with (:mod:`eval.written_calls`);
- ``written_dialogues``: the other groups, likewise (:mod:`eval.written_dialogues`);
- ``written_pairs``: harmful lines and harmless ones of nearly the same words (:mod:`eval.written_pairs`);
- ``written_talk``: findings an hour in long ordinary calls (:mod:`eval.per_hour`);
- ``misheard``: phishing and the other groups again, with errors like a recogniser's in them (:mod:`eval.misheard`).

Intervals: percentile bootstrap over dialogues, 1,000 draws, 95 %.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from eval import misheard, written_calls, written_dialogues, written_pairs
from eval.intervals import interval
from eval.per_hour import per_hour, written_talk
from include.forensic.detect import Passage, examine
from include.forensic.learned import GROUPS, HARMLESS, LanguageModel, own_examples
from include.forensic.learned import training as make
from include.forensic.learned.corpus import CLASSES, Example
from include.forensic.learned.features import is_korean
from include.forensic.learned.labdata import DKTC, beside, lab_examples
from include.forensic.learned.maker import Maker
from include.forensic.rulebook import load_taxonomy
from include.forensic.search import Found, search
from include.forensic.train import PRIOR

FOUR = tuple(DKTC.values())
PARTS = (
    "own",
    "benign",
    "hours",
    "dktc",
    "manip",
    "calls",
    "written_calls",
    "written_dialogues",
    "written_pairs",
    "written_talk",
    "misheard",
)
CALL = 8
"""Turns of an example that counts as a call."""


def scores(true: Sequence[str], guess: Sequence[str], groups: Sequence[str]) -> dict[str, Any]:
    """Precision, recall and F1 of each group, and macro-F1 with its interval."""
    there, given = np.asarray(true), np.asarray(guess)
    result: dict[str, Any] = {"dialogues": len(there)}

    def f1(group: str, index: np.ndarray) -> float:
        wanted, found = there[index] == group, given[index] == group
        both, total = int((wanted & found).sum()), int(wanted.sum() + found.sum())
        return 2 * both / total if total else float("nan")

    everything = np.arange(len(there))
    for group in groups:
        wanted, found = there == group, given == group
        both = int((wanted & found).sum())
        result[group] = {
            "n": int(wanted.sum()),
            "precision": round(both / max(1, int(found.sum())), 3),
            "recall": round(both / max(1, int(wanted.sum())), 3),
            "f1": round(f1(group, everything), 3),
            "f1_95": interval(lambda index, name=group: f1(name, index), len(there), 300),
        }

    def macro(index: np.ndarray) -> float:
        return float(np.nanmean([f1(group, index) for group in groups]))

    result["macro_f1"] = round(macro(everything), 3)
    result["macro_f1_95"] = interval(macro, len(there), 300)
    return result


class Trained:
    """A model with held-out scores, as :mod:`include.forensic.train` makes it, kept in memory."""

    def __init__(self, examples: list[Example]) -> None:
        self._made = Maker(examples, PRIOR)
        self.held_out = self._made.held_out
        self.labels = self._made.labels

    def _fit(self, inside: Sequence[int] | None) -> LanguageModel:
        """From some of the windows, with the shipped model's card (its thresholds are not used here)."""
        return LanguageModel(self._made.classifier(inside), LanguageModel.load().card)

    def without(self, fold: int) -> LanguageModel:
        """Of all folds but one."""
        return self._fit([index for index, item in enumerate(self._made.items) if item.fold != fold])

    def model(self) -> LanguageModel:
        """Of everything."""
        return self._fit(None)


def rules_alone(turns: Sequence[str]) -> set[str]:
    """Groups in which a rule fired with severity 2 or more."""
    language = "ko" if is_korean(" ".join(turns)) else "en"
    found = examine([Passage(str(index % 2), turn) for index, turn in enumerate(turns)], language, load_taxonomy())
    return {hit.family for hit in found.hits if hit.severity > 1}


def together(turns: Sequence[str], model: LanguageModel) -> Found:
    """What ``analyze --text`` finds, with a model of our choice."""
    language = "ko" if is_korean(" ".join(turns)) else "en"
    passages = [Passage(str(index % 2), turn) for index, turn in enumerate(turns)]
    return search(passages, [language] * len(passages), load_taxonomy(), model)


def strongest(probabilities: dict[str, float], groups: Sequence[str]) -> str:
    """The most probable of some groups; ``-`` when all are zero."""
    best = max(groups, key=lambda group: probabilities.get(group, 0.0))
    return best if probabilities.get(best, 0.0) > 0 else HARMLESS


def three_ways(model: LanguageModel, dialogues: Sequence[Sequence[str]]) -> dict[str, list[dict[str, float]]]:
    """Groups' probabilities by rules alone, the model alone, and both."""
    ways: dict[str, list[dict[str, float]]] = {"rules": [], "learned": [], "combined": []}
    for turns in dialogues:
        ways["rules"].append(dict.fromkeys(rules_alone(turns), 1.0))
        ways["learned"].append({group: item.probability for group, item in model.predict(turns).items()})
        ways["combined"].append(together(turns, model).categories)
    return ways


def split(examples: Sequence[Example], share: float = 0.2) -> tuple[list[Example], list[Example]]:
    """Training and test part; a scenario lies in one of them."""
    names = sorted({example.scenario for example in examples})
    random.Random(11).shuffle(names)
    outside = set(names[: int(len(names) * share)])
    return (
        [example for example in examples if example.scenario not in outside],
        [example for example in examples if example.scenario in outside],
    )


def own(trained: Trained) -> dict[str, Any]:
    """Held-out folds of the project's examples: most probable class with the examples' own share of harm."""
    raised = trained.held_out.copy()
    share = float(np.mean([label != HARMLESS for label in trained.labels]))
    raised[:, :-1] *= share / PRIOR
    raised[:, -1] *= (1 - share) / (1 - PRIOR)
    guess = [CLASSES[index] for index in raised.argmax(axis=1)]
    harmful = 1 - trained.held_out[:, -1]
    harmless = harmful[[label == HARMLESS for label in trained.labels]]
    result = scores(trained.labels, guess, GROUPS)
    result["harmless"] = len(harmless)
    result["harmless_over_half"] = round(float((harmless > 0.5).mean()), 4)
    result["harmful_over_half"] = round(
        float((harmful[[label != HARMLESS for label in trained.labels]] > 0.5).mean()), 4
    )
    return result


def benign(data: Path, model: LanguageModel, limit: int | None) -> dict[str, Any]:
    """Findings per 1,000 ordinary sentences, each a dialogue of its own."""
    lines = [line for line in (data / "benign_ko.tsv").read_text(encoding="utf-8").splitlines()[1:] if line.strip()]
    lines = random.Random(3).sample(lines, min(limit or len(lines), len(lines)))
    found = [together([line], model) for line in lines]
    rates = {
        "rules alone (severity 2+)": [bool(rules_alone([line])) for line in lines],
        "rules' findings": [bool(item.hits) for item in found],
        "model's findings": [bool(item.by_model) for item in found],
        "any finding": [bool(item.hits or item.by_model) for item in found],
        "a probability of 0.5 or more": [max(item.categories.values(), default=0.0) >= 0.5 for item in found],
    }
    rules = [hit.rule.data.id for item in found for hit in item.hits]
    return {
        "sentences": len(lines),
        "per_1000": {name: round(1000 * float(np.mean(seen)), 2) for name, seen in rates.items()},
        "by_rule": {name: rules.count(name) for name in sorted(set(rules))},
    }


def hours(data: Path, model: LanguageModel, limit: int | None) -> dict[str, Any]:
    """Findings an hour in dialogues of 40 ordinary sentences, which have nothing to do with each other."""
    lines = [line for line in (data / "benign_ko.tsv").read_text(encoding="utf-8").splitlines()[1:] if line.strip()]
    random.Random(5).shuffle(lines)
    dialogues = [lines[first : first + 40] for first in range(0, len(lines) - 39, 40)][:limit]
    return per_hour([together(turns, model) for turns in dialogues], dialogues)


def dktc(data: Path, limit: int | None) -> dict[str, Any]:
    """The four classes, shipped model and one trained on the training part."""
    seen, test = split(lab_examples(data / "dktc.tsv"))
    test = test[: limit or len(test)]
    true = [example.labels[0] for example in test]
    dialogues = [example.turns for example in test]
    result: dict[str, Any] = {}
    models = {"shipped": LanguageModel.load(), "trained": Trained([*chain(*beside(own_examples(), seen))]).model()}
    for name, model in models.items():
        ways = three_ways(model, dialogues)
        for way, found in ways.items():
            result[f"{name} {way}"] = scores(true, [strongest(item, FOUR) for item in found], FOUR)
    ordinary = data / "benign_ko.tsv"
    if ordinary.exists():
        result["trained: ordinary sentences"] = benign(data, models["trained"], limit)
    return result


def manip(data: Path, limit: int | None) -> dict[str, Any]:
    """MANIPULATION or not; the threshold of each model is the one best on the training part."""
    seen, test = split(lab_examples(data / "mentalmanip.tsv"))
    test, tuning = test[: limit or len(test)], seen[: limit or 300]
    trained = Trained([*chain(*beside(own_examples(), seen))])
    count = len(own_examples())
    column = GROUPS.index("MANIPULATION")
    shipped = LanguageModel.load()
    result = {}
    for name, model in (("shipped", shipped), ("trained", trained.model())):
        if name == "trained":
            tuned = trained.held_out[count:, column]
            truth = [bool(example.labels) for example in seen]
        else:
            tuned = np.array([model.predict(example.turns)["MANIPULATION"].probability for example in tuning])
            truth = [bool(example.labels) for example in tuning]
        edge = _best_edge(tuned, np.array(truth))
        asked = [model.predict(example.turns)["MANIPULATION"].probability for example in test]
        guess = ["MANIPULATION" if value >= edge else HARMLESS for value in asked]
        true = ["MANIPULATION" if example.labels else HARMLESS for example in test]
        result[name] = scores(true, guess, ("MANIPULATION", HARMLESS))
    return result


def _best_edge(values: np.ndarray, truth: np.ndarray) -> float:
    def macro(edge: float) -> float:
        guess = values >= edge
        parts = [
            2 * int((guess == side)[truth == side].sum()) / max(1, int((guess == side).sum() + (truth == side).sum()))
            for side in (True, False)
        ]
        return float(np.mean(parts))

    return max(np.quantile(values, np.linspace(0.02, 0.98, 49)).tolist(), key=macro)


def calls(limit: int | None) -> dict[str, Any]:
    """Voice phishing by call, each call by a model that saw no call of its kind (:func:`training.folds`).

    Calls are the project's own examples of :data:`CALL` turns or more (or one line as long as that): phishing, and
    harmless ones, most of them near (banks, police, courts, victims who tell). ``strung``: 30 turns of held-out
    harmless talk. A call is flagged where VISHING reaches 0.5, or a rule's finding of severity 2 or more names it.
    """
    examples = own_examples()
    part = make.folds(examples)
    trained = Trained(examples)
    draw = random.Random(5)
    found: dict[str, list[Found]] = {}
    for fold in sorted(set(part)):
        model = trained.without(fold)
        own = [example for example, other in zip(examples, part, strict=True) if other == fold and korean(example)]
        harmless = [example.turns for example in own if not example.labels]
        asked = {
            "phishing": [e.turns for e in own if e.labels[:1] == ("VISHING",) and is_call(e.turns)],
            "harmless": [turns for turns in harmless if is_call(turns)],
            "strung": [strung(draw, harmless) for _ in range((limit or 90) // 3)],
        }
        for kind, dialogues in asked.items():
            for turns in dialogues[: limit or len(dialogues)]:
                found.setdefault(kind, []).append(together(turns, model))
    result: dict[str, Any] = {}
    for kind, items in found.items():
        named = [any(hit.family == "VISHING" and hit.severity > 1 for hit in item.hits) for item in items]
        likely = [item.categories.get("VISHING", 0.0) for item in items]
        either = np.array([first or second >= 0.5 for first, second in zip(named, likely, strict=True)])
        result[kind] = {
            "calls": len(items),
            "a rule's finding": round(float(np.mean(named)), 3),
            "probability of 0.5 or more": round(float(np.mean(np.array(likely) >= 0.5)), 3),
            "either": round(float(np.mean(either)), 3),
            "either_95": interval(lambda index, seen=either: float(seen[index].mean()), len(items)),
            "any finding": round(float(np.mean([bool(item.hits or item.by_model) for item in items])), 3),
            "probabilities": [
                round(float(np.quantile(likely, edge)), 3) for edge in (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
            ],
        }
    return result


def is_call(turns: Sequence[str]) -> bool:
    """Whether an example is long enough for a call."""
    return len(turns) >= CALL or sum(map(len, turns)) >= 40 * CALL


def strung(draw: random.Random, harmless: Sequence[Sequence[str]]) -> list[str]:
    """Harmless examples one after the other, 30 turns or a few more."""
    talk: list[str] = []
    while len(talk) < 30:
        talk.extend(draw.choice(harmless))
    return talk


def korean(example: Example) -> bool:
    """Whether an example is Korean."""
    return is_korean(" ".join(example.turns))


def evaluate(data: Path, parts: Sequence[str] = PARTS, limit: int | None = None) -> dict[str, Any]:
    """Measure the parts asked for, printing each; one whose data isn't there says so.

    Args:
        data: folder that holds ``text/``.
        parts: of :data:`PARTS`.
        limit: at most so many dialogues a part.
    """
    text = data / "text"
    work: dict[str, Callable[[], dict[str, Any]]] = {
        "own": lambda: own(Trained(own_examples())),
        "benign": lambda: benign(text, LanguageModel.load(), limit),
        "hours": lambda: hours(text, LanguageModel.load(), limit),
        "dktc": lambda: dktc(text, limit),
        "manip": lambda: manip(text, limit),
        "calls": lambda: calls(limit),
        "written_calls": lambda: written_calls.evaluate(LanguageModel.load(), limit),
        "written_dialogues": lambda: written_dialogues.evaluate(LanguageModel.load(), limit),
        "written_pairs": lambda: written_pairs.evaluate(LanguageModel.load(), limit),
        "written_talk": lambda: written_talk(LanguageModel.load(), limit),
        "misheard": lambda: misheard.evaluate(data, LanguageModel.load(), limit),
    }
    result: dict[str, Any] = {"model": LanguageModel.load().card.id}
    for name in parts:
        begun = time.perf_counter()
        try:
            result[name] = work[name]()
        except FileNotFoundError as error:
            result[name] = {"measured": False, "reason": f"{error.filename} is not there"}
        result[name]["seconds"] = round(time.perf_counter() - begun, 1)
        print(name, json.dumps(result[name], ensure_ascii=False, indent=1), flush=True)
    return result


def main() -> None:
    """Measure the parts asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="folder that holds text/")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--limit", type=int, help="at most so many dialogues a part")
    chosen = parser.parse_args()
    result = evaluate(chosen.data, chosen.parts.split(","), chosen.limit)
    if chosen.out is not None:
        chosen.out.write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
