"""
### process: one job, from drop to report

`claim → plan → batch[transcribe → analyze → report] → summarize → notify → gate`

Starts by `./voiceman submit`, the REST API, the trigger form, or a drop (DAG `intake`). One mapped task
group over batches of 4–32 recordings: the first batch is analysed while the second is transcribed.

**When it is red.** The gate names the recordings that failed; each has `failed/{job_id}/{file_id}_error.json`
with one sentence that says what to do, and its untouched original beside it. Everything is counted in
`completed/{job_id}/job_summary.json`. Mend the cause, drop the recordings again under the same job id:
finished ones are recognised and not done twice.

| task | red means | do |
|---|---|---|
| claim | S3 or PostgreSQL away, or nothing was dropped | `./voiceman status`, then clear the task |
| transcribe, analyze, report | a process died on every try | its log; then drop what the gate names again |
| summarize, gate | some recording failed | read the summary |
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
from include.manifest import JOB_ID_PATTERN, ArtefactRef, Batch, Job
from include.settings import LANGUAGES

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
        "retries": 2,
        "retry_delay": timedelta(seconds=5),
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
    def claim() -> dict[str, str]:
        from include import pipeline, storage

        context = get_current_context()
        params = context["params"]
        job = Job(job_id=params["job_id"], language=params["language"], priority=params["priority"])
        return pipeline.claim_job(storage.open_store(), job, pipeline.task_run(context)).model_dump()

    @task
    def plan(manifest: dict[str, str]) -> list[dict[str, Any]]:
        from include import pipeline, storage

        run = pipeline.task_run(get_current_context())
        return [
            b.model_dump(mode="json") for b in pipeline.plan_run(storage.open_store(), ArtefactRef(**manifest), run)
        ]

    def in_stage(batch: dict[str, Any]) -> tuple[Any, Batch, Any, Any]:
        from include import pipeline, storage

        context = get_current_context()
        one = Batch.model_validate(batch)
        context["batch_label"] = one.label  # type: ignore[typeddict-unknown-key]
        return storage.open_store(), one, pipeline.task_run(context), pipeline

    @task(pool="gpu", queue="gpu", map_index_template="{{ batch_label }}")
    def transcribe(batch: dict[str, Any]) -> int:
        store, one, run, pipeline = in_stage(batch)
        return pipeline.transcribe_batch(store, one, get_current_context()["params"]["language"], run)

    @task(map_index_template="{{ batch_label }}", trigger_rule=TriggerRule.ALL_DONE)
    def analyze(batch: dict[str, Any]) -> int:
        store, one, run, pipeline = in_stage(batch)
        return pipeline.analyze_batch(store, one, run)

    @task(map_index_template="{{ batch_label }}", trigger_rule=TriggerRule.ALL_DONE)
    def report(batch: dict[str, Any]) -> int:
        store, one, run, pipeline = in_stage(batch)
        return pipeline.report_batch(store, one, run)

    @task_group
    def batch(batch: dict[str, Any]) -> None:
        transcribe(batch) >> analyze(batch) >> report(batch)

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def summarize(manifest: dict[str, str] | None) -> dict[str, str] | None:
        from include import pipeline, storage

        if manifest is None:
            raise JobFailedError("There is no manifest: the task claim did not finish; see its log.")
        store, run = storage.open_store(), pipeline.task_run(get_current_context())
        return pipeline.summarize_job(store, pipeline.reconcile(store, ArtefactRef(**manifest), run), run).model_dump()

    @task
    def notify() -> str:
        from include import pipeline

        context = get_current_context()
        return pipeline.notify_end(context, context["params"]["job_id"])

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def gate(manifest: dict[str, str] | None, summary: dict[str, str] | None) -> str:
        from include import pipeline, storage

        refs = [None if ref is None else ArtefactRef(**ref) for ref in (manifest, summary)]
        return pipeline.judge(storage.open_store(), *refs)

    manifest = claim()
    batches = batch.expand(batch=plan(manifest))
    summary = summarize(manifest)
    batches >> summary >> notify() >> gate(manifest, summary)


process()
