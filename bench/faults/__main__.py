"""``python -m bench.faults --runs 100 --seed 1``: kill, damage and confuse a running job, and count what is lost."""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import signal
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.faults import devices
from bench.faults.inject import FAULTS, NOTHING, Fault, Shot
from bench.faults.job import Job, make_speech, make_wav
from bench.faults.lab import Lab, wait_until
from bench.faults.watch import Watch
from include.settings import ROOT

console = Console()


def one_run(lab: Lab, fault: Fault, number: int, seed: int, args: argparse.Namespace, usual_s: float) -> dict[str, Any]:
    """One job with one fault at a moment drawn from the seed; everything that is known about it."""
    chosen = random.Random(f"{seed} {number} {fault.name}")
    job_id = f"f{seed}-{number:03d}-{fault.name}"
    fake = args.engine == "fake"
    count = args.recordings
    files = {
        f"rec-{index:02d}.wav": make_wav(f"{job_id} {index}") if fake else make_speech(index, lab)
        for index in range(count)
    }
    job, first_use = Job(lab, job_id, files), len(devices.uses(lab.devices))
    fault.prepare(lab)
    shot: Shot | None = None
    began = time.time()
    try:
        job.drop()
        moment = chosen.uniform(fault.earliest, 0.8) * usual_s
        if fault.name == "triggerer" and chosen.random() < 0.5:
            moment = chosen.uniform(0, 3)  # before it has seen the drop
        wait_until(job.ended, moment)
        shot = fault.inject(lab, job, chosen)
        watch = Watch(lab, job, shot)
        ended = watch.follow(args.limit)
        seconds = time.time() - began
        measured = watch.measured()
    finally:
        fault.finish(lab)
    verdict = job.judge(started_by_us=shot.runs if shot else 1, first_use=first_use, fake=fake)
    return {
        "number": number, "fault": fault.name, "job": job_id, "hit": shot is not None, "moment_s": round(moment, 1),
        "victim": shot.victim if shot else "nothing to hit", "seconds": round(seconds, 1), "ended": ended, **measured,
        **vars(verdict),
    }  # fmt: skip


def show(results: list[dict[str, Any]]) -> Table:
    """The fault table."""
    table = Table(title="Faults: seconds are median / worst; lost and doubled are recordings over all runs")
    for name in (
        "fault",
        "runs",
        "detected",
        "resumed",
        "job took",
        "FAILED",
        "redone",
        "lost",
        "doubled",
        "left over",
    ):
        table.add_column(name, justify="left" if name == "fault" else "right")
    for name in sorted({one["fault"] for one in results}, key=[*FAULTS, NOTHING.name].index):
        mine = [one for one in results if one["fault"] == name and one["hit"]]
        if not mine:
            table.add_row(name, "0")
            continue
        table.add_row(
            name, str(len(mine)), _spread(mine, "detect_s"), _spread(mine, "resume_s"), _spread(mine, "seconds"),
            str(sum(one["states"].get("FAILED", 0) for one in mine)), str(sum(one["redone"] for one in mine)),
            *(str(sum(len(one[key]) for one in mine)) for key in ("lost", "doubled", "leftovers")),
        )  # fmt: skip
    return table


def _spread(results: list[dict[str, Any]], key: str) -> str:
    values = [one[key] for one in results if one[key] is not None]
    return f"{statistics.median(values):.1f} / {max(values):.1f}" if values else "–"


def main() -> int:
    """Run the faults round robin; 0 when nothing was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=len(FAULTS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first run: to go on where a batch ended")
    parser.add_argument("--faults", default=",".join(FAULTS), help="names, separated by commas")
    parser.add_argument("--recordings", type=int, default=24)
    parser.add_argument("--limit", type=float, default=180, help="seconds after which a job counts as stuck")
    parser.add_argument("--engine", choices=("fake", "real"), default="fake")
    parser.add_argument("--fake-s", default="0.6", help="seconds a fake transcription takes")
    parser.add_argument("--budget", type=float, default=float("inf"), help="start no further run after so many seconds")
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "results" / "faults.json")
    parser.add_argument("--usual", type=float, help="seconds that a job takes without a fault; measured when not given")
    parser.add_argument("--table", type=Path, nargs="+", help="run nothing; print the table of earlier results")
    parser.add_argument("--keep", action="store_true", help="keep the stack's files")
    args = parser.parse_args()
    if args.table:
        results = [one for path in args.table for one in json.loads(path.read_text())["runs"]]
        Console(width=130).print(show(results))
        return 0
    args.out.unlink(missing_ok=True)  # an earlier series is not this one
    wanted = [FAULTS[name] for name in args.faults.split(",")]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would not hear it
    lab = Lab({"VOICEMAN_FAKE_S": args.fake_s}, fake=args.engine == "fake")
    results = []
    started = time.monotonic()
    try:
        lab.up()
        console.print(f"stack: {lab.home}; work directory on a small disk: {lab.mounted}")
        if args.usual is None:
            _report(one_run(lab, NOTHING, args.first, args.seed, args, 0.0), results, args)
            args.usual = results[0]["seconds"]
        for number in range(args.first, args.first + args.runs):
            if time.monotonic() - started > args.budget:
                console.print(f"budget spent; go on with --first {number}")
                break
            fault = wanted[number % len(wanted)]
            if missing := [path for path in fault.needs if not path.exists()]:
                console.print(f"[yellow]{fault.name} not run: {missing[0]} is missing")
                continue
            _report(one_run(lab, fault, number + 1, args.seed, args, args.usual), results, args)
            if not results[-1]["ended"] or not wait_until(lab.all_healthy, 40):
                console.print("[yellow]the stack is started anew")
                lab.down()
                lab.up()
    finally:
        lab.down() if args.keep else lab.remove()
    Console(width=130).print(show(results))
    return int(any(one["lost"] or one["doubled"] or not one["ended"] for one in results))


def _report(result: dict[str, Any], results: list[dict[str, Any]], args: argparse.Namespace) -> None:
    """Print it, and keep all of them: a series that is cut off has shown what it has shown."""
    results.append(result)
    machine = {"cpus": len(os.sched_getaffinity(0)), "python": platform.python_version()}
    settings = {key: str(value) for key, value in vars(args).items()}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    beside = args.out.with_suffix(".part")
    beside.write_text(json.dumps({"settings": settings, "machine": machine, "runs": results}, indent=1))
    beside.replace(args.out)
    bad = {key: result[key][:4] for key in ("lost", "doubled", "leftovers") if result[key]}
    console.print(
        f"{result['number']:3d} {result['fault']:16} at {result['moment_s']:5.1f} s: {result['victim']}: "
        f"detected {result['detect_s']}, resumed {result['resume_s']}, took {result['seconds']} s, {result['states']}"
        + ("" if result["ended"] else " [red]STUCK[/]") + (f" [red]{bad}[/]" if bad else ""),
        highlight=False, soft_wrap=True,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
