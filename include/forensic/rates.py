"""Counts per hour with exact Poisson intervals, and whether a rate changes over time."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from include.described import DESCRIBED
from include.stt import NotMeasured

__all__ = ["Rate", "Trend", "poisson_interval", "rate_per_hour", "rate_trend"]


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=DESCRIBED, allow_inf_nan=False, hide_input_in_errors=True
    )


class Rate(_Model):
    """Events per hour of recording."""

    count: int
    hours: float
    per_hour: float
    low: float
    high: float
    """Exact 95 % Poisson interval (Garwood 1936, Biometrika 28: 437-442)."""


WIDEST = 100
"""A change whose 95 % interval holds 1 and spans more than this factor is not stated: it says nothing, and its ends
look like figures."""


class Trend(_Model):
    """How a rate changes from recording to recording."""

    factor_per_week: float
    """The rate is multiplied by this each week."""
    low: float
    high: float
    """95 % interval (Wald; widened where the counts vary more than Poisson's)."""
    recordings: int
    events: int
    method: str


def poisson_interval(count: int, level: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval of a Poisson mean after ``count`` events."""
    from scipy.special import gammaincinv  # scipy.stats takes seconds to import

    tail = (1 - level) / 2
    low = float(gammaincinv(count, tail)) if count else 0.0
    return low, float(gammaincinv(count + 1, 1 - tail))


def rate_per_hour(count: int, seconds: float) -> Rate | NotMeasured:
    """Events per hour of ``seconds`` recorded."""
    if seconds <= 0:
        return NotMeasured(reason="The recording has no duration, so there is no rate.")
    hours = seconds / 3600
    low, high = poisson_interval(count)
    return Rate(
        count=count,
        hours=round(hours, 6),
        per_hour=round(count / hours, 3),
        low=round(low / hours, 3),
        high=round(high / hours, 3),
    )


def rate_trend(weeks: Sequence[float], counts: Sequence[int], hours: Sequence[float]) -> Trend | NotMeasured:
    """Log-linear Poisson regression of counts on time, with the recorded hours as exposure.

    Not measured for less than a week, which a factor a week would extrapolate, nor where the interval says nothing.

    Args:
        weeks: when each recording was made, in weeks from any origin.
        counts: events in it.
        hours: its length.
    """
    usable = [item for item in zip(weeks, counts, hours, strict=True) if item[2] > 0]
    events = sum(count for _, count, _ in usable)
    if len(usable) < 3 or events < 5 or len({week for week, _, _ in usable}) < 3:
        return NotMeasured(
            reason=f"{events} events in {len(usable)} dated recordings; a trend needs 5 in 3 recordings of 3 times."
        )
    span = max(week for week, _, _ in usable) - min(week for week, _, _ in usable)
    if span < 1:
        days = math.floor(70 * span) / 10
        return NotMeasured(reason=f"The dated recordings lie within {days} days; a rate of change a week needs 7.")
    import numpy as np

    time = np.array([week for week, _, _ in usable])
    seen, exposure = np.array([c for _, c, _ in usable], dtype=float), np.array([h for _, _, h in usable])
    centred = time - time.mean()
    scale = float(np.abs(centred).max())
    design = np.column_stack([np.ones(len(time)), centred / scale])
    beta = np.array([np.log(events / exposure.sum()), 0.0])
    for _ in range(100):
        mean = exposure * np.exp(np.clip(design @ beta, -30, 30))
        information = design.T @ (design * mean[:, None]) + 1e-9 * np.eye(2)
        step = np.linalg.solve(information, design.T @ (seen - mean))
        beta = beta + np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-9:
            break
    else:
        return NotMeasured(
            reason="The events lie so that no rate of change fits (all in the first or last recordings)."
        )
    spread = max(1.0, float(((seen - mean) ** 2 / np.maximum(mean, 1e-9)).sum()) / max(1, len(seen) - 2))
    error = float(np.sqrt(spread * np.linalg.inv(information)[1, 1])) / scale
    slope = float(beta[1]) / scale
    low, middle, high = (float(np.exp(np.clip(slope + z * error, -50, 50))) for z in (-1.96, 0, 1.96))
    if low < 1 < high and high > low * WIDEST:
        return NotMeasured(
            reason=f"The 95 % interval of the change a week reaches over more than {WIDEST}-fold; these recordings do "
            "not say whether the rate rises or falls."
        )
    return Trend(
        factor_per_week=round(middle, 4),
        low=round(low, 4),
        high=round(high, 4),
        recordings=len(usable),
        events=events,
        method="Poisson regression, log link, exposure = hours recorded, quasi-Poisson spread (never below 1)",
    )
