"""The first night of a new stack: Airflow catches up with it as soon as the DAG ``nightly`` is known."""

from __future__ import annotations

import time
from typing import Any

from include.submission import client

__all__ = ["first_night"]


def first_night(timeout_s: float = 90) -> dict[str, Any]:
    """The stack's first scheduled run of ``nightly``, ended: from then on it takes up nothing that a test makes."""
    deadline = time.monotonic() + timeout_s
    with client() as airflow:
        while time.monotonic() < deadline:
            answer = airflow.call("GET", "/api/v2/dags/nightly/dagRuns", params={"run_type": "scheduled"})
            runs = answer.json().get("dag_runs", [])
            if runs and runs[0]["state"] in ("success", "failed"):
                first: dict[str, Any] = runs[0]
                return first
            time.sleep(0.5)
    raise AssertionError(f"no scheduled run of nightly ended within {timeout_s:g} s")
