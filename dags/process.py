"""
### process: one job, from drop to report

`claim → plan → batch[transcribe → analyze → report] → summarize → notify → gate`

Starts by `./voiceman submit`, the REST API, the trigger form, or a drop (DAG `intake`). One mapped task
group over batches of 4–32 recordings: the first batch is analysed while the second is transcribed.

**When it is red.** The gate names the recordings that failed; each has `failed/{job_id}/{file_id}_error.json`
with one sentence that says what to do, and its untouched original beside it. Everything is counted in
`completed/{job_id}/job_summary.json`. Mend the cause and drop the recordings again under the same job id: finished
ones are not done twice. A file with other contents than before needs another job id: originals never change.

A red `claim`: S3 or PostgreSQL is away, or nothing was dropped: `./voiceman status`, then clear the task.
A red `transcribe`, `analyze` or `report`: a process died on every try: its log, then drop the recordings again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import (
    ExceptionRetryPolicy,
    Param,
    RetryAction,
    RetryRule,
    TriggerRule,
    dag,
    get_current_context,
    task,
    task_group,
)

from include.errors import InputError, JobFailedError, ModelError
from include.manifest import JOB_ID_PATTERN
from include.pipeline import tasks
from include.settings import LANGUAGES

Json = dict[str, Any]
LABEL = "{{ batch_label }}"
NO_RETRY = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception=[InputError, ModelError, JobFailedError], action=RetryAction.FAIL, reason="a retry can't heal it"
        )
    ]
)


@dag(
    schedule=None,
    catchup=False,
    tags=["voiceman", "job"],
    doc_md=__doc__,
    is_paused_upon_creation=False,
    max_active_runs=16,
    default_args={
        "owner": "voiceman",
        "retries": 5,  # 5, 10, 20, 40, 60 s: a store or database that is away for two minutes fails no job
        "retry_delay": timedelta(seconds=5),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(seconds=60),
        "retry_policy": NO_RETRY,
        "execution_timeout": timedelta(minutes=55),
    },
    params={
        "job_id": Param(
            type="string", pattern=JOB_ID_PATTERN, description="The folder under incoming/ that holds the recordings."
        ),
        "language": Param("auto", enum=list(LANGUAGES), description="Spoken language; auto detects it per recording."),
        "priority": Param("normal", enum=["normal", "urgent"], description="Urgent jobs take the next free slot."),
    },
)
def process() -> None:
    """Wire the job."""

    @task
    def claim() -> Json:
        return tasks.claim(get_current_context())

    @task
    def plan(manifest: Json) -> list[Json]:
        return tasks.plan(get_current_context(), manifest)

    @task(pool="gpu", queue="gpu", map_index_template=LABEL)
    def transcribe(batch: Json) -> int:
        return tasks.transcribe(get_current_context(), batch)

    @task(map_index_template=LABEL, trigger_rule=TriggerRule.ALL_DONE)
    def analyze(batch: Json) -> int:
        return tasks.analyze(get_current_context(), batch)

    @task(map_index_template=LABEL, trigger_rule=TriggerRule.ALL_DONE)
    def report(batch: Json) -> int:
        return tasks.report(get_current_context(), batch)

    @task_group
    def batch(batch: Json) -> None:
        transcribe(batch) >> analyze(batch) >> report(batch)

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def summarize(manifest: Json | None) -> Json:
        return tasks.summarize(get_current_context(), manifest)

    @task
    def notify() -> str:
        return tasks.notify(get_current_context())

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def gate(manifest: Json | None, summary: Json | None) -> str:
        return tasks.gate(manifest, summary)

    manifest = claim()
    batches = batch.expand(batch=plan(manifest))
    summary = summarize(manifest)
    batches >> summary >> notify() >> gate(manifest, summary)


process()
