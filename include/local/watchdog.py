"""The service that restarts what stands still without having died.

supervisord starts a service again when its process ends. Two faults leave the process there and nothing goes on:

* An *idle* worker of Airflow's LocalExecutor dies while it waits for work: it may hold the lock of the executor's queue
  (``multiprocessing.SimpleQueue``), which nobody releases then. Tasks stay ``queued`` though workers are idle. The
  scheduler can also block for good while it writes to that queue (apache/airflow#70526).
* A service hangs: its process is there, its heartbeat in Airflow's database is not.

A clock that ran ahead and was set back leaves a third: a part of Airflow gives its next heartbeat only when the last
one is old enough, so one whose last beat lies an hour ahead gives none for an hour; and a scheduler may have taken
itself for dead meanwhile, and then resets its own tasks for ever.

It also tells Airflow at once that a scheduler is dead whose successor has begun, and corrects other times in the
future.

Each time the service is killed, and supervisord starts its successor; tasks that ran are tried again and go on at
their last finished recording. A sign must hold for several looks: a loaded machine is not a dead one.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from include.errors import StackError
from include.local.environment import load_stack_env
from include.local.layout import Layout, load_state
from include.local.supervisor import Supervisor

if TYPE_CHECKING:
    import psycopg

__all__ = ["Look", "Schedulers", "Watchdog", "main"]

log = logging.getLogger(__name__)

_LOOK_S = 1.0
_QUEUED_S = 2.0
"""An idle worker takes a task at once: one that is queued for so long, while workers are idle, is not reached."""
_LOOKS = 3
_HEARTBEAT_S = 45.0
"""Airflow calls its parts unhealthy after 25 s (airflow.cfg); a part that works hard may miss a few beats."""
_HEARTBEAT_LOOKS = 20
_AHEAD_LOOKS = {"scheduler": 6, "dag-processor": 20, "triggerer": 20}
"""Three beats and more (scheduler_heartbeat_sec 2, the others' 5): while the clock is still ahead, the beats go on."""
_JOBS = {"SchedulerJob": "scheduler", "DagProcessorJob": "dag-processor", "TriggererJob": "triggerer"}

# What a dead scheduler had queued waits for its successor to take it over: not for a worker.
_TASKS = f"""SELECT count(*) FILTER (WHERE state = 'running'),
    count(*) FILTER (WHERE state = 'queued' AND queued_dttm < clock_timestamp() - interval '{_QUEUED_S} seconds'
        AND queued_by_job_id > %(dead)s)
FROM task_instance WHERE state IN ('running', 'queued')"""  # noqa: S608 - made of constants
_BEATS = f"""SELECT job_type FROM job WHERE state = 'running' GROUP BY job_type
HAVING max(latest_heartbeat) < clock_timestamp() - interval '{_HEARTBEAT_S} seconds'"""  # noqa: S608 - as above
_GONE_S = 6.0
# What a dead scheduler had queued, Airflow's next one takes over when the dead one's heartbeat is 25 s old. Here it is
# known sooner: its process is gone, or a successor has begun since the last beat, and three beats are missing
# (scheduler_heartbeat_sec); of a scheduler that had none beside it, none need be. It takes them over as soon as it has
# started, or else with its next look after 3 s.
_BURY = f"""UPDATE job SET state = 'failed', end_date = clock_timestamp()
WHERE job_type = 'SchedulerJob' AND state = 'running'
  AND (id = %(only)s OR latest_heartbeat < clock_timestamp() - interval '{_GONE_S} seconds'
  AND (id <= %(dead)s OR EXISTS (
    SELECT 1 FROM job later WHERE later.job_type = 'SchedulerJob' AND later.state = 'running'
    AND later.start_date > job.latest_heartbeat)))"""  # noqa: S608 - as above
_NEWEST = """SELECT coalesce(max(id), 0), CASE count(*) FILTER (WHERE state = 'running')
WHEN 1 THEN max(id) FILTER (WHERE state = 'running') ELSE 0 END FROM job WHERE job_type = 'SchedulerJob'"""
# A clock that ran ahead and was set back leaves times in the future: a task that failed meanwhile would be tried again
# only then, one that was queued would not count as waiting until then, and a run that an event began would begin then.
# A run's time that a person chose is left alone. Not while the scheduler's clock is still ahead: by that clock a retry
# would be due at once, and fail at once (its token is not yet valid), until no try is left. Its beats (every 2 s) tell.
_AHEAD = "> clock_timestamp() + interval '5 seconds'"
_BEATS_AHEAD = (
    f"SELECT job_type, max(latest_heartbeat)::text FROM job WHERE latest_heartbeat {_AHEAD} GROUP BY job_type"  # noqa: S608
)
_BURY_AHEAD = f"""UPDATE job SET state = 'failed', end_date = clock_timestamp(), latest_heartbeat = clock_timestamp()
WHERE job_type = %s AND latest_heartbeat {_AHEAD}"""  # noqa: S608 - made of constants
_FUTURE_LOOKS = 3
_FUTURE = f"""SELECT EXISTS (SELECT 1 FROM task_instance WHERE state = 'up_for_retry' AND end_date {_AHEAD}
    OR state = 'running' AND last_heartbeat_at {_AHEAD} OR state = 'queued' AND queued_dttm {_AHEAD})
  OR EXISTS (SELECT 1 FROM dag_run WHERE state = 'queued' AND run_type = 'asset_triggered' AND run_after {_AHEAD})"""  # noqa: S608
_SET_BACK = (
    f"UPDATE task_instance SET end_date = clock_timestamp() WHERE state = 'up_for_retry' AND end_date {_AHEAD}",  # noqa: S608
    f"UPDATE task_instance SET last_heartbeat_at = clock_timestamp() WHERE state = 'running' "  # noqa: S608
    f"AND last_heartbeat_at {_AHEAD}",
    f"UPDATE task_instance SET queued_dttm = clock_timestamp() WHERE state = 'queued' AND queued_dttm {_AHEAD}",  # noqa: S608
    f"UPDATE dag_run SET run_after = clock_timestamp() WHERE state = 'queued' AND run_type = 'asset_triggered' "  # noqa: S608
    f"AND run_after {_AHEAD}",
)


@dataclass(frozen=True)
class Look:
    """What one look found."""

    waiting: int
    """Tasks that the executor was given more than ``_QUEUED_S`` seconds ago and no worker has taken."""
    running: int
    idle_workers: int
    busy_workers: int
    silent: frozenset[str] = frozenset()
    """Services whose last heartbeat is too old."""
    ahead: frozenset[tuple[str, str]] = frozenset()
    """Services whose last heartbeat lies in the future, and that heartbeat."""

    @property
    def clock_is_ahead(self) -> bool:
        """The scheduler's clock is, or was when it last gave a beat."""
        return any(service == "scheduler" for service, _ in self.ahead)

    @property
    def queue_is_stuck(self) -> bool:
        """Tasks wait, workers are idle, and it isn't that a worker has taken the task and not yet said so."""
        return self.waiting > 0 and self.idle_workers > 0 and self.waiting + self.running > self.busy_workers


@dataclass
class Schedulers:
    """Which of Airflow's scheduler jobs are of processes that are gone: by supervisord's process ids, not by clocks."""

    dead: int = 0
    """Jobs up to this id are, or were started by hand beside it and still beat."""
    only: int = 0
    """This job is: nothing but it ran when its process was last seen. 0: none."""
    _process: int = 0
    _newest: int = 0
    _alone: int = 0

    def seen(self, process: int, newest: int, alone: int) -> None:
        """Note the scheduler's process, the newest scheduler job, and the only one that runs (0: none or several)."""
        if process != self._process:
            self._process, self.dead, self.only = process, self._newest, self._alone
        self._newest, self._alone = newest, alone if alone > self.dead else 0  # not one from before this process


@dataclass
class Watchdog:
    """Looks in a row, and what is to be restarted after them."""

    _stuck: int = 0
    _silent: dict[str, int] = field(default_factory=dict)
    _ahead: dict[tuple[str, str], int] = field(default_factory=dict)
    _future: int = 0

    def may_set_back(self, found: bool, look: Look) -> bool:
        """Whether times in the future, if some were found, are to be corrected now."""
        self._future = self._future + 1 if found and not look.clock_is_ahead else 0
        return self._future >= _FUTURE_LOOKS

    def judge(self, look: Look) -> set[str]:
        """The services to restart now."""
        self._stuck = self._stuck + 1 if look.queue_is_stuck else 0
        self._silent = {name: self._silent.get(name, 0) + 1 for name in look.silent}
        self._ahead = {beat: self._ahead.get(beat, 0) + 1 for beat in look.ahead}
        due = {name for name, looks in self._silent.items() if looks >= _HEARTBEAT_LOOKS}
        due |= {name for (name, _), looks in self._ahead.items() if looks >= _AHEAD_LOOKS[name]}
        if self._stuck >= _LOOKS:
            due.add("scheduler")
        for name in due:
            self._silent.pop(name, None)
        self._ahead = {beat: looks for beat, looks in self._ahead.items() if beat[0] not in due}
        if "scheduler" in due:
            self._stuck = 0
        return due


def _look(cursor: psycopg.Cursor, scheduler: int, dead: int) -> Look:
    running, waiting = cursor.execute(_TASKS, {"dead": dead}).fetchone() or (0, 0)
    silent = frozenset(_JOBS[kind] for (kind,) in cursor.execute(_BEATS) if kind in _JOBS)
    ahead = frozenset((_JOBS[kind], beat) for kind, beat in cursor.execute(_BEATS_AHEAD) if kind in _JOBS)
    idle = busy = 0
    for worker in psutil.Process(scheduler).children():
        try:
            title = " ".join(worker.cmdline())
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        if "LocalExecutor" in title:
            idle += "<idle>" in title
            busy += "<idle>" not in title
    return Look(waiting, running, idle, busy, silent, ahead)


def _pids(manager: Supervisor) -> dict[str, int]:
    return {name: int(entry["pid"]) for name, entry in manager.processes().items() if entry["statename"] == "RUNNING"}


def main() -> None:
    """Look every second until ended.

    Raises:
        StackError: the stack was never started.
    """
    import psycopg

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    layout = Layout.current()
    state = load_state(layout)
    if state is None:
        raise StackError(f"{layout.state_file} is missing; start the services with `./voiceman up`.")
    address = load_stack_env()["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("postgresql+psycopg2", "postgresql")
    manager, dog, schedulers = Supervisor(layout, state), Watchdog(), Schedulers()
    while True:
        try:
            with psycopg.connect(address, autocommit=True, connect_timeout=5) as connection:
                _watch(connection, manager, dog, schedulers)
        except (psycopg.OperationalError, OSError) as error:  # PostgreSQL or supervisord is being restarted
            log.warning("Nothing can be seen at present (%s); looking again.", type(error).__name__)
            dog = Watchdog()
        time.sleep(_LOOK_S)


def _watch(connection: psycopg.Connection, manager: Supervisor, dog: Watchdog, schedulers: Schedulers) -> None:
    with connection.cursor() as cursor:
        while True:
            pids = _pids(manager)
            if "scheduler" in pids:
                newest, alone = cursor.execute(_NEWEST).fetchone() or (0, 0)
                schedulers.seen(pids["scheduler"], newest, alone)
                cursor.execute(_BURY, {"dead": schedulers.dead, "only": schedulers.only})
                try:
                    look = _look(cursor, pids["scheduler"], schedulers.dead)
                except psutil.NoSuchProcess:
                    look = Look(0, 0, 0, 0)
                (future,) = cursor.execute(_FUTURE).fetchone() or (False,)
                for correction in _SET_BACK if dog.may_set_back(future, look) else ():
                    cursor.execute(correction)
                for service in dog.judge(look) & pids.keys():
                    log.error("The %s stands still (%s); it is killed, its successor goes on.", service, look)
                    os.kill(pids[service], signal.SIGKILL)
                    cursor.executemany(_BURY_AHEAD, [(kind,) for kind, name in _JOBS.items() if name == service])
            time.sleep(_LOOK_S)
