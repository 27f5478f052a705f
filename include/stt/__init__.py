"""Speech to text: decode → speech regions → WhisperX → word times → transcript."""

from include.stt.again import LONGEST_PASSAGE_S, Passage, decode_again
from include.stt.audio import SAMPLE_RATE, Probe, probe
from include.stt.cache import ByteStore, CacheCounts, CacheHit, CacheKey, TranscriptCache, of_this_file
from include.stt.confirm import Confirmer, Span
from include.stt.confirmation import Confirmation
from include.stt.ct2_weights import encoder_module
from include.stt.exports import KINDS as EXPORT_KINDS
from include.stt.exports import export
from include.stt.facts import engine_info
from include.stt.fingerprint import THRESHOLD as RELATED_FROM
from include.stt.fingerprint import Fingerprint, similarity
from include.stt.memory import MemoryUse
from include.stt.prepare import load_channels, load_pcm
from include.stt.replicas import TranscriberPool
from include.stt.service import RemoteTranscriber, ServiceOptions, serve, service_status, stop_service
from include.stt.transcriber import Transcriber
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
    "EXPORT_KINDS",
    "LONGEST_PASSAGE_S",
    "RELATED_FROM",
    "SAMPLE_RATE",
    "SCHEMA",
    "ByteStore",
    "CacheCounts",
    "CacheHit",
    "CacheKey",
    "Confirmation",
    "Confirmer",
    "Engine",
    "Fingerprint",
    "MemoryUse",
    "NotMeasured",
    "Passage",
    "Probe",
    "Quality",
    "RecordingInfo",
    "RemoteTranscriber",
    "Segment",
    "ServiceOptions",
    "Span",
    "SpeakerInfo",
    "Transcriber",
    "TranscriberPool",
    "Transcript",
    "TranscriptCache",
    "Word",
    "decode_again",
    "encoder_module",
    "engine_info",
    "export",
    "fetch_model",
    "file_sha256",
    "install_base",
    "load_channels",
    "load_pcm",
    "load_transcript",
    "of_this_file",
    "probe",
    "serve",
    "service_status",
    "similarity",
    "stop_service",
]
