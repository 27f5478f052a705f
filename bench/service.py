"""Files per hour for one-minute calls: a fresh process with cold models for each batch, against the resident service.

Both sides hand the same batches over one after the other, each from a fresh process as a task is one; on the service's
side it loads nothing. The service's start is told apart. Whether the texts are equal is told, too.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from include.settings import ROOT, get_settings

SECONDS = 60
SAMPLES = ("booking", "threat", "extortion_stereo")


def make_minutes(folder: Path, count: int) -> list[Path]:
    """Mono m4a files of one minute: the samples in turn, from a different moment on in each."""
    rng = random.Random(7)
    made = []
    for number in range(count):
        order = rng.sample(SAMPLES, 3)
        inputs = [option for name in (*order, order[0]) for option in ("-i", str(ROOT / "samples" / f"{name}.m4a"))]
        streams = "".join(f"[{i}:a]aformat=channel_layouts=mono[a{i}];" for i in range(4))
        joined = "".join(f"[a{i}]" for i in range(4)) + "concat=n=4:v=0:a=1[out]"
        target = folder / f"minute-{number:03d}.m4a"
        cut = ["-ss", f"{rng.uniform(0, 12):.2f}", "-t", str(SECONDS)]
        command = ["ffmpeg", "-v", "error", "-y", *inputs, "-filter_complex", streams + joined, "-map", "[out]", *cut]
        subprocess.run([*command, "-c:a", "aac", "-b:a", "48k", str(target)], check=True)
        made.append(target)
    return made


def one_task(files: list[Path]) -> None:
    """What a task's process does with its batch: prints each file's text as JSON."""
    from include.pipeline.engines import RealEngines

    transcribers = RealEngines().transcribers(len(files), get_settings().whisper_model)
    with ThreadPoolExecutor(transcribers.replicas) as threads:
        made = list(threads.map(lambda path: transcribers.transcribe(path, language="en", name=path.name), files))
    assert all(one.engine.fallback is None for one in made)
    print(json.dumps([[segment.text for segment in one.segments] for one in made]))


def run_batches(batches: list[list[Path]], environment: dict[str, str]) -> tuple[float, list[object]]:
    """Seconds for all batches, and the texts."""
    began, texts = time.perf_counter(), []
    for batch in batches:
        command = [sys.executable, "-W", "ignore", __file__, "--task", *map(str, batch)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=ROOT)
        texts += json.loads(done.stdout.splitlines()[-1])
    return time.perf_counter() - began, texts


def with_service(batches: list[list[Path]], home: Path, replicas: int) -> tuple[float, float, list[object]]:
    """Seconds until it is ready, seconds for all batches, the texts."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT), "VOICEMAN_HOME": str(home), "VOICEMAN_MODEL_DIR": str(get_settings().models),
        "VOICEMAN_STT_TOKEN": secrets.token_hex(32), "VOICEMAN_STT_FALLBACK": "fail",
    }  # fmt: skip
    began = time.perf_counter()
    command = [ROOT / "voiceman", "serve", "--port", "0", "--replicas", str(replicas)]
    service = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert service.stdout is not None
        line = next((line for line in service.stdout if "is ready: " in line), None)
        assert line is not None, "the service did not start"
        ready = time.perf_counter() - began
        seconds, texts = run_batches(batches, environment | {"VOICEMAN_STT_URL": line.rsplit(" ", 1)[1].strip()})
        return ready, seconds, texts
    finally:
        service.terminate()
        service.wait(120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=60)
    parser.add_argument("--batch", type=int, default=4, help="recordings of one task")
    parser.add_argument("--replicas", type=int, default=0, help="models in the service; 0: as many as it chooses")
    parser.add_argument("--rounds", type=int, default=1, help="how often both sides are run, in turn")
    parser.add_argument("--task", nargs="+", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.task:
        one_task(asked.task)
        return
    with tempfile.TemporaryDirectory(prefix="voiceman-bench-") as name:
        folder = Path(name)
        files = make_minutes(folder, asked.calls)
        batches = [files[at : at + asked.batch] for at in range(0, len(files), asked.batch)]
        cold_environment = os.environ | {"PYTHONPATH": str(ROOT), "VOICEMAN_STT_URL": ""}
        for number in range(asked.rounds):
            print(f"round {number + 1}: {asked.calls} calls of {SECONDS} s in {len(batches)} batches", flush=True)
            cold, texts = run_batches(batches, cold_environment)
            per_hour = 3600 * asked.calls
            print(f"  cold, a process and models a batch  {cold:7.1f} s  {per_hour / cold:6.0f} files/h", flush=True)
            ready, warm, served = with_service(batches, folder / f"home-{number}", asked.replicas)
            print(
                f"  resident service                    {warm:7.1f} s  {per_hour / warm:6.0f} files/h  (+{ready:.1f} s)"
            )
            print(
                f"  resident / cold                     {cold / warm:7.2f}    texts equal: {served == texts}",
                flush=True,
            )


if __name__ == "__main__":
    main()
