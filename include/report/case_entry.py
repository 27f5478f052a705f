"""A recording's entry in a case report, from its documents and what was stated about it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from include.forensic import Analysis, clock_in, date_in, is_confirmed
from include.report.case_facts import CaseEntry, CaseSpeaker, FoundCount
from include.stt import NotMeasured, Transcript

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from include.forensic import CaseRecording

__all__ = ["case_entry", "category_names"]


def case_entry(
    analysis: Analysis,
    transcript: Transcript,
    course: CaseRecording,
    *,
    job_id: str,
    file_id: str,
    received: str,
    written: str,
    stated_at: datetime | None = None,
    persons: Mapping[str, str] | None = None,
    digests: Mapping[str, str] | None = None,
    same_sound: Sequence[str] = (),
) -> CaseEntry:
    """One recording's entry.

    Args:
        analysis, transcript: its documents.
        course: what the course reads of it; gives its name there.
        job_id, file_id: where it belongs.
        received: its file's name as received.
        written: the same without its extension, as the call recorder wrote it: may tell a date.
        stated_at: when it was recorded, as somebody stated.
        persons: speaker → who that is, as somebody stated.
        digests: kind of artefact → SHA-256, where known.
        same_sound: recordings of the case that sound like it.
    """
    named, known = date_in(written), digests or {}
    at = stated_at or named
    labels = {segment.speaker for segment in transcript.segments}
    return CaseEntry(
        key=course.name,
        job_id=job_id,
        file_id=file_id,
        name=received,
        sha256=transcript.recording.sha256,
        duration_s=transcript.recording.duration_s,
        recorded_at=None if at is None else at.isoformat(),
        time_of_day=stated_at is not None or clock_in(written),
        time_source="stated" if stated_at is not None else "file_name" if named is not None else None,
        name_says=named.isoformat() if named and stated_at and named.date() != stated_at.date() else None,
        party=course.party,
        transcript_sha256=known.get("transcript.json"),
        analysis_sha256=known.get("forensic.json"),
        reports={kind: value for kind, value in sorted(known.items()) if kind.startswith("report.")},
        speakers=_speakers(transcript, persons or {}),
        findings=_findings(analysis),
        unknown_labels=sorted(set(persons or {}) - labels),
        same_sound=list(same_sound),
        transcribed_by=f"{transcript.engine.name} {transcript.engine.model} · {transcript.engine.settings_digest}",
        analysed_by=f"{analysis.taxonomy.version} · {analysis.settings_digest}",
    )


def category_names(analysis: Analysis) -> dict[str, dict[str, str]]:
    """Names of the categories in which something was found."""
    found = analysis.findings if isinstance(analysis.findings, list) else []
    known = analysis.taxonomy.categories
    return {
        one.category: {key: known.get(one.category, {}).get(key, one.category) for key in ("name_ko", "name_en")}
        for one in found
    }


def _speakers(transcript: Transcript, persons: Mapping[str, str]) -> list[CaseSpeaker]:
    seconds: dict[str | None, float] = {}
    turns: Counter[str | None] = Counter()
    before: object = transcript
    for segment in transcript.segments:
        seconds[segment.speaker] = seconds.get(segment.speaker, 0.0) + max(segment.end - segment.start, 0.0)
        turns[segment.speaker] += segment.speaker != before
        before = segment.speaker
    return [
        CaseSpeaker(
            label=label,
            speech_s=round(spoken, 2),
            turns=turns[label],
            person=persons.get(label) if label is not None else None,
        )
        for label, spoken in sorted(seconds.items(), key=lambda item: (item[0] is None, item[0] or ""))
    ]


def _findings(analysis: Analysis) -> list[FoundCount] | NotMeasured:
    if isinstance(analysis.findings, NotMeasured):
        return analysis.findings
    counts = Counter((one.category, one.severity, one.span.speaker) for one in analysis.findings)
    sure = Counter((one.category, one.severity, one.span.speaker) for one in analysis.findings if is_confirmed(one))
    return [
        FoundCount(category=key[0], severity=key[1], speaker=key[2], count=count, confirmed=sure[key])
        for key, count in sorted(counts.items(), key=lambda item: (item[0][0], -item[0][1], item[0][2] or ""))
    ]
