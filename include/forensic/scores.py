"""Counts, rates and the review order: which recording to listen to first, and nothing more."""

from __future__ import annotations

import math
from collections.abc import Sequence

from include.forensic.analysis import Confirmation, Finding, RatedCount, Scores
from include.forensic.rates import rate_per_hour
from include.stt import NotMeasured

__all__ = ["FORMULA", "FORMULA_VERSION", "WEIGHTS", "category_rates", "is_confirmed", "review_order", "score"]

WEIGHTS = {1: 0.5, 2: 2.0, 3: 5.0, 4: 10.0}
"""Severity → weight. A choice, not a measurement."""

HALF = 8.0
"""The weighted sum at which the order passes 63 of 100."""

FORMULA = (
    "100 * (1 - exp(-S / 8)), S = 0.5*n1 + 2*n2 + 5*n3 + 10*n4, n = findings by severity; findings whose words a "
    "second decode did not confirm are not counted in n"
)
FORMULA_VERSION = "2"


def is_confirmed(finding: Finding) -> bool:
    """Whether a second decode gave the finding's words again."""
    return isinstance(finding.confirmation, Confirmation) and finding.confirmation.status == "confirmed"


def review_order(severities: Sequence[int]) -> float:
    """0–100, rising with every finding and saturating; 0 without findings (formula: :data:`FORMULA`)."""
    total = sum(WEIGHTS[severity] for severity in severities)
    return round(100 * (1 - math.exp(-total / HALF)), 1)


def category_rates(findings: Sequence[Finding], duration_s: float) -> list[RatedCount]:
    """Category by category: counts, and the rate per audio-hour with its exact Poisson interval."""
    rated = []
    for category in sorted({finding.category for finding in findings}):
        own = [finding for finding in findings if finding.category == category]
        confirmed = sum(is_confirmed(finding) for finding in own)
        rated.append(
            RatedCount(
                category=category,
                confirmed=confirmed,
                unconfirmed=len(own) - confirmed,
                rate=rate_per_hour(len(own), duration_s),
            )
        )
    return rated


def score(findings: list[Finding] | NotMeasured, duration_s: float) -> Scores:
    """Counts by category, severity and speaker, findings per audio-hour, and the review order.

    Counts and rates hold every finding. The order holds those that a second decode confirmed; while no finding was
    decoded again there is no order, and the reason says so.

    Args:
        findings: or why there are none to count.
        duration_s: seconds of recording; without any, no rate is given.
    """
    if isinstance(findings, NotMeasured):
        return Scores(
            counts={},
            per_audio_hour={},
            review_order=findings,
            formula=FORMULA,
            formula_version=FORMULA_VERSION,
            inputs={},
        )
    counts: dict[str, dict[str, dict[str, int]]] = {}
    totals: dict[str, int] = {}
    for finding in findings:
        by_speaker = counts.setdefault(finding.category, {}).setdefault(str(finding.severity), {})
        speaker = finding.span.speaker or "unknown"
        by_speaker[speaker] = by_speaker.get(speaker, 0) + 1
        totals[finding.category] = totals.get(finding.category, 0) + 1
    severities = [finding.severity for finding in findings if is_confirmed(finding)]
    inputs = {f"n{level}": float(severities.count(level)) for level in (1, 2, 3, 4)}
    return Scores(
        counts=counts,
        per_audio_hour={key: round(count * 3600 / duration_s, 2) for key, count in totals.items()}
        if duration_s
        else {},
        review_order=_order(findings, severities),
        rates=category_rates(findings, duration_s),
        formula=FORMULA,
        formula_version=FORMULA_VERSION,
        inputs={**inputs, "unconfirmed": float(len(findings) - len(severities)), "duration_s": duration_s},
    )


def _order(findings: Sequence[Finding], severities: Sequence[int]) -> float | NotMeasured:
    if findings and all(isinstance(finding.confirmation, NotMeasured) for finding in findings):
        return NotMeasured(
            reason=f"None of the {len(findings)} findings was decoded again, and unconfirmed ones raise no order."
        )
    return review_order(severities)
