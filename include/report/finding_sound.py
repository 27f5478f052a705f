"""What the sound around each finding looks like: peaks and a spectrogram, taken once from the decoded recording.

Language plays no part here; :mod:`include.report.finding_strip` draws it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.forensic import Analysis, Finding
from include.report.spectrogram import grey_png, spectrogram
from include.stt import NotMeasured, Transcript

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["FindingSound", "enveloped_findings", "heard_findings", "window_of"]

_MARGIN_S = 2.0
_SHORTEST_S, _LONGEST_S = 8.0, 20.0
_PEAKS, _COLUMNS = 240, 360
"""Of a picture: one and a half peaks and two columns of the spectrogram a millimetre on paper."""
_COARSEST_S = 0.1
"""Peaks further apart than this say nothing about a passage of some seconds."""


@dataclass(frozen=True)
class FindingSound:
    """The stretch around one finding."""

    start: float
    end: float
    """Seconds of the recording."""
    peaks: list[float]
    """Loudest sample of each of equal bins, 0-1 of full scale."""
    png: bytes | None
    """Spectrogram; None: the audio was not at hand."""
    channel: int | None
    """Which channel, from 0; None: the loudest of all of them (peaks), their mean (spectrogram)."""


def window_of(finding: Finding, duration_s: float) -> tuple[float, float] | None:
    """The stretch to draw, seconds: the passage with two seconds around it, 8 to 20 s; None: it has no time."""
    start = finding.span.start
    if start is None:
        return None
    end = finding.span.end if finding.span.end is not None else start
    length = min(max(end - start + 2 * _MARGIN_S, _SHORTEST_S), _LONGEST_S, duration_s)
    around = (start + end - length) / 2 if end - start + 2 * _MARGIN_S <= _LONGEST_S else start - _MARGIN_S
    first = min(max(around, 0.0), max(duration_s - length, 0.0))
    return first, first + length


def _channel(finding: Finding, transcript: Transcript, count: int) -> int | None:
    """The channel that the speaker's words are on, where speakers are channels."""
    if count == 1:
        return 0
    if transcript.speakers.method != "channel" or finding.span.speaker is None:
        return None
    number = finding.span.speaker.removeprefix("channel-")
    return int(number) - 1 if number.isdecimal() and 1 <= int(number) <= count else None


def heard_findings(
    transcript: Transcript, analysis: Analysis, decode: Callable[[], NDArray[np.int16]], rate: int
) -> dict[int, FindingSound]:
    """The stretch around each finding that has a time, by the finding's position.

    Args:
        transcript: says which channel a speaker is on.
        analysis: with the findings.
        decode: gives the decoded recording, shape (frames, channels); not called when nothing was found.
        rate: samples a second.
    """
    import numpy as np

    out: dict[int, FindingSound] = {}
    if not isinstance(analysis.findings, list) or not analysis.findings:
        return out
    pcm = decode()
    duration = pcm.shape[0] / rate
    for index, finding in enumerate(analysis.findings):
        window = window_of(finding, duration)
        if window is None or window[1] <= window[0]:
            continue
        part = pcm[int(window[0] * rate) : int(window[1] * rate)].astype(np.float32) / 32768
        if not len(part):
            continue
        channel = _channel(finding, transcript, pcm.shape[1])
        part = part if channel is None else part[:, channel : channel + 1]
        edges = np.linspace(0, len(part), _PEAKS + 1).astype(int)[:-1]
        peaks = np.maximum.reduceat(np.abs(part).max(axis=1), np.minimum(edges, len(part) - 1))
        picture = grey_png(spectrogram(part.mean(axis=1), rate, _COLUMNS))
        out[index] = FindingSound(*window, [round(float(one), 4) for one in peaks], picture, channel)
    return out


def enveloped_findings(transcript: Transcript, analysis: Analysis) -> Mapping[int, FindingSound]:
    """The same from the analysis' peaks alone, without spectrograms; empty where they are too coarse or missing."""
    wave = analysis.waveform
    if isinstance(wave, NotMeasured) or wave.step_s > _COARSEST_S or not wave.peaks:
        return {}
    out = {}
    for index, finding in enumerate(analysis.findings if isinstance(analysis.findings, list) else []):
        window = window_of(finding, analysis.duration_s)
        if window is None or window[1] <= window[0]:
            continue
        channel = _channel(finding, transcript, len(wave.peaks))
        lanes: Sequence[Sequence[float]] = wave.peaks if channel is None else [wave.peaks[channel]]
        first, last = int(window[0] / wave.step_s), max(int(window[1] / wave.step_s), int(window[0] / wave.step_s) + 1)
        peaks = [max(step) for step in zip(*(lane[first:last] for lane in lanes), strict=True)]
        if peaks:
            out[index] = FindingSound(*window, peaks, None, channel)
    return out
