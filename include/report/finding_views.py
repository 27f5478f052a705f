"""Findings and their categories, ready to print."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from include.forensic import Analysis, Finding
from include.report.labels import Labels
from include.report.marking import Piece, emphasise

__all__ = ["CategoryRow", "FindingView", "category_rows", "finding_views"]

_WHOLE_CHARS = 3000
"""A finding of more JSON than this may break over pages; kept whole it would leave half a page empty."""


@dataclass(frozen=True)
class FindingView:
    """A finding, ready to print."""

    finding: Finding
    anchor: str
    category: str
    time: str
    speaker: str
    severity: str
    """The criteria's words."""
    sentence: list[Piece]
    literal: bool
    """Whether the matched words stand in the sentence literally."""
    confidence: str
    whole: bool
    """Short enough to be kept on one page."""


@dataclass(frozen=True)
class CategoryRow:
    """A category that was found, with its reference."""

    name: str
    id: str
    count: int
    reference: str
    verified_on: str


def finding_views(analysis: Analysis, labels: Labels) -> list[FindingView]:
    """The findings in document order; none when they were not measured."""
    views = []
    for index, finding in enumerate(analysis.findings if isinstance(analysis.findings, list) else []):
        sentence = emphasise(finding.context.sentence, finding.span.text)
        views.append(
            FindingView(
                finding=finding,
                anchor=f"finding-{index + 1}",
                category=labels.category(analysis, finding.category),
                time=labels.span(finding.span.start, finding.span.end),
                speaker=labels.speaker(finding.span.speaker),
                severity=labels.t(f"severity.{finding.severity}"),
                sentence=sentence,
                literal=any(piece.marked for piece in sentence),
                confidence=labels.percent(finding.asr_confidence),
                whole=len(finding.model_dump_json()) < _WHOLE_CHARS,
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
            )
        )
    return rows
