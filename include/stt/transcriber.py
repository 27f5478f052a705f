"""A recording in, a transcript out: the one interface that tasks, CLI and benchmarks call."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.settings import get_settings
from include.stt.audio import SAMPLE_RATE, DecodedAudio, Probe, decode, probe
from include.stt.channels import ChannelPlan, plan_channels
from include.stt.engine import SpeechModel, resolve_compute_type, resolve_device
from include.stt.quality import measure_quality
from include.stt.transcript import Engine, NotMeasured, RecordingInfo, Segment, SpeakerInfo, Transcript
from include.stt.weights import file_sha256, weights_digests
from include.stt.words import DecodedChunk, snap_to_speech, to_segments

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Transcriber", "engine_info", "load_channels"]

log = logging.getLogger(__name__)

_PACKAGES = ("whisperx", "faster-whisper", "ctranslate2", "torch", "pyannote-audio", "transformers")
_CODE_VERSION = "2"
"""Raised whenever this package changes what a transcript says."""


@cache
def engine_info() -> Engine:
    """The engine as configured, with its settings digest; loads no model.

    Raises:
        ModelError: weights are missing or not what they should be.
    """
    settings, device = get_settings(), resolve_device()
    parameters: dict[str, Any] = {
        "code": _CODE_VERSION,
        "vad": {"method": "pyannote", "onset": 0.5, "offset": 0.363, "chunk_s": settings.vad_chunk_s},
        "beam_size": settings.beam_size,
        "decode_batch_size": settings.decode_batch_size,
        "compute_type": resolve_compute_type(device),
        "temperature": 0.0,
        "condition_on_previous_text": False,
        "word_times": "cross-attention",
        "min_speech_s": settings.min_speech_s,
        "accept_damaged": settings.accept_damaged,
    }
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    weights = weights_digests(settings.whisper_model)
    digest = hashlib.sha256(json.dumps([versions, weights, parameters, device], sort_keys=True).encode()).hexdigest()
    return Engine(
        name="whisperx",
        versions=versions,
        model=Path(settings.whisper_model).name,
        weights=weights,
        parameters=parameters,
        settings_digest=digest,
        device=device,
    )


def load_channels(path: Path, *, name: str | None = None) -> list[NDArray[np.float32]]:
    """Decode a recording for analysis: one float32 array (-1 to 1, 16 kHz) a channel.

    Raises:
        AudioError: it can't be decoded.
    """
    audio = decode(path, probe(path, name=name), name=name)
    return [_as_float(audio.pcm[:, index]) for index in range(audio.pcm.shape[1])]


def _as_float(pcm: NDArray[np.int16]) -> NDArray[np.float32]:
    import numpy as np

    return pcm.astype(np.float32) / np.float32(32768.0)


def _mixed(pcm: NDArray[np.int16]) -> NDArray[np.int16]:
    import numpy as np

    if pcm.shape[1] == 1:
        return pcm[:, 0]
    mixed: NDArray[np.int16] = np.asarray(np.mean(pcm, axis=1, dtype=np.float32)).astype(np.int16)
    return mixed


class Transcriber:
    """Transcribes recordings one after the other; the model is loaded at the first one that needs it."""

    def __init__(self, threads: int | None = None) -> None:
        self.engine = engine_info()
        self._threads = threads
        self._model: SpeechModel | None = None

    @property
    def model(self) -> SpeechModel:
        """The loaded model."""
        if self._model is None:
            self._model = SpeechModel(self._threads)
        return self._model

    def transcribe(self, path: Path, *, language: str = "auto", name: str | None = None) -> Transcript:
        """Transcribe one recording.

        Args:
            path: a local file in any format ffmpeg reads.
            language: a Whisper language code, or ``auto``.
            name: what to call the recording in an error.

        Returns:
            The transcript; without segments and with ``empty_reason`` when there is too little speech.

        Raises:
            AudioError: it can't be decoded, or part of it is missing.
            ModelError: the model can't be loaded.
        """
        name = name or path.name
        found = probe(path, name=name)
        audio = decode(path, found, name=name)
        plan = plan_channels(audio.pcm)
        pcm = [audio.pcm[:, i] for i in range(2)] if plan.split else [_mixed(audio.pcm)]
        channels = [_as_float(one) for one in pcm]
        regions, chunks = self._speech(channels)
        quality = measure_quality(audio.pcm, pcm, regions, _missing(path, found, audio))
        empty = _too_little(quality.speech_s)
        decoded: list[DecodedChunk] = []
        spoken, probability = ("und" if language == "auto" else language), None
        if empty is None:
            decoded, spoken, probability = self.model.decode(channels, chunks, language)
        segments = _in_order(decoded, regions, plan)
        if empty is None and not segments:
            empty = "the decoder found no words in what the voice activity detector takes for speech"
        return Transcript(
            recording=_recording(path, found, audio),
            language=spoken,
            language_probability=_probability(probability, language),
            language_source="detected" if language == "auto" else "requested",
            engine=self.engine,
            speakers=_speakers(plan),
            segments=segments,
            empty_reason=empty,
            quality=quality,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _speech(
        self, channels: Sequence[NDArray[np.float32]]
    ) -> tuple[list[list[tuple[float, float]]], list[tuple[int, float, float]]]:
        regions, chunks = [], []
        for index, channel in enumerate(channels):
            spans, pieces = self.model.speech_regions(channel) if channel.any() else ([], [])
            regions.append(spans)
            chunks += [(index, start, end) for start, end in pieces]
        return regions, chunks


def _missing(path: Path, found: Probe, audio: DecodedAudio) -> float | NotMeasured:
    if found.promised_bytes is not None and found.duration_s is not None:
        # a RIFF header that was not mended after a cut: ffprobe's duration is already what is left
        return found.duration_s * max(found.promised_bytes / path.stat().st_size, 1.0) - audio.duration_s
    if found.duration_s is None or not found.duration_is_declared:
        return NotMeasured(reason="this kind of file declares no duration to compare with")
    return found.duration_s - audio.duration_s


def _too_little(speech_s: float) -> str | None:
    least = get_settings().min_speech_s
    if speech_s > 0 and speech_s >= least:
        return None
    return f"{speech_s:.1f} s of speech found, at least {least:g} s are needed"


def _probability(value: float | None, language: str) -> float | NotMeasured:
    if value is not None:
        return value
    return NotMeasured(
        reason="no speech to tell the language from" if language == "auto" else "the language was requested"
    )


def _in_order(
    decoded: list[DecodedChunk], regions: list[list[tuple[float, float]]], plan: ChannelPlan
) -> list[Segment]:
    segments: list[Segment] = []
    for chunk in decoded:
        near = [(start, end) for start, end in regions[chunk.channel] if start < chunk.end and end > chunk.start]
        timed = replace(chunk, words=snap_to_speech(chunk.words, near))
        segments += to_segments(timed, f"channel-{chunk.channel + 1}" if plan.split else None)
    return sorted(segments, key=lambda segment: (segment.start, segment.end))


def _speakers(plan: ChannelPlan) -> SpeakerInfo:
    if plan.split:
        return SpeakerInfo(method="channel", speakers=["channel-1", "channel-2"], reason=plan.reason)
    return SpeakerInfo(method="none", speakers=[], reason=plan.reason)


def _recording(path: Path, found: Probe, audio: DecodedAudio) -> RecordingInfo:
    return RecordingInfo(
        sha256=file_sha256(path),
        size_bytes=path.stat().st_size,
        duration_s=round(audio.pcm.shape[0] / SAMPLE_RATE, 3),
        container_duration_s=found.duration_s,
        container=found.container,
        codec=found.codec,
        channels=found.channels,
        sample_rate=found.sample_rate,
        pcm_sha256=audio.sha256,
        decoder=audio.decoder,
        messages=audio.messages,
    )
