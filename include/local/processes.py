"""Finding and ending the stack's processes by its id, whoever their parent is now.

Each process that ``up`` starts carries ``VOICEMAN_STACK_ID`` in its environment and hands it on.
A process may overwrite that memory with its title (PostgreSQL's backends do; Airflow's don't,
because the stack sets ``SPT_NOENV``), so the descendants of every match belong to the stack too.
"""

from __future__ import annotations

import os
import time

import psutil

from include.errors import StackError

__all__ = ["SERVICE_VARIABLE", "STACK_VARIABLE", "end_processes", "stack_processes"]

STACK_VARIABLE = "VOICEMAN_STACK_ID"
SERVICE_VARIABLE = "VOICEMAN_SERVICE"

_GONE = (psutil.NoSuchProcess, psutil.ZombieProcess)


def stack_processes(stack_id: str, service: str | None = None) -> list[psutil.Process]:
    """The living processes of this stack (of one service, if named), never the caller or its ancestors."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            if environment.get(STACK_VARIABLE) != stack_id:
                continue
            if service is not None and environment.get(SERVICE_VARIABLE) != service:
                continue
            for member in (process, *process.children(recursive=True)):
                found[member.pid] = member
        except (*_GONE, psutil.AccessDenied, OSError):
            # Gone meanwhile, or another user's: not ours to end.
            continue
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return [process for pid, process in found.items() if pid not in spared and _alive(process)]


def end_processes(processes: list[psutil.Process], *, grace_s: float) -> None:
    """Ask the processes to end, and end by force those that haven't after ``grace_s`` seconds (0: at once).

    psutil compares the creation time before it signals: a recycled pid is never hit.

    Raises:
        StackError: one is still there afterwards.
    """
    for process in processes if grace_s > 0 else ():
        _signal(process, force=False)
    for process in _still_alive(processes, grace_s):
        _signal(process, force=True)
    left = _still_alive(processes, 5)
    if left:
        pids = ", ".join(str(process.pid) for process in left)
        raise StackError(f"The stack's processes {pids} could not be ended; end them by hand with kill -9.")


def _still_alive(processes: list[psutil.Process], wait_s: float) -> list[psutil.Process]:
    """Those that haven't ended after so many seconds; psutil's own wait also waits for somebody to reap them."""
    deadline = time.monotonic() + wait_s
    while (alive := [process for process in processes if _alive(process)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return alive


def _signal(process: psutil.Process, *, force: bool) -> None:
    try:
        process.kill() if force else process.terminate()
    except _GONE:
        return
    except psutil.AccessDenied as error:
        raise StackError(
            f"The stack's process {process.pid} belongs to another user; stop the stack as the user who started it."
        ) from error


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except _GONE:
        return False
