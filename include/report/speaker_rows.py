"""Who speaks how long and when, by the transcript."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from include.forensic import Analysis
from include.report.labels import Labels
from include.report.text import number
from include.stt import Transcript

__all__ = ["SpeakerRow", "speaker_rows"]


@dataclass(frozen=True)
class SpeakerRow:
    """One speaker."""

    speaker: str
    count: int
    time: str
    """Seconds of the speaker's segments."""
    share: str
    first: str
    last: str
    findings: int


def speaker_rows(transcript: Transcript, analysis: Analysis, labels: Labels) -> list[SpeakerRow]:
    """The speakers by their first segment; none when there is no segment."""
    found = Counter(one.span.speaker for one in analysis.findings) if isinstance(analysis.findings, list) else Counter()
    total = sum(one.end - one.start for one in transcript.segments)
    rows = []
    for speaker in dict.fromkeys(one.speaker for one in transcript.segments):
        own = [one for one in transcript.segments if one.speaker == speaker]
        seconds = sum(one.end - one.start for one in own)
        rows.append(
            SpeakerRow(
                labels.speaker(speaker),
                len(own),
                f"{number(seconds, 1)} s",
                labels.percent(seconds / total if total > 0 else None),
                labels.time(min(one.start for one in own)),
                labels.time(max(one.end for one in own)),
                found[speaker],
            )
        )
    return rows
