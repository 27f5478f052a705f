"""Voice measures per speaker and the waveform's envelope. Descriptions of the sound, nothing about the person."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from include.forensic.analysis import Measure, VoiceMeasures, Waveform
from include.forensic.praat import METHOD, Frames, voiced_frames
from include.forensic.speech_timing import pause_ratio, speech_rate
from include.stt import NotMeasured, Segment, Transcript

__all__ = ["MINIMUM_VOICED_S", "WAVEFORM_POINTS", "envelope", "voice_measures"]

Audio = NDArray[np.float32]

MINIMUM_VOICED_S = 1.0
"""Less voiced speech than this gives no pitch and no intensity."""

WAVEFORM_POINTS = 4000
"""Most points of a channel's envelope."""

NO_AUDIO = NotMeasured(reason="The audio was not at hand; only the transcript was analysed.")


def voice_measures(
    transcript: Transcript, channels: Sequence[Audio] | None, sample_rate: int
) -> list[VoiceMeasures] | NotMeasured:
    """Measures of each speaker, or of the whole recording where speakers weren't separated.

    Args:
        transcript: its speakers ``channel-N`` are read from channel N; others from the mean of the channels.
        channels: float32 in [-1, 1], equal lengths; None when no audio is at hand.
        sample_rate: Hz.
    """
    if channels is None:
        return NO_AUDIO
    if not channels or not len(channels[0]):
        return NotMeasured(reason="The audio holds no samples.")
    if not transcript.segments:
        return NotMeasured(reason=transcript.empty_reason or "The transcript has no segments.")
    speakers: list[str | None] = list(transcript.speakers.speakers) if transcript.speakers.method == "channel" else []
    measures = []
    for speaker in speakers or [None]:
        own = [segment for segment in transcript.segments if speaker is None or segment.speaker == speaker]
        measures.append(_measured(speaker, own, _chosen(speaker, channels), sample_rate, transcript.language))
    return measures


def _chosen(speaker: str | None, channels: Sequence[Audio]) -> Sequence[Audio]:
    """The channel that ``channel-N`` names; all of them for anybody else."""
    if speaker is not None and speaker.startswith("channel-"):
        number = speaker.removeprefix("channel-")
        if number.isdigit() and 1 <= int(number) <= len(channels):
            return [channels[int(number) - 1]]
    return channels


def _measured(
    speaker: str | None, segments: list[Segment], channels: Sequence[Audio], sample_rate: int, language: str
) -> VoiceMeasures:
    def read(start: int, stop: int) -> Audio:
        parts = [channel[start:stop] for channel in channels]
        return parts[0] if len(parts) == 1 else np.mean(parts, axis=0, dtype=np.float32)

    samples = min(len(channel) for channel in channels)
    frames = voiced_frames(read, samples, sample_rate, sorted((item.start, item.end) for item in segments))
    words = [word for segment in segments for word in segment.words]
    median, spread, level = _statistics(frames)
    return VoiceMeasures(
        speaker=speaker,
        voiced_s=Measure(value=round(frames.voiced_s, 2), unit="s", method=METHOD),
        f0_median_hz=median,
        f0_iqr_semitones=spread,
        intensity_median_db=level,
        pause_ratio=pause_ratio(words),
        speech_rate=speech_rate(words, language),
    )


def _statistics(
    frames: Frames,
) -> tuple[Measure | NotMeasured, Measure | NotMeasured, Measure | NotMeasured]:
    """F0 median, F0 interquartile range, intensity median; not measured on less than a second of voice."""
    if frames.voiced_s < MINIMUM_VOICED_S:
        none = NotMeasured(reason=f"Only {frames.voiced_s:.2f} s voiced; {MINIMUM_VOICED_S:g} s are needed.")
        return none, none, none
    low, median, high = np.percentile(frames.f0_hz, [25, 50, 75])
    return (
        Measure(value=round(float(median), 1), unit="Hz", method=f"median; {METHOD}"),
        Measure(
            value=round(float(12 * np.log2(high / low)), 2),
            unit="semitones",
            method=f"12*log2(third quartile / first quartile); {METHOD}",
        ),
        Measure(
            value=round(float(np.nanmedian(frames.intensity_db)), 1),
            unit="dB re full scale (RMS 1.0)",
            method=f"median, relative to the file's full scale and not to a sound level; {METHOD}",
        ),
    )


def envelope(channels: Sequence[Audio] | None, sample_rate: int) -> Waveform | NotMeasured:
    """Absolute peaks per step for drawing, at most :data:`WAVEFORM_POINTS` a channel."""
    if channels is None:
        return NO_AUDIO
    longest = max((len(channel) for channel in channels), default=0)
    if not longest:
        return NotMeasured(reason="The audio holds no samples.")
    step = max(1, -(-longest // WAVEFORM_POINTS))
    return Waveform(step_s=step / sample_rate, peaks=[_peaks(channel, step) for channel in channels])


def _peaks(channel: Audio, step: int) -> list[float]:
    """Peak by peak, so that no copy of a long recording is made."""
    return [
        round(min(1.0, float(np.max(np.abs(channel[start : start + step])))), 4)
        for start in range(0, len(channel), step)
    ]
