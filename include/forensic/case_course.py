"""Across the recordings of one case: what is said again, and whether findings become more frequent or more severe.

Works on finished analyses. Rates are per hour recorded, with intervals; who decided what to record, and when, is not
known, so a change in the rate is a change in the recordings.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from include.forensic.rates import Rate, Trend, rate_per_hour, rate_trend
from include.stt import NotMeasured

__all__ = ["CaseCourse", "CaseRecording", "RecordingRate", "RepeatedPhrase", "SeverityCourse", "case_course"]

COURSE_VERSION = "1"
PHRASE_WORDS = 3
"""A repeated phrase has at least this many words."""
MOST_PHRASES = 50
PERMUTATIONS = 2000


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class CaseRecording:
    """What the course needs of one recording."""

    name: str
    duration_s: float
    findings: Sequence[tuple[str, int]]
    """(category, severity) of each finding."""
    turns: Sequence[tuple[str | None, str]]
    """(speaker, text) by time."""
    made_at: datetime | None = None
    """When it was recorded; None when unknown, and then it is left out of trends."""


class RepeatedPhrase(_Model):
    """Words said in more than one recording, spacing and punctuation left aside."""

    text: str
    """As first said."""
    recordings: list[str]
    times: int


class RecordingRate(_Model):
    """One recording's findings."""

    name: str
    made_at: str | None
    rate: Rate | NotMeasured
    mean_severity: float | NotMeasured


class SeverityCourse(_Model):
    """How severity goes with time: Kendall's tau-b over dated recordings; p-value by permutation."""

    tau: float
    p_value: float
    recordings: int


class CaseCourse(_Model):
    """A case's recordings, in order of time where it is known."""

    version: str
    recordings: list[RecordingRate]
    trend: Trend | NotMeasured
    """All findings."""
    by_category: dict[str, Trend | NotMeasured]
    severity: SeverityCourse | NotMeasured
    repeated: list[RepeatedPhrase]
    note: str = (
        "Rates are per hour recorded. What was not recorded is not in them: a change can come from what was recorded "
        "as much as from what happened."
    )


def case_course(recordings: Sequence[CaseRecording]) -> CaseCourse | NotMeasured:
    """Set the recordings of a case side by side.

    Args:
        recordings: in any order; at least two.
    """
    if len(recordings) < 2:
        return NotMeasured(reason="A course needs at least two recordings of a case.")
    ordered = sorted(recordings, key=lambda one: (one.made_at is None, one.made_at.timestamp() if one.made_at else 0))
    dated = [one for one in ordered if one.made_at is not None]
    categories = sorted({category for one in ordered for category, _ in one.findings})
    return CaseCourse(
        version=COURSE_VERSION,
        recordings=[_rate(one) for one in ordered],
        trend=_trend(dated, None),
        by_category={category: _trend(dated, category) for category in categories},
        severity=_severity(dated),
        repeated=_repeated(ordered),
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


def _severity(dated: Sequence[CaseRecording]) -> SeverityCourse | NotMeasured:
    pairs = [
        (one.made_at.timestamp(), sum(s for _, s in one.findings) / len(one.findings))
        for one in dated
        if one.made_at is not None and one.findings
    ]
    if len(pairs) < 4 or len({severity for _, severity in pairs}) < 2:
        return NotMeasured(reason=f"{len(pairs)} dated recordings with findings; 4 of different severity are needed.")
    times, severities = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
    tau = _tau(times, severities)
    random = np.random.default_rng(0)
    drawn = [abs(_tau(times, random.permutation(severities))) for _ in range(PERMUTATIONS)]
    beyond = sum(value >= abs(tau) - 1e-12 for value in drawn)
    return SeverityCourse(tau=round(tau, 4), p_value=round((beyond + 1) / (PERMUTATIONS + 1), 4), recordings=len(pairs))


def _tau(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Kendall's tau-b; neither may be constant."""
    one, two = np.sign(a[:, None] - a[None, :]), np.sign(b[:, None] - b[None, :])
    return float((one * two).sum() / np.sqrt((one**2).sum() * (two**2).sum()))


def _repeated(recordings: Sequence[CaseRecording]) -> list[RepeatedPhrase]:
    """Longest word sequences that occur in more than one recording."""
    where: dict[tuple[str, ...], dict[str, int]] = defaultdict(dict)
    spoken: dict[tuple[str, ...], str] = {}
    for one in recordings:
        for _, text in one.turns:
            words = text.split()
            plain = [_plain(word) for word in words]
            for length in range(PHRASE_WORDS, min(len(words), 8) + 1):
                for start in range(len(words) - length + 1):
                    key = tuple(plain[start : start + length])
                    where[key][one.name] = where[key].get(one.name, 0) + 1
                    spoken.setdefault(key, " ".join(words[start : start + length]))
    shared = {key: names for key, names in where.items() if len(names) > 1 and all(key) and len(set(key)) > 1}
    inside = {
        part
        for key, names in shared.items()
        for part in (key[1:], key[:-1])
        if part in shared and shared[part] == names
    }
    kept = sorted(
        (key for key in shared if key not in inside), key=lambda key: (-len(shared[key]), -len(key), spoken[key])
    )
    return [
        RepeatedPhrase(text=spoken[key], recordings=sorted(shared[key]), times=sum(shared[key].values()))
        for key in kept[:MOST_PHRASES]
    ]


def _plain(word: str) -> str:
    return re.sub(r"\W", "", unicodedata.normalize("NFKC", word).lower())
