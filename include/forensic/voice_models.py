"""What a voice description holds: one block a speaker, one line a turn. Descriptions of sound."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from include.described import DESCRIBED
from include.forensic.analysis import Measurement
from include.forensic.floor_timing import FloorMeasures
from include.stt import NotMeasured

__all__ = ["TURN_MEASURES", "SpeakerVoice", "TurnVoice", "VoiceDescription", "VoiceTurns"]

TURN_MEASURES = {
    "f0_median_st": "semitones re 27.5 Hz",
    "f0_range_st": "semitones",
    "intensity_db": "dB re full scale",
    "balance_db": "dB",
    "speech_rate": "syllables/s",
    "hnr_db": "dB",
    "jitter": "share",
    "shimmer": "share",
}
"""A turn's measures and their units: median pitch; 10th to 90th percentile of pitch; median intensity of voiced frames;
energy of 1-3.7 kHz less that of 0.2-1 kHz (a louder effort raises it); syllables per second of its words; mean
harmonics-to-noise ratio; jitter (local); shimmer (local)."""


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=DESCRIBED, allow_inf_nan=False, hide_input_in_errors=True
    )


class SpeakerVoice(_Model):
    """One speaker over the recording (or everybody together where speakers were not separated)."""

    speaker: str | None
    voiced_s: Measurement
    f0_median_hz: Measurement
    f0_iqr_semitones: Measurement
    f0_range_semitones: Measurement
    """10th to 90th percentile."""
    intensity_median_db: Measurement
    intensity_iqr_db: Measurement
    jitter_local: Measurement
    shimmer_local: Measurement
    hnr_db: Measurement
    formant1_hz: Measurement
    formant2_hz: Measurement
    formant3_hz: Measurement
    speech_rate: Measurement
    """Syllables per second of the time that the speaker's words cover."""
    pause_ratio: Measurement
    pauses_per_minute: Measurement
    pause_median_s: Measurement
    floor: FloorMeasures


class TurnVoice(_Model):
    """One turn: measures over time."""

    index: int = Field(ge=0)
    speaker: str | None
    start: float
    end: float
    segments: list[int]
    """Indices into the transcript's segments."""
    voiced_s: float
    values: dict[str, float]
    """Measure → value (names and units: ``units`` of the description); what could not be measured is left out."""
    overlapped_s: float
    """Seconds of the turn in which another speaker is heard too; its measures then describe both."""


class VoiceDescription(_Model):
    """The voices of a recording."""

    method: str
    units: dict[str, str]
    """Unit of each turn measure."""
    left_out: list[str]
    """Why some measures are missing throughout."""
    speakers: list[SpeakerVoice]
    turns: list[TurnVoice] | NotMeasured


class VoiceTurns(_Model):
    """The voices over time, as an analysis holds them."""

    method: str
    units: dict[str, str]
    """Unit of each turn measure."""
    left_out: list[str]
    """Why some measures are missing throughout."""
    turns: list[TurnVoice]
