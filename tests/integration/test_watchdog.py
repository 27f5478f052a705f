"""What the watchdog asks of Airflow's tables, in the real PostgreSQL: the same columns, gone with the transaction."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include import state
from include.local import watchdog

pytestmark = pytest.mark.integration


@pytest.fixture
def tables(stack: Path) -> Iterator[Any]:
    """A scheduler (job 1) that gave its last beat 9 s ago, with a task that it had queued 8 s ago."""
    with state.transaction() as cursor:
        cursor.execute(
            "CREATE TEMP TABLE job (id int, job_type text, state text, start_date timestamptz, "
            "latest_heartbeat timestamptz, end_date timestamptz) ON COMMIT DROP"
        )
        cursor.execute(
            "CREATE TEMP TABLE task_instance (state text, queued_dttm timestamptz, queued_by_job_id int, "
            "end_date timestamptz, last_heartbeat_at timestamptz) ON COMMIT DROP"
        )
        cursor.execute("CREATE TEMP TABLE dag_run (state text, run_type text, run_after timestamptz) ON COMMIT DROP")
        scheduler(cursor, 1, began=100, beat=9)
        cursor.execute("INSERT INTO task_instance VALUES ('running', now(), 1), ('queued', now() - interval '8 s', 1)")
        yield cursor


def scheduler(cursor: Any, number: int, *, began: float, beat: float) -> None:
    """One that began and gave its last beat so many seconds ago."""
    cursor.execute(
        "INSERT INTO job "
        "SELECT %s, 'SchedulerJob', 'running', now() - %s * interval '1 s', now() - %s * interval '1 s'",
        (number, began, beat),
    )


def waiting(cursor: Any, dead: int) -> tuple[int, int]:
    return cursor.execute(watchdog._TASKS, {"dead": dead}).fetchone()  # type: ignore[no-any-return]


def test_what_a_dead_scheduler_queued_waits_for_its_successor_and_not_for_a_worker(tables: Any) -> None:
    assert waiting(tables, 0) == (1, 1)
    assert waiting(tables, 1) == (1, 0)
    tables.execute("INSERT INTO task_instance VALUES ('queued', now(), 2)")
    assert waiting(tables, 1) == (1, 0)  # just queued
    tables.execute("INSERT INTO task_instance VALUES ('queued', now() - interval '4 s', 2)")
    assert waiting(tables, 1) == (1, 1)


def running_after(cursor: Any, dead: int, only: int = 0) -> list[int]:
    cursor.execute(watchdog._BURY, {"dead": dead, "only": only})
    cursor.execute("SELECT id FROM job WHERE state = 'running' ORDER BY id")
    return [number for (number,) in cursor.fetchall()]


def test_a_scheduler_whose_process_is_gone_is_buried_before_its_successor_has_begun(tables: Any) -> None:
    assert running_after(tables, 0) == [1]  # its process is there: it may be slow
    assert running_after(tables, 1) == []


def test_a_scheduler_is_buried_when_a_successor_has_begun_though_nobody_saw_its_process(tables: Any) -> None:
    scheduler(tables, 2, began=3, beat=1)
    assert running_after(tables, 0) == [2]


def test_a_scheduler_that_beats_is_not_dead(tables: Any) -> None:
    scheduler(tables, 2, began=50, beat=2)  # a second one beside it, not under supervisord
    assert tables.execute(watchdog._NEWEST).fetchone() == (2, 0)
    assert running_after(tables, 2) == [2]
    assert tables.execute(watchdog._NEWEST).fetchone() == (2, 2)


def test_the_only_scheduler_is_buried_at_once_when_its_process_is_gone(tables: Any) -> None:
    tables.execute("UPDATE job SET latest_heartbeat = now()")
    assert running_after(tables, 1) == [1]
    assert running_after(tables, 1, only=1) == []


@pytest.mark.parametrize(
    ("row", "future"),
    [
        ("task_instance (state, end_date) VALUES ('up_for_retry', now() + interval '1 min')", True),
        ("task_instance (state, last_heartbeat_at) VALUES ('running', now() + interval '1 min')", True),
        ("task_instance (state, queued_dttm) VALUES ('queued', now() + interval '1 min')", True),
        ("dag_run VALUES ('queued', 'asset_triggered', now() + interval '1 min')", True),
        ("dag_run VALUES ('queued', 'manual', now() + interval '1 min')", False),  # a time that a person chose
        ("task_instance (state, end_date) VALUES ('success', now() + interval '1 min')", False),
    ],
)
def test_times_in_the_future_are_found_and_set_back(tables: Any, row: str, future: bool) -> None:
    tables.execute(f"INSERT INTO {row}")  # the rows above
    assert tables.execute(watchdog._FUTURE).fetchone() == (future,)
    for correction in watchdog._SET_BACK:
        tables.execute(correction)
    assert tables.execute(watchdog._FUTURE).fetchone() == (False,)
