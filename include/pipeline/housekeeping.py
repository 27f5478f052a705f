"""Housekeeping: retention, what killed tasks leave, Airflow's own history. The bodies of the DAG ``housekeeping``."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from include.pipeline.airflow_admin import airflow_database, run_airflow
from include.pipeline.leftovers import remove_folders, remove_leftovers
from include.pipeline.retention import apply_retention
from include.pipeline.signing import sign_open_heads
from include.pipeline.sweeping import Sweep
from include.pipeline.taskrun import task_run
from include.settings import get_settings
from include.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Context

__all__ = ["TABLES", "airflow_history", "heads", "history_limit", "keep_house", "leftovers", "retention"]

log = logging.getLogger(__name__)

TABLES = (
    *("dag_run", "task_instance", "task_instance_history", "task_reschedule", "xcom", "job", "import_error"),
    *("asset_event", "celery_taskmeta", "celery_tasksetmeta"),
)
"""What `airflow db clean` may clean. Not ``trigger``: it goes by age alone, and the trigger that watches ``incoming/``
lives for years. Not ``log``: who started and cleared what is part of the record. ``dag`` and ``dag_version`` are small.
"""


def retention(context: Context) -> dict[str, int]:
    """Delete by age what the policy names; returns counts by kind."""
    sweep = Sweep(open_store(), task_run(context).actor.name)
    apply_retention(sweep)
    return dict(sweep.counts)


def heads() -> int:
    """Sign the heads of the custody ledgers that have events after their last one; returns how many."""
    return sign_open_heads()


def leftovers(context: Context) -> dict[str, int]:
    """Remove old keys, markers, uploads and this worker's folders that nobody has; returns counts by kind."""
    sweep = Sweep(open_store(), task_run(context).actor.name)
    remove_leftovers(sweep)
    remove_folders(sweep)
    return dict(sweep.counts)


def airflow_history(*, dry_run: bool = False) -> str:
    """Delete old runs and XCom from Airflow's database, but nothing as young as the oldest run that goes on.

    Args:
        dry_run: only count.

    Returns:
        What was done, in one sentence.

    Raises:
        SettingsError: the connection to Airflow's database is not defined.
        ToolError: `airflow db clean` failed.
    """
    days = get_settings().airflow_history_days
    if days == 0:
        return "Airflow's history is kept: VOICEMAN_AIRFLOW_HISTORY_DAYS is 0."
    limit = history_limit(days)
    arguments = ["db", "clean", "--clean-before-timestamp", limit.isoformat(), "--tables", ",".join(TABLES)]
    arguments += ["--skip-archive", "--batch-size", "10000", "--error-on-cleanup-failure"]
    printed = run_airflow([*arguments, "--dry-run" if dry_run else "--yes"])
    rows = sum(int(count) for count in re.findall(r"Found (\d+) rows", printed))
    went = "would go" if dry_run else "went"
    told = f"{rows} rows of Airflow's history from before {limit:%Y-%m-%d %H:%M} UTC {went}."
    log.info("%s", told)
    return told


def history_limit(days: int, now: datetime | None = None) -> datetime:
    """So many days ago, or the beginning of the oldest run that is queued or running, if that is earlier.

    Raises:
        SettingsError, StateError: Airflow's database is not defined or can't be read.
    """
    limit = (now or datetime.now(UTC)).timestamp() - days * 86400
    with airflow_database() as cursor:
        cursor.execute(
            "SELECT min(least(start_date, queued_at, run_after)) FROM dag_run WHERE state IN ('queued', 'running')"
        )
        oldest = cursor.fetchone()[0]
    if oldest is not None:
        limit = min(limit, oldest.timestamp())
    return datetime.fromtimestamp(limit, UTC)


def keep_house(actor: str, say: Callable[[str], None], *, dry_run: bool) -> tuple[dict[str, int], str]:
    """All of housekeeping, for the command line.

    Args:
        actor: who asked.
        say: told of each thing that goes.
        dry_run: only say what would go.

    Returns:
        Counts by kind, and what became of Airflow's history.
    """
    sweep = Sweep(open_store(), actor, dry_run=dry_run, say=say)
    apply_retention(sweep)
    remove_leftovers(sweep)
    remove_folders(sweep)
    return dict(sweep.counts), airflow_history(dry_run=dry_run)
