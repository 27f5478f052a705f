"""Small transcripts for tests."""

from __future__ import annotations

from typing import Any

from include.stt import Engine, NotMeasured, Quality, RecordingInfo, Segment, SpeakerInfo, Transcript, Word


def word(text: str, start: float | None, end: float | None, **more: Any) -> Word:
    timing = more.pop("timing", "none" if start is None else "attention")
    return Word(text=text, start=start, end=end, score=0.9, timing=timing, **more)


def segment(
    words: list[Word], *, speaker: str | None = None, start: float | None = None, end: float | None = None
) -> Segment:
    starts = [one.start for one in words if one.start is not None]
    ends = [one.end for one in words if one.end is not None]
    return Segment(
        start=start if start is not None else min(starts, default=0.0),
        end=end if end is not None else max(ends, default=1.0),
        speaker=speaker,
        text=" ".join(one.text for one in words),
        confidence=0.9,
        words=words,
    )


def transcript(segments: list[Segment], *, speakers: dict[str, Any] | None = None, **more: Any) -> Transcript:
    recording = {
        "sha256": "0" * 64, "size_bytes": 1, "duration_s": 60.0, "container_duration_s": 60.0, "container": "wav",
        "codec": "pcm_s16le", "channels": 1, "sample_rate": 16000, "pcm_sha256": "1" * 64, "decoder": "ffmpeg",
        **more.pop("recording", {}),
    }  # fmt: skip
    engine = {
        "name": "whisperx", "versions": {}, "model": "base", "weights": {}, "parameters": {},
        "settings_digest": "2" * 64, "device": "cpu", **more.pop("engine", {}),
    }  # fmt: skip
    nothing = NotMeasured(reason="made for a test")
    return Transcript(
        schema_="voiceman.transcript/1",
        recording=RecordingInfo(**recording),
        language=more.pop("language", "en"),
        language_probability=nothing,
        language_source=more.pop("language_source", "requested"),
        engine=Engine(**engine),
        speakers=SpeakerInfo(**{"method": "none", "speakers": [], **(speakers or {})}),
        segments=segments,
        quality=Quality(speech_s=1.0, snr_db=nothing, bandwidth_hz=nothing, clipping=0.0, missing_s=nothing),
        created_at="2026-11-25T00:00:00+00:00",
        **more,
    )
