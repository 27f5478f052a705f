"""The emotion model that a lab trains on its own labelled speech: kernel ridge regression per feature group, combined.

``model.json`` holds names, digests, protocol and measured accuracy; ``weights.npz`` the numbers. Nothing is pickled.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from include.described import DESCRIBED
from include.errors import ModelError
from include.stt import file_sha256

__all__ = ["MODEL_SCHEMA", "Accuracy", "EmotionModel", "ModelCard", "Ridge", "fit_ridge", "normalise"]

Values = NDArray[np.float64]
MODEL_SCHEMA: Final = "voiceman.emotion_model/1"

LEAST_UTTERANCES = 4
"""A speaker with fewer utterances has no own mean and spread, and gets no label."""

PRIOR_UTTERANCES = 3.0
"""How many utterances' worth the average speaker's spread counts beside a speaker's own."""


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=DESCRIBED, allow_inf_nan=False, hide_input_in_errors=True
    )


class Accuracy(_Model):
    """Unweighted average recall on speakers that were left out of training."""

    uar: float
    low: float
    high: float
    """95 % interval: bootstrap over utterances within speakers."""
    utterances: int
    speakers: int
    protocol: str
    recall: dict[str, float]
    """Per label."""


class ModelCard(_Model):
    """``model.json``: what the model is, on what it was trained, what it is worth."""

    schema_: Literal["voiceman.emotion_model/1"]
    labels: list[str]
    groups: dict[str, str]
    """Feature group → version or digest of what computes it."""
    scales: dict[str, float]
    """Group → standard deviation of its scores on left-out speakers; scores are divided by it before they are added."""
    temperature: float
    """The summed scores are divided by it before the softmax; chosen on left-out speakers."""
    abstain_below: float
    """A label is given only where its probability reaches this."""
    parts: int = 0
    """How many parts of utterances it was trained on beside the whole ones."""
    accuracy: Accuracy
    accuracy_unseen_texts: Accuracy | None
    """The same with each text left out as well; None when the training data names no texts."""
    accuracy_when_labelled: float | None
    """Share of right labels among utterances that got one, on left-out speakers."""
    trained_on: str
    """What the data was, in words of who trained it."""
    licence_note: str
    created_at: str
    weights_sha256: str


@dataclass(frozen=True, slots=True)
class Ridge:
    """One group's classifier: regression of ±1 on a Gaussian kernel."""

    support: Values
    """Normalised training vectors (utterances, features)."""
    weights: Values
    """(utterances, labels)."""
    bias: Values
    """(labels,)."""
    spread: Values
    """Average within-speaker standard deviation of each feature, before normalising."""

    def scores(self, vectors: Values) -> Values:
        """(vectors, labels) for normalised ``vectors``."""
        return _kernel(vectors, self.support) @ self.weights + self.bias


def _kernel(a: Values, b: Values) -> Values:
    distance = (a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2 * a @ b.T
    return np.asarray(np.exp(-np.maximum(distance, 0) / (2 * a.shape[1])))


def fit_ridge(vectors: Values, targets: Values, spread: Values, *, ridge: float = 0.3) -> Ridge:
    """Fit on normalised vectors.

    Args:
        vectors: (utterances, features).
        targets: (utterances, labels), 1 for the label and -1 elsewhere.
        spread: see :class:`Ridge`.
        ridge: added to the kernel's diagonal.
    """
    bias = targets.mean(axis=0)
    kernel = _kernel(vectors, vectors) + ridge * np.eye(len(vectors))
    return Ridge(vectors, np.linalg.solve(kernel, targets - bias), bias, spread)


def normalise(vectors: Values, spread: Values | None = None) -> Values:
    """One speaker's vectors as departures from their own mean, in units of their own spread, clipped at ±3.

    Args:
        vectors: (utterances, features), all of one speaker.
        spread: the average speaker's spread, which counts for :data:`PRIOR_UTTERANCES` utterances; None: own only.
    """
    own = vectors.var(axis=0)
    if spread is not None:
        own = (len(vectors) * own + PRIOR_UTTERANCES * spread**2) / (len(vectors) + PRIOR_UTTERANCES)
    return np.asarray(np.clip((vectors - vectors.mean(axis=0)) / (np.sqrt(own) + 1e-9), -3, 3))


class EmotionModel:
    """A trained model. Thread-safe: it holds arrays only."""

    def __init__(self, card: ModelCard, parts: dict[str, Ridge]) -> None:
        self.card, self.parts = card, parts

    @property
    def groups(self) -> tuple[str, ...]:
        """The feature groups it reads."""
        return tuple(self.parts)

    def probabilities(self, vectors: list[dict[str, Values]]) -> Values | None:
        """Label probabilities (utterances, labels) for all utterances of *one* speaker; None with fewer than four.

        Args:
            vectors: group → vector, one an utterance (:class:`include.forensic.emotion_nets.EmotionNets`).
        """
        if len(vectors) < LEAST_UTTERANCES:
            return None
        total = np.zeros((len(vectors), len(self.card.labels)))
        for name, part in self.parts.items():
            own = normalise(np.array([item[name] for item in vectors]), part.spread)
            total += part.scores(own) / self.card.scales[name]
        return softmax(total / self.card.temperature)

    def save(self, folder: Path) -> None:
        """Write ``model.json`` and ``weights.npz``; the card gets the weights' digest."""
        folder.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = {}
        for name, part in self.parts.items():
            for field in ("support", "weights", "bias", "spread"):
                arrays[f"{name}.{field}"] = getattr(part, field).astype(np.float32)
        np.savez(folder / "weights.npz", **arrays)
        self.card = self.card.model_copy(update={"weights_sha256": file_sha256(folder / "weights.npz")})
        text = json.dumps(self.card.model_dump(), ensure_ascii=False, indent=2)
        (folder / "model.json").write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> EmotionModel:
        """Read a model.

        Raises:
            ModelError: files are missing, damaged, or do not belong together.
        """
        try:
            card = ModelCard.model_validate_json((folder / "model.json").read_bytes())
            if file_sha256(folder / "weights.npz") != card.weights_sha256:
                raise ModelError(f"{folder}/weights.npz is not the file that model.json names; train the model again.")
            with np.load(folder / "weights.npz", allow_pickle=False) as data:
                parts = {
                    name: Ridge(
                        *(data[f"{name}.{field}"].astype(float) for field in ("support", "weights", "bias", "spread"))
                    )
                    for name in card.groups
                }
        except OSError as error:
            raise ModelError(f"The emotion model {folder} can't be read ({error.strerror}).") from error
        except (ValidationError, ValueError, KeyError) as error:
            raise ModelError(f"{folder} is not a {MODEL_SCHEMA} model; make one with make train.") from error
        return cls(card, parts)


def softmax(scores: Values) -> Values:
    """Rows that add up to one."""
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
