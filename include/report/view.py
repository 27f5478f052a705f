"""What the templates print, computed: no template calculates, none decides what to leave out."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from include.forensic import Analysis
from include.redaction import RedactionLog
from include.report.accuracy import AccuracyRow, accuracy_rows
from include.report.attachments import Attached, attachments_of
from include.report.case_views import CustodyRow, StatedRow, custody_rows, stated_rows
from include.report.facts import ReportFacts
from include.report.finding_sound import FindingSound, enveloped_findings
from include.report.finding_views import (
    CategoryRow,
    FindingView,
    NotAnalysedRow,
    SetAsideView,
    category_rows,
    finding_views,
    not_analysed_rows,
    set_aside_views,
)
from include.report.gaps import find_gaps
from include.report.labels import Labels
from include.report.marking import Piece, mark_segment
from include.report.speaker_rows import SpeakerRow, speaker_rows
from include.report.strings import Strings
from include.report.summary import summarise
from include.report.text import clean, number, shorten
from include.report.turn_tables import TurnTable, arousal_table, emotion_table, listen_table, stress_table
from include.report.voice_table import VoiceTable, voice_tables
from include.report.voice_time import VoiceChart, voice_charts
from include.report.waveform import Mark, Strip, Turn, draw_strips, peak_level
from include.stt import NotMeasured, Transcript

__all__ = ["ReportView", "build_view", "wave_strips"]


@dataclass(frozen=True)
class SegmentView:
    """A transcript line, ready to print."""

    time: str
    speaker: str
    pieces: list[Piece]
    confidence: str
    flags: list[str]
    findings: list[tuple[str, str]]
    """Id and anchor of each finding in this line."""


@dataclass(frozen=True)
class CountRow:
    """One cell of the scores' counts."""

    category: str
    severity: str
    speaker: str
    count: int


@dataclass(frozen=True)
class ReportView:
    """Everything computed for one language."""

    labels: Labels
    short_id: str
    check_command: str
    recording_argument: str
    bundle_name: str
    bundle_argument: str
    """As they stand in a shell's command."""
    stated: list[StatedRow]
    custody: list[CustodyRow]
    custody_older: int
    """Events before those printed."""
    accuracy: list[AccuracyRow]
    speakers: list[SpeakerRow]
    voice_time: list[VoiceChart]
    pictured: bool
    """Whether any finding has a spectrogram."""
    summary: list[str]
    strips: list[Strip]
    wave_note: str
    findings: list[FindingView]
    categories: list[CategoryRow]
    voices: list[VoiceTable]
    set_aside: list[SetAsideView]
    not_analysed: list[NotAnalysedRow]
    arousal: TurnTable
    emotion: TurnTable
    stress: TurnTable
    listen: TurnTable
    gaps: list[tuple[str, str]]
    counts: list[CountRow]
    segments: list[SegmentView]
    flags: list[tuple[str, str]]
    attachments: list[Attached]


def wave_strips(transcript: Transcript, analysis: Analysis, labels: Labels) -> tuple[list[Strip], str]:
    """The drawn recording, and what to say below it; no strips when the waveform was not measured."""
    wave = analysis.waveform
    if isinstance(wave, NotMeasured):
        return [], labels.t("wave.missing", reason=clean(labels.t.recorded(wave.reason)))
    speakers = list(dict.fromkeys(one.speaker for one in transcript.segments))
    marks = [
        Mark(shorten(clean(one.id), 6), one.span.start, one.span.end if one.span.end is not None else one.span.start)
        for one in (analysis.findings if isinstance(analysis.findings, list) else [])
        if one.span.start is not None
    ]
    strips = draw_strips(
        wave.peaks,
        wave.step_s,
        transcript.recording.duration_s,
        marks=marks,
        turns=[Turn(speakers.index(one.speaker), one.start, one.end) for one in transcript.segments],
        channel_names=[labels.t("wave.channel", n=index + 1) for index in range(len(wave.peaks))],
        lane_names=[shorten(labels.speaker(one), 12) for one in speakers],
        title=labels.t("wave.title"),
    )
    level = peak_level(wave.peaks)
    note = labels.t("wave.note", level=number(20 * math.log10(level), 1)) if level > 0 else labels.t("wave.note_silent")
    return strips, note


def _gaps(transcript: Transcript, analysis: Analysis, labels: Labels) -> list[tuple[str, str]]:
    t = labels.t
    rows = []
    for gap in find_gaps(transcript, analysis):
        if gap.path == "analysis.findings.confirmation":
            continue  # counted below
        name = t.get(f"gap.{gap.path}") or clean(gap.path)
        who = ", ".join(labels.speaker(one) for one in gap.speakers)
        rows.append((f"{name} ({who})" if who else name, clean(t.recorded(gap.reason))))
    if transcript.speakers.method == "none":
        rows.append((t("gaps.speakers"), clean(t.recorded(transcript.speakers.reason or t("doc.not_stated")))))
    words = [word for segment in transcript.segments for word in segment.words]
    untimed = sum(word.start is None for word in words)
    unscored = sum(word.score is None for word in words)
    if untimed:
        rows.append((t("gaps.untimed", n=untimed, total=len(words)), t("gaps.no_time_reason")))
    if unscored:
        rows.append((t("gaps.unscored", n=unscored, total=len(words)), t("gaps.no_score_reason")))
    findings = analysis.findings if isinstance(analysis.findings, list) else []
    undecoded = Counter(
        clean(t.recorded(one.confirmation.reason)) for one in findings if isinstance(one.confirmation, NotMeasured)
    )
    for reason, count in undecoded.items():
        name = t("gaps.confirmation_one") if count == 1 else t("gaps.confirmation", n=count)
        rows.append((name, reason))
    return rows


def _counts(analysis: Analysis, labels: Labels) -> list[CountRow]:
    return [
        CountRow(labels.category(analysis, category), severity, labels.speaker(speaker), count)
        for category, by_severity in analysis.scores.counts.items()
        for severity, by_speaker in sorted(by_severity.items(), reverse=True)
        for speaker, count in by_speaker.items()
    ]


def _segments(transcript: Transcript, findings: Sequence[FindingView], labels: Labels) -> list[SegmentView]:
    located: dict[int, list[FindingView]] = {}
    for view in findings:
        located.setdefault(view.finding.span.segment, []).append(view)
    views = []
    for index, segment in enumerate(transcript.segments):
        here = located.get(index, [])
        views.append(
            SegmentView(
                time=labels.time(segment.start),
                speaker=labels.speaker(segment.speaker),
                pieces=mark_segment(segment.text, segment.words, [one.finding.span.text for one in here]),
                confidence="" if segment.confidence is None else f"{number(segment.confidence * 100, 0)} %",
                flags=[clean(flag) for flag in segment.flags],
                findings=[(one.finding.id, one.anchor) for one in here],
            )
        )
    return views


def _flags(transcript: Transcript, t: Strings) -> list[tuple[str, str]]:
    seen = dict.fromkeys(flag for segment in transcript.segments for flag in segment.flags)
    return [(clean(flag), t.get(f"flag.{flag}") or "") for flag in seen]


def build_view(
    transcript: Transcript,
    analysis: Analysis,
    facts: ReportFacts,
    t: Strings,
    *,
    sounds: Mapping[int, FindingSound] | None = None,
    log: RedactionLog | None = None,
) -> ReportView:
    """Compute a report's content in the language of ``t``.

    Args:
        transcript, analysis, facts: the documents.
        t: the language.
        sounds: what the recording sounds like around each finding; None: the audio is not at hand.
        log: of the redaction, when the documents are redacted copies.
    """
    labels = Labels(t, hours=transcript.recording.duration_s >= 3600)
    sounds = enveloped_findings(transcript, analysis) if sounds is None else sounds
    findings = finding_views(analysis, labels, sounds, redacted=log is not None)
    custody, older = custody_rows(facts, t)
    recording, bundle = shlex.quote(clean(facts.file_name)), f"{clean(facts.file_id)}.zip"
    strips, note = wave_strips(transcript, analysis, labels)
    return ReportView(
        labels=labels,
        short_id=shorten(clean(facts.file_id), 30),
        check_command=f"sha256sum -- {recording}",
        recording_argument=recording,
        bundle_name=bundle,
        bundle_argument=shlex.quote(bundle),
        stated=stated_rows(facts.stated, t),
        custody=custody,
        custody_older=older,
        accuracy=accuracy_rows(transcript, analysis, labels),
        speakers=speaker_rows(transcript, analysis, labels),
        voice_time=voice_charts(analysis, labels),
        pictured=any(one.png is not None for one in sounds.values()),
        summary=summarise(transcript, analysis, labels),
        strips=strips,
        wave_note=note,
        findings=findings,
        categories=category_rows(analysis, labels),
        voices=voice_tables(analysis, labels),
        set_aside=set_aside_views(analysis, labels),
        not_analysed=not_analysed_rows(transcript, analysis, labels),
        arousal=arousal_table(analysis, labels),
        emotion=emotion_table(analysis, labels),
        stress=stress_table(analysis, labels),
        listen=listen_table(analysis, labels),
        gaps=_gaps(transcript, analysis, labels),
        counts=_counts(analysis, labels),
        segments=_segments(transcript, findings, labels),
        flags=_flags(transcript, t),
        attachments=attachments_of(transcript, analysis, facts, log),
    )
