"""
### nightly: stragglers, failures that a retry may heal, outdated analyses; and backfills over past dates

Every night at 02:00 in Seoul (`VOICEMAN_NIGHTLY_CRON`, `VOICEMAN_NIGHTLY_TIMEZONE`). `find` lists jobs, `again` starts
one run of the DAG `reprocess` for each and does not wait for it. A run sweeps what was received before the end of its
data interval:

1. drops that lie in `incoming/` for more than an hour although no run claims them, and what an ended run left;
2. recordings that failed for a reason that another day may heal, three times at most (bad input never);
3. analyses and reports that an older version made, with the transcripts as they are: newest first, at most
   `VOICEMAN_NIGHTLY_MAX_RECORDINGS` a night.

**Backfill** (the button in the UI, or `airflow backfill create --dag-id nightly`): one run for each 02:00 from the
first moment on until the last, and each does again exactly the recordings received in the 24 hours that follow it. The
form's `redo` says what: failed; outdated (the default: failed ones, too); all. Dates that had their night already need
the reprocess behaviour "completed" (`--reprocess-behavior completed`).
`--from-date 2026-01-05T00:00+09:00 --to-date 2026-01-07T00:00+09:00` are the nights of the 5th and the 6th.

A live drop waits at most for the batch that is running: `reprocess` has the lowest priority for every slot, and two
runs at most.

**When it is red.** `find` could not reach S3 or PostgreSQL, or `again` could not start a run: see its log, then clear
the red task. Nothing is lost: the next night finds what this one did not. What became of the jobs is in the runs of
`reprocess` whose ids begin with `nightly__` or `backfill__`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import CronDataIntervalTimetable, Param, dag, get_current_context, task

from include.pipeline import sweep
from include.settings import get_settings

ZONE = get_settings().nightly_timezone


@dag(
    schedule=CronDataIntervalTimetable(get_settings().nightly_cron, timezone=ZONE),
    start_date=datetime(2020, 1, 1, tzinfo=ZoneInfo(ZONE)),
    catchup=False,
    max_active_runs=1,
    tags=["voiceman", "background"],
    doc_md=__doc__,
    is_paused_upon_creation=False,
    params={
        "redo": Param(
            "outdated",
            enum=["failed", "outdated", "all"],
            title="Do again",
            description="For backfills: failed recordings; outdated: also analyses and reports of older versions; all: "
            "everything, transcripts too.",
        )
    },
    default_args={
        "owner": "voiceman",
        "retries": 3,
        "retry_delay": timedelta(seconds=30),
        "execution_timeout": timedelta(minutes=30),
    },
)
def nightly() -> None:
    """Wire jobs to their runs."""

    @task
    def find() -> list[dict[str, Any]]:
        return sweep.find(get_current_context())

    TriggerDagRunOperator.partial(
        task_id="again",
        trigger_dag_id="reprocess",
        skip_when_already_exists=True,
        logical_date=None,
        max_active_tis_per_dag=2,  # hundreds of them must leave slots for live work
    ).expand_kwargs(find())


nightly()
