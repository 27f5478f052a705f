"""Findings and their categories, ready to print."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.forensic import Analysis, Confirmation, Finding, SetAsidePassage
from include.report.finding_strip import draw_finding
from include.report.labels import Labels
from include.report.marking import Piece, emphasise
from include.report.text import clean, number, shorten
from include.stt import NotMeasured, Transcript

if TYPE_CHECKING:
    from collections.abc import Mapping

    from markupsafe import Markup

    from include.report.finding_sound import FindingSound

__all__ = [
    "CategoryRow",
    "FindingPicture",
    "FindingView",
    "NotAnalysedRow",
    "SetAsideView",
    "category_rows",
    "finding_views",
    "not_analysed_rows",
    "set_aside_views",
]

_WHOLE_CHARS = 3000
"""A finding of more JSON than this may break over pages; kept whole it would leave half a page empty."""


@dataclass(frozen=True)
class FindingPicture:
    """The sound around a finding, drawn."""

    svg: Markup | None
    note: str
    """Which channel and how loud, or why there is no picture."""


@dataclass(frozen=True)
class FindingView:
    """A finding, ready to print."""

    finding: Finding
    anchor: str
    category: str
    start: str
    time: str
    """From – to."""
    speaker: str
    severity: str
    """The criteria's words."""
    sentence: list[Piece]
    literal: bool
    """Whether the matched words stand in the sentence literally."""
    confidence: str
    whole: bool
    """Short enough to be kept on one page."""
    status: str
    """``confirmed``, ``unconfirmed`` or ``not_made``: the second decode."""
    second: str
    """What the second decode gave, in words."""
    heard: list[tuple[str, str]]
    """What each decoding heard in place of each passage: settings, words."""
    related: list[tuple[str, str]]
    """Time and words of the other passages."""
    picture: FindingPicture


@dataclass(frozen=True)
class SetAsideView:
    """A passage that a filter set aside, ready to print."""

    passage: SetAsidePassage
    category: str
    time: str
    speaker: str


@dataclass(frozen=True)
class NotAnalysedRow:
    """Part of the recording in which nothing was looked for."""

    time: str
    kind: str
    text: str
    """Of a text that the decoder's guards set aside; empty for others."""


@dataclass(frozen=True)
class CategoryRow:
    """A category that was found, with its reference."""

    name: str
    id: str
    count: int
    reference: str
    verified_on: str
    nature: str
    """What the category is, in words; empty for an offence."""


def finding_views(
    analysis: Analysis, labels: Labels, sounds: Mapping[int, FindingSound], *, redacted: bool = False
) -> list[FindingView]:
    """The findings in document order; none when they were not measured.

    Args:
        analysis: with the findings.
        labels: of the report's language.
        sounds: the sound around a finding, by its position.
    """
    views = []
    for index, finding in enumerate(analysis.findings if isinstance(analysis.findings, list) else []):
        sentence = emphasise(finding.context.sentence, finding.span.text)
        views.append(
            FindingView(
                finding=finding,
                anchor=f"finding-{index + 1}",
                category=labels.category(analysis, finding.category),
                start=labels.time(finding.span.start),
                time=labels.span(finding.span.start, finding.span.end),
                speaker=labels.speaker(finding.span.speaker),
                severity=labels.t(f"severity.{finding.severity}"),
                sentence=sentence,
                literal=any(piece.marked for piece in sentence),
                confidence=labels.percent(finding.asr_confidence),
                whole=len(finding.model_dump_json(exclude={"confirmation"})) < _WHOLE_CHARS,
                status=_status(finding),
                second=_second(finding, labels),
                heard=_heard(finding, labels),
                related=[(labels.span(one.start, one.end), one.text) for one in finding.related],
                picture=_picture(finding, sounds.get(index), labels, redacted),
            )
        )
    return views


def category_rows(analysis: Analysis, labels: Labels) -> list[CategoryRow]:
    """The categories that were found, most frequent first."""
    found = Counter(one.category for one in analysis.findings) if isinstance(analysis.findings, list) else Counter()
    rows = []
    for category, count in sorted(found.items(), key=lambda item: (-item[1], item[0])):
        entry = analysis.taxonomy.categories[category]
        rows.append(
            CategoryRow(
                labels.category(analysis, category),
                category,
                count,
                entry.get("reference", ""),
                entry.get("verified_on", ""),
                labels.t.get(f"nature.{entry.get('nature', '')}") or "",
            )
        )
    return rows


def _status(finding: Finding) -> str:
    told = finding.confirmation
    return "not_made" if isinstance(told, NotMeasured) else told.status


def _picture(finding: Finding, sound: FindingSound | None, labels: Labels, redacted: bool) -> FindingPicture:
    t, start = labels.t, finding.span.start
    if start is None:
        return FindingPicture(None, t("strip.no_time"))
    if sound is None:
        return FindingPicture(None, t("strip.no_audio"))
    end = finding.span.end if finding.span.end is not None else start
    title = t("strip.title_wave" if sound.png is None else "strip.title", id=finding.id, span=labels.span(start, end))
    loudest = max(sound.peaks, default=0.0)
    notes = [
        t("strip.mixed") if sound.channel is None else t("strip.channel", n=sound.channel + 1),
        t("strip.level", level=number(20 * math.log10(loudest), 1)) if loudest > 0 else t("strip.silent"),
    ]
    if sound.png is None:
        notes.append(t("strip.redacted" if redacted else "strip.no_spectrogram"))
    svg = draw_finding(sound, (start, end), title=clean(title), hours=labels.hours)
    return FindingPicture(svg, " ".join(notes))


def _second(finding: Finding, labels: Labels) -> str:
    told = finding.confirmation
    if isinstance(told, NotMeasured):
        return f"{labels.t('confirmation.not_made')}: {clean(labels.t.recorded(told.reason))}"
    return f"{labels.t(f'confirmation.{told.status}')}: {clean(labels.t.recorded(told.detail))}"


def _heard(finding: Finding, labels: Labels) -> list[tuple[str, str]]:
    if not isinstance(finding.confirmation, Confirmation):
        return []
    rows = []
    for passage in finding.confirmation.decodings:
        for one in passage.variants:
            span = labels.span(one.start, one.end)
            settings = labels.t("confirmation.settings", model=clean(one.model), beam=one.beam_size, span=span)
            rows.append((settings, shorten(one.heard, 300) or labels.t("confirmation.nothing")))
    return rows


def set_aside_views(analysis: Analysis, labels: Labels) -> list[SetAsideView]:
    """The passages that a filter set aside, by time."""
    return [
        SetAsideView(
            one,
            labels.category(analysis, one.category),
            labels.span(one.span.start, one.span.end),
            labels.speaker(one.span.speaker),
        )
        for one in analysis.set_aside
    ]


def not_analysed_rows(transcript: Transcript, analysis: Analysis, labels: Labels) -> list[NotAnalysedRow]:
    """Where nothing was looked for, by time; with the text that the decoder's guards set aside there."""
    texts = {(one.start, one.end, one.channel): one.text for one in transcript.set_aside}
    rows = []
    for one in analysis.not_analysed:
        kind = labels.t(f"not_analysed.{one.kind}")
        if one.reasons:
            kind += f" ({', '.join(clean(reason) for reason in one.reasons)})"
        text = ""
        if one.kind == "set_aside" and one.channel is not None:
            text = texts.get((one.start, one.end, one.channel), "")
        rows.append(NotAnalysedRow(labels.span(one.start, one.end), kind, text))
    return rows
