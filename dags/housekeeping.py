"""
### housekeeping: what may go, goes

Every night (`VOICEMAN_HOUSEKEEPING_CRON`, 04:00 in Seoul): deletion by age as `VOICEMAN_RETENTION_DAYS` says
(nothing by default), keys, uploads and folders that killed tasks left, and old runs in Airflow's own database
(`VOICEMAN_AIRFLOW_HISTORY_DAYS`). Every deleted object is a row of `voiceman.deletion`, written before it goes.
Custody ledgers that have new events get a signed head (docs/evidence.md).
`./voiceman housekeeping --dry-run` says what would go. More: docs/operations.md.

**When it is red.** Nothing is lost and nothing waits for it: what was not deleted goes with the next run.
`retention` or `leftovers`: S3 or PostgreSQL is away (`./voiceman status`); clear the task.
`heads`: the signing key is missing (its log says so), or PostgreSQL is away; clear the task.
`airflow_history`: its log says why; mostly the connection `voiceman_airflow_db` is missing where the task ran.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, TriggerRule, dag, get_current_context, task

from include.pipeline import housekeeping as bodies
from include.settings import get_settings


@dag(
    schedule=CronTriggerTimetable(get_settings().housekeeping_cron, timezone="Asia/Seoul"),
    catchup=False,
    max_active_runs=1,
    tags=["voiceman", "housekeeping"],
    doc_md=__doc__,
    is_paused_upon_creation=False,
    default_args={
        "owner": "voiceman",
        "retries": 3,
        "retry_delay": timedelta(minutes=1),
        "retry_exponential_backoff": True,
        "execution_timeout": timedelta(hours=3),
        "priority_weight": 1,
    },
)
def housekeeping() -> None:
    """Wire the parts; none but the heads waits for another."""

    @task
    def retention() -> dict[str, int]:
        return bodies.retention(get_current_context())

    @task
    def leftovers() -> dict[str, int]:
        return bodies.leftovers(get_current_context())

    @task
    def airflow_history() -> str:
        return bodies.airflow_history()

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def heads() -> int:
        return bodies.heads()

    [retention(), leftovers()] >> heads()
    airflow_history()


housekeeping()
