"""
### process and reprocess: one job, from drop to report

`claim → plan → batch[transcribe → analyze → report] → summarize → notify → gate`

`process` starts by `./voiceman submit`, the REST API, the trigger form, or a drop (DAG `intake`); `reprocess`, the
same steps with the lowest priority and two runs at most, by the DAG `nightly` and its backfills. One mapped task
group over batches of 4–32 recordings: the first batch is analysed while the second is transcribed.

**When it is red.** The gate names the recordings that failed; each has `failed/{job_id}/{file_id}_error.json`
with one sentence that says what to do, and its untouched original beside it. Everything is counted in
`completed/{job_id}/job_summary.json`. Mend the cause and trigger the job again with `redo: failed`, or drop the
recordings again: finished ones are not done twice, a file with other contents becomes a new revision.

A red `claim`: S3 or PostgreSQL is away, or nothing was dropped: `./voiceman status`, then clear the task. Or the job is
in quarantine: `ask` started the DAG `release`, answer it under Required Actions.
A red `transcribe`, `analyze` or `report`: it died on every try: see its log, then trigger with `redo: failed`.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import TriggerRule, dag, get_current_context, task, task_group

from include.pipeline import tasks
from include.pipeline.params import DEFAULTS, PARAMS, REPROCESS
from include.pipeline.releasing import AskForRelease

Json = dict[str, Any]
LABEL = "{{ batch_label }}"
COMMON = {"catchup": False, "doc_md": __doc__, "is_paused_upon_creation": False}


def wire() -> None:
    """The job's steps."""

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

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def notify() -> str:
        return tasks.notify(get_current_context())

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def gate(manifest: Json | None, summary: Json | None) -> str:
        return tasks.gate(manifest, summary)

    manifest = claim()
    ask = AskForRelease(
        task_id="ask", trigger_dag_id="release", trigger_rule=TriggerRule.ONE_FAILED, skip_when_already_exists=True,
        logical_date=None,
    )  # fmt: skip
    batches = batch.expand(batch=plan(manifest))
    summary = summarize(manifest)
    manifest >> ask >> summary
    batches >> summary >> notify() >> gate(manifest, summary)


dag(
    "process", schedule=None, tags=["voiceman", "job"], max_active_runs=16, params=PARAMS,
    default_args=DEFAULTS | {"priority_weight": 100}, **COMMON,
)(wire)()  # fmt: skip
dag(
    "reprocess", schedule=None, tags=["voiceman", "job", "background"], max_active_runs=2,
    params=REPROCESS, default_args=DEFAULTS, **COMMON,
)(wire)()  # fmt: skip
