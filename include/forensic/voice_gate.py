"""Which voice measures a recording can carry: what bandwidth, codec, noise or clipping make meaningless is left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from include.stt import NotMeasured, Transcript

__all__ = ["LIMITS", "PARAMETRIC_CODECS", "VoiceGate", "gate_of"]

LIMITS = {
    "quality_bandwidth_hz": 4500.0,
    "quality_snr_db": 30.0,
    "pitch_snr_db": 5.0,
    "clipping": 0.001,
    "formant1_bandwidth_hz": 4500.0,
    "formant2_bandwidth_hz": 2800.0,
    "formant3_bandwidth_hz": 3300.0,
}
"""Bandwidth below which a recording counts as a telephone's; signal-to-noise ratio for voice quality (Deliyski, Shaw &
Evans 2005, J. Voice 19(1): 15-28: 30 dB acceptable, 42 dB recommended) and for pitch; share of clipped samples;
bandwidth that each formant needs (the telephone's lower limit near 300 Hz raises F1: Künzel 2001, Forensic Linguistics
8(1): 80-99; Byrne & Foulkes 2004, IJSLL 11(1): 83-102)."""

PARAMETRIC_CODECS = (
    "amr_nb", "amr_wb", "amrnb", "amrwb", "gsm", "gsm_ms", "g723_1", "g729", "speex", "evrc", "qcelp", "ilbc", "sipr",
)  # fmt: skip
"""Codecs that rebuild the excitation from parameters: the periods' irregularity that is left is the codec's."""


@dataclass(frozen=True, slots=True)
class VoiceGate:
    """For each group of measures: None where it may be measured, else why not."""

    pitch: NotMeasured | None
    intensity: NotMeasured | None
    quality: NotMeasured | None
    """Jitter, shimmer and harmonics-to-noise ratio."""
    formants: tuple[NotMeasured | None, NotMeasured | None, NotMeasured | None]
    narrowband: bool

    @property
    def notes(self) -> list[str]:
        """The reasons, each once."""
        found = [self.pitch, self.intensity, self.quality, *self.formants]
        return list(dict.fromkeys(item.reason for item in found if item is not None))


def gate_of(transcript: Transcript) -> VoiceGate:
    """What this recording's measures can carry, from the transcript's record of file and quality."""
    bandwidth = _number(transcript.quality.bandwidth_hz)
    snr = _number(transcript.quality.snr_db)
    if transcript.recording.sample_rate and bandwidth is not None:
        bandwidth = min(bandwidth, transcript.recording.sample_rate / 2)
    narrow = bandwidth is not None and bandwidth < LIMITS["quality_bandwidth_hz"]
    noisy = snr is not None and snr < LIMITS["pitch_snr_db"]
    pitch = (
        NotMeasured(reason=f"The signal-to-noise ratio is {snr:.0f} dB; {LIMITS['pitch_snr_db']:g} are needed.")
        if noisy
        else None
    )
    clipped = transcript.quality.clipping > LIMITS["clipping"]
    intensity = (
        NotMeasured(reason=f"{100 * transcript.quality.clipping:.2f} % of the samples are clipped.")
        if clipped
        else None
    )
    return VoiceGate(
        pitch=pitch,
        intensity=intensity,
        quality=_quality(transcript.recording.codec, bandwidth, snr) or intensity,
        formants=(_formant(1, bandwidth, snr), _formant(2, bandwidth, snr), _formant(3, bandwidth, snr)),
        narrowband=narrow or bandwidth is None,
    )


def _number(value: Any) -> float | None:
    return None if isinstance(value, NotMeasured) else float(value)


def _quality(codec: str, bandwidth: float | None, snr: float | None) -> NotMeasured | None:
    if codec.lower() in PARAMETRIC_CODECS:
        return NotMeasured(
            reason=f"The codec {codec} rebuilds the voice's periods; jitter, shimmer and HNR are its own."
        )
    if bandwidth is None or snr is None:
        return NotMeasured(reason="Bandwidth or signal-to-noise ratio is not known; jitter, shimmer and HNR need both.")
    if bandwidth < LIMITS["quality_bandwidth_hz"]:
        return NotMeasured(
            reason=f"The speech ends at {bandwidth:.0f} Hz, a telephone's band: its voice codec alters jitter, shimmer "
            "and HNR."
        )
    if snr < LIMITS["quality_snr_db"]:
        return NotMeasured(
            reason=f"The signal-to-noise ratio is {snr:.0f} dB; jitter, shimmer and HNR need "
            f"{LIMITS['quality_snr_db']:g}."
        )
    return None


def _formant(number: int, bandwidth: float | None, snr: float | None) -> NotMeasured | None:
    needed = LIMITS[f"formant{number}_bandwidth_hz"]
    if bandwidth is None:
        return NotMeasured(reason="The bandwidth is not known; formants need it.")
    if bandwidth < needed:
        why = "a telephone's lower band limit raises F1" if number == 1 else f"F{number} may lie above it"
        return NotMeasured(reason=f"The speech ends at {bandwidth:.0f} Hz: {why}.")
    if snr is not None and snr < 15:
        return NotMeasured(reason=f"The signal-to-noise ratio is {snr:.0f} dB; formants need 15.")
    return None
