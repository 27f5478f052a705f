"""Voice measures of a recording's speakers side by side."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter

from include.forensic import Analysis, SpeakerVoice
from include.report.labels import Labels
from include.report.text import clean
from include.stt import NotMeasured

__all__ = ["FLOOR", "MEASURES", "VoiceTable", "voice_tables"]

MEASURES = (
    "voiced_s", "f0_median_hz", "f0_iqr_semitones", "f0_range_semitones", "intensity_median_db", "intensity_iqr_db",
    "jitter_local", "shimmer_local", "hnr_db", "formant1_hz", "formant2_hz", "formant3_hz", "speech_rate",
    "pause_ratio", "pauses_per_minute", "pause_median_s",
)  # fmt: skip
FLOOR = ("turns", "talking_share", "response_latency_s", "overlap_s", "interruptions", "interrupted")
_SPEAKERS_ABREAST = 3


@dataclass(frozen=True)
class VoiceTable:
    """Voice measures of up to three speakers side by side."""

    speakers: list[str]
    rows: list[tuple[str, list[str], list[str]]]
    """Measure, a value per speaker, the methods or reasons (each once)."""


def _voice_table(voices: list[SpeakerVoice], labels: Labels) -> VoiceTable:
    rows = []
    for name in (*MEASURES, *(f"floor.{one}" for one in FLOOR)):
        values = [attrgetter(name)(one) for one in voices]
        how = [
            clean(labels.t.recorded(value.reason) if isinstance(value, NotMeasured) else value.method)
            for value in values
        ]
        rows.append(
            (labels.t(f"voice.{name}"), [labels.measurement(value) for value in values], list(dict.fromkeys(how)))
        )
    return VoiceTable([labels.speaker(one.speaker) for one in voices], rows)


def voice_tables(analysis: Analysis, labels: Labels) -> list[VoiceTable]:
    """Tables of up to three speakers each; none when the voices were not measured."""
    voices = analysis.acoustics if isinstance(analysis.acoustics, list) else []
    chunks = [voices[at : at + _SPEAKERS_ABREAST] for at in range(0, len(voices), _SPEAKERS_ABREAST)]
    return [_voice_table(chunk, labels) for chunk in chunks]
