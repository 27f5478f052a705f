"""Intervals that the parts of ``eval`` share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["interval"]


def interval(statistic: Callable[[np.ndarray], float], count: int, draws: int = 1000) -> list[float]:
    """95 % percentile bootstrap of a statistic of indices."""
    draw = np.random.default_rng(7)
    values = [statistic(draw.integers(0, count, count)) for _ in range(draws)]
    return [round(float(value), 3) for value in np.nanquantile(values, (0.025, 0.975))]
