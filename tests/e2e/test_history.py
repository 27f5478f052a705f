"""Airflow's own history goes by age, in the real Airflow."""

import os
import shutil
import stat
import subprocess
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from include.manifest import State
from include.pipeline import housekeeping
from include.settings import ROOT, get_settings
from include.storage import Store
from tests.integration.test_housekeeping import keys, new_job

pytestmark = pytest.mark.e2e


def airflow_rows(home: Path, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """A statement on Airflow's own database, as only a test may."""
    from airflow.sdk import BaseHook

    found = BaseHook.get_connection("voiceman_airflow_db")
    address = {"host": found.host, "port": found.port, "dbname": found.schema, "user": found.login}
    with psycopg.connect(**address, password=found.password, autocommit=True) as opened:  # type: ignore[arg-type]
        done = opened.execute(statement, values)  # type: ignore[arg-type]
        return list(done.fetchall()) if done.description else []


def old_run(home: Path, run_state: str, days: float) -> str:
    """A run of a DAG that no scheduler looks at, with an XCom of its task, so many days old; its id."""
    run_id = f"old-{uuid.uuid4().hex[:8]}"
    at = datetime.now(UTC) - timedelta(days=days)
    ((key,),) = airflow_rows(
        home,
        "INSERT INTO dag_run (dag_id, run_id, state, run_type, start_date, queued_at, run_after, end_date, "
        "clear_number, log_template_id, triggered_by) VALUES ('retired', %s, %s, 'manual', %s, %s, %s, %s, 0, "
        "(SELECT max(id) FROM log_template), 'cli') RETURNING id",
        run_id, run_state, at, at, at, at,
    )  # fmt: skip
    task = str(uuid.uuid4())
    airflow_rows(
        home,
        "INSERT INTO task_instance (id, task_id, dag_id, run_id, map_index, start_date, end_date, state, try_number, "
        "max_tries, hostname, unixname, pool, pool_slots, queue, priority_weight, operator, custom_operator_name, "
        "executor_config) VALUES (%s, 'claim', 'retired', %s, -1, %s, %s, 'success', 1, 1, '', '', 'default_pool', 1, "
        "'default', 1, '', '', '\\x80057d942e'::bytea)",
        task, run_id, at, at,
    )  # fmt: skip
    airflow_rows(
        home,
        "INSERT INTO xcom (dag_run_id, task_id, map_index, key, dag_id, run_id, value, timestamp) "
        "VALUES (%s, 'claim', -1, 'return_value', 'retired', %s, '\"x\"', %s)",
        key, run_id, at,
    )  # fmt: skip
    return run_id


def counted(home: Path, run_id: str) -> list[int]:
    return [
        airflow_rows(home, f"SELECT count(*) FROM {table} WHERE run_id = %s", run_id)[0][0]
        for table in ("dag_run", "task_instance", "xcom")
    ]


def by_hand(stack: Path, **settings: str) -> list[str]:
    """The lines of a dry run by the command line."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    environment |= {"VOICEMAN_HOME": str(stack), "TMPDIR": tempdir(stack), **settings}
    command = [ROOT / "voiceman", "housekeeping", "--dry-run"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_airflows_own_history_and_a_dry_run_by_hand(stack: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    one = new_job(store, State.COMPLETED)
    ended, live, young = old_run(stack, "success", 400), old_run(stack, "running", 380), old_run(stack, "failed", 370)
    triggers = airflow_rows(stack, "SELECT count(*) FROM trigger")
    airflow_rows(stack, "UPDATE trigger SET created_date = now() - interval '500 days'")
    logged = airflow_rows(stack, "SELECT count(*) FROM log")
    try:
        monkeypatch.setenv("VOICEMAN_AIRFLOW_HISTORY_DAYS", "0")
        get_settings.cache_clear()
        assert "is kept" in housekeeping.airflow_history()
        monkeypatch.setenv("VOICEMAN_AIRFLOW_HISTORY_DAYS", "365")
        get_settings.cache_clear()
        *_, removed, history = by_hand(stack, VOICEMAN_RETENTION_DAYS='{"completed/": 1}')
        assert removed == "Would remove: nothing."  # it is all of today
        assert "rows of Airflow's history from before" in history
        assert history.endswith("UTC would go.")
        assert keys(store, one)["completed"] == ["call_report.pdf", "job_summary.json"]
        assert counted(stack, ended) == [1, 1, 1]
        told = housekeeping.airflow_history()
        assert told.endswith("UTC went.")
        assert int(told.split()[0]) >= 3
        assert counted(stack, ended) == [0, 0, 0]
        # the run that goes on is older than the limit: nothing of it goes, nor of what began after it
        assert (counted(stack, live), counted(stack, young)) == ([1, 1, 1], [1, 1, 1])
        assert airflow_rows(stack, "SELECT count(*) FROM trigger") == triggers
        assert airflow_rows(stack, "SELECT count(*) FROM log")[0][0] >= logged[0][0]
        archives = "SELECT count(*) FROM pg_tables WHERE tablename LIKE '\\_airflow\\_deleted%%'"
        assert airflow_rows(stack, archives) == [(0,)]
    finally:
        for run_id in (ended, live, young):
            airflow_rows(stack, "DELETE FROM dag_run WHERE run_id = %s", run_id)


def tempdir(home: Path) -> str:
    folder = home / "empty-tmp"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=stat.S_IRWXU)
    return str(folder)
