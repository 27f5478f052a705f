"""Log-mel features and Whisper's encoder in torch, in front of CTranslate2's decoders (:mod:`include.stt.hybrid`)."""

from __future__ import annotations

import threading
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.errors import ModelError
from include.stt.audio import SAMPLE_RATE
from include.stt.ct2_weights import encoder_module, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["BUCKETS", "TorchEncoder"]

BUCKETS = (4, 16)
"""Batch shapes that are compiled: chunks go in slices of them, the last one filled up with silence."""
_FRAMES = 3000


class TorchEncoder:
    """Log-mel features and Whisper's encoder on one device. Thread-safe: calls take turns, in a stream of their own."""

    def __init__(
        self,
        model: Path,
        device: str,
        dtype: str,
        *,
        compiled: bool,
        buckets: Sequence[int] = BUCKETS,
    ) -> None:
        """Load the encoder's weights.

        Args:
            model: a CTranslate2 Whisper directory.
            device: ``cuda`` or ``cpu``.
            dtype: ``float16``, ``bfloat16`` or ``float32``: the decoders' own type of activations.
            compiled: compile it with ``torch.compile`` (tens of seconds, once, at :meth:`warm_up`).
            buckets: batch shapes.

        Raises:
            ModelError: the weights can't be read.
        """
        import torch

        self.device, self.buckets = torch.device(device), tuple(sorted(buckets))
        self.dtype: Any = getattr(torch, dtype)
        self.compiled = compiled
        whole = encoder_module(model / "model.bin").to(self.device, self.dtype)
        self.mels = int(whole.config.num_mel_bins)
        self.width = int(whole.config.d_model)
        self._plain = whole
        self._shorter: dict[int, Any] = {}
        self._whole: Any = torch.compile(whole, dynamic=False) if compiled else whole
        self._turn = threading.Lock()
        # one that doesn't wait for the legacy default stream: CTranslate2's streams do, and would wait for the encoder
        cuda: Any = torch.cuda
        self._stream = cuda.Stream(self.device) if self.device.type == "cuda" else None

    def warm_up(self) -> None:
        """Run every batch shape once, which compiles it.

        Raises:
            ModelError: torch can't compile it here (a C compiler is needed).
        """
        import torch

        try:
            for size in self.buckets:
                self.encode(torch.zeros(size, self.mels, _FRAMES, dtype=self.dtype, device=self.device))
        except torch._dynamo.exc.TorchDynamoException as error:
            raise ModelError(
                f"torch can't compile the encoder here ({' '.join(str(error).split())[:300]}); install a C compiler, "
                "or set VOICEMAN_ENCODER_COMPILE=false or VOICEMAN_ENGINE_MODE=ctranslate2."
            ) from error

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
            window = torch.hann_window(N_FFT).to(self.device)
            spectrum = torch.stft(audio, N_FFT, HOP_LENGTH, window=window, return_complex=True)
            mel = mel_filters(self.device, self.mels) @ (spectrum[..., :-1].abs() ** 2)
            logs = torch.clamp(mel, min=1e-10).log10()
            logs = torch.maximum(logs, logs.amax(dim=(1, 2), keepdim=True) - 8.0)
            return ((logs + 4.0) / 4.0).to(self.dtype)

    def encode(self, features: Any) -> Any:
        """Encode chunks.

        Args:
            features: a tensor or array, shape (chunks, mels, frames); 3000 frames, or fewer (never compiled).

        Returns:
            A tensor on the device, shape (chunks, frames / 2, width), complete: any stream may read it.
        """
        import torch

        given = torch.as_tensor(features)
        with self._alone():
            given = given.to(self.device, self.dtype)
            length = given.shape[-1] // 2
            module = self._for_length(length)
            encoded = torch.empty(len(given), length, self.width, dtype=self.dtype, device=self.device)
            place = 0
            for size in self._sizes(len(given)):
                part = given[place : place + size]
                if len(part) < size:
                    filled = torch.zeros(size, *part.shape[1:], dtype=self.dtype, device=self.device)
                    filled[: len(part)] = part
                    part = filled
                encoded[place : place + size] = module(part).last_hidden_state[: len(given) - place]
                place += size
            return encoded

    def _for_length(self, positions: int) -> Any:
        if positions == _FRAMES // 2:
            return self._whole
        if positions not in self._shorter:
            self._shorter[positions] = shortened(self._plain, positions)
        return self._shorter[positions]

    def encode_view(self, features: Any) -> Any:
        """As :meth:`encode`, as CTranslate2's ``StorageView``, which keeps the tensor alive."""
        import ctranslate2

        encoded = self.encode(features)
        return ctranslate2.StorageView.from_array(encoded if self._stream is not None else encoded.numpy())

    def _sizes(self, count: int) -> list[int]:
        """Batch shapes that together hold ``count`` chunks: the largest that is filled, in the end the smallest."""
        sizes: list[int] = []
        while (left := count - sum(sizes)) > 0:
            sizes.append(next((size for size in reversed(self.buckets) if size <= left), self.buckets[0]))
        return sizes
