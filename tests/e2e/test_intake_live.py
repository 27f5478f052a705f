"""A drop while the DAG that looks for drops is paused."""

import time
import uuid

import pytest

from include.pipeline.client import AirflowClient
from include.storage import Store, layout

pytestmark = pytest.mark.e2e

NAME = "x" * 230 + ".m4a"  # refused by the claim: nothing is transcribed


def drop(store: Store, job: str) -> None:
    for name in (NAME, "_READY"):
        store.client.put_object(Bucket=store.bucket, Key=layout.incoming_key(job, name), Body=b"not audio")


def runs_of(airflow: AirflowClient, job: str) -> list[str]:
    found = airflow.call("GET", "/api/v2/dags/process/dagRuns", params={"limit": 100, "order_by": "-run_after"}).json()
    return [run["dag_run_id"] for run in found["dag_runs"] if run["conf"].get("job_id") == job]


def wait_for_run(airflow: AirflowClient, job: str, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not (runs := runs_of(airflow, job)):
        assert time.monotonic() < deadline, f"no run of {job} after {timeout_s} s"
        time.sleep(1)
    assert [run.startswith(f"drop__{job}__") for run in runs] == [True]


def set_paused(airflow: AirflowClient, paused: bool) -> None:
    answer = airflow.call("PATCH", "/api/v2/dags/intake", json={"is_paused": paused})
    assert answer.status_code == 200, answer.text


def test_a_paused_intake_misses_nothing(store: Store, airflow: AirflowClient) -> None:
    job = f"paused-{uuid.uuid4().hex[:6]}"
    set_paused(airflow, True)
    try:
        drop(store, job)
        time.sleep(8)  # the watcher tells of it, or is taken away with the paused DAG
        assert runs_of(airflow, job) == []  # Airflow drops a paused DAG's events
    finally:
        set_paused(airflow, False)
    wait_for_run(airflow, job, 120)
