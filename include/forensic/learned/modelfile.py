"""A model on disk: a folder with ``model.npz`` (arrays only) and ``card.json`` (what it is and of what it was made).

The card names the digest of the arrays; both are checked when read. Nothing is unpickled, so a model from elsewhere can
be wrong but can't run code.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from include.errors import ModelError
from include.forensic.kiwi_vectors import morphemes_version
from include.forensic.learned import features
from include.forensic.learned.classifier import Classifier, Linear
from include.forensic.learned.convolution import RUNS, Tower
from include.forensic.learned.corpus import GROUPS, HARMLESS
from include.forensic.vectors import encoder_version

__all__ = ["SHIPPED", "Card", "Source", "encoders", "read_model", "write_model"]

SHIPPED = Path(__file__).resolve().parent.parent / "models" / "language"
"""The model that comes with the project."""

_LIMIT = 64 << 20
"""Bytes of a model file that are read: a real one has about 6 MiB."""

_TOWER = {True: "korean", False: "other"}
"""What the arrays of the networks are called."""


class Source(BaseModel):
    """Examples that a model was trained on."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: str
    sha256: str
    examples: int
    harmful: int
    licence: str


class Card(BaseModel):
    """What a model is: shown beside every result that uses it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    schema_: Literal["voiceman.language-model/1"] = Field("voiceman.language-model/1", alias="schema")
    name: str
    classes: list[str]
    features: str
    """Version of the features; a model of another version is refused."""
    encoder: str
    sizes: list[int] = Field(min_length=1, max_length=8)
    """Turns in a window."""
    prior: float = Field(gt=0, lt=1)
    """The share of harmful windows that the probabilities assume."""
    favoured: dict[str, float] = Field(default_factory=dict)
    """Groups that are assumed to be so many times as frequent as another one."""
    thresholds: dict[str, float]
    """Probability from which a window becomes a finding, for each group."""
    trained_on: list[Source]
    measured: dict[str, float]
    """What held-out folds of the training data gave."""
    arrays_sha256: str

    @property
    def id(self) -> str:
        """Name and the first characters of the digest, as findings cite it."""
        return f"{self.name}@{self.arrays_sha256[:12]}"


def write_model(folder: Path, classifier: Classifier, card: Card) -> Card:
    """Write both files; the card gets the arrays' digest.

    Returns:
        the card as written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    packed = _packed(classifier)
    complete = card.model_copy(update={"arrays_sha256": hashlib.sha256(packed).hexdigest()})
    (folder / "model.npz").write_bytes(packed)
    text = json.dumps(complete.model_dump(by_alias=True), ensure_ascii=False, indent=2)
    (folder / "card.json").write_text(text + "\n", encoding="utf-8")
    return complete


def _packed(classifier: Classifier) -> bytes:
    """The arrays as ``.npz``, the same bytes for the same numbers (NumPy's own writer stamps no time)."""
    buffer = io.BytesIO()
    arrays: dict[str, NDArray[Any]] = {
        "dense": classifier.linear.dense.astype(np.float16),
        "sparse": classifier.linear.sparse.astype(np.float16),
        "intercept": classifier.linear.intercept,
        "offset": classifier.offset,
        "slopes": classifier.slopes,
    }
    for korean, tower in classifier.towers.items():
        name = _TOWER[korean]
        parts = {"centre": tower.centre, "bias": tower.bias, "weights": tower.weights}
        parts |= {f"kernel{run}": kernel for run, kernel in zip(RUNS, tower.kernels, strict=True)}
        arrays |= {f"{name}.{part}": values.astype(np.float16) for part, values in parts.items()}
        arrays[f"{name}.intercept"] = tower.intercept
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # numpy's stub lists no arrays by keyword
    return buffer.getvalue()


def encoders() -> str:
    """What gives sentences and words their vectors, with versions."""
    return f"{encoder_version()}, {morphemes_version()}"


def read_model(folder: Path) -> tuple[Classifier, Card]:
    """Read and check a model.

    Raises:
        ModelError: a file is missing, is not what its card says, or was made for other features.
    """
    try:
        card = Card.model_validate_json((folder / "card.json").read_bytes())
        packed = (folder / "model.npz").read_bytes()
    except OSError as error:
        raise ModelError(f"{folder} holds no language model ({error.strerror}); make one with make train.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise ModelError(f"{folder}/card.json is not a model card: {where}: {first['msg']}.") from error
    if hashlib.sha256(packed).hexdigest() != card.arrays_sha256:
        raise ModelError(f"{folder}/model.npz is not the file that its card names; make the model again.")
    if card.features != features.VERSION or card.encoder != encoders():
        raise ModelError(
            f"{folder} was made for features {card.features} and {card.encoder}, this version has "
            f"{features.VERSION} and {encoders()}; make it again with make train."
        )
    if tuple(card.classes) != (*GROUPS, HARMLESS) or set(card.thresholds) != set(GROUPS):
        raise ModelError(f"{folder} knows other groups than this version; make it again with make train.")
    return _unpacked(packed, card, folder), card


def _unpacked(packed: bytes, card: Card, folder: Path) -> Classifier:
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as listed:
            if sum(item.file_size for item in listed.infolist()) > _LIMIT:
                raise ModelError(f"{folder}/model.npz unpacks to more than {_LIMIT >> 20} MiB; that is no such model.")
        with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
            return Classifier(
                classes=tuple(card.classes),
                linear=Linear(
                    arrays["dense"].astype(np.float32),
                    arrays["sparse"].astype(np.float32),
                    arrays["intercept"].astype(np.float64),
                ),
                towers={kind: _tower(arrays, name) for kind, name in _TOWER.items() if f"{name}.centre" in arrays},
                slopes=arrays["slopes"].astype(np.float64),
                offset=arrays["offset"].astype(np.float64),
            )
    except (ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise ModelError(f"{folder}/model.npz does not hold the arrays of a language model ({error}).") from error


def _tower(arrays: Mapping[str, NDArray[Any]], name: str) -> Tower:
    return Tower(
        arrays[f"{name}.centre"].astype(np.float32),
        tuple(arrays[f"{name}.kernel{run}"].astype(np.float32) for run in RUNS),
        arrays[f"{name}.bias"].astype(np.float32),
        arrays[f"{name}.weights"].astype(np.float32),
        arrays[f"{name}.intercept"].astype(np.float64),
    )
