"""
### release: a person decides about a job in quarantine

Recordings that intake.json declares to be of a conversation between others, without a stated basis, are not touched
(docs/evidence.md). The DAG `process` starts one run of this DAG for each such intake.json: `decide` waits under
**Required Actions** for an answer and holds no worker. Choose *Release* or *Keep held* and give the reason. `record`
writes your Airflow user, the answer and the reason into the custody ledger; after *Release*, `again` starts `process`.
After *Keep held* nobody is asked again about this intake.json, unless you trigger this DAG with the job's id.

**When it is red.** Nothing is lost, and nothing was transcribed: the drop lies under `incoming/`. `decide` asks again
when an answer had no reason or none came for 30 days; after ten times it is red: trigger the DAG again with the job's
id, or use `./voiceman release`. `record` or `again`: PostgreSQL or Airflow's API was away; clear the task.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Param, dag, get_current_context, task

from include.pipeline import releasing
from include.pipeline.params import PARAMS

Json = dict[str, Any]


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=1000,  # each waits for a person, and none may keep another from being asked about
    tags=["voiceman", "intake"],
    doc_md=__doc__,
    is_paused_upon_creation=False,
    params={name: PARAMS[name] for name in ("job_id", "prefix")},
    default_args={"owner": "voiceman", "retries": 3, "retry_delay": timedelta(seconds=10)},
)
def release() -> None:
    """Wire the question to its consequences."""

    @task
    def question() -> Json:
        return releasing.question(get_current_context())

    @task
    def record(asked: Json, answer: Json) -> list[Json]:
        return releasing.record(get_current_context(), asked, answer)

    asked: Any = question()
    answer: Any = releasing.Decide(
        task_id="decide",
        subject=asked["subject"],
        body=asked["body"],
        options=[releasing.RELEASE, releasing.KEEP],
        # a default must be valid when the task starts, so that an empty one is refused by Decide
        params={"reason": Param("", type="string", maxLength=2000, title="Reason / 사유 (needed)")},
        response_timeout=timedelta(days=30),
        retries=10,
    )
    TriggerDagRunOperator.partial(
        task_id="again", trigger_dag_id="process", skip_when_already_exists=True, logical_date=None
    ).expand_kwargs(record(asked, answer.output))


release()
