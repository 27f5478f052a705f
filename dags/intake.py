"""
### intake: a drop starts a job

An asset watcher (in the triggerer, no worker is held) looks at `incoming/` every 2 s (`VOICEMAN_POLL_S`). A job's
folder becomes one asset event when nothing in it changed for the settle time (`VOICEMAN_SETTLE_S`, 30 s), or when it
holds a `_READY` marker, or every file that its `manifest.json` lists; this DAG starts the DAG `process` for it. The
run id is made of what was dropped, so an event that comes twice starts one run. One run claims 1,000 files; the rest of
a larger drop comes when at most 500 of them still wait, or after five minutes.

What was seen, since when, and what Airflow was told lies in PostgreSQL (`voiceman.incoming_drop`; `./voiceman drops`
shows it, and why a drop waits). While a drop still lies there it is told again after 15 s, then ever more rarely: a
paused DAG, a lost event or a dead triggerer misses nothing.

With `VOICEMAN_SQS_QUEUE` the store's notifications wake this DAG, too: `jobs` looks at the jobs that the messages name;
what is not ready yet is left to the watcher.

**When it is red.** `jobs` could not reach S3 or PostgreSQL, or `start` could not start a run: see its log, then clear
it. Nothing is lost: the drop stays under `incoming/` until `process` claims it, the watcher tells of it again, and
`./voiceman submit` or the trigger form start it as well. **When nothing starts:** see `./voiceman drops`; then whether
the triggerer runs (`./voiceman status`) and this DAG is not paused.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Asset, AssetWatcher, dag, task

from include.pipeline.drop import IncomingTrigger
from include.settings import get_settings

watchers = [AssetWatcher(name="voiceman-incoming-watcher", trigger=IncomingTrigger())]
if queue := get_settings().sqs_queue:
    from airflow.providers.common.messaging.triggers.msg_queue import MessageQueueTrigger

    messages = MessageQueueTrigger(
        scheme="sqs", sqs_queue=queue, aws_conn_id=get_settings().sqs_conn_id, max_messages=10, waiter_delay=1
    )
    watchers.append(AssetWatcher(name="voiceman-incoming-queue", trigger=messages))

INCOMING = Asset("voiceman-incoming", watchers=watchers)


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
    def jobs(ti: Any = None, triggering_asset_events: Any = None) -> list[dict[str, Any]]:
        from include.pipeline.notices import starts

        def has_failed(run_id: str) -> bool:
            return bool(ti.get_dr_count(dag_id="process", run_ids=[run_id], states=["failed"]))

        # one run takes all events that queued up while the DAG was busy or paused
        events = [event for group in triggering_asset_events.values() for event in group]
        runs = starts([event.extra.get("payload") for event in events], has_failed)
        return [{"trigger_run_id": run["run_id"], "conf": {"job_id": run["job_id"]}} for run in runs]

    TriggerDagRunOperator.partial(
        task_id="start", trigger_dag_id="process", skip_when_already_exists=True, logical_date=None
    ).expand_kwargs(jobs())


intake()
