"""Two Celery workers and a real Redis on this machine; one worker is killed in the middle of its tasks.

``make bench-celery``. PostgreSQL, S3, API server, DAG processor and triggerer are the local stack's; its scheduler is
replaced by one with the CeleryExecutor. Each worker serves the queues ``gpu`` and ``default`` with two tasks at once.
Killed is the worker's whole process tree (what a container's or machine's end does), or with ``--kill main`` only its
first process.
"""

from __future__ import annotations

import argparse
import json
import random
import secrets
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from bench.faults import devices
from bench.faults.inject import Shot
from bench.faults.job import Job, make_wav
from bench.faults.lab import Lab, wait_until
from bench.faults.watch import Watch
from include.local.ports import is_free
from include.settings import ROOT

console = Console(width=150)


class Celery:
    """Redis, the scheduler with the CeleryExecutor, and two workers; all end with :meth:`close`."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.programs: dict[str, subprocess.Popen[bytes]] = {}
        self.port = next(port for port in range(18_400, 18_900) if is_free(port))
        self._password = secrets.token_hex(16)

    def start(self) -> None:
        """Start everything and wait until the workers answer."""
        self._redis()
        first = self.lab.main_process("scheduler")
        if first is None:
            raise RuntimeError("The stack has no scheduler.")
        self.environment = first.environ() | {
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CORE__PARALLELISM": "16",
            "AIRFLOW__OPERATORS__DEFAULT_QUEUE": "default",
            "AIRFLOW__CELERY__BROKER_URL": f"redis://:{self._password}@127.0.0.1:{self.port}/0",
        }
        self.environment["AIRFLOW__CELERY__RESULT_BACKEND"] = "db+" + self.environment[
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
        ].replace("postgresql+psycopg2", "postgresql")
        command, folder = first.cmdline(), first.cwd()
        self.lab.manager().stop_services("scheduler")
        since = time.time()
        self._program("celery-scheduler", command, folder)
        for name in ("worker-1", "worker-2"):
            self._program(
                name,
                [*command[:-2], "celery", "worker", "--queues", "gpu,default", "--concurrency", "2",
                 "--celery-hostname", f"{name}@%h", "--skip-serve-logs", "--pid", str(self.lab.home / f"{name}.pid")],
                folder,
            )  # fmt: skip
        if not wait_until(lambda: self.lab.healthy("scheduler", since), 60):
            raise RuntimeError("The scheduler with the CeleryExecutor did not start; see celery-scheduler.log.")
        if not wait_until(lambda: all("ready." in self.log(name) for name in ("worker-1", "worker-2")), 60):
            raise RuntimeError("The workers did not start; see worker-1.log.")

    def log(self, name: str) -> str:
        """A program's log."""
        return (self.lab.home / "logs" / f"{name}.log").read_text(errors="replace")

    def _redis(self) -> None:
        """An instance of our own; its password is read from standard input, not from the command line."""
        program = shutil.which("redis-server")
        if program is None:
            raise RuntimeError("redis-server is not installed: apt-get install redis-server")
        settings = f"bind 127.0.0.1\nport {self.port}\nrequirepass {self._password}\nsave ''\nappendonly no\n"
        self._program("redis", [program, "-"], str(self.lab.home), stdin=settings.encode(), environment={})
        if not wait_until(lambda: not is_free(self.port), 10):
            raise RuntimeError("redis-server did not start; see redis.log.")

    def _program(
        self,
        name: str,
        command: list[str],
        folder: str,
        *,
        stdin: bytes = b"",
        environment: dict[str, str] | None = None,
    ) -> None:
        inherited = self.environment if environment is None else environment
        with (self.lab.home / "logs" / f"{name}.log").open("ab") as log:
            started = subprocess.Popen(
                command, env=inherited | {"VOICEMAN_SERVICE": name, "VOICEMAN_STACK_ID": self.lab.state.stack_id},
                stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=folder, start_new_session=True,
            )  # fmt: skip
        self.programs[name] = started
        if started.stdin is not None:
            started.stdin.write(stdin)
            started.stdin.close()

    def close(self) -> None:
        """End all of it, and what it left."""
        for name in ("worker-1", "worker-2", "celery-scheduler", "redis"):
            if name in self.programs:
                self.kill(name)

    def tree(self, name: str) -> list[psutil.Process]:
        """A program's processes, the first one first."""
        with suppress(psutil.NoSuchProcess):
            first = psutil.Process(self.programs[name].pid)
            return [first, *first.children(recursive=True)]
        return []

    def kill(self, name: str, *, whole: bool = True) -> list[int]:
        """Kill -9 a program, its whole tree or its first process only; the pids that were hit."""
        victims = self.tree(name) if whole else self.tree(name)[:1]
        for process in victims:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.programs[name].wait(10)
        return [process.pid for process in victims]


def kill_one(celery: Celery, job: Job, *, whole: bool) -> tuple[str, list[dict[str, Any]], float]:
    """Kill the worker that transcribes, while it does: its name, the tasks it had, and when."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        running = {task["pid"]: task for task in job.tasks() if task["state"] == "running" and task["pid"]}
        for name in ("worker-1", "worker-2"):
            mine = [running[process.pid] for process in celery.tree(name) if process.pid in running]
            if any("transcribe" in task["task"] for task in mine):
                at = time.time()
                celery.kill(name, whole=whole)
                return name, mine, at
        time.sleep(0.05)
    seen = [(task["task"], task["index"], task["state"], task["try"]) for task in job.tasks()]
    raise RuntimeError(f"No transcription was running on a worker within 60 s: {seen}")


def main() -> int:
    """Run it; 0 when nothing was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kill", choices=("tree", "main"), default="tree")
    parser.add_argument("--limit", type=float, default=240)
    parser.add_argument("--fake-s", default="1")
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "results" / "celery.json")
    args = parser.parse_args()
    chosen, results = random.Random(args.seed), []
    lab = Lab({"VOICEMAN_FAKE_S": args.fake_s}, proxied=False)
    celery = Celery(lab)
    try:
        lab.up()
        for number in range(args.runs):
            celery = Celery(lab)
            celery.start()
            results.append(one_run(lab, celery, number, chosen, args))
            celery.close()
    finally:
        celery.close()
        if results:
            args.out.parent.mkdir(parents=True, exist_ok=True)
            args.out.write_text(json.dumps(results, indent=1))
        lab.remove()
    return int(any(one["lost"] or one["doubled"] or not one["ended"] for one in results))


def one_run(lab: Lab, celery: Celery, number: int, chosen: random.Random, args: argparse.Namespace) -> dict[str, Any]:
    """A job of 24 recordings, a worker killed at a random moment of a transcription."""
    job_id = f"celery{args.seed}-{number}"
    job = Job(lab, job_id, {f"rec-{index:02d}.wav": make_wav(f"{job_id} {index}") for index in range(24)})
    first_use, began = len(devices.uses(lab.devices)), time.time()
    job.drop()
    wait_until(lambda: any(task["task"].endswith("transcribe") and task["start"] for task in job.tasks()), 90)
    time.sleep(chosen.uniform(0, 4))
    name, killed, at = kill_one(celery, job, whole=args.kill == "tree")
    watch = Watch(lab, job, Shot(at, name, task=killed[0]))
    ended = watch.follow(args.limit)
    resumed = {}
    for task in killed:
        label = f"{task['task']}[{task['index']}]"
        resumed[label] = Watch(lab, job, Shot(at, name, task=task)).measured()["resume_s"]
    verdict = job.judge(first_use=first_use)
    result = {
        "job": job_id, "killed": name, "kill": args.kill, "ended": ended, "seconds": round(time.time() - began, 1),
        "detect_s": watch.measured()["detect_s"], "resume_s": resumed, **vars(verdict),
    }  # fmt: skip
    console.print(f"{result}", highlight=False, soft_wrap=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
