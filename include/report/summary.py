"""The summary: a few plain sentences, each a fact that stands in the documents."""

from __future__ import annotations

from collections import Counter

from include.forensic import Analysis, Finding, is_confirmed
from include.report.labels import Labels
from include.report.text import clean, clock, number
from include.stt import NotMeasured, Transcript

__all__ = ["summarise"]

_LISTED = 6


def summarise(transcript: Transcript, analysis: Analysis, labels: Labels) -> list[str]:
    """The summary's sentences in order."""
    t = labels.t
    quality = transcript.quality
    out = [t("summary.length", duration=clock(transcript.recording.duration_s), speech=clock(quality.speech_s))]
    if not isinstance(quality.missing_s, NotMeasured) and quality.missing_s >= 0.5:
        out.append(t("summary.missing_audio", seconds=number(quality.missing_s, 1)))
    out.append(_language(transcript, labels))
    if transcript.speakers.method == "channel":
        names = ", ".join(labels.speaker(one) for one in transcript.speakers.speakers)
        out.append(t("summary.speakers_channel", names=names))
    elif transcript.speakers.method == "diarization":
        out.append(t("summary.speakers_voice", names=", ".join(map(labels.speaker, transcript.speakers.speakers))))
    else:
        reason = clean(t.recorded(transcript.speakers.reason or t("doc.not_stated")))
        out.append(t("summary.speakers_none", reason=reason))
    if not transcript.segments:
        reason = clean(t.recorded(transcript.empty_reason or ""))
        out.append(t("summary.transcript_empty", reason=reason) if reason else t("summary.transcript_empty_unstated"))
    out.extend(_findings(analysis, labels))
    if analysis.set_aside:
        out.append(t("summary.set_aside", n=len(analysis.set_aside)))
    if analysis.not_analysed:
        out.append(t("summary.not_analysed", n=len(analysis.not_analysed)))
    out.append(t("summary.machine"))
    return out


def _language(transcript: Transcript, labels: Labels) -> str:
    name = labels.language(transcript.language)
    if transcript.language_source == "requested":
        return labels.t("summary.language_requested", language=name)
    if isinstance(transcript.language_probability, NotMeasured):
        return labels.t("summary.language_detected_unscored", language=name)
    probability = number(transcript.language_probability, 4)  # 0.998 is not 1
    return labels.t("summary.language_detected", language=name, probability=probability)


def _place(finding: Finding, labels: Labels) -> str:
    return f"{finding.id} ({labels.time(finding.span.start)})"


def _findings(analysis: Analysis, labels: Labels) -> list[str]:
    t = labels.t
    found = analysis.findings
    if isinstance(found, NotMeasured):
        return [t("summary.findings_not_measured", reason=clean(t.recorded(found.reason)))]
    if not found:
        return [t("summary.findings_none")]
    counts = Counter(finding.category for finding in found).most_common()
    by_category = ", ".join(f"{labels.category(analysis, name)} {count}" for name, count in counts)
    sure = [one for one in found if is_confirmed(one)]
    first = sorted(sure or found, key=lambda one: (-one.severity, one.span.start or 0.0))[:_LISTED]
    return [
        t("summary.findings_one") if len(found) == 1 else t("summary.findings_many", n=len(found)),
        t("summary.confirmed", n=len(sure), total=len(found)),
        t("summary.categories", list=by_category),
        t("summary.listen", list=", ".join(_place(one, labels) for one in first)),
    ]
