"""Speech to text: decode → speech regions → WhisperX → word times → transcript."""

from include.stt.audio import SAMPLE_RATE, Probe, probe
from include.stt.replicas import TranscriberPool
from include.stt.transcriber import Transcriber, engine_info, load_channels
from include.stt.transcript import (
    SCHEMA,
    Engine,
    NotMeasured,
    Quality,
    RecordingInfo,
    Segment,
    SpeakerInfo,
    Transcript,
    Word,
    load_transcript,
)
from include.stt.weights import fetch_model, file_sha256, install_base

__all__ = [
    "SAMPLE_RATE",
    "SCHEMA",
    "Engine",
    "NotMeasured",
    "Probe",
    "Quality",
    "RecordingInfo",
    "Segment",
    "SpeakerInfo",
    "Transcriber",
    "TranscriberPool",
    "Transcript",
    "Word",
    "engine_info",
    "fetch_model",
    "file_sha256",
    "install_base",
    "load_channels",
    "load_transcript",
    "probe",
]
