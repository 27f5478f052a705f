"""Log-mel features and Whisper's encoder in torch, in front of CTranslate2's decoders (:mod:`include.stt.hybrid`)."""

from __future__ import annotations

import threading
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.stt.audio import SAMPLE_RATE
from include.stt.ct2_weights import encoder_module
from include.stt.recorded import Recorded
from include.stt.spectra import power_spectra

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["BUCKETS", "TorchEncoder"]

BUCKETS = (1, 4, 16)
"""Chunks go in slices of these sizes; on CUDA the encoder is recorded for each, at every length of features."""


class TorchEncoder:
    """Log-mel features and Whisper's encoder on one device. Thread-safe: calls take turns, in a stream of their own."""

    def __init__(
        self,
        model: Path,
        device: str,
        dtype: str,
        lengths_s: Sequence[float] = (),
        buckets: Sequence[int] = BUCKETS,
    ) -> None:
        """Load the encoder's weights.

        Args:
            model: a CTranslate2 Whisper directory.
            device: ``cuda`` or ``cpu``.
            dtype: ``float16``, ``bfloat16`` or ``float32``: the decoders' own type of activations.
            lengths_s: seconds of features that it is recorded for on CUDA; others work, and keep Python busy.
            buckets: sizes of slices.

        Raises:
            ModelError: the weights can't be read.
        """
        import torch

        self.device, self.buckets = torch.device(device), tuple(sorted(buckets))
        self.dtype: Any = getattr(torch, dtype)
        self._module: Any = encoder_module(model / "model.bin").to(self.device, self.dtype)
        self.width, self.mels, _ = self._module.conv1.weight.shape
        self._turn = threading.Lock()
        # one that doesn't wait for the legacy default stream: CTranslate2's streams do, and would wait for the encoder
        cuda: Any = torch.cuda
        self._stream = cuda.Stream(self.device) if self.device.type == "cuda" else None
        if self._stream is not None:
            shapes: dict[tuple[int, ...], Sequence[int]] = {
                (self.mels, round(seconds * 100)): self.buckets for seconds in lengths_s
            }
            self._module = Recorded(self._module, self._stream, shapes, dtype=self.dtype)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        import torch

        stream = nullcontext() if self._stream is None else torch.cuda.stream(self._stream)
        with self._turn, stream, torch.inference_mode():
            try:
                yield
            finally:
                if self._stream is not None:
                    self._stream.synchronize()  # whoever reads the result does so in another stream

    def features(self, parts: Sequence[NDArray[np.float32]], seconds: float = 30.0) -> Any:
        """Log-mel features of chunks, as ``whisperx.log_mel_spectrogram`` computes them one by one.

        Args:
            parts: 16 kHz audio; shorter ones are filled up with silence, what is beyond ``seconds`` is left out.
            seconds: how long the features are, at most 30.

        Returns:
            A tensor on the device, shape (chunks, mels, 100 a second).
        """
        import torch
        from whisperx.audio import HOP_LENGTH, N_FFT, mel_filters

        samples = int(seconds * SAMPLE_RATE)
        padded = torch.zeros(len(parts), samples, pin_memory=self._stream is not None)
        for row, part in zip(padded, parts, strict=True):
            row[: min(len(part), samples)] = torch.from_numpy(part[:samples])
        with self._alone():
            audio = padded.to(self.device, non_blocking=True)
            if self._stream is None:
                window = torch.hann_window(N_FFT)
                power = torch.stft(audio, N_FFT, HOP_LENGTH, window=window, return_complex=True)[..., :-1].abs() ** 2
            else:
                power = power_spectra(audio, N_FFT, HOP_LENGTH)
            mel = mel_filters(self.device, self.mels) @ power
            logs = torch.clamp(mel, min=1e-10).log10()
            logs = torch.maximum(logs, logs.amax(dim=(1, 2), keepdim=True) - 8.0)
            return ((logs + 4.0) / 4.0).to(self.dtype)

    def encode(self, features: Any) -> Any:
        """Encode chunks.

        Args:
            features: a tensor or array, shape (chunks, mels, frames); at most 3000 frames.

        Returns:
            A tensor on the device, shape (chunks, frames / 2, width), complete: any stream may read it.
        """
        import torch

        given = torch.as_tensor(features)
        with self._alone():
            given = given.to(self.device, self.dtype)
            length = given.shape[-1] // 2
            encoded = torch.empty(len(given), length, self.width, dtype=self.dtype, device=self.device)
            place = 0
            for size in self._sizes(len(given)):
                part = given[place : place + size]
                if len(part) < size:
                    filled = torch.zeros(size, *part.shape[1:], dtype=self.dtype, device=self.device)
                    filled[: len(part)] = part
                    part = filled
                encoded[place : place + size] = self._module(part)[: len(given) - place]
                place += size
            return encoded

    def encode_view(self, features: Any) -> Any:
        """As :meth:`encode`, as CTranslate2's ``StorageView``, which keeps the tensor alive."""
        import ctranslate2

        encoded = self.encode(features)
        return ctranslate2.StorageView.from_array(encoded if self._stream is not None else encoded.numpy())

    def _sizes(self, count: int) -> list[int]:
        """Sizes that together hold ``count`` chunks: the largest that is filled, in the end the smallest."""
        sizes: list[int] = []
        while (left := count - sum(sizes)) > 0:
            sizes.append(next((size for size in reversed(self.buckets) if size <= left), self.buckets[0]))
        return sizes
