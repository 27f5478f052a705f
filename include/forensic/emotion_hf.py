"""Emotion models of the Hugging Face kind: audio classification, or arousal, valence and dominance.

From a directory, or by a hub id that was fetched before: nothing is downloaded while a task runs. Two kinds are known:
``AutoModelForAudioClassification`` (labels, softmax), and regression onto named dimensions with the two-layer head of
Wagner et al. 2023 (IEEE TPAMI 45(9): 10745-10759), whose class the hub does not carry.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from include.errors import ModelError
from include.forensic.emotion import EmotionInfo, TurnReading
from include.forensic.emotion_model import Accuracy
from include.forensic.voice_sounds import TurnSound
from include.forensic.voice_turns import VoiceTurn
from include.stt import NotMeasured, file_sha256

__all__ = ["ACCURACY_FILE", "DIMENSIONS", "HubEmotion"]

Audio = NDArray[np.float32]

DIMENSIONS = frozenset({"arousal", "valence", "dominance"})
"""Labels that make a model a dimensional one."""

ACCURACY_FILE = "voiceman_accuracy.json"
"""Beside the weights: an :class:`include.forensic.emotion_model.Accuracy` that a lab measured with this model."""

RATE = 16000
SHORTEST_S, LONGEST_S = 0.5, 20.0
ABSTAIN_BELOW = 0.5


class HubEmotion:
    """Satisfies :class:`include.forensic.emotion.EmotionSource`. One thread at a time."""

    wants_functionals = False

    def __init__(self, folder: Path) -> None:
        """Load the model on the CPU.

        Args:
            folder: holds ``config.json``, weights and, if the model needs one, ``preprocessor_config.json``.

        Raises:
            ModelError: it is no model for audio, or the weights don't fit it.
        """
        try:
            config = json.loads((folder / "config.json").read_bytes())
            labels = [str(config["id2label"][key]) for key in sorted(config["id2label"], key=int)]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{folder}/config.json names no labels (id2label); it is no emotion model.") from error
        self._labels = [label.lower() for label in labels]
        self._dimensional = set(self._labels) <= DIMENSIONS
        self._model = _dimensional(folder) if self._dimensional else _classifier(folder)
        self._normalise = _wants_normalised(folder)
        digests = {path.name: file_sha256(path) for path in sorted(folder.glob("*")) if _is_weight(path)}
        unseen = NotMeasured(reason="Not measured with texts left out.")
        self.info = EmotionInfo(
            name=str(config.get("_name_or_path") or folder.name),
            kind="dimensional" if self._dimensional else "audio classification",
            digests=digests,
            trained_on="See the model's own card.",
            accuracy=_accuracy(folder),
            accuracy_unseen_texts=unseen,
            abstain_below=ABSTAIN_BELOW,
        )

    def read(
        self, sounds: Sequence[TurnSound], audio_of: Callable[[VoiceTurn], Audio], sample_rate: int
    ) -> dict[int, TurnReading]:
        """Turn index → probabilities or dimensions, one turn at a time."""
        if sample_rate != RATE:
            reason = f"The audio has {sample_rate} Hz; the model needs {RATE}."
            return {sound.turn.index: TurnReading({}, {}, reason) for sound in sounds}
        return {sound.turn.index: self._turn(audio_of(sound.turn), sound) for sound in sounds}

    def _turn(self, audio: Audio, sound: TurnSound) -> TurnReading:
        if len(audio) < SHORTEST_S * RATE or not sound.values:
            return TurnReading({}, {}, "Too little voiced speech.")
        if sound.turn.speaker is None:
            return TurnReading({}, {}, "Speakers were not separated.")
        values = self.scores(audio)
        if self._dimensional:
            return TurnReading({}, dict(zip(self._labels, values, strict=True)))
        return TurnReading(dict(zip(self._labels, values, strict=True)), {})

    def scores(self, audio: Audio) -> list[float]:
        """Probabilities by label, or the dimensions' values, of at most 20 s of mono 16 kHz audio."""
        import torch

        wave = np.asarray(audio[: int(LONGEST_S * RATE)], dtype=np.float32)
        if self._normalise:
            wave = (wave - wave.mean()) / np.sqrt(wave.var() + 1e-7)
        with torch.inference_mode():
            out = self._model(torch.from_numpy(np.ascontiguousarray(wave))[None])
            logits = out if self._dimensional else torch.softmax(out.logits, dim=-1)
        return [float(value) for value in logits[0]]


def _is_weight(path: Path) -> bool:
    return path.suffix in {".safetensors", ".bin"} or path.name == "config.json"


def _wants_normalised(folder: Path) -> bool:
    """Whether the waveform is brought to zero mean and unit variance, as the preprocessor says; true without one."""
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        return True
    found = json.loads(path.read_bytes())
    if found.get("sampling_rate", RATE) != RATE:
        raise ModelError(f"{folder} works at {found['sampling_rate']} Hz; VoiceMan's audio has {RATE}.")
    if found.get("feature_extractor_type", "Wav2Vec2FeatureExtractor") != "Wav2Vec2FeatureExtractor":
        raise ModelError(f"{folder} reads {found['feature_extractor_type']} features; only waveforms are given.")
    return bool(found.get("do_normalize", True))


def _accuracy(folder: Path) -> Accuracy | NotMeasured:
    path = folder / ACCURACY_FILE
    if not path.is_file():
        return NotMeasured(reason=f"Nobody measured this model with this software ({ACCURACY_FILE} is not there).")
    try:
        return Accuracy.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ModelError(f"{path} is no measured accuracy; write it with eval/emotion.py.") from error


def _classifier(folder: Path) -> Any:
    from transformers import AutoModelForAudioClassification

    try:
        model, report = AutoModelForAudioClassification.from_pretrained(
            folder, local_files_only=True, output_loading_info=True
        )
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} is no audio-classification model: {str(error).splitlines()[0]}") from error
    if report["missing_keys"]:  # transformers would fill them with random numbers
        raise ModelError(f"{folder} lacks weights ({report['missing_keys'][0]} …): it would answer at random.")
    return model.eval()


def _dimensional(folder: Path) -> Any:
    """The encoder's mean over time through ``dense``, tanh and ``out_proj``."""
    import torch
    from transformers import AutoConfig, Wav2Vec2Model, Wav2Vec2PreTrainedModel

    class _Head(torch.nn.Module):
        def __init__(self, config: Any) -> None:
            super().__init__()
            self.dense = torch.nn.Linear(config.hidden_size, config.hidden_size)
            self.out_proj = torch.nn.Linear(config.hidden_size, config.num_labels)

        def forward(self, pooled: Any) -> Any:
            return self.out_proj(torch.tanh(self.dense(pooled)))

    class _Regression(Wav2Vec2PreTrainedModel):  # type: ignore[misc]
        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.wav2vec2 = Wav2Vec2Model(config)
            self.classifier = _Head(config)
            self.post_init()

        def forward(self, wave: Any) -> Any:
            return self.classifier(self.wav2vec2(wave)[0].mean(dim=1))

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        model, report = _Regression.from_pretrained(
            folder, config=config, local_files_only=True, output_loading_info=True
        )
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} is no dimensional emotion model: {str(error).splitlines()[0]}") from error
    if report["missing_keys"]:
        raise ModelError(f"{folder} lacks weights ({report['missing_keys'][0]} …): it would answer at random.")
    return model.eval()
