"""What the engine is made of as configured: packages, weights, every parameter, and the digest over them."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from functools import cache
from pathlib import Path
from typing import Any

from include.settings import Settings, get_settings
from include.stt.aligner import aligner_weights
from include.stt.decoding import parameters as decoding_parameters
from include.stt.diarization import diarizer_facts
from include.stt.engine import resolve_batch_size, resolve_compute_type, resolve_device
from include.stt.hybrid import engine_name
from include.stt.transcript import Engine
from include.stt.vad import PARAMETERS as VAD_PARAMETERS
from include.stt.weights import weights_digests

__all__ = ["engine_info"]

_PACKAGES = ("whisperx", "faster-whisper", "ctranslate2", "torch", "pyannote-audio", "transformers")
_CODE_VERSION = "9"
"""Raised whenever this package changes what a transcript says."""


def engine_info(model: str | None = None) -> Engine:
    """The engine as configured, with its settings digest; loads no model.

    Args:
        model: Whisper weights by name; the setting's when None.

    Raises:
        ModelError: weights are missing or not what they should be.
    """
    settings = get_settings()
    return _info(model or settings.whisper_model, resolve_device(), settings)


@cache
def _info(model: str, device: str, settings: Settings) -> Engine:
    """As above; the settings are part of the key, so that no answer outlives the settings it was made of."""
    diarizer = diarizer_facts()
    parameters: dict[str, Any] = {
        "code": _CODE_VERSION,
        "vad": {"method": settings.vad, **VAD_PARAMETERS[settings.vad], "chunk_s": settings.vad_chunk_s},
        "decoding": decoding_parameters(),
        "beam_size": settings.beam_size,
        "decode_batch_size": resolve_batch_size(device),
        "compute_type": resolve_compute_type(device),
        "condition_on_previous_text": False,
        "word_times": {"method": "cross-attention, on pauses"}
        | ({"whisperx.align": settings.aligners, "fallback": settings.align_fallback} if settings.aligners else {}),
        "speakers": {"method": diarizer.method, **diarizer.parameters},
        "min_speech_s": settings.min_speech_s,
        "accept_damaged": settings.accept_damaged,
    }
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES} | diarizer.versions
    weights = weights_digests(model) | diarizer.weights
    for language in settings.aligners:
        weights |= aligner_weights(language)
    name = engine_name(device)
    made_of = [name, versions, weights, parameters, device]
    return Engine(
        name=name,
        versions=versions,
        model=Path(model).name,
        weights=weights,
        parameters=parameters,
        settings_digest=hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest(),
        device=device,
    )
