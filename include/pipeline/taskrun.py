"""Who is acting: a task instance of Airflow, as the state machine records it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.state import Actor

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Context

__all__ = ["JOB_DAGS", "TaskRun", "task_run"]

log = logging.getLogger(__name__)

JOB_DAGS = ("process", "reprocess")
"""The DAGs whose runs own recordings."""


@dataclass(frozen=True)
class TaskRun:
    """This try of this task."""

    actor: Actor
    last_try: bool
    """True when Airflow will not try again: what can't be finished now is failed now."""
    run_is_over: Callable[[str], bool]
    """Whether a run of one of our DAGs has ended, or was deleted: what it left half-way may be taken over."""
    inherit: tuple[int, ...] = ()
    """Open files that a child process keeps open: the device lease."""
    device: str = ""
    """Name of the device that the task holds."""
    alone: bool = False
    """True in a child process that does a few recordings by themselves."""

    @property
    def run_id(self) -> str:
        """The DAG run's id."""
        return self.actor.run_id


def task_run(context: Context) -> TaskRun:
    """Read the acting task from Airflow's context."""
    ti = context["ti"]
    index = getattr(ti, "map_index", -1)
    name = f"{ti.dag_id}.{ti.task_id}" + (f"[{index}]" if index is not None and index >= 0 else "")

    def run_is_over(run_id: str) -> bool:
        return not any(
            ti.get_dr_count(dag_id=dag_id, run_ids=[run_id], states=["queued", "running"]) for dag_id in JOB_DAGS
        )

    return TaskRun(Actor(str(ti.run_id), ti.try_number, name), ti.try_number > ti.max_tries, run_is_over)
