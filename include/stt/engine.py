"""WhisperX, taken apart just enough to keep what its pipeline throws away.

The parts are WhisperX's own: its pyannote voice activity detection and chunk merging, its log-mel
features, its Whisper model and batched decoding options. Its ``transcribe()`` drops the encoder output
and the token probabilities, so the batch loop is here: one encoder pass gives the text, the word times
(cross-attention), the no-speech probability and the language probability.

A model object is not thread-safe (whisperx #1171): one :class:`SpeechModel` a thread.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import zlib
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

from include.errors import ModelError
from include.settings import get_settings
from include.stt.audio import SAMPLE_RATE
from include.stt.transcript import Word
from include.stt.weights import model_path, vad_weights
from include.stt.words import DecodedChunk

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Chunk", "SpeechModel", "resolve_compute_type", "resolve_device"]

log = logging.getLogger(__name__)

Chunk = tuple[int, float, float]
"""(channel, start, end): a stretch of speech to decode, seconds."""

_LOADING = threading.Lock()
_FRAMES_PER_S = 100
_LANGUAGE_CHUNKS = 3


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


class SpeechModel:
    """Whisper and the voice activity detector, loaded once."""

    def __init__(self, threads: int | None = None) -> None:
        """Load the configured model.

        Args:
            threads: CPU threads; all that the settings allow when None.

        Raises:
            ModelError: weights are missing, damaged or not a Whisper model.
        """
        os.environ["PYANNOTE_METRICS_ENABLED"] = "0"  # it reports usage otherwise; read at import
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        self.threads = threads or get_settings().cpu_threads
        path, self.device = model_path(get_settings().whisper_model), resolve_device()
        for noisy in ("whisperx", "lightning", "lightning_fabric", "lightning.pytorch"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
        # one at a time: redirect_stdout changes the whole process
        with _LOADING, redirect_stdout(sys.stderr):  # WhisperX prints; our standard output belongs to the caller
            self._load(path)

    def _load(self, path: str) -> None:
        import torch
        from whisperx.asr import load_model
        from whisperx.vads import Pyannote

        settings = get_settings()
        torch.set_num_threads(self.threads)
        try:
            vad = Pyannote(
                torch.device(self.device), token=None, model_fp=str(vad_weights()), chunk_size=settings.vad_chunk_s,
                vad_onset=0.5, vad_offset=0.363,
            )  # fmt: skip
            self._pipeline = load_model(
                path,
                self.device,
                compute_type=resolve_compute_type(self.device),
                asr_options={"beam_size": settings.beam_size},
                language="en",  # only to skip the pipeline's own detection; each batch sets its own
                vad_model=vad,
                download_root=str(settings.models),
                threads=self.threads,
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelError(
                f"The Whisper model {path} can't be loaded ({error}); check VOICEMAN_WHISPER_MODEL."
            ) from error
        self._model = self._pipeline.model

    def speech_regions(self, audio: NDArray[np.float32]) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        """Find speech.

        Args:
            audio: shape (samples,), 16 kHz, -1 to 1.

        Returns:
            The regions the detector takes for speech, and the chunks (merged regions, at most
            ``vad_chunk_s`` long) to decode; both as (start, end) seconds.
        """
        vad = self._pipeline.vad_model
        scores = vad({"waveform": vad.preprocess_audio(audio), "sample_rate": SAMPLE_RATE})
        merged = vad.merge_chunks(scores, get_settings().vad_chunk_s, onset=0.5, offset=0.363)
        regions = [(float(a), float(b)) for chunk in merged for a, b in chunk["segments"]]
        return regions, [(float(chunk["start"]), float(chunk["end"])) for chunk in merged]

    def decode(
        self, channels: Sequence[NDArray[np.float32]], chunks: Sequence[Chunk], language: str
    ) -> tuple[list[DecodedChunk], str, float | None]:
        """Transcribe chunks in batches.

        Args:
            channels: audio of each channel, 16 kHz.
            chunks: what to decode, at most 30 s each.
            language: a code, or ``auto``: detected on the first chunks (at most three, and one decoding batch).

        Returns:
            The chunks in the given order, the language, and its probability (None when it was given).
        """
        size = get_settings().decode_batch_size
        decoded: list[DecodedChunk] = []
        probability: float | None = None
        for first in range(0, len(chunks), size):
            batch = chunks[first : first + size]
            features, frames = self._features(channels, batch)
            encoded = self._model.encode(features)
            if language == "auto":
                language, probability = self._detect(encoded)
            decoded += self._decode_batch(encoded, frames, batch, language)
        return decoded, language, probability

    def _features(self, channels: Sequence[NDArray[np.float32]], batch: Sequence[Chunk]) -> tuple[Any, list[int]]:
        import torch
        from whisperx.audio import N_SAMPLES, log_mel_spectrogram

        mels, frames = [], []
        for channel, start, end in batch:
            part = channels[channel][int(start * SAMPLE_RATE) : int(end * SAMPLE_RATE)][:N_SAMPLES]
            n_mels = self._model.feat_kwargs.get("feature_size") or 80
            mels.append(log_mel_spectrogram(part, n_mels=n_mels, padding=N_SAMPLES - part.shape[0]))
            frames.append(max(part.shape[0] * _FRAMES_PER_S // SAMPLE_RATE, 2))
        return torch.stack(mels), frames

    def _detect(self, encoded: Any) -> tuple[str, float]:
        totals: dict[str, float] = {}
        found = self._model.model.detect_language(encoded)[:_LANGUAGE_CHUNKS]
        for one in found:
            for token, probability in one:
                totals[token[2:-2]] = totals.get(token[2:-2], 0.0) + probability / len(found)
        best = max(totals, key=lambda code: totals[code])
        return best, round(totals[best], 4)

    def _tokenizer(self, language: str) -> Any:
        from faster_whisper.tokenizer import Tokenizer

        return Tokenizer(
            self._model.hf_tokenizer, self._model.model.is_multilingual, task="transcribe", language=language
        )

    def _decode_batch(
        self, encoded: Any, frames: list[int], batch: Sequence[Chunk], language: str
    ) -> list[DecodedChunk]:
        tokenizer, options = self._tokenizer(language), self._pipeline.options
        prompt = self._model.get_prompt(tokenizer, [], without_timestamps=True)
        results = self._model.model.generate(
            encoded,
            [prompt] * len(batch),
            beam_size=options.beam_size,
            patience=options.patience,
            length_penalty=options.length_penalty,
            max_length=self._model.max_length,
            suppress_blank=options.suppress_blank,
            suppress_tokens=options.suppress_tokens,
            no_repeat_ngram_size=options.no_repeat_ngram_size,
            repetition_penalty=options.repetition_penalty,
            return_scores=True,
            return_no_speech_prob=True,
        )
        tokens = [[token for token in one.sequences_ids[0] if token < tokenizer.eot] for one in results]
        aligned = self._model.find_alignment(tokenizer, tokens, encoded, frames)
        decoded = []
        for chunk, result, ids, words in zip(batch, results, tokens, aligned, strict=True):
            length = len(result.sequences_ids[0])
            logprob = result.scores[0] * (length**options.length_penalty) / (length + 1)
            text = tokenizer.decode(ids).strip()
            flags = _flags(text, logprob, result.no_speech_prob)
            timed = _words(words, chunk[1], chunk[2])
            decoded.append(DecodedChunk(*chunk, text, timed, logprob, result.no_speech_prob, flags))
        return decoded


def _flags(text: str, logprob: float, no_speech: float) -> list[str]:
    # the thresholds are Whisper's own (openai/whisper transcribe.py defaults)
    flags = []
    raw = text.encode()
    if raw and len(raw) / len(zlib.compress(raw)) > 2.4:
        flags.append("repetitive")
    if logprob < -1.0:
        flags.append("low_confidence")
    if no_speech > 0.6:
        flags.append("maybe_no_speech")
    return flags


def _words(found: list[dict[str, Any]], start: float, end: float) -> list[Word]:
    from faster_whisper.transcribe import merge_punctuations

    if not found:
        return []
    merge_punctuations(found, "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、")
    words = []
    for one in found:
        if not one["word"].strip():
            continue
        first = min(start + float(one["start"]), end)
        last = min(max(start + float(one["end"]), first), end)
        score = min(max(float(one["probability"]), 0.0), 1.0)
        words.append(
            Word(text=one["word"], start=round(first, 3), end=round(last, 3), score=round(score, 4), timing="attention")
        )
    return words
