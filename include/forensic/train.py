"""Make a language model: ``make train DATA=dir OUT=dir``; without data, the model that ships.

``python -m include.forensic.train [--data DIR] [--out DIR]``. The shipped model sees the project's own examples only; a
laboratory's own sees them too, for they hold the hard negatives without which ordinary calls look harmful.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from include.errors import DeviceMemoryError, VoiceManError
from include.forensic.learned import features
from include.forensic.learned.corpus import CLASSES, GROUPS, HARMLESS, OWN, SILENT, TAXONOMY, Example, own_examples
from include.forensic.learned.labdata import YIELDING, beside, lab_examples, lab_files
from include.forensic.learned.maker import Maker
from include.forensic.learned.modelfile import SHIPPED, Card, Source, encoders, write_model
from include.forensic.learned.training import LIKELIER

__all__ = ["PRIOR", "SIZES", "THRESHOLD_RATE", "main", "train"]

SIZES = (1, 2, 4, 16)
"""Turns in a window: a sentence, an exchange, a passage, a scene."""

PRIOR = 0.1
"""The share of harmful windows that probabilities assume: a choice, written in the card. A laboratory is handed
recordings because of what is said in them. With 0.02 a fifth of the Korean harmful dialogues written to test with
reached 0.5, and with 0.1 half, for two of 112 harmless ones (bench/README.md)."""

THRESHOLD_RATE = 0.005
"""Share of held-out harmless examples that may reach a group's threshold. They are hard negatives, written to be near
the groups; of 100 dialogues of 40 ordinary sentences (1.9 h) three hold one by the model (bench/README.md)."""

LOWEST_THRESHOLD = 0.6
"""The least probability of a finding by the model alone."""


def train(data: Path | None, out: Path, *, name: str) -> Card:
    """Train, calibrate on held-out folds, write.

    Args:
        data: a lab's folder; None: only the project's examples.
        out: folder for the model.
        name: what findings cite.

    Raises:
        DocumentError: unreadable examples.
    """
    lab = {} if data is None else {path: lab_examples(path) for path in lab_files(data)}
    own, seen = beside(own_examples(), [example for found in lab.values() for example in found])
    following = iter(seen)
    lab = {path: [next(following) for _ in found] for path, found in lab.items()}
    shown = f", shown to networks {seen[0].times} times a pass" if seen else ""
    yields = f"; a group that the laboratory labels, too, counts {YIELDING:g} times" if lab else ""
    sources = [(OWN, own, f"Apache-2.0, written for this project{yields}")]
    sources += [(path, found, f"the laboratory's own data{shown}") for path, found in lab.items()]
    return train_examples(sources, out, name=name)


def train_examples(sources: Sequence[tuple[Path, list[Example], str]], out: Path, *, name: str) -> Card:
    """:func:`train` on examples at hand; ``sources`` are path, examples and licence.

    Raises:
        DeviceMemoryError: a GPU is too small or in use.
    """
    import torch

    examples = [example for _, found, _ in sources for example in found]
    try:
        made = Maker(examples, PRIOR, Console(stderr=True).log)
        classifier = made.classifier()
    except torch.OutOfMemoryError as error:
        raise DeviceMemoryError(
            "The GPU has no room for training (6 GB are enough); free it, or set CUDA_VISIBLE_DEVICES= to use the CPU."
        ) from error
    card = Card(
        schema="voiceman.language-model/1",
        name=name,
        classes=list(CLASSES),
        features=features.VERSION,
        encoder=encoders(),
        sizes=list(SIZES),
        prior=PRIOR,
        favoured=LIKELIER,
        thresholds=_thresholds(made.held_out, examples),
        trained_on=[_source(path, found, licence) for path, found, licence in sources],
        measured=_measured(made.held_out, made.labels),
        arrays_sha256="",
    )
    return write_model(out, classifier, card)


def _thresholds(probabilities: NDArray[np.float64], examples: Sequence[Example]) -> dict[str, float]:
    """For each group the probability that only :data:`THRESHOLD_RATE` of the harmless examples reach.

    The hard negatives of the rules are not counted: they differ from what a rule finds in one ending or one word
    ("모기 다 죽여 버릴 거야"), and where a rule matches, be it that a filter sets the match aside, the model makes no
    finding of its own (:func:`include.forensic.learned.combine.unmet`).
    """
    counted = [not example.labels and not example.scenario.endswith(SILENT) for example in examples]
    found = {}
    for column, group in enumerate(GROUPS):
        highest = np.sort(probabilities[counted, column])[::-1]
        edge = float(highest[int(THRESHOLD_RATE * len(highest))]) if len(highest) else LOWEST_THRESHOLD
        found[group] = round(max(LOWEST_THRESHOLD, edge), 4)
    return found


def _source(path: Path, examples: list[Example], licence: str) -> Source:
    files = sorted(path.glob("*.tsv")) + sorted(TAXONOMY.glob("*.yaml")) if path == OWN else [path]
    digest = hashlib.sha256(b"".join(hashlib.sha256(item.read_bytes()).digest() for item in files)).hexdigest()
    harmful = sum(1 for example in examples if example.labels)
    return Source(name=path.name, sha256=digest, examples=len(examples), harmful=harmful, licence=licence)


def _measured(probabilities: NDArray[np.float64], labels: list[str]) -> dict[str, float]:
    """Precision, recall and F1 of each group on held-out folds (most probable class), and the macro average."""
    predicted = [CLASSES[index] for index in probabilities.argmax(axis=1)]
    pairs = list(zip(labels, predicted, strict=True))
    found: dict[str, float] = {}
    scores = []
    for group in GROUPS:
        true = sum(1 for label, guess in pairs if label == guess == group)
        given = sum(1 for _, guess in pairs if guess == group)
        there = sum(1 for label, _ in pairs if label == group)
        if there:
            scores.append(2 * true / (given + there))
            found[f"f1.{group}"] = round(scores[-1], 3)
    harmless = [guess for label, guess in pairs if label == HARMLESS]
    found["f1.macro"] = round(float(np.mean(scores)), 3)
    found["harmless.flagged"] = round(sum(guess != HARMLESS for guess in harmless) / max(1, len(harmless)), 4)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 when a model was written, 2 when the data can't be used."""
    parser = argparse.ArgumentParser(prog="make train", description="Make a language model.")
    parser.add_argument("--data", type=Path, help="folder of labelled dialogues; without it: the shipped model")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="folder for the model")
    parser.add_argument("--name", default=None, help="what findings cite (default: voiceman-language, or lab-language)")
    chosen = parser.parse_args(arguments)
    try:
        name = chosen.name or ("voiceman-language" if chosen.data is None else "lab-language")
        card = train(chosen.data, chosen.out, name=name)
    except VoiceManError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(json.dumps({"model": str(chosen.out), "id": card.id, "measured": card.measured}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
