"""A 12-recording job through the whole pipeline, beside its own compute and beside a naive script, in one run.

- *compute*: what the job cannot do without: the planner's batches one after the other, each in a fresh process
  that imports and loads WhisperX once, then decodes, transcribes, analyses and renders.
- *naive*: the same work by a script that imports and loads WhisperX anew for every 3 files.

``make bench``. All three do the same work with the same code; only the arrangement differs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from calls import make_calls
from rich.console import Console
from rich.table import Table

from include import stt
from include.manifest import Recording
from include.pipeline import plan_batches
from include.settings import ROOT, get_settings

console = Console()


def direct(groups: list[list[Path]]) -> tuple[float, Counter[str]]:
    """Wall seconds and seconds per stage of one fresh process a group, one after the other."""
    started, stages = time.perf_counter(), Counter[str]()
    for group in groups:
        command = [sys.executable, "-W", "ignore", str(ROOT / "bench" / "direct.py"), *map(str, group)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        stages.update(json.loads(run.stdout.splitlines()[-1]))
    return time.perf_counter() - started, stages


def pipeline(calls: list[Path], home: Path) -> float:
    """Wall seconds from submit to the end of the run, on a stack of its own that is up before."""
    environment = {**os.environ, "VOICEMAN_HOME": str(home), "VOICEMAN_MODEL_DIR": str(get_settings().models)}

    def voiceman(*arguments: str) -> None:
        command = [str(ROOT / "voiceman"), *arguments]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            sys.exit(f"{' '.join(arguments[:1])} failed:\n{run.stdout}{run.stderr}")

    voiceman("up")
    try:
        started = time.perf_counter()
        voiceman("submit", *map(str, calls), "--job", "bench", "--wait")
        return time.perf_counter() - started
    finally:
        voiceman("down")


def planned(calls: list[Path]) -> list[list[Path]]:
    """The batches that the pipeline's planner makes of these calls."""
    by_id = {call.stem: call for call in calls}
    recordings = [
        Recording(
            job_id="bench", file_id=call.stem, name=call.name, sha256="0" * 64, size_bytes=call.stat().st_size,
            duration_s=stt.probe(call).duration_s,
        )
        for call in calls
    ]  # fmt: skip
    return [[by_id[file_id] for file_id in batch.file_ids] for batch in plan_batches(recordings)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=12)
    parser.add_argument("--parts", type=int, default=4, help="sample calls in each recording, about 25 s each")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="voiceman-bench-") as name:
        folder = Path(name)
        calls = make_calls(folder, args.recordings, args.parts)
        audio_s = sum(stt.probe(call).duration_s or 0 for call in calls)
        console.print(
            f"{len(calls)} recordings, {audio_s:.0f} s of audio, {len(os.sched_getaffinity(0))} cores, "
            f"{platform.machine()}, engine {stt.engine_info().model} {stt.engine_info().parameters['compute_type']}"
        )
        with console.status("pipeline"):
            through = pipeline(calls, folder / "home")
        with console.status("its compute"):
            compute, stages = direct(planned(calls))
        with console.status("naive script"):
            naive, _ = direct([calls[first : first + 3] for first in range(0, len(calls), 3)])
    table = Table("what", "seconds", "beside the pipeline")
    table.add_row("pipeline, submit to green", f"{through:.1f}", "")
    table.add_row(
        "its own compute, one after the other",
        f"{compute:.1f}",
        f"pipeline = {through / compute:.2f} × compute (aim ≤ 1.15)",
    )
    for stage, seconds in stages.items():
        table.add_row(f"  {stage}", f"{seconds:.1f}", "")
    table.add_row(
        "naive script, a load for every 3 files", f"{naive:.1f}", f"pipeline = {through / naive:.2f} × naive (aim < 1)"
    )
    console.print(table)
    console.print(f"{len(calls) / through * 3600:.0f} recordings an hour; {audio_s / through:.1f} × real time")


if __name__ == "__main__":
    main()
