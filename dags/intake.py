"""
### intake: a drop starts a job

An asset watcher (in the triggerer, no worker is held) looks at `incoming/` every 5 s. A job's folder that has not
changed for the settle time (`VOICEMAN_SETTLE_S`, 30 s), or that holds a `_READY` marker, becomes one asset
event; this DAG starts the DAG `process` for it. The run id is made of what was dropped, so an event that comes
twice starts one run.

**When it is red.** `start` could not start a run: see its log, then clear it. Nothing is lost: the drop stays
under `incoming/` until `process` claims it, and `./voiceman submit` or the trigger form start it as well.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Asset, AssetWatcher, dag, task

from include.pipeline.drop import IncomingTrigger

INCOMING = Asset(
    "voiceman-incoming", watchers=[AssetWatcher(name="voiceman-incoming-watcher", trigger=IncomingTrigger())]
)


@dag(
    schedule=[INCOMING],
    catchup=False,
    tags=["voiceman", "intake"],
    doc_md=__doc__,
    is_paused_upon_creation=False,
    default_args={"owner": "voiceman", "retries": 3, "retry_delay": timedelta(seconds=5)},
)
def intake() -> None:
    """Wire drops to jobs."""

    @task
    def jobs(triggering_asset_events: Any = None) -> list[dict[str, Any]]:
        # one run takes all events that queued up while the DAG was busy or paused
        events = [event.extra["payload"] for group in triggering_asset_events.values() for event in group]
        unique = {event["run_id"]: event for event in events}
        return [
            {"trigger_run_id": run_id, "conf": {"job_id": event["job_id"]}} for run_id, event in sorted(unique.items())
        ]

    TriggerDagRunOperator.partial(
        task_id="start", trigger_dag_id="process", skip_when_already_exists=True, logical_date=None
    ).expand_kwargs(jobs())


intake()
