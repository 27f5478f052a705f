"""Transcripts made by hand for the forensic tests."""

from __future__ import annotations

from include.stt import Engine, NotMeasured, Quality, RecordingInfo, Segment, SpeakerInfo, Transcript, Word

SHA = "0" * 64


def make_words(text: str, start: float, *, timing: str = "attention") -> list[Word]:
    """Half a second a word."""
    return [
        Word(text=word, start=start + 0.5 * number, end=start + 0.5 * number + 0.4, score=0.9, timing=timing)
        for number, word in enumerate(text.split())
    ]


def make_segment(text: str, start: float, speaker: str | None = None, **changes) -> Segment:
    end = start + 0.5 * len(text.split())
    values = {"start": start, "end": end, "speaker": speaker, "text": text, "confidence": 0.8}
    return Segment(**{**values, "words": make_words(text, start), **changes})


def make_transcript(segments: list[Segment], *, language: str = "ko", **changes) -> Transcript:
    speakers = sorted({segment.speaker for segment in segments if segment.speaker})
    values = {
        "recording": RecordingInfo(
            sha256=SHA, size_bytes=1, duration_s=60.0, container_duration_s=60.0, container="mp4", codec="aac",
            channels=max(1, len(speakers)), sample_rate=16000, pcm_sha256=SHA, decoder="test",
        ),
        "language": language,
        "language_probability": 0.9,
        "language_source": "detected",
        "engine": Engine(
            name="test", versions={}, model="test", weights={}, parameters={}, settings_digest=SHA, device="cpu"
        ),
        "speakers": SpeakerInfo(method="channel" if speakers else "none", speakers=speakers),
        "segments": segments,
        "quality": Quality(
            speech_s=10, snr_db=NotMeasured(reason="test"), bandwidth_hz=NotMeasured(reason="test"),
            clipping=0, missing_s=0,
        ),
        "created_at": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    return Transcript(**{**values, **changes})
