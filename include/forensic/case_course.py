"""Across the recordings of one case: what is said again, and whether findings become more frequent or more severe.

Works on finished analyses. Rates are per hour recorded, with intervals; who decided what to record, and when, is not
known, so a change in the rate is a change in the recordings.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from include.described import DESCRIBED
from include.forensic.case_change import SeverityCourse, severity_course
from include.forensic.case_phrases import RepeatedPhrase, repeated_phrases
from include.forensic.case_recording import CaseRecording
from include.forensic.case_stalking import PartyCourse, stalking_courses
from include.forensic.rates import Rate, Trend, rate_per_hour, rate_trend
from include.stt import NotMeasured

__all__ = ["CaseCourse", "RecordingRate", "case_course"]

COURSE_VERSION = "3"


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=DESCRIBED, allow_inf_nan=False, hide_input_in_errors=True
    )


class RecordingRate(_Model):
    """One recording's findings."""

    name: str
    made_at: str | None
    rate: Rate | NotMeasured
    mean_severity: float | NotMeasured


class CaseCourse(_Model):
    """A case's recordings, in order of time where it is known."""

    version: str
    recordings: list[RecordingRate]
    trend: Trend | NotMeasured
    """All findings."""
    by_category: dict[str, Trend | NotMeasured]
    severity: SeverityCourse | NotMeasured
    repeated: list[RepeatedPhrase]
    stalking: list[PartyCourse]
    """What counts only over recordings: party by party, with the finding where the required repetition was found."""
    note: str = (
        "Rates are per hour recorded. What was not recorded is not in them: a change can come from what was recorded "
        "as much as from what happened. A finding over recordings describes passages, their order and their number; "
        "nothing follows about a person."
    )
    note_ko: str = (
        "비율은 녹음된 시간당 값이다. 녹음되지 않은 것은 들어 있지 않으므로, 변화는 일어난 일뿐 아니라 "
        "무엇을 녹음했는지에서 생길 수도 있다. 여러 녹음에 걸친 항목은 해당 구간과 그 순서, 횟수를 적은 "
        "것이며 사람에 대한 결론이 아니다."
    )


def case_course(recordings: Sequence[CaseRecording]) -> CaseCourse | NotMeasured:
    """Set the recordings of a case side by side.

    Args:
        recordings: in any order; at least two.
    """
    if len(recordings) < 2:
        return NotMeasured(reason="A course needs at least two recordings of a case.")
    ordered = sorted(recordings, key=lambda one: (one.made_at is None, one.made_at.timestamp() if one.made_at else 0))
    # the same bytes under two names are one call: it neither says anything again nor counts twice
    first = {one.sha256 or str(at): one for at, one in reversed(list(enumerate(ordered)))}
    single = [one for at, one in enumerate(ordered) if first[one.sha256 or str(at)] is one]
    dated = [one for one in single if one.made_at is not None]
    categories = sorted({category for one in ordered for category, _ in one.findings})
    return CaseCourse(
        version=COURSE_VERSION,
        recordings=[_rate(one) for one in ordered],
        trend=_trend(dated, None),
        by_category={category: _trend(dated, category) for category in categories},
        severity=severity_course(dated),
        repeated=repeated_phrases(single),
        stalking=stalking_courses(ordered),
    )


def _rate(one: CaseRecording) -> RecordingRate:
    severities = [severity for _, severity in one.findings]
    return RecordingRate(
        name=one.name,
        made_at=one.made_at.isoformat() if one.made_at else None,
        rate=rate_per_hour(len(severities), one.duration_s),
        mean_severity=round(sum(severities) / len(severities), 3)
        if severities
        else NotMeasured(reason="The recording has no findings."),
    )


def _trend(dated: Sequence[CaseRecording], category: str | None) -> Trend | NotMeasured:
    weeks = [one.made_at.timestamp() / 604800 for one in dated if one.made_at is not None]
    counts = [sum(category in {None, found} for found, _ in one.findings) for one in dated]
    return rate_trend(weeks, counts, [one.duration_s / 3600 for one in dated])
