"""The transcription stage's CUDA parts on a real GPU: devices and lease, text, speed, memory, running out of memory.

    python bench/cuda.py AUDIO.npy --out DIRECTORY [--models base random-large-v3 ...] [--steps devices text ...]

``AUDIO.npy``: one channel, 16 kHz, int16. It runs the product's own modules, each measurement in a fresh process; on a
machine without a GPU it says so and measures the CPU. ``random-*`` models (bench/random_whisper.py) are made when they
are missing. Modules of ``include.pipeline`` are loaded without the package's door, which imports Airflow and boto3:
the GPU machine may lack them.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import threading
import time
import types
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
GROUPS = (1, 2, 4, 8, 16, 32)
STEPS = ("devices", "text", "memory", "async", "oom")
"""``async``: memory with CTranslate2's other allocator."""
_MIB = 1 << 20


def pipeline(name: str) -> Any:
    """A module of ``include.pipeline``, without the package's own imports."""
    if "include.pipeline" not in sys.modules:
        package = types.ModuleType("include.pipeline")
        package.__path__ = [str(ROOT / "include" / "pipeline")]
        sys.modules["include.pipeline"] = package
    return importlib.import_module(f"include.pipeline.{name}")


def used() -> int:
    """MiB of the device in use; 0 on the CPU."""
    import torch

    if not torch.cuda.is_available():
        return 0
    free, total = torch.cuda.mem_get_info()
    return int(total - free) // _MIB


class Peak:
    """The most memory in use inside the ``with``, looked at every 2 ms: to judge the product's own meter by."""

    def __enter__(self) -> Peak:
        self.most, self._done = used(), threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._thread.start()
        return self

    def _poll(self) -> None:
        while not self._done.wait(0.002):
            self.most = max(self.most, used())

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def load(model: str, audio: Path, seconds: float) -> tuple[Any, Any, list[Any], dict[str, float]]:
    """The product's model, ``seconds`` of the audio (repeated as often as needed), its chunks, and how long it took."""
    import numpy as np

    from include.stt.engine import SpeechModel

    began = time.perf_counter()
    speech = SpeechModel(model=model)
    loaded = time.perf_counter()
    pcm = np.load(audio)
    samples = (np.resize(pcm, int(seconds * 16000)) / np.float32(32768)).astype(np.float32)
    _, spans = speech.speech_regions(samples)
    took = {"load_s": round(loaded - began, 2), "vad_s": round(time.perf_counter() - loaded, 2)}
    return speech, samples, [(0, start, end) for start, end in spans], took


def child_text(model: str, audio: Path, length: float) -> dict[str, Any]:
    """Text, words and speed."""
    speech, samples, chunks, took = load(model, audio, length)
    runs = []
    for _ in range(3 if speech.device == "cuda" else 1):
        began = time.perf_counter()
        found = speech.decode([samples], chunks, "auto")
        runs.append(round(time.perf_counter() - began, 2))
    return took | {
        "device": speech.device, "batch": speech.batch_size, "decode_s": runs, "chunks": len(chunks),
        "realtime_factor": round(length / (min(runs) + took["vad_s"]), 1),
        "language": [found.language, found.probability],
        "memory": vars(speech.meter.use()), "text": [one.text for one in found.chunks],
        "words": [[(word.text, word.start, word.score) for word in one.words] for one in found.chunks],
    }  # fmt: skip


def child_memory(model: str, audio: Path, length: float) -> dict[str, Any]:
    """Memory by size of the group: before, at its peak, after; what the product's meter says after each."""
    rows, began = [], used()
    speech, samples, chunks, took = load(model, audio, length)
    loaded = used()
    for group in GROUPS:
        part = (chunks * 2)[:group]
        speech.batch_size, before, start = group, used(), time.perf_counter()
        with Peak() as peak:
            speech.decode([samples], part, "ko")
        now = time.perf_counter()
        use = speech.meter.use()
        speech.meter._largest = 1 << 30  # the same group again without any polling: what does it cost?
        plain = time.perf_counter()
        speech.decode([samples], part, "ko")
        seconds = [round(now - start, 2), round(time.perf_counter() - plain, 2)]
        speech.meter._largest = group
        rows.append({
            "group": group, "chunks": len(part), "before": before, "peak": peak.most, "after": used(),
            "meter_fixed": use.fixed_bytes // _MIB, "meter_per_chunk": use.bytes_per_chunk // _MIB,
            "seconds_polled": seconds[0], "seconds": seconds[1],
        })  # fmt: skip
    return took | {"before_import": began, "loaded": loaded, "groups": rows, "pool": pool_high()}


def pool_high() -> int | None:
    """MiB that the driver's own pool held at most (CT2_CUDA_ALLOCATOR=cuda_malloc_async); None without a GPU."""
    import ctypes

    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    pool, high = ctypes.c_void_p(), ctypes.c_uint64()
    driver.cuDeviceGetDefaultMemPool(ctypes.byref(pool), 0)
    driver.cuMemPoolGetAttribute(pool, 6, ctypes.byref(high))  # CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH
    return high.value // _MIB


def hog(leave: int) -> Any:
    """Take all of the GPU's memory but ``leave`` MiB."""
    import torch

    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info()
    for less in range(0, 1 << 30, 2 * _MIB):  # the driver can't give the very last of it
        try:
            return torch.empty(max(free - leave * _MIB - less, 1), dtype=torch.uint8, device="cuda")
        except torch.OutOfMemoryError:
            continue
    raise AssertionError("nothing could be taken")


def child_oom(model: str, audio: Path, length: float) -> dict[str, Any]:
    """Less and less room for a group of 32: does it halve and end with the same text, and work on afterwards?"""
    import torch

    from include.errors import VoiceManError
    from include.stt.engine import SpeechModel

    speech, samples, chunks, _ = load(model, audio, length)
    chunks = (chunks * 2)[:40]
    errors: list[str] = []
    halve = speech._take_less

    def noted(error: RuntimeError, tried: int) -> None:
        errors.append(f"{tried}: {type(error).__name__}: {' '.join(str(error).split())[:160]}")
        halve(error, tried)

    speech._take_less = noted
    speech.batch_size = 32
    wanted = [one.text for one in speech.decode([samples], chunks, "ko").chunks]
    need = speech.meter.use().bytes_per_chunk * 32 // _MIB
    again = [one.text for one in speech.decode([samples], chunks, "ko").chunks]
    rows: list[dict[str, Any]] = [{"need_of_32": need, "again_same": again == wanted}]
    for leave in (need * 2, need // 2, need // 4, need // 8, need // 16, 32, 2, 0):
        errors.clear()
        speech.batch_size, taken = 32, hog(leave)
        row: dict[str, Any] = {"left": leave, "used_before": used()}
        try:
            texts = [one.text for one in speech.decode([samples], chunks, "ko").chunks]
            row |= {"differ": sum(a != b for a, b in zip(texts, wanted, strict=True)), "chunks": len(texts)}
        except (VoiceManError, RuntimeError) as error:
            row["raised"] = f"{type(error).__name__}: {error}"
        row |= {"batch": speech.batch_size, "errors": list(errors)}
        del taken
        rows.append(row)
    torch.cuda.empty_cache()
    speech.batch_size = 32
    texts = [one.text for one in speech.decode([samples], chunks, "ko").chunks]
    rows.append({"after_all": "same text" if texts == wanted else "another text", "batch": speech.batch_size})
    for what, act in (("detector", lambda: speech.speech_regions(samples)), ("load", lambda: SpeechModel(model=model))):
        taken = hog(1)
        try:
            act()
            rows.append({what: "worked with 1 MiB free"})
        except (VoiceManError, RuntimeError, MemoryError) as error:
            rows.append({what: f"{type(error).__name__}: {error}"})
        del taken
    return {"rows": rows}


def child_visible(model: str, audio: Path, length: float) -> dict[str, Any]:  # noqa: ARG001
    """Take a lease as the stage does, then see which devices torch and CTranslate2 find."""
    devices, lease = pipeline("devices"), pipeline("lease")
    with lease.hold(devices.slots(), wait_s=30) as held:
        leased = time.time()
        import ctranslate2
        import torch

        count = torch.cuda.device_count()
        uuids = [f"GPU-{torch.cuda.get_device_properties(index).uuid}" for index in range(count)]
        print(
            json.dumps(
                {"at": leased, "leased": held.slot.id, "torch": uuids, "ct2": ctranslate2.get_cuda_device_count()}
            )
        )
        sys.stdout.flush()
        sys.stdin.read()
    return {}


def devices() -> dict[str, Any]:
    """The slots, one process a slot that leases one, one more that waits until a holder is killed."""
    found = pipeline("devices").slots()
    command = [sys.executable, __file__, "-", "--child", "visible"]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(len(found) + 1)
    ]
    lines: dict[int, dict[str, Any]] = {}

    def listen(child: Any) -> None:
        if line := child.stdout.readline():
            lines[child.pid] = json.loads(line)

    for child in running:
        threading.Thread(target=listen, args=(child,), daemon=True).start()
    deadline = time.monotonic() + 60
    while len(lines) < len(found) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(3)
    told, waiting = dict(lines), [child.pid for child in running if child.pid not in lines]
    holders = {key: str(who) for key, who in pipeline("devices").held_slots(found).items()}
    first = next(child for child in running if child.pid in told)
    killed = time.time()
    first.kill()
    while len(lines) <= len(told) and time.time() < killed + 60:
        time.sleep(0.05)
    later = {pid: line for pid, line in lines.items() if pid not in told}
    for line in later.values():
        line["after_kill_s"] = round(line["at"] - killed, 2)
    for child in running:
        child.stdin.close()
        child.wait()
    return {
        "slots": [vars(slot) for slot in found], "leases": told, "waiting": waiting, "holders": holders,
        "killed": first.pid, "then": later,
    }  # fmt: skip


def run(child: str, model: str, wanted: argparse.Namespace, **variables: str) -> dict[str, Any]:
    """One measurement in a process of its own."""
    told = ["--child", child, "--models", model, "--seconds", str(wanted.seconds)]
    command = [sys.executable, __file__, str(wanted.audio), *told]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return {"failed": done.stderr[-1500:]}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Measure everything; a JSON file a measurement under ``--out``, a short form on standard output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("audio", type=Path)
    parser.add_argument("--models", nargs="*", default=["base"])
    parser.add_argument("--steps", nargs="*", default=["devices", "text", "memory", "oom"], choices=STEPS)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seconds", type=float, default=1200.0, help="of audio: AUDIO.npy repeated as often as needed")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.child:
        print(json.dumps(globals()[f"child_{wanted.child}"](wanted.models[0], wanted.audio, wanted.seconds)))
        return
    from bench.random_whisper import SHAPES, write
    from include.settings import get_settings

    gpu = bool(pipeline("nvidia").find_devices())
    models = get_settings().models

    def note(name: str, result: dict[str, Any]) -> None:
        if wanted.out:
            wanted.out.mkdir(parents=True, exist_ok=True)
            (wanted.out / f"{name}.json").write_text(json.dumps(result, ensure_ascii=False, indent=1))
        print(name, json.dumps({k: v for k, v in result.items() if k not in ("text", "words")}), flush=True)

    if not gpu:
        print("note: no GPU here; the CPU is measured, and running out of memory is not")
    if "devices" in wanted.steps:
        note("devices", devices())
    for model in wanted.models:
        if model in SHAPES and not (models / model).exists():
            write(model, models / "base", models / model)
        if "text" in wanted.steps and model not in SHAPES:
            cpu = run("text", model, wanted, VOICEMAN_DEVICE="cpu")
            note(f"{model}-cpu", cpu)
            for batch in (32, 8) if gpu else ():
                found = run("text", model, wanted, VOICEMAN_DECODE_BATCH_SIZE=str(batch))
                same = [a == b for a, b in zip(found.get("text", []), cpu.get("text", []), strict=False)]
                note(f"{model}-gpu-{batch}", found | {"chunks_same_as_cpu": [sum(same), len(same)]})
        if "memory" in wanted.steps:
            note(f"{model}-memory", run("memory", model, wanted))
        if "async" in wanted.steps:
            note(f"{model}-memory-async", run("memory", model, wanted, CT2_CUDA_ALLOCATOR="cuda_malloc_async"))
        if "oom" in wanted.steps and gpu:
            note(f"{model}-oom", run("oom", model, wanted))


if __name__ == "__main__":
    main()
