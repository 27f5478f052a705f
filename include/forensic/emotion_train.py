"""Train an emotion model on a lab's labelled speech: ``make train`` and ``python -m include.forensic.emotion_train``.

Protocol: whoever is tested was never trained on (leave one speaker out); each speaker is normalised by their own
utterances without their labels. Where the data names its texts, accuracy is measured once more with the texts left out
as well, because a text that goes with one emotion gives the answer away; temperature and abstention come from that.

Parts of each utterance are trained on beside the whole: a shorter stretch of it holds other words and sounds the same
mood. Only wholes are tested.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from include.errors import DocumentError
from include.forensic.emotion_model import (
    MODEL_SCHEMA,
    Accuracy,
    EmotionModel,
    ModelCard,
    Ridge,
    fit_ridge,
    normalise,
    softmax,
)
from include.forensic.emotion_nets import EmotionNets, available_groups
from include.settings import get_settings
from include.stt import SAMPLE_RATE, load_channels

__all__ = ["Utterance", "cross_validate", "fit", "main", "read_labelled", "train"]

Values = NDArray[np.float64]
Fold = tuple[NDArray[np.bool_], NDArray[np.bool_]]

MOST_UTTERANCES = 6000
"""A kernel model holds all its training data; more than this is refused."""

PARTS = {0.6: 3, 0.4: 4}
"""Share of an utterance that a part has → how many such parts, spread evenly. Left out, the shortest first, where the
model would hold more than :data:`MOST_UTTERANCES` stretches. With them other speakers' other
texts were told 0.93 of the time instead of 0.74 (trials; bench/README.md)."""

QUIET = 1e-3
"""Before the first and after the last tenth of a second that has this share of the highest power nobody speaks."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One labelled utterance."""

    path: str
    speaker: str
    label: str
    text: str
    vectors: dict[str, Values]
    parts: Mapping[float, Sequence[dict[str, Values]]] = field(default_factory=dict)
    """Share of the utterance → vectors of such parts of it (:data:`PARTS`); those with too little voice are missing."""


def read_labelled(folder: Path, nets: EmotionNets, labels: dict[str, str] | None = None) -> list[Utterance]:
    """Read ``manifest.tsv`` (columns path, speaker, emotion; transcript if known) and its audio.

    Args:
        folder: what the manifest lies in; paths are relative to it.
        nets: computes the features.
        labels: the data's label → the model's; others are left out. None: as they are.

    Raises:
        DocumentError: no manifest, or a column is missing.
        AudioError: a file is not audio.
    """
    try:
        with (folder / "manifest.tsv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
    except OSError as error:
        raise DocumentError(
            f"{folder}/manifest.tsv can't be read ({error.strerror}); name a folder with one."
        ) from error
    missing = {"path", "speaker", "emotion"} - set(rows[0] if rows else ())
    if missing:
        raise DocumentError(f"{folder}/manifest.tsv lacks the columns {', '.join(sorted(missing))}.")
    chosen = {row["path"]: row["emotion"] if labels is None else labels.get(row["emotion"], "") for row in rows}
    rows = [row for row in rows if chosen[row["path"]]]
    shares = _shares(len(rows))
    found = []
    for row in track(rows, "Reading labelled speech", console=Console(stderr=True), transient=True):
        audio = np.asarray(np.mean(load_channels(folder / row["path"]), axis=0), dtype=np.float32)
        vectors = nets.read(audio, SAMPLE_RATE)
        if vectors is not None:
            parts = {share: [v for a in _cut(audio, share) if (v := nets.read(a, SAMPLE_RATE))] for share in shares}
            text = row.get("transcript") or ""
            found.append(Utterance(row["path"], row["speaker"], chosen[row["path"]], text, vectors, parts))
    return found


def _shares(utterances: int) -> list[float]:
    """The shares of :data:`PARTS` that so many utterances leave room for."""
    total, found = utterances, []
    for share, count in PARTS.items():
        total += count * utterances
        if total <= MOST_UTTERANCES:
            found.append(share)
    return found


def _cut(audio: NDArray[np.float32], share: float) -> Iterator[NDArray[np.float32]]:
    """Parts of so much of what is spoken, from its beginning to its end."""
    tenth = SAMPLE_RATE // 10
    power = np.add.reduceat(audio.astype(np.float64) ** 2, np.arange(0, len(audio), tenth))
    spoken = np.flatnonzero(power >= QUIET * power.max())
    start, end = spoken[0] * tenth, min(len(audio), (spoken[-1] + 1) * tenth)
    length = int(share * (end - start))
    for first in np.linspace(start, end - length, PARTS[share]).astype(int):
        yield np.ascontiguousarray(audio[first : first + length])


@dataclass(frozen=True, slots=True)
class _Matrix:
    """One group's normalised stretches: first each utterance whole, then parts."""

    rows: Values
    """(stretches, features)."""
    owner: NDArray[np.int64]
    """The utterance that each stretch is of."""
    spread: Values
    """Average within-speaker standard deviation of the wholes, (features,)."""


def _matrices(data: Sequence[Utterance], labels: Sequence[str]) -> tuple[dict[str, _Matrix], Values]:
    """Group → stretches; targets ±1 of the utterances.

    Parts are normalised by the same speaker's parts of the same share: shorter means spread more.
    """
    speakers = np.array([item.speaker for item in data])
    found = {}
    for group in data[0].vectors:
        raw = np.array([item.vectors[group] for item in data])
        spread = np.sqrt(np.mean([raw[speakers == who].var(axis=0) for who in sorted(set(speakers))], axis=0))
        rows, owners = [_normalised(raw, speakers, spread)], [np.arange(len(data))]
        for share in sorted({share for item in data for share in item.parts}, reverse=True):
            pairs = [(at, part[group]) for at, item in enumerate(data) for part in item.parts.get(share, ())]
            if pairs:
                owner = np.array([at for at, _ in pairs])
                rows.append(_normalised(np.array([vector for _, vector in pairs]), speakers[owner], spread))
                owners.append(owner)
        found[group] = _Matrix(np.concatenate(rows), np.concatenate(owners), spread)
    given = np.array([item.label for item in data])
    return found, (given[:, None] == np.array(labels)[None, :]) * 2.0 - 1.0


def _normalised(raw: Values, speakers: NDArray[np.str_], spread: Values) -> Values:
    """Each speaker's rows by themselves."""
    found = np.empty_like(raw)
    for who in sorted(set(speakers)):
        found[speakers == who] = normalise(raw[speakers == who], spread)
    return found


def _speaker_folds(data: Sequence[Utterance]) -> Iterator[Fold]:
    speakers = np.array([item.speaker for item in data])
    for who in sorted(set(speakers)):
        yield speakers != who, speakers == who


def _text_folds(data: Sequence[Utterance], folds: int = 5) -> Iterator[Fold]:
    """Leave out one speaker and, at the same time, a fifth of the texts (dealt out label by label)."""
    fold_of: dict[str, int] = {}
    for label in sorted({item.label for item in data}):
        for at, text in enumerate(sorted({item.text for item in data if item.label == label} - set(fold_of))):
            fold_of[text] = at % folds
    fold = np.array([fold_of[item.text] for item in data])
    for train, test in _speaker_folds(data):
        for number in range(folds):
            if np.any(test & (fold == number)):
                yield train & (fold != number), test & (fold == number)


def cross_validate(data: Sequence[Utterance], labels: Sequence[str], folds: Sequence[Fold]) -> dict[str, Values]:
    """Group → scores (utterances, labels) of each whole utterance by a model that has not seen it or parts of it."""
    matrices, targets = _matrices(data, labels)
    found = {group: np.zeros_like(targets) for group in matrices}
    for train, test in folds:
        for group, own in matrices.items():
            seen = train[own.owner]
            ridge = fit_ridge(own.rows[seen], targets[own.owner[seen]], own.spread)
            found[group][test] = ridge.scores(own.rows[: len(data)][test])
    return found


def fit(data: Sequence[Utterance], labels: Sequence[str]) -> dict[str, Ridge]:
    """Group → classifier, trained on everything."""
    matrices, targets = _matrices(data, labels)
    return {group: fit_ridge(own.rows, targets[own.owner], own.spread) for group, own in matrices.items()}


def accuracy_of(given: Sequence[str], said: Sequence[str], speakers: Sequence[str], protocol: str) -> Accuracy:
    """Unweighted average recall with a bootstrap interval (2,000 draws of utterances within each speaker)."""
    truth, guess, who = np.array(given), np.array(said), np.array(speakers)
    labels = sorted(set(truth))
    right = truth == guess
    recall = {label: float(right[truth == label].mean()) for label in labels}
    random = np.random.default_rng(0)
    places = [np.flatnonzero(who == one) for one in sorted(set(who))]
    draws = []
    for _ in range(2000):
        at = np.concatenate([random.choice(own, len(own)) for own in places])
        parts = [right[at][truth[at] == label] for label in labels]
        draws.append(np.mean([part.mean() for part in parts if len(part)]))
    low, high = np.percentile(draws, [2.5, 97.5])
    return Accuracy(
        uar=round(float(np.mean(list(recall.values()))), 4),
        low=round(float(low), 4),
        high=round(float(high), 4),
        utterances=len(truth),
        speakers=len(places),
        protocol=protocol,
        recall={label: round(value, 4) for label, value in recall.items()},
    )


def _temperature(total: Values, given: NDArray[np.int64]) -> float:
    """The temperature with the least log loss on left-out utterances."""
    grid = np.geomspace(0.1, 5, 40)
    losses = [-np.log(softmax(total / t)[np.arange(len(given)), given] + 1e-12).mean() for t in grid]
    return float(grid[int(np.argmin(losses))])


def train(
    data: Sequence[Utterance], nets: EmotionNets, *, trained_on: str, licence_note: str, abstain_below: float = 0.5
) -> EmotionModel:
    """Measure, then train on everything.

    Args:
        data: utterances of at least three speakers with at least two labels.
        nets: what computed the features.
        trained_on: what the data is.
        licence_note: under which terms the model may be used.
        abstain_below: probability from which a label is given.

    Raises:
        DocumentError: too few speakers or labels, or more utterances than a kernel model can hold.
    """
    labels = sorted({item.label for item in data})
    speakers = [item.speaker for item in data]
    if len(set(speakers)) < 3 or len(labels) < 2 or len(data) > MOST_UTTERANCES:
        raise DocumentError(
            f"{len(data)} utterances of {len(set(speakers))} speakers with {len(labels)} labels can't train a model; "
            f"give at least 3 speakers, 2 labels and at most {MOST_UTTERANCES} utterances."
        )
    given = [item.label for item in data]
    scores = cross_validate(data, labels, list(_speaker_folds(data)))
    accuracy = _accuracy(scores, labels, given, speakers, "leave one speaker out")
    unseen = None
    if all(item.text for item in data) and len({item.text for item in data}) >= 2 * len(labels):
        scores = cross_validate(data, labels, list(_text_folds(data)))
        unseen = _accuracy(scores, labels, given, speakers, "leave one speaker and a fifth of the texts out")
    scales = {group: float(found.std()) for group, found in scores.items()}
    total = np.sum([found / scales[group] for group, found in scores.items()], axis=0)
    places = np.array([labels.index(label) for label in given])
    temperature = _temperature(total, places)
    sure = softmax(total / temperature)
    labelled = sure.max(axis=1) >= abstain_below
    card = ModelCard(
        schema_=MODEL_SCHEMA,
        labels=labels,
        groups=nets.digests,
        scales=scales,
        temperature=temperature,
        abstain_below=abstain_below,
        parts=sum(len(found) for item in data for found in item.parts.values()),
        accuracy=accuracy,
        accuracy_unseen_texts=unseen,
        accuracy_when_labelled=round(float((sure.argmax(1) == places)[labelled].mean()), 4) if labelled.any() else None,
        trained_on=trained_on,
        licence_note=licence_note,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        weights_sha256="",
    )
    return EmotionModel(card, fit(data, labels))


def _accuracy(
    scores: dict[str, Values], labels: Sequence[str], given: Sequence[str], speakers: Sequence[str], protocol: str
) -> Accuracy:
    total = np.sum([found / found.std() for found in scores.values()], axis=0)
    return accuracy_of(given, [labels[at] for at in total.argmax(axis=1)], speakers, protocol)


def main(arguments: Sequence[str] | None = None) -> None:
    """``python -m include.forensic.emotion_train --data DIR --out DIR``."""
    parser = argparse.ArgumentParser(description="Train an emotion model on labelled speech.")
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.tsv: path, speaker, emotion")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model; VOICEMAN_EMOTION_MODEL=that")
    parser.add_argument("--trained-on", default="", help="what the data is; default: the folder's name")
    parser.add_argument("--licence", default="As the training data's licence says; not checked.", help="terms of use")
    parser.add_argument("--labels", default="", help="old=new,old=new: rename labels, leave all others out")
    parser.add_argument("--groups", default="", help="feature groups, separated by commas; default: all at hand")
    given = parser.parse_args(arguments)
    whisper = get_settings().models / "base"
    groups = tuple(filter(None, given.groups.split(","))) or available_groups(whisper)
    nets = EmotionNets(groups, whisper)
    names = dict(item.split("=", 1) for item in given.labels.split(",") if "=" in item) or None
    data = read_labelled(given.data, nets, names)
    model = train(data, nets, trained_on=given.trained_on or given.data.name, licence_note=given.licence)
    model.save(given.out)
    print(model.card.model_dump_json(indent=2))  # noqa: T201  the command's answer


if __name__ == "__main__":
    main()
