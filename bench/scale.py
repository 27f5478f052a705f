"""A job of 10,000 recordings with the fake engine at 0 s: what the pipeline costs, and whether memory stays flat.

``make bench-scale N=10000``. CPU seconds are read from /proc with those of ended children (``cutime``): what a service
and everything below it took between the start of the job and its end. The fake engine's own work (JSON, a digest)
is part of *tasks*.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from bench.faults.job import Job, make_wav
from bench.faults.lab import SERVICES, Lab
from include.settings import ROOT

TICK = os.sysconf("SC_CLK_TCK")
AIRFLOW = ("scheduler", "workers", "api-server", "dag-processor", "triggerer")
GROUPS = (*AIRFLOW, "tasks", "postgres", "s3")
console = Console(width=130)


def _times(pid: int) -> tuple[float, float]:
    """CPU seconds of a process itself, and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    own, ended = int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
    return own / TICK, ended / TICK


def _pss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def measure(lab: Lab, *, memory: bool) -> dict[str, tuple[float, float]]:
    """Group → (CPU seconds so far, MiB now).

    A worker of the local executor is the supervisor of its tasks; *tasks* are the workers' children, living and ended.
    """
    found: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])

    def add(group: str, pid: int, *, own: bool, ended: bool) -> None:
        with suppress(OSError):
            mine, reaped = _times(pid)
            found[group][0] += (mine if own else 0) + (reaped if ended else 0)
            if memory and own:
                found[group][1] += _pss_mb(pid)

    for service in SERVICES:
        main = lab.main_process(service)
        if main is None:
            continue
        # ended children of the scheduler are workers that died: none in a run without faults
        add(service, main.pid, own=True, ended=service != "scheduler")
        with suppress(psutil.NoSuchProcess):
            for child in main.children():
                if service != "scheduler":
                    for process in (child, *child.children(recursive=True)):
                        add(service, process.pid, own=True, ended=True)
                    continue
                add("workers", child.pid, own=True, ended=False)
                add("tasks", child.pid, own=False, ended=True)
                for process in child.children(recursive=True):
                    add("tasks", process.pid, own=True, ended=True)
    return {group: (cpu, mib) for group, (cpu, mib) in found.items()}


def upload(lab: Lab, job: Job, count: int, seed: int) -> float:
    """Drop ``count`` wavs of 2 kB, held until all are there; seconds."""
    began = time.monotonic()
    lab.put(f"incoming/{job.job_id}/_HOLD", b"")

    def put(number: int) -> None:
        lab.put(f"incoming/{job.job_id}/call-{number:05d}.wav", make_wav(f"{seed} {number}", frames=1000))

    with ThreadPoolExecutor(16) as threads:
        for _ in threads.map(put, range(count)):
            pass
    return time.monotonic() - began


def states(lab: Lab, job: Job) -> dict[str, int]:
    """How many recordings are in each state."""
    rows = lab.voiceman("SELECT state, count(*) FROM voiceman.recording WHERE job_id = %s GROUP BY 1", (job.job_id,))
    return {state: int(count) for state, count in rows or []}


def main() -> int:
    """Run it; 0 when every recording is COMPLETED."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=float, default=3600, help="seconds after which the run is given up")
    parser.add_argument("--every", type=float, default=5, help="seconds between two samples")
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "results" / "scale.json")
    args = parser.parse_args()
    lab = Lab({"VOICEMAN_FAKE_S": "0", "VOICEMAN_FAKE_DEVICES": "", "VOICEMAN_POLL_S": "5"}, proxied=False)
    try:
        lab.up()
        job = Job(lab, f"scale-{args.recordings}", {})
        uploaded = upload(lab, job, args.recordings, args.seed)
        console.print(f"stack {lab.home}; {args.recordings} recordings uploaded in {uploaded:.0f} s")
        before, samples, began = measure(lab, memory=False), [], time.monotonic()
        body = {"dag_run_id": f"submit__{job.job_id}", "logical_date": None, "conf": {"job_id": job.job_id}}
        lab.post("/api/v2/dags/process/dagRuns", body, (200,))
        with suppress(KeyboardInterrupt):  # what was measured until then is worth showing
            while not job.ended() and time.monotonic() - began < args.limit:
                time.sleep(args.every)
                now, at = states(lab, job), time.monotonic() - began
                samples.append({"at": round(at, 1), "states": now, "measured": measure(lab, memory=True)})
                console.print(f"{at:6.0f} s {now}", highlight=False)
        seconds, after = time.monotonic() - began, measure(lab, memory=False)
        done, tasks = states(lab, job), _task_seconds(job)
        leftovers = lab.keys(f"incoming/{job.job_id}/")
    finally:
        lab.remove()
    cpu = {group: after[group][0] - before.get(group, (0.0, 0.0))[0] for group in GROUPS}
    result = {"recordings": args.recordings, "seconds": seconds, "states": done, "runs": "ended" if done else "none",
              "cpu_s": cpu, "tasks_s": tasks, "samples": samples, "left_in_incoming": len(leftovers)}  # fmt: skip
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1))
    show(result)
    return int(done != {"COMPLETED": args.recordings})


def _task_seconds(job: Job) -> dict[str, float]:
    total: dict[str, float] = defaultdict(float)
    for task in job.tasks():
        if task["start"] and task["end"]:
            total[task["task"]] += task["end"] - task["start"]
    return {name: round(value, 1) for name, value in total.items()}


def show(result: dict[str, Any]) -> None:
    """The table."""
    count, samples = result["recordings"], result["samples"]
    table = Table(title=f"{count} recordings in {result['seconds']:.0f} s: {result['states']}")
    for name in ("", "CPU s", "CPU ms a recording", "MiB at 1/4", "at 1/2", "at the end", "peak"):
        table.add_column(name, justify="left" if not name else "right")

    def memory(group: str) -> list[str]:
        values = [sample["measured"].get(group, (0, 0))[1] for sample in samples] or [0.0]
        picked = (values[len(values) // 4], values[len(values) // 2], values[-1], max(values))
        return [f"{value:.0f}" for value in picked]

    for group in GROUPS:
        cpu = result["cpu_s"][group]
        table.add_row(group, f"{cpu:.1f}", f"{cpu / count * 1000:.1f}", *memory(group))
    airflow = sum(result["cpu_s"][group] for group in AIRFLOW)
    everything = sum(result["cpu_s"].values())
    table.add_section()
    table.add_row("Airflow: orchestration", f"{airflow:.1f}", f"{airflow / count * 1000:.1f} (aim 50)")
    table.add_row("everything", f"{everything:.1f}", f"{everything / count * 1000:.1f}")
    console.print(table)
    console.print(f"task seconds (wall): {result['tasks_s']}", highlight=False)


if __name__ == "__main__":
    sys.exit(main())
