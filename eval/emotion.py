"""Emotion from the voice: unweighted average recall on speakers who were left out, and from one corpus to another.

``PYTHONPATH=. .venv/bin/python eval/emotion.py --data ../shared/data [--out emotion.json] [--groups functionals]``.
Folders with a ``manifest.tsv`` (path, speaker, emotion, transcript) below ``--data``: each ``--set NAME[:old=new,…]``.
Each set: leave one speaker out; leave one speaker and a fifth of the texts out. Each ordered pair: trained on all of
one, tested on all of the other. Every test speaker is normalised by their own utterances, without labels. Intervals:
bootstrap over utterances within speakers.
"""

from __future__ import annotations

import argparse
import json
import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from include.forensic.emotion_model import EmotionModel
from include.forensic.emotion_nets import EmotionNets, available_groups
from include.forensic.emotion_train import Utterance, accuracy_of, read_labelled, train
from include.settings import get_settings

console = Console()
SETS = ["ko_emotion", "en_emotion_acted:neutral=neutral,happy=happy,sad=sad,angry=angry"]


def apply(model: EmotionModel, data: list[Utterance], protocol: str) -> dict[str, Any]:
    """Accuracy of a model on other speakers, with and without abstention."""
    given, said, speakers, sure = [], [], [], []
    for who in sorted({item.speaker for item in data}):
        own = [item for item in data if item.speaker == who]
        found = model.probabilities([item.vectors for item in own])
        if found is None:
            continue
        given += [item.label for item in own]
        said += [model.card.labels[at] for at in found.argmax(axis=1)]
        sure += list(found.max(axis=1) >= model.card.abstain_below)
        speakers += [who] * len(own)
    right = np.array(given) == np.array(said)
    labelled = np.array(sure)
    return {
        **accuracy_of(given, said, speakers, protocol).model_dump(),
        "labelled_share": round(float(labelled.mean()), 4),
        "accuracy_when_labelled": round(float(right[labelled].mean()), 4) if labelled.any() else None,
    }


def read(spec: str, folder: Path, nets: EmotionNets, cache: Path | None) -> list[Utterance]:
    """A set, from a cache of our own making when there is one."""
    name, _, renamed = spec.partition(":")
    file = cache / f"{name}.pkl" if cache else None
    if file is not None and file.is_file():
        data: list[Utterance] = pickle.loads(file.read_bytes())
    else:
        labels = dict(item.split("=", 1) for item in renamed.split(",") if "=" in item) or None
        data = read_labelled(folder / name, nets, labels)
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(pickle.dumps(data))
    return [
        replace(
            item,
            vectors=_some(item.vectors, nets.groups),
            parts={share: [_some(part, nets.groups) for part in found] for share, found in item.parts.items()},
        )
        for item in data
    ]


def _some(vectors: dict[str, Any], groups: Sequence[str]) -> dict[str, Any]:
    return {group: vectors[group] for group in groups}


def evaluate(
    data: Path, sets: Sequence[str] = SETS, groups: tuple[str, ...] = (), cache: Path | None = None
) -> dict[str, Any]:
    """Recall within each set and from one to the other, printed as a table; a set that isn't there says so.

    Args:
        data: folder that holds the sets' folders.
        sets: names, each with new names of its labels after a colon.
        groups: of features; all that can be computed here when empty.
        cache: folder for features that were computed before.
    """
    whisper = get_settings().models / "base"
    nets = EmotionNets(groups or available_groups(whisper), whisper)
    there = [spec for spec in sets if (data / spec.partition(":")[0] / "manifest.tsv").is_file()]
    read_sets = {spec.partition(":")[0]: read(spec, data, nets, cache) for spec in there}
    models = {
        name: train(own, nets, trained_on=name, licence_note="evaluation only") for name, own in read_sets.items()
    }
    results: dict[str, Any] = {"groups": list(nets.groups)}
    for spec in sets:
        if spec not in there:
            results[spec.partition(":")[0]] = "not measured: there is no such data"
    for name, model in models.items():
        results[f"{name}: speaker left out"] = model.card.accuracy.model_dump()
        if model.card.accuracy_unseen_texts is not None:
            results[f"{name}: speaker and texts left out"] = model.card.accuracy_unseen_texts.model_dump()
        for other, own in read_sets.items():
            if other != name:
                results[f"{name} -> {other}"] = apply(model, own, "trained on another corpus")
    table = Table("", "UAR", "95 %", "utterances", "speakers", title=f"features: {', '.join(nets.groups)}")
    for name, row in results.items():
        if isinstance(row, dict):
            table.add_row(
                name, f"{row['uar']:.3f}", f"{row['low']:.3f}-{row['high']:.3f}", str(row["utterances"]),
                str(row["speakers"]),
            )  # fmt: skip
    console.print(table)
    return results


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--set", action="append", dest="sets", default=[])
    parser.add_argument("--groups", default="")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    groups = tuple(filter(None, given.groups.split(",")))
    results = evaluate(given.data, given.sets or SETS, groups, given.cache)
    if given.out:
        given.out.write_text(json.dumps(results, ensure_ascii=False, indent=2) + "\n")


if __name__ == "__main__":
    main()
