"""Airflow cluster policy: an urgent job's tasks take the next free slot. And a start for tasks: what they all import.

Airflow imports this module from the plugins folder. The policy runs inside the scheduler's transaction: no database
access, no heavy imports.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance

__all__ = ["task_instance_mutation_hook"]

URGENT_WEIGHT = 1000
"""Added to the priority weight of an urgent job's tasks: above any weight that a DAG of ours gives."""


def task_instance_mutation_hook(task_instance: TaskInstance, dag_run: DagRun | None) -> None:
    """Raise the priority weight of tasks whose run asks for ``priority: urgent``; never that of reruns."""
    # read what is loaded already: a lazy load would open a session here
    run = dag_run if dag_run is not None else task_instance.__dict__.get("dag_run")
    if (
        run is not None
        and (run.conf or {}).get("priority") == "urgent"
        and task_instance.dag_id == "process"
        and task_instance.priority_weight < URGENT_WEIGHT
    ):
        task_instance.priority_weight += URGENT_WEIGHT


# Tasks and DAG parses are forked from these: what is imported here, once, none of them imports again.
_EVERYWHERE = ("include.pipeline.tasks",)
_TASKS = (
    "airflow.providers.amazon.aws.hooks.s3",
    "airflow.providers.postgres.hooks.postgres",
    "airflow.sdk.definitions.decorators",
    "airflow.sdk.execution_time.task_runner",
    "boto3.s3.transfer",
    "include.pipeline.case_report",
    "include.pipeline.claim",
    "include.pipeline.closing",
    "include.pipeline.devices",
    "include.pipeline.notifying",
    "include.pipeline.params",
    "include.pipeline.planner",
    "include.pipeline.releasing",
    "include.pipeline.stages",
    "include.pipeline.summary",
    "psycopg_pool",
)
"""What a task's body loads when it is called; none of it loads torch, and none opens a connection."""

_COMMANDS = {"scheduler", "celery", "dag-processor"} & set(sys.argv[1:3])
if _COMMANDS:
    for _module in _EVERYWHERE if "dag-processor" in _COMMANDS else (*_EVERYWHERE, *_TASKS):
        importlib.import_module(_module)
if _COMMANDS - {"dag-processor"}:
    importlib.import_module("include.storage").read_descriptions()
