"""WhisperX, taken apart just enough to keep what its pipeline throws away.

The parts are WhisperX's own: its log-mel features, its Whisper model, its decoding options. Its ``transcribe()`` drops
the encoder output, the time stamps and the token probabilities, so the loops are here (:mod:`include.stt.rounds`,
:mod:`include.stt.decoding`): one encoder pass gives the text, the word times (cross-attention), the no-speech
probability and the language probability. Everything reaches the device through two seams, ``_encode`` and
``_generate``, in groups that are halved when its memory runs out.

A model object is not thread-safe (whisperx #1171): ``calls_at_once`` says how many threads may decode with one.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any, TypeVar

from include.errors import DeviceMemoryError, ModelError
from include.settings import get_settings
from include.stt.audio import SAMPLE_RATE
from include.stt.decoding import features
from include.stt.memory import MemoryMeter
from include.stt.rounds import decode_items
from include.stt.vad import SpeechFinder
from include.stt.weights import model_path
from include.stt.work import Chunk, Decoded, DecodeItem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "Chunk",
    "DecodeItem",
    "Decoded",
    "SpeechModel",
    "resolve_batch_size",
    "resolve_compute_type",
    "resolve_device",
]

log = logging.getLogger(__name__)

_Work = TypeVar("_Work")
_Result = TypeVar("_Result")

_LOADING = threading.Lock()
# CTranslate2: "CUDA failed with error out of memory"; torch: "CUDA out of memory"; cuBLAS: "CUBLAS_STATUS_ALLOC_FAILED"
_MEMORY = re.compile(r"out of memory|ALLOC_FAILED")
# CTranslate2 4.8.5 leaves a CUDA error behind when it runs out of memory, which its next Thrust kernel reports, and so
# clears, as its own: once after that it means nothing (H100, bench/cuda.py oom)
_ECHO = re.compile(r"cudaErrorInvalidDevice|invalid device ordinal")
_WARM_UP_S = 30


def resolve_device() -> str:
    """``cuda`` or ``cpu``: the setting, or what CTranslate2 finds."""
    wanted = get_settings().device
    if wanted != "auto":
        return wanted
    import ctranslate2

    return "cuda" if ctranslate2.get_cuda_device_count() else "cpu"


def resolve_compute_type(device: str) -> str:
    """The setting, or int8 on the CPU and float16 on CUDA."""
    wanted = get_settings().compute_type
    if wanted != "default":
        return wanted
    return "float16" if device == "cuda" else "int8"


def resolve_batch_size(device: str) -> int:
    """The setting, or 4 on the CPU and 32 on CUDA."""
    return get_settings().decode_batch_size or (32 if device == "cuda" else 4)


class SpeechModel:
    """Whisper and the voice activity detector, loaded once."""

    calls_at_once = 1
    """How many threads may call :meth:`decode_many` at the same time."""

    def __init__(self, threads: int | None = None, model: str | None = None) -> None:
        """Load a model.

        Args:
            threads: CPU threads; all that the settings allow when None.
            model: Whisper weights by name; the setting's when None.

        Raises:
            ModelError: weights are missing, damaged or not a Whisper model, or a CUDA library is missing.
            DeviceMemoryError: the device has no room for the model.
        """
        os.environ["PYANNOTE_METRICS_ENABLED"] = "0"  # it reports usage otherwise; read at import
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        self.threads = threads or get_settings().cpu_threads
        self.name = model or get_settings().whisper_model
        self._echo_due = False
        path, self.device = model_path(self.name), resolve_device()
        self.batch_size = resolve_batch_size(self.device)
        """Chunks decoded together; halved when the device runs out of memory."""
        for noisy in ("whisperx", "lightning", "lightning_fabric", "lightning.pytorch"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
        # one at a time: redirect_stdout changes the whole process
        with _LOADING, redirect_stdout(sys.stderr):  # WhisperX prints; our standard output belongs to the caller
            try:
                self.meter = MemoryMeter(self.device, resolve_compute_type(self.device))
                self._load(path)
                if self.device == "cuda":
                    self._warm_up()
            except (RuntimeError, ValueError, OSError) as error:
                if _MEMORY.search(str(error)):
                    raise self._no_room("the model") from error
                raise ModelError(
                    f"The Whisper model {path} can't be loaded ({error}); check VOICEMAN_WHISPER_MODEL."
                ) from error
            self.meter.loaded()

    def _load(self, path: str) -> None:
        import torch
        from whisperx.asr import load_model

        settings = get_settings()
        # on CUDA the networks are on the device, and threads that wait for each other would only take the cores
        torch.set_num_threads(1 if self.device == "cuda" else self.threads)
        self._finder = SpeechFinder(self.device)
        pipeline = load_model(
            path,
            self.device,
            compute_type=resolve_compute_type(self.device),
            asr_options={"beam_size": settings.beam_size},
            language="en",  # only to skip the pipeline's own detection; each batch sets its own
            model=self._ready_whisper(path),
            vad_model=self._finder,  # WhisperX calls none: only its model and its options are used
            download_root=str(settings.models),
            threads=self.threads,
        )
        self.whisper = pipeline.model
        """faster-whisper's model as WhisperX loads it."""
        self.options = pipeline.options
        """WhisperX's decoding options."""
        self._tokenizers: dict[str, Any] = {}

    def _ready_whisper(self, path: str) -> Any:  # noqa: ARG002 - for engines that load it otherwise
        """A loaded Whisper model for WhisperX's pipeline; None lets WhisperX load it."""
        return None

    def _warm_up(self) -> None:
        """CUDA's libraries are loaded and take their workspaces when first used: now, not in a recording's time."""
        import numpy as np

        silence = np.zeros(_WARM_UP_S * SAMPLE_RATE, np.float32)
        self.speech_regions(silence)
        self.decode([silence], [(0, 0.0, _WARM_UP_S)], "en")

    def raise_if_memory(self, error: RuntimeError, what: str) -> None:
        """Name a device's lack of memory as what it is.

        Raises:
            DeviceMemoryError: ``error`` says that the memory ran out.
        """
        if _MEMORY.search(str(error)):
            raise self._no_room(what) from error

    def _no_room(self, what: str) -> DeviceMemoryError:
        return DeviceMemoryError(
            f"The device ({self.device}) has no room for {what} of {self.name}; "
            "end what else uses it, or choose a smaller model or compute type."
        )

    def speech_regions(self, audio: NDArray[np.float32]) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        """Find speech, as :meth:`SpeechFinder.find`.

        Raises:
            DeviceMemoryError: the device has no room for the detector's work.
        """
        try:
            return self._finder.find(audio)
        except RuntimeError as error:
            self.raise_if_memory(error, "the voice activity detector's work beside the weights")
            raise

    def decode(
        self,
        channels: Sequence[NDArray[np.float32]],
        chunks: Sequence[Chunk],
        language: str,
        regions: Sequence[Sequence[tuple[float, float]]] | None = None,
    ) -> Decoded:
        """Transcribe one recording: :meth:`decode_many` of one.

        Args:
            channels: audio of each channel, 16 kHz.
            chunks: what to decode, at most 30 s each.
            language: a code, or ``auto``.
            regions: speech of each channel, to find what no word covers; the chunks when None.

        Raises:
            DeviceMemoryError: the device has no room for one chunk.
        """
        return self.decode_many([DecodeItem(channels, chunks, language, regions)])[0]

    def decode_many(self, items: Sequence[DecodeItem]) -> list[Decoded]:
        """Transcribe recordings: their chunks fill the device's batches together.

        Returns:
            One for each, in order. A recording's text does not depend on the others.

        Raises:
            DeviceMemoryError: the device has no room for one chunk.
        """
        return decode_items(self, items)

    def in_groups(self, works: Sequence[_Work], act: Callable[[Sequence[_Work]], list[_Result]]) -> list[_Result]:
        """Do works in groups of ``batch_size``; a group that the device has no room for is halved and done again.

        Args:
            works: one a window.
            act: does a group and gives a result a work.

        Raises:
            DeviceMemoryError: the device has no room for one.
        """
        done: list[_Result] = []
        while len(done) < len(works):
            group = works[len(done) : len(done) + self.batch_size]
            try:
                with self.meter.group(len(group)):
                    done += act(group)
            except RuntimeError as error:
                self._take_less(error, len(group))
        return done

    def _take_less(self, error: RuntimeError, tried: int) -> None:
        """After the device ran out of memory: half as many chunks at once from now on; other errors go on up."""
        if self._echo_due and _ECHO.search(str(error)):
            self._echo_due = False
            return
        if not _MEMORY.search(str(error)):
            raise error
        self._echo_due = True
        if tried == 1:
            raise self._no_room("one 30-s chunk beside the weights") from error
        self.batch_size = min(self.batch_size, tried // 2)
        log.warning("Out of memory on %s with %d chunks at once; %d from now on.", self.device, tried, self.batch_size)

    def encode_audio(self, parts: Sequence[NDArray[np.float32]], seconds: float) -> Any:
        """The encoder's output of audio, each part filled up with silence to ``seconds``."""
        return self._encode(features(self, parts, seconds))

    def _encode(self, features: Any) -> Any:
        """The encoder's output (batch, frames / 2, width) of log-mel features (batch, mels, frames)."""
        return self.whisper.encode(features)

    def _generate(self, encoded: Any, prompts: list[list[int]], **options: Any) -> list[Any]:
        """CTranslate2's results for prompts over the encoder's output, one a row."""
        found: list[Any] = self.whisper.model.generate(encoded, prompts, **options)
        return found

    def languages(self, encoded: Any) -> list[tuple[tuple[str, float], ...]]:
        """For each row of an encoder output its languages with their probabilities, the most probable first."""
        found = self.whisper.model.detect_language(encoded)
        return [tuple((token[2:-2], float(probability)) for token, probability in one) for one in found]

    def tokenizer(self, language: str) -> Any:
        """faster-whisper's tokenizer for a language."""
        if language not in self._tokenizers:
            from faster_whisper.tokenizer import Tokenizer

            self._tokenizers[language] = Tokenizer(
                self.whisper.hf_tokenizer, self.whisper.model.is_multilingual, task="transcribe", language=language
            )
        return self._tokenizers[language]
