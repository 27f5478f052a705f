"""Recordings in a child process of their own: what kills it takes nothing else down.

A crash in a native library or the kernel's out-of-memory killer ends a whole process. The task's next try does the
recordings that were being worked on here, one after the other, so that the one at fault is known.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include import state
from include.errors import ToolError
from include.manifest import Batch
from include.pipeline.taskrun import TaskRun
from include.settings import ROOT, get_settings
from include.state import Actor

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["run_alone"]

log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_MOST_S = 40 * 60.0  # of the task's 55 minutes
_ASKED_TO_END = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # Airflow ends a cleared task's whole process group


def run_alone(batch: Batch, run: TaskRun, stage: str, file_ids: Sequence[str]) -> str | None:
    """Do some of a batch's recordings in a child process, one after the other.

    The child inherits the device lease (``run.inherit``) and ends when this process does.

    Returns:
        The recording over which the child was killed or hung, or None when it came to its end.

    Raises:
        ToolError: the child was killed before it began, or ended with an error that a retry may heal.
    """
    asked = {
        "stage": stage,
        "batch": batch.model_copy(update={"file_ids": tuple(file_ids)}).model_dump(mode="json"),
        "actor": [run.actor.run_id, run.actor.try_number, run.actor.name],
        "last_try": run.last_try,
    }
    code = _run(
        [sys.executable, "-m", "include.pipeline.alone"], limit_s=_limit_s(batch, file_ids),
        input=json.dumps(asked).encode(), pass_fds=run.inherit, cwd=ROOT,
        env=os.environ | _environment() | _connections(),
    )  # fmt: skip
    if code == 0:
        return None
    if code < 0 and -code not in _ASKED_TO_END:
        rows = state.recordings_of(batch.job_id, file_ids)
        busy = [one for one in file_ids if rows[one].held_by(run.actor) and not rows[one].let_go]
        working = [one for one in busy if rows[one].state.value.endswith(("PROCESSING", "GENERATING"))]
        if working:
            log.error("%s: the child process was killed (signal %d) over %s", stage, -code, working[-1])
            return working[-1]
    raise ToolError(f"The child process of {stage} ended with {code}; see the task's log. It is tried again.")


def _run(command: list[str], *, limit_s: float, **options: Any) -> int:
    """Run the child; one that hangs is killed, which is that recording's fault as a crash would be."""
    try:
        return subprocess.run(command, check=False, timeout=limit_s, **options).returncode
    except subprocess.TimeoutExpired:
        log.error("The child process was killed: not done after %.0f s", limit_s)
        return -signal.SIGKILL


def _limit_s(batch: Batch, file_ids: Sequence[str]) -> float:
    """Five minutes to begin with, and the recordings' own length (unknown: 10 minutes); within the task's time-out."""
    rows = state.recordings_of(batch.job_id, file_ids).values()
    return min(300.0 + sum(row.recording.duration_s or 600.0 for row in rows), _MOST_S)


def _environment() -> dict[str, str]:
    return {
        "PYTHONPATH": str(ROOT),
        "VOICEMAN_PARENT": str(os.getpid()),
        # a task's process is given an address that `import airflow` can't even parse
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite://",
    }


def _connections() -> dict[str, str]:
    """Airflow's connections as environment variables: the child has no supervisor to ask for them."""
    from airflow.sdk import BaseHook

    names = (get_settings().s3_conn_id, get_settings().db_conn_id)
    return {f"AIRFLOW_CONN_{name.upper()}": BaseHook.get_connection(name).get_uri() for name in names}


def _end_with_parent(parent: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("The task that started this process is gone.")
    # when memory runs out, the kernel should take this process and not the task
    Path("/proc/self/oom_score_adj").write_text("900")


def main() -> None:
    """Read from standard input what to do, and do it."""
    from include.pipeline import stages
    from include.storage import open_store

    _end_with_parent(int(os.environ["VOICEMAN_PARENT"]))
    logging.basicConfig(level=logging.INFO, format="alone: %(levelname)s %(message)s", stream=sys.stdout)
    asked: dict[str, Any] = json.loads(sys.stdin.buffer.read())
    batch = Batch.model_validate(asked["batch"])
    run = TaskRun(Actor(*asked["actor"]), asked["last_try"], run_is_over=lambda _: False, alone=True)
    store = open_store()
    if asked["stage"] == "transcribe":
        stages.transcribe_batch(store, batch, run)
    elif asked["stage"] == "analyze":
        stages.analyze_batch(store, batch, run)
    else:
        stages.report_batch(store, batch, run)


if __name__ == "__main__":
    main()
