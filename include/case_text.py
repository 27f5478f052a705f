"""A case's course as lines for a terminal, Korean and English beside each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from include.stt import NotMeasured

if TYPE_CHECKING:
    from include import forensic

__all__ = ["case_lines"]

_ROLES = {
    "finding": "규칙 / rule",
    "contact": "연락 / contact",
    "refused": "거절 / refused",
    "explains": "반대 정황 / points the other way",
}


def case_lines(course: forensic.CaseCourse | NotMeasured) -> Iterator[str]:
    """What a person reads first; the JSON has all of it.

    Args:
        course: of :func:`include.forensic.case_course`.
    """
    if isinstance(course, NotMeasured):
        yield f"측정 안 함 / not measured: {course.reason}"
        return
    yield f"녹음 / recordings: {len(course.recordings)}"
    for one in course.recordings:
        rate = one.rate
        told = rate.reason if isinstance(rate, NotMeasured) else f"{_rate(rate)} (n = {rate.count})"
        yield f"  {one.name}  {one.made_at or '날짜 모름 / no date'}  항목 / findings: {told}"
    yield f"시간에 따른 변화 / change over time: {_trend(course.trend)}"
    for phrase in course.repeated[:10]:
        yield f"  반복된 말 / said again: {phrase.text!r} × {phrase.times} ({', '.join(phrase.recordings)})"
    for party in course.stalking:
        yield from _party(party)
    yield course.note_ko
    yield course.note


def _party(party: forensic.PartyCourse) -> Iterator[str]:
    name = party.party or "파일 이름에 없음 (한 사람으로 봄) / not in the files' names (taken for one)"
    yield f"상대방 / other party: {name}"
    found = party.finding
    if isinstance(found, NotMeasured):
        yield f"  스토킹 반복 요건 미확인 / STALKING, required repetition not shown: {found.reason}"
    else:
        count = len(found.recordings)
        yield f"  스토킹, 심각도 {found.severity}: 녹음 {count}건에 해당 구간이 있음 (요건 {found.required}건)"
        yield (
            f"  STALKING, severity {found.severity}: passages in {count} recordings ({found.required} required): "
            f"{', '.join(found.recordings)}"
        )
    rate = party.passages_rate
    yield f"  해당 구간 / passages: {rate.reason if isinstance(rate, NotMeasured) else _rate(rate)}"
    yield f"  변화 / change: {_trend(party.passages_trend)}"
    calls = party.calls
    if isinstance(calls, NotMeasured):
        yield f"  통화 빈도 / calls: {calls.reason}"
    else:
        yield f"  통화 빈도 / calls a week: {calls.per_week} (95 %: {calls.low}–{calls.high}), n = {calls.calls}"
    for one in party.passages:
        mark = "●" if one.counted else "○"
        at = "" if one.start is None else f" {one.start:.1f} s"
        yield f"    {mark} {one.recording}{at} [{_ROLES[one.role]}] {one.text!r}: {one.why}"


def _rate(rate: forensic.Rate) -> str:
    return f"{rate.per_hour}/h (95 %: {rate.low}–{rate.high})"


def _trend(trend: forensic.Trend | NotMeasured) -> str:
    if isinstance(trend, NotMeasured):
        return trend.reason
    return f"× {trend.factor_per_week} 주마다 / a week (95 %: {trend.low}–{trend.high})"
