"""The transcript: ``voiceman.transcript/1``, what ``{file_id}_transcript.json`` holds.

All times are seconds from the start of the recording; scores and probabilities lie in 0–1.
A value that was not measured is a :class:`NotMeasured` with its reason, never a default number.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from include.described import DESCRIBED
from include.errors import DocumentError

__all__ = [
    "SCHEMA",
    "DecodeFacts",
    "Engine",
    "LanguageWindow",
    "NotMeasured",
    "Quality",
    "QualityFlag",
    "RecordingInfo",
    "Segment",
    "SetAside",
    "SpeakerInfo",
    "SpeakerTurn",
    "Transcript",
    "UncoveredSpeech",
    "Word",
    "load_transcript",
]

SCHEMA: Final = "voiceman.transcript/1"


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=DESCRIBED, allow_inf_nan=False, hide_input_in_errors=True
    )


class NotMeasured(_Model):
    """Stands where a value would be, had it been measured."""

    measured: Literal[False] = False
    reason: str


class RecordingInfo(_Model):
    """The file as received: found by probing it, not by trusting its name."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the original file, hex."""
    size_bytes: int = Field(ge=0)
    duration_s: float
    """Seconds of audio decoded."""
    container_duration_s: float | None
    """Seconds the container declares; None when it declares none."""
    container: str
    codec: str
    channels: int
    sample_rate: int
    """Hz, as stored."""
    pcm_sha256: str
    """SHA-256 of the decoded audio (16 kHz, 16-bit little-endian, channels interleaved)."""
    decoder: str
    """The program and version that decoded it, with the arguments that matter."""
    messages: list[str] = Field(default_factory=list)
    """What the decoder complained about, first lines only."""
    fingerprint: str | NotMeasured = NotMeasured(reason="no fingerprint was made")
    """Chromaprint of the decoded audio: copies of a recording in other containers have nearly the same one."""


class Engine(_Model):
    """What made the transcript; enough to make it again."""

    name: str
    versions: dict[str, str]
    """Package versions: whisperx, faster-whisper, ctranslate2, torch …"""
    model: str
    """The model's name or directory name."""
    weights: dict[str, str]
    """SHA-256 by file of every weight used, hex."""
    parameters: dict[str, Any]
    """Every parameter that can change the text or the times."""
    settings_digest: str
    """SHA-256 over versions, weights and parameters: the artefact's key together with the input digest."""
    device: str
    served_by: str | None = None
    """Address of the resident service that made the transcript; None: made in the process that asked for it."""
    fallback: str | None = None
    """Why it was made in that process although a resident service was configured; None: it was not meant otherwise."""
    transcribed_as: str | None = None
    """SHA-256 of another file with exactly this decoded audio, whose transcript this is; None: of this file."""


class Word(_Model):
    """One word. ``start`` and ``end`` are None when no time could be found."""

    text: str
    start: float | None
    end: float | None
    score: float | None
    """Mean probability the decoder gave the word's tokens, 0–1."""
    timing: Literal["acoustic", "attention", "none"]
    """Forced alignment, cross-attention, or no time at all."""
    speaker: str | None = None
    """Whose word it is; None when speakers were not separated or this word could not be given to one."""
    flags: list[str] = Field(default_factory=list)
    """``uncertain_speaker``, ``overlap`` (two speakers at once), ``implausible_time``."""


class DecodeFacts(_Model):
    """How the decoder came to a segment."""

    temperature: float
    """0: beam search; above: sampled, after the beam's text failed the checks."""
    avg_logprob: float
    """Mean log-probability of the tokens, natural logarithm."""
    no_speech_prob: float
    compression_ratio: float
    """Bytes of the text over its zlib-compressed bytes; above 2.4 it repeats itself."""
    decode_pass: int
    """1: first decoding; 2: decoded again because no word covered speech here."""


class Segment(_Model):
    """A stretch of one speaker's words."""

    start: float
    end: float
    speaker: str | None
    """``channel-1`` …; None when speakers were not separated."""
    text: str
    confidence: float | None
    """Geometric mean of the words' scores, 0–1; without word scores exp(mean log-probability) of the up to 30 s that
    were decoded together. Not a calibrated probability of being right."""
    language: str | None = None
    """ISO 639-1 code this segment was decoded in."""
    decoding: DecodeFacts | None = None
    flags: list[str] = Field(default_factory=list)
    words: list[Word] = Field(default_factory=list)


class QualityFlag(_Model):
    """Something that is wrong with the recording, where and how much of it."""

    kind: Literal["truncated", "missing_audio", "decoder_error", "discontinuity", "clipped", "digital_silence"]
    detail: str
    """One sentence."""
    seconds: float | NotMeasured
    """Audio missing or concerned, seconds."""
    at_s: float | None = None
    """Where, seconds from the start of what was decoded; None when it can't be placed."""


class Quality(_Model):
    """Measured on the decoded audio; SNR and bandwidth over the channels that were transcribed."""

    speech_s: float
    """Seconds in which the voice activity detector finds speech in at least one channel."""
    snr_db: float | NotMeasured
    """Speech level over the level of the non-speech parts, dB."""
    bandwidth_hz: float | NotMeasured
    """Frequency below which 99 % of the speech energy lies, Hz."""
    clipping: float
    """Share of decoded samples at full scale, 0–1, all channels. Measured after resampling to 16 kHz, which can hide
    clipping of the original samples."""
    missing_s: float | NotMeasured
    """Declared duration less decoded duration, seconds, never below 0."""
    flags: list[QualityFlag] = Field(default_factory=list)


class SpeakerInfo(_Model):
    """How speakers were told apart."""

    method: Literal["channel", "diarization", "none"]
    speakers: list[str]
    """``channel-1`` … or ``speaker-1`` …, in the order in which they are first heard."""
    reason: str | None = None
    """How it was decided; why there is no speaker separation, when ``method`` is ``none``."""
    turns: list[SpeakerTurn] = Field(default_factory=list)
    """Who speaks when, in order of time; turns overlap where two speak at once."""


class SpeakerTurn(_Model):
    """One speaker's uninterrupted stretch."""

    start: float
    end: float
    speaker: str
    confidence: float | None = None
    """How clearly the voice is this speaker's, 0–1, as the method defines it; None when it gives none."""


class LanguageWindow(_Model):
    """Which language one window of speech was taken for."""

    start: float
    end: float
    channel: int
    language: str
    probability: float


class UncoveredSpeech(_Model):
    """Speech by the voice activity detector that no word covers, also after it was decoded again."""

    start: float
    end: float
    channel: int
    """0 for the first, or for a mixed or single channel."""


class SetAside(_Model):
    """A text of the decoder's that is taken for its own invention, with why; it is no part of the transcript."""

    start: float
    end: float
    channel: int
    text: str
    reasons: list[str]
    """Checks that it failed: ``stock_phrase``, ``no_energy``, ``maybe_no_speech``, ``repetitive`` …"""


class Transcript(_Model):
    """A whole recording's transcript."""

    schema_: Literal["voiceman.transcript/1"] = Field(SCHEMA, alias="schema")
    recording: RecordingInfo
    language: str
    """ISO 639-1 code the text was decoded in; ``und`` when there were no words to tell it from."""
    language_probability: float | NotMeasured
    language_source: Literal["detected", "requested"]
    language_windows: list[LanguageWindow] = Field(default_factory=list)
    """Several windows of speech, each with its most probable language; empty when the language was requested."""
    mixed_language: bool | NotMeasured = NotMeasured(reason="the language was requested")
    """Whether speech in more than one language was found."""
    engine: Engine
    speakers: SpeakerInfo
    segments: list[Segment]
    uncovered_speech: list[UncoveredSpeech] = Field(default_factory=list)
    set_aside: list[SetAside] = Field(default_factory=list)
    empty_reason: str | None = None
    """Why there are no segments."""
    quality: Quality
    created_at: str
    """UTC, ISO 8601."""

    model_config = ConfigDict(
        extra="forbid",
        populate_by_name=True,
        use_attribute_docstrings=DESCRIBED,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )

    def to_json(self) -> str:
        """JSON with stable key order, UTF-8, two-space indent."""
        return json.dumps(self.model_dump(by_alias=True), ensure_ascii=False, indent=2) + "\n"


def load_transcript(source: Path | bytes | str, *, name: str = "transcript") -> Transcript:
    """Read and check a transcript.

    Args:
        source: a path, or the JSON itself.
        name: what to call it in an error.

    Raises:
        DocumentError: unreadable, not JSON, or not a ``voiceman.transcript/1``.
    """
    label = str(source) if isinstance(source, Path) else name
    try:
        data = source.read_bytes() if isinstance(source, Path) else source
        return Transcript.model_validate_json(data)
    except OSError as error:
        raise DocumentError(f"{label} can't be read ({error.strerror}); give the path of a transcript JSON.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise DocumentError(
            f"{label} is not a {SCHEMA} document: {where}: {first['msg']}; make it with ./voiceman transcribe."
        ) from error
