"""Whisper's encoder in torch before CTranslate2's decoders: the engine mode ``hybrid``.

CTranslate2's own encoder uses about 5 % of an H100 (DESIGN §5). Here the encoder runs in torch (scaled dot product
attention, recorded once for fixed batch shapes), from the weights in the same ``model.bin``, and CTranslate2's decoders
read its output where it lies in the device's memory.
"""

from __future__ import annotations

import ctypes
import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from include.settings import get_settings
from include.stt.decoding import FEATURE_STEPS_S
from include.stt.engine import SpeechModel, resolve_compute_type
from include.stt.torch_encoder import TorchEncoder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["HybridModel", "engine_name", "keep_device_memory", "resolve_engine_mode", "speech_model"]

_Work = TypeVar("_Work")
_Result = TypeVar("_Result")

log = logging.getLogger(__name__)

_KEEP_ALL = 2**64 - 1


def resolve_engine_mode(device: str) -> str:
    """``ctranslate2`` or ``hybrid``: the setting; ``auto`` takes ``hybrid`` on CUDA, where it was measured faster
    (bench/README.md, "On a GPU"), and CTranslate2's own encoder on the CPU."""
    wanted = get_settings().engine_mode
    if wanted != "auto":
        return wanted
    return "hybrid" if device == "cuda" else "ctranslate2"


def engine_name(device: str) -> str:
    """What a transcript names as its engine."""
    return "whisperx+torch-encoder" if resolve_engine_mode(device) == "hybrid" else "whisperx"


def keep_device_memory() -> bool:
    """Let CTranslate2 take memory from the driver's pool, and let the pool keep what is given back.

    By default CTranslate2 4.8.5 caches blocks of at most 16 MiB and takes everything larger (a decoder's keys and
    values) with ``cudaMalloc`` and ``cudaFree``, which can make several decoders wait for each other (by its source).
    The driver's pool hands out memory in a stream's order; without a threshold it would give it back at a
    synchronisation. Measured on an H100: bench/README.md. What the pool took stays taken until the process ends.

    It must be called before CTranslate2 first uses the device. Whoever set ``CT2_CUDA_ALLOCATOR`` has it left so.

    Returns:
        Whether the pool is used and keeps its memory.
    """
    if os.environ.setdefault("CT2_CUDA_ALLOCATOR", "cuda_malloc_async") != "cuda_malloc_async":
        return False
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    pool, threshold = ctypes.c_void_p(), ctypes.c_uint64(_KEEP_ALL)
    failed = (
        driver.cuInit(0)
        or driver.cuDeviceGetDefaultMemPool(ctypes.byref(pool), 0)
        or driver.cuMemPoolSetAttribute(pool, 4, ctypes.byref(threshold))  # CU_MEMPOOL_ATTR_RELEASE_THRESHOLD
    )
    if failed:
        log.warning("The driver's memory pool can't be told to keep its memory (CUDA error %d).", failed)
    return not failed


def speech_model(threads: int | None = None, model: str | None = None) -> SpeechModel:
    """The loaded model in the engine mode that the settings ask for; arguments and errors as :class:`SpeechModel`."""
    from include.stt.engine import resolve_device

    hybrid = resolve_engine_mode(resolve_device()) == "hybrid"
    return HybridModel(threads, model) if hybrid else SpeechModel(threads, model)


class HybridModel(SpeechModel):
    """Whisper with its encoder in torch, and several of CTranslate2's decoders that share their weights.

    Groups of windows go to the decoders side by side; a decoder that waits for its words leaves the device to the
    others and to the encoder. Several threads may call :meth:`decode_many` at once: then the last, small groups of one
    call are done beside the next call's.
    """

    calls_at_once = 2

    def _load(self, path: str) -> None:
        settings = get_settings()
        self.decoders = settings.cuda_decoders if self.device == "cuda" else 1
        if self.device == "cuda":
            keep_device_memory()
        super()._load(path)
        compute_type = str(self.whisper.model.compute_type)
        if "bfloat16" in compute_type:
            raise ValueError(f"the hybrid engine mode knows float16 and float32, not {compute_type}")
        precision = "float16" if "float16" in compute_type else "float32"
        self.encoder = TorchEncoder(Path(path), self.device, precision, FEATURE_STEPS_S)
        self._workers = ThreadPoolExecutor(self.decoders, thread_name_prefix="decoder")
        self._halving, self._metering = threading.Lock(), threading.Lock()
        self._streams = threading.local()
        self._calls: list[int] = []
        """One for each thread in :meth:`in_groups`."""

    def _ready_whisper(self, path: str) -> Any:
        from whisperx.asr import WhisperModel

        return WhisperModel(
            path,
            device=self.device,
            compute_type=resolve_compute_type(self.device),
            cpu_threads=self.threads,
            num_workers=self.decoders,
        )

    def encode_audio(self, parts: Sequence[NDArray[np.float32]], seconds: float) -> Any:
        """The encoder's output of audio, each part filled up with silence to ``seconds``."""
        return self.encoder.encode_view(self.encoder.features(parts, seconds))

    def _encode(self, features: Any) -> Any:
        return self.encoder.encode_view(features)

    def in_groups(self, works: Sequence[_Work], act: Callable[[Sequence[_Work]], list[_Result]]) -> list[_Result]:
        """As :meth:`SpeechModel.in_groups`, several groups side by side, all about as large."""
        if not works:
            return []
        count = -(-len(works) // self.batch_size)
        size = -(-len(works) // count)
        groups = [works[start : start + size] for start in range(0, len(works), size)]
        # the meter sees the whole device: what it reads while two calls work is neither's
        self._calls.append(1)
        if len(self._calls) > 1:
            self.meter.disturbed()
        metered = len(self._calls) == 1 and self._metering.acquire(blocking=False)
        try:
            with self.meter.group(min(count, self.decoders) * size) if metered else nullcontext():
                return [one for done in self._workers.map(lambda group: self._do(group, act), groups) for one in done]
        finally:
            if metered:
                self._metering.release()
            self._calls.pop()

    def _do(self, group: Sequence[_Work], act: Callable[[Sequence[_Work]], list[_Result]]) -> list[_Result]:
        done: list[_Result] = []
        size = len(group)
        while len(done) < len(group):
            part = group[len(done) : len(done) + size]
            try:
                with self._own_stream():
                    done += act(part)
            except RuntimeError as error:
                with self._halving:
                    self._take_less(error, len(part))
                    size = min(size, self.batch_size)
        return done

    def _own_stream(self) -> Any:
        """A decoder's thread does torch's work in a stream of its own: the default one holds up CTranslate2's.

        One a thread for good: torch keeps freed memory by stream.
        """
        import torch

        if self.device != "cuda":
            return nullcontext()
        cuda: Any = torch.cuda
        if not hasattr(self._streams, "own"):
            self._streams.own = cuda.Stream()
        return cuda.stream(self._streams.own)
