"""Drops while a part of the stack is dead (the triggerer, the executor's workers), and a clock that went wrong."""

import os
import signal
import time
import uuid

import psutil
import psycopg
import pytest

from include import local
from include.local.environment import load_stack_env
from include.local.watchdog import _SET_BACK
from include.pipeline.client import AirflowClient
from include.storage import Store
from tests.e2e.test_intake_live import drop, runs_of, wait_for_run

pytestmark = pytest.mark.e2e


def wait_for_end(airflow: AirflowClient, run: str, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while airflow.call("GET", f"/api/v2/dags/process/dagRuns/{run}").json()["state"] not in ("success", "failed"):
        assert time.monotonic() < deadline, f"{run} did not end within {timeout_s} s"
        time.sleep(0.5)


def test_a_killed_triggerer_misses_nothing(store: Store, airflow: AirflowClient) -> None:
    job = f"killed-{uuid.uuid4().hex[:6]}"
    (pid,) = [one.pid for one in local.status() if one.name == "triggerer"]
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    drop(store, job)
    wait_for_run(airflow, job, 90)


def test_workers_that_die_idle_and_take_the_queues_lock_with_them_stop_nothing(
    store: Store, airflow: AirflowClient
) -> None:
    job = f"locked-{uuid.uuid4().hex[:6]}"
    (before,) = [one.pid for one in local.status() if one.name == "scheduler"]
    assert before is not None
    idle = [one for one in psutil.Process(before).children() if "<idle>" in " ".join(one.cmdline())]
    assert idle
    for worker in idle:  # one of them waits for work, and holds the lock
        worker.kill()
    drop(store, job)
    wait_for_run(airflow, job, 60)
    (after,) = [one.pid for one in local.status() if one.name == "scheduler"]
    assert after != before  # the watchdog restarted it


def test_times_that_a_clock_left_in_the_future_are_corrected(store: Store, airflow: AirflowClient) -> None:
    """The watchdog's own statements on rows of a run that has ended (a scheduler at work on it would hold other rows
    of it, and wait for ours); nothing of it is kept.
    """
    job = f"ahead-{uuid.uuid4().hex[:6]}"
    drop(store, job)
    wait_for_run(airflow, job, 60)
    wait_for_end(airflow, runs_of(airflow, job)[0], 120)
    address = load_stack_env()["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("postgresql+psycopg2", "postgresql")
    ahead, ours = "clock_timestamp() + interval '1 hour'", f"run_id LIKE 'drop__{job}__%'"
    with psycopg.connect(address) as connection, connection.cursor() as cursor:

        def left_ahead(query: str) -> int:
            cursor.execute(f"SELECT count(*) FROM {query} > clock_timestamp() + interval '1 minute'")
            return int((cursor.fetchone() or (0,))[0])

        for state, column in (("up_for_retry", "end_date"), ("queued", "queued_dttm")):
            cursor.execute(f"UPDATE task_instance SET state = '{state}', {column} = {ahead} WHERE {ours}")
            wrong = f"task_instance WHERE {ours} AND {column}"
            assert left_ahead(wrong) > 0
            for correction in _SET_BACK:
                cursor.execute(correction)
            assert left_ahead(wrong) == 0
        for kind, left in (("asset_triggered", 0), ("manual", 1)):  # a time that a person chose is theirs
            cursor.execute(
                f"UPDATE dag_run SET state = 'queued', run_type = '{kind}', run_after = {ahead} WHERE {ours}"
            )
            for correction in _SET_BACK:
                cursor.execute(correction)
            assert left_ahead(f"dag_run WHERE {ours} AND run_after") == left
        connection.rollback()
