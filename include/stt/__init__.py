"""Speech to text: decode → speech regions → WhisperX → word times → transcript."""

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

__all__ = [
    "SCHEMA",
    "Engine",
    "NotMeasured",
    "Quality",
    "RecordingInfo",
    "Segment",
    "SpeakerInfo",
    "Transcript",
    "Word",
    "load_transcript",
]
