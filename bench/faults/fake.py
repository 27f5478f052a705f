"""Engines that take a set time and make small valid artefacts: only to measure the pipeline around them.

``VOICEMAN_ENGINES=bench.faults.fake:FakeEngines``. Every artefact says ``fake-for-benchmarks``, is a function of the
recording's bytes alone, and so can be checked byte by byte. Settings (the stack hands on ``VOICEMAN_*``):

- ``VOICEMAN_FAKE_S``: seconds a transcription takes (1); an analysis and a report take a fifth of it.
- ``VOICEMAN_FAKE_REPLICAS``: recordings transcribed at once by one task (2).
- ``VOICEMAN_FAKE_DEVICES``: a directory; see :mod:`bench.faults.devices`. Without it the device is not watched.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import wave
from pathlib import Path
from typing import TYPE_CHECKING, Self

from bench.faults.devices import on_device
from include import forensic, stt

if TYPE_CHECKING:
    from include import report

NAME = "fake-for-benchmarks"
KINDS = ("report.pdf", "report.html", "report.en.pdf", "report.en.html")
_MADE_AT = "2000-01-01T00:00:00Z"
"""No real time: equal input gives equal bytes."""
_PDF = b"""%%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj
%% %s
trailer<</Root 1 0 R>>
%%%%EOF
"""


def _digest(*parts: str) -> str:
    return hashlib.sha256(" ".join((NAME, *parts)).encode()).hexdigest()


def fake_s() -> float:
    """Seconds that a transcription takes."""
    return float(os.environ.get("VOICEMAN_FAKE_S", "1"))


def fake_transcript(data: bytes, language: str) -> stt.Transcript:
    """The transcript of a wav's bytes: one made-up sentence that holds their digest."""
    from io import BytesIO

    with wave.open(BytesIO(data)) as audio:
        rate, channels = audio.getframerate(), audio.getnchannels()
        seconds = round(audio.getnframes() / rate, 3)
    sha = hashlib.sha256(data).hexdigest()
    spoken = "ko" if language == "auto" else language
    reason = stt.NotMeasured(reason=f"{NAME}: nothing is measured")
    return stt.Transcript(
        recording=stt.RecordingInfo(
            sha256=sha, size_bytes=len(data), duration_s=seconds, container_duration_s=seconds, container="wav",
            codec="pcm_s16le", channels=channels, sample_rate=rate, pcm_sha256=sha, decoder=NAME,
        ),
        language=spoken, language_probability=reason, language_source="requested",
        engine=stt.Engine(
            name=NAME, versions={}, model=NAME, weights={}, parameters={}, settings_digest=_digest(), device="none",
        ),
        speakers=stt.SpeakerInfo(method="none", speakers=[], reason=NAME),
        segments=[stt.Segment(start=0.0, end=seconds, speaker=None, text=f"녹음 {sha[:16]}", confidence=None)],
        quality=stt.Quality(speech_s=seconds, snr_db=reason, bandwidth_hz=reason, clipping=0.0, missing_s=reason),
        created_at=_MADE_AT,
    )  # fmt: skip


class FakeTranscribers:
    """Sleeps on the device."""

    def __init__(self, recordings: int) -> None:
        self.replicas = max(min(recordings, int(os.environ.get("VOICEMAN_FAKE_REPLICAS", "2"))), 1)

    def transcribe(self, path: Path, *, language: str = "auto", name: str | None = None) -> stt.Transcript:  # noqa: ARG002
        """One recording."""
        data = path.read_bytes()
        with on_device(hashlib.sha256(data).hexdigest()):
            time.sleep(fake_s())
        return fake_transcript(data, language)

    def confirm(self, path: Path, passages: object, *, name: str) -> stt.NotMeasured:  # noqa: ARG002
        """Nothing is decoded again."""
        return stt.NotMeasured(reason=f"{NAME}: nothing is measured")

    def memory(self) -> None:
        """No model, no device memory."""


class FakeRenderer:
    """Renders in this process."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def render(
        self, transcript: bytes, analysis: bytes, facts: report.ReportFacts, *, both: bool = True,  # noqa: ARG002
        audio: Path | None = None,  # noqa: ARG002
        redacted: bool = False, player: bool = False,  # noqa: ARG002
    ) -> dict[str, bytes]:  # fmt: skip
        """The kinds of files that the real one gives, tiny; always in both languages, never twins."""
        time.sleep(fake_s() / 5)
        line = f"{NAME} {hashlib.sha256(analysis).hexdigest()}"
        html = f"<!doctype html><title>{NAME}</title><p>{line}</p>".encode()
        return {kind: _PDF % line.encode() if kind.endswith("pdf") else html for kind in KINDS}


class FakeEngines:
    """See ``include.pipeline.engines.Engines``."""

    def transcribers(self, recordings: int, model: str, kept: object = None) -> FakeTranscribers:  # noqa: ARG002
        """``VOICEMAN_FAKE_REPLICAS`` of them."""
        return FakeTranscribers(recordings)

    def transcript_digest(self, language: str, model: str) -> str:
        """Nothing but what was asked for."""
        return _digest("transcript", language, model)

    def analysis_digest(self) -> str:
        """A constant."""
        return _digest("analysis")

    def report_digest(self) -> str:
        """A constant."""
        return _digest("report")

    def renderer(self, workers: int) -> FakeRenderer:  # noqa: ARG002
        """One process is enough for nothing."""
        return FakeRenderer()

    def passages(self, transcript: stt.Transcript) -> list[stt.Passage]:  # noqa: ARG002
        """None: nothing is found."""
        return []

    def analyze(
        self,
        transcript: stt.Transcript,
        path: Path,
        *,
        name: str,  # noqa: ARG002
        transcript_name: str,
        transcript_sha256: str,
        second_decodes: object = None,  # noqa: ARG002
        emotion: bool | None = None,  # noqa: ARG002
    ) -> forensic.Analysis:
        """A valid analysis in which nothing was measured. Reads the audio, as the real one does."""
        time.sleep(fake_s() / 5)
        sha = hashlib.sha256(path.read_bytes()).hexdigest()
        reason = stt.NotMeasured(reason=f"{NAME}: nothing is measured")
        unmeasured = dict.fromkeys(("findings", "acoustics", "waveform", "emotion", "stress", "cross_checks"), reason)
        document = {
            "schema": forensic_schema(),
            "transcript": {"name": transcript_name, "sha256": transcript_sha256, "recording_sha256": sha},
            "language": transcript.language,
            "duration_s": transcript.recording.duration_s,
            "taxonomy": {"version": NAME, "sha256": _digest(), "languages": [], "categories": {}},
            **{key: value.model_dump() for key, value in unmeasured.items()},
            "scores": {
                "counts": {}, "per_audio_hour": {}, "review_order": reason.model_dump(), "formula": NAME,
                "formula_version": NAME, "inputs": {},
            },
            "versions": {},
            "settings_digest": _digest("analysis"),
            "created_at": _MADE_AT,
        }  # fmt: skip
        return forensic.Analysis.model_validate_json(json.dumps(document))


def forensic_schema() -> str:
    """The schema's name, from the model itself."""
    return str(forensic.Analysis.model_fields["schema_"].default)
