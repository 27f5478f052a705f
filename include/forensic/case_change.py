"""How findings, their severity and the calls themselves go with time over the recordings of a case."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from include.described import DESCRIBED
from include.forensic.case_recording import CaseRecording
from include.forensic.rates import poisson_interval
from include.stt import NotMeasured

__all__ = ["CallRate", "SeverityCourse", "call_rate", "severity_course"]

PERMUTATIONS = 2000
WEEK_S = 604800.0


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=DESCRIBED, allow_inf_nan=False, hide_input_in_errors=True
    )


class SeverityCourse(_Model):
    """How severity goes with time: Kendall's tau-b over dated recordings; p-value by permutation."""

    tau: float
    p_value: float
    recordings: int


class CallRate(_Model):
    """How often there was a recorded call, and whether calls come closer together."""

    calls: int
    """Dated recordings."""
    first: str
    last: str
    weeks: float
    """From the first to the last."""
    per_week: float
    """The calls after the first, for each week."""
    low: float
    high: float
    """Exact 95 % Poisson interval."""
    closer_z: float | NotMeasured
    """Laplace's test of a trend in a series of events (Cox & Lewis 1966): above 0 where the later calls lie closer
    together; about standard normal without a trend."""
    closer_p: float | NotMeasured
    """Two-sided."""


def severity_course(dated: Sequence[CaseRecording]) -> SeverityCourse | NotMeasured:
    """Whether the mean severity of findings rises or falls over recordings that have a date."""
    pairs = [
        (one.made_at.timestamp(), sum(s for _, s in one.findings) / len(one.findings))
        for one in dated
        if one.made_at is not None and one.findings
    ]
    if len(pairs) < 4 or len({severity for _, severity in pairs}) < 2 or len({time for time, _ in pairs}) < 2:
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


def call_rate(recordings: Sequence[CaseRecording]) -> CallRate | NotMeasured:
    """Recorded calls a week, by the dates in their names."""
    dates = sorted(one.made_at for one in recordings if one.made_at is not None)
    if len(dates) < 3 or dates[0].date() == dates[-1].date():
        return NotMeasured(reason=f"{len(dates)} dated recordings; 3 on different days are needed.")
    weeks = (dates[-1] - dates[0]).total_seconds() / WEEK_S
    # the span begins with the first call, so that one is no event in it
    low, high = poisson_interval(len(dates) - 1)
    # both ends of the span are calls: only those between them can lie early or late
    inner = [(one - dates[0]).total_seconds() / WEEK_S for one in dates[1:-1]]
    z: float | NotMeasured = NotMeasured(reason=f"{len(inner)} calls between the first and the last; 4 are needed.")
    p: float | NotMeasured = z
    if len(inner) >= 4:
        value = (sum(inner) / len(inner) - weeks / 2) / (weeks / math.sqrt(12 * len(inner)))
        z, p = round(value, 3), round(math.erfc(abs(value) / math.sqrt(2)), 4)
    return CallRate(
        calls=len(dates),
        first=dates[0].isoformat(),
        last=dates[-1].isoformat(),
        weeks=round(weeks, 4),
        per_week=round((len(dates) - 1) / weeks, 3),
        low=round(low / weeks, 3),
        high=round(high / weeks, 3),
        closer_z=z,
        closer_p=p,
    )
