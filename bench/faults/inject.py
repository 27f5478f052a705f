"""The faults: what each does to a running job, and to what it returns."""

from __future__ import annotations

import random
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench.faults.job import Job
from bench.faults.lab import DISK_BYTES, JOB_TYPES, SERVICES, Lab, wait_until
from bench.faults.proxy import Mode

BURST_S = 10.0
"""How long a store misbehaves, a disk is full, a clock is wrong."""


@dataclass
class Shot:
    """One fault that was injected."""

    at: float
    """Unix seconds."""
    victim: str
    until: float | None = None
    """When it ended by itself, Unix seconds; None: a process was killed at once."""
    service: str | None = None
    """The service that has to come back."""
    optional: bool = False
    """The service is restarted only when the job has still tasks to start."""
    pid: int | None = None
    task: dict[str, Any] | None = None
    """The task instance that was killed."""
    runs: int = 1
    """Runs of the job that were asked for by now."""


@dataclass
class Fault:
    """A kind of fault."""

    name: str
    inject: Callable[[Lab, Job, random.Random], Shot | None]
    """None: there was nothing to hit (the job had ended)."""
    prepare: Callable[[Lab], None] = lambda _: None
    finish: Callable[[Lab], None] = lambda _: None
    earliest: float = 0.0
    """Share of a job's usual time before which it isn't injected."""
    needs: list[Path] = field(default_factory=list)


# --- kill -9 ---


def _kill_service(service: str) -> Callable[[Lab, Job, random.Random], Shot | None]:
    def inject(lab: Lab, _job: Job, _random: random.Random) -> Shot | None:
        process = lab.main_process(service)
        if process is None:
            return None
        at = time.time()
        process.kill()
        return Shot(at, f"{service} (pid {process.pid})", service=service, pid=process.pid)

    return inject


def _running_task(job: Job, chosen: random.Random) -> tuple[dict[str, Any], psutil.Process] | None:
    """A running task of the job and its process; waits for one up to 20 s."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not job.ended():
        tasks = [task for task in job.tasks() if task["state"] == "running" and task["pid"]]
        chosen.shuffle(tasks)
        for task in tasks:
            with suppress(psutil.NoSuchProcess):
                return task, psutil.Process(task["pid"])
        time.sleep(0.1)
    return None


def _kill_task_child(_lab: Lab, job: Job, chosen: random.Random) -> Shot | None:
    found = _running_task(job, chosen)
    if found is None:
        return None
    task, process = found
    with suppress(psutil.NoSuchProcess):
        at = time.time()
        process.kill()
        return Shot(at, f"{task['task']}[{task['index']}] try {task['try']} (pid {process.pid})", task=task)
    return None


def _kill_worker(_lab: Lab, job: Job, chosen: random.Random) -> Shot | None:
    found = _running_task(job, chosen)
    if found is None:
        return None
    task, process = found
    with suppress(psutil.NoSuchProcess):
        worker = process.parent()
        if worker is None or worker.pid == 1:
            return None
        at = time.time()
        worker.kill()
        return Shot(at, f"worker of {task['task']}[{task['index']}] try {task['try']} (pid {worker.pid})", task=task)
    return None


def _kill_idle_workers(lab: Lab, _job: Job, _chosen: random.Random) -> Shot | None:
    """All without a task: one of them holds the lock of the executor's queue while it waits for work."""
    scheduler = lab.main_process("scheduler")
    if scheduler is None:
        return None
    idle = [one for one in scheduler.children() if "<idle>" in " ".join(one.cmdline())]
    if not idle:
        return None
    at = time.time()
    for worker in idle:
        with suppress(psutil.NoSuchProcess):
            worker.kill()
    return Shot(at, f"{len(idle)} idle workers", service="scheduler", pid=scheduler.pid, optional=True)


# --- the store and the disk ---


def _s3(mode: Mode, share: float) -> Callable[[Lab, Job, random.Random], Shot | None]:
    def inject(lab: Lab, _job: Job, chosen: random.Random) -> Shot:
        lab.proxy.random = random.Random(chosen.random())
        lab.proxy.share, lab.proxy.hits, lab.proxy.mode = share, 0, mode
        at = time.time()

        def end() -> None:
            lab.proxy.mode = "pass"

        threading.Timer(BURST_S, end).start()
        return Shot(at, f"S3 {mode}, {share:.0%} of requests for {BURST_S:g} s", until=at + BURST_S)

    return inject


def _fill_disk(lab: Lab, _job: Job, _random: random.Random) -> Shot | None:
    if not lab.mounted:
        return None
    filler = lab.work / "filler"
    at = time.time()
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        for _ in range(DISK_BYTES // 4096 + 1):
            file.write(bytes(4096))
    threading.Timer(BURST_S, lambda: filler.unlink(missing_ok=True)).start()
    return Shot(at, f"work directory full for {BURST_S:g} s", until=at + BURST_S)


# --- clocks, second schedulers, events ---


def _start_scheduler(lab: Lab, name: str, **more: str) -> None:
    """Another scheduler with the stack's own environment, not under supervisord."""
    first = lab.main_process("scheduler")
    if first is None:
        raise RuntimeError("There is no scheduler to take the environment from.")
    since = time.time()
    environment = first.environ() | {"VOICEMAN_SERVICE": name, **more}
    with (lab.home / "logs" / f"{name}.log").open("ab") as log:
        lab.extra = subprocess.Popen(
            first.cmdline(), env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=first.cwd(),
            start_new_session=True,
        )  # fmt: skip
    if not wait_until(lambda: lab.healthy("scheduler", since), 60):
        raise RuntimeError(f"The scheduler {name} did not start.")


def _end_extra(lab: Lab) -> None:
    """End the harness's own scheduler and what it left."""
    for process in lab.processes():
        with suppress(psutil.Error):
            if process.environ().get("VOICEMAN_SERVICE") == "scheduler-2":
                process.kill()
    if lab.extra is not None:
        lab.extra.wait(10)


def _two_schedulers(lab: Lab) -> None:
    _start_scheduler(lab, "scheduler-2")


def _kill_one_scheduler(lab: Lab, job: Job, chosen: random.Random) -> Shot | None:
    if chosen.random() < 0.5:
        return _kill_service("scheduler")(lab, job, chosen)
    if lab.extra is None:
        return None
    at = time.time()
    lab.extra.kill()
    return Shot(at, f"the second scheduler (pid {lab.extra.pid})", until=at)


def _set_clock(lab: Lab, seconds: int) -> None:
    with (lab.home / "clock").open("r+b") as file:
        file.write(seconds.to_bytes(8, "little", signed=True))


_LAUNCH_JUMPING = """import os
from include.local import launch
real = os.execve
os.execve = lambda path, command, environment: real(path, command, environment | {more!r})
launch.main("scheduler")"""


def _jumping_scheduler(lab: Lab) -> None:
    """Replace the scheduler (its workers and tasks, too) by one whose clock can be set, under supervisord like it."""
    (lab.home / "clock").write_bytes(bytes(8))
    library = lab.home / "clock.so"
    source = Path(__file__).with_name("clock.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", str(library), str(source), "-ldl"], check=True)
    more = {"LD_PRELOAD": str(library), "VOICEMAN_CLOCK_SHIFT": str(lab.home / "clock")}
    _run_scheduler_as(lab, [sys.executable, "-c", _LAUNCH_JUMPING.format(more=more).replace("\n", "; ")])


def _run_scheduler_as(lab: Lab, command: list[str]) -> None:
    """Give supervisord another command for the scheduler, and wait until the scheduler that it starts is healthy."""
    file = lab.home / "supervisord.conf"
    before, section, after = file.read_text().partition("[program:scheduler]\n")
    changed = re.sub(
        r"^command\s*=.*$", lambda _: "command = " + shlex.join(command), after, count=1, flags=re.MULTILINE
    )
    file.write_text(before + section + changed)
    manager, since = lab.manager(), time.time()
    manager.stop_services("scheduler")
    for method, *arguments in (["reloadConfig"], ["removeProcessGroup", "scheduler"], ["addProcessGroup", "scheduler"]):
        manager._call(method, *arguments)
    manager.start_service("scheduler")
    if not wait_until(lambda: lab.healthy("scheduler", since), 60):
        raise RuntimeError("The scheduler did not start with another command.")


def _jump(lab: Lab, _job: Job, chosen: random.Random) -> Shot:
    seconds = chosen.choice((-3600, -60, 60, 3600))
    at = time.time()
    _set_clock(lab, seconds)
    threading.Timer(BURST_S, _set_clock, (lab, 0)).start()
    return Shot(at, f"clock of scheduler, workers and tasks {seconds:+d} s for {BURST_S:g} s", until=at + BURST_S)


def _end_jumping(lab: Lab) -> None:
    _run_scheduler_as(lab, [sys.executable, "-m", "include.local.launch", "scheduler"])


def _event_twice(lab: Lab, job: Job, _random: random.Random) -> Shot | None:
    """Send the drop's asset event twice more, and start its run again under the same and under another run id."""
    rows = lab.airflow(
        "SELECT asset_id, extra FROM asset_event WHERE extra::text LIKE %s ORDER BY id LIMIT 1", (f'%"{job.job_id}"%',)
    )
    runs = job.runs()
    if not rows or not runs:
        return None
    asset_id, extra = rows[0]
    at = time.time()
    for _ in range(2):
        lab.post("/api/v2/assets/events", {"asset_id": asset_id, "extra": extra}, (200,))
    again = {"logical_date": None, "conf": {"job_id": job.job_id}}
    lab.post("/api/v2/dags/process/dagRuns", again | {"dag_run_id": runs[0][1]}, (409,))
    lab.post("/api/v2/dags/process/dagRuns", again | {"dag_run_id": f"again__{job.job_id}"}, (200,))
    return Shot(at, "the same event twice, the same run again, another run of the same drop", runs=2)


def _nothing(_lab: Lab, _job: Job, _random: random.Random) -> None:
    """For the job's usual time."""


_KILLED = [Fault(service, _kill_service(service)) for service in JOB_TYPES]
_KILLED += [Fault(service, _kill_service(service)) for service in SERVICES if service not in JOB_TYPES]
FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("task-child", _kill_task_child),
        Fault("executor-worker", _kill_worker),
        *_KILLED,
        Fault("s3-503", _s3("503", 1.0)),
        Fault("s3-slow", _s3("slow", 0.5)),
        Fault("s3-truncated", _s3("truncate", 0.3)),
        Fault("disk-full", _fill_disk),
        Fault("clock-jump", _jump, _jumping_scheduler, _end_jumping, needs=[Path(shutil.which("gcc") or "gcc")]),
        Fault("two-schedulers", _kill_one_scheduler, _two_schedulers, _end_extra),
        Fault("event-twice", _event_twice, earliest=0.4),
        Fault("idle-workers", _kill_idle_workers),
    )
}
NOTHING = Fault("nothing", _nothing)
