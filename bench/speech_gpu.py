"""Speech on one GPU: the decode core and the whole path, against plain WhisperX, with the GPU's load and memory.

    python bench/speech_gpu.py AUDIO.npy --models DIRECTORY --out DIRECTORY --steps STEP...

``AUDIO.npy``: one channel, 16 kHz, int16. Steps are lines of ``PLANS``: each is a process of its own that loads while
others measure nothing, waits for its turn and measures alone. Every row is printed and kept as soon as it is there.
The package's door isn't used (it imports what a bare GPU machine may lack). Without a GPU it runs on the CPU, small.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
_POOL = {"default": {}, "pool": {"CT2_CUDA_ALLOCATOR": "cuda_malloc_async"},
         "bins": {"CT2_CUDA_CACHING_ALLOCATOR_CONFIG": "2,9,32,16000000000"}}  # fmt: skip
"""CTranslate2's allocators: its default, the driver's pool told to keep its memory, its cache with blocks to 4 GiB."""
PLANS: dict[str, tuple[str, str, str, list[list[int | str]]]] = {
    # step: what, model, allocator, rows
    "turbo-pool": ("core", "random-large-v3-turbo", "pool", [
        ["hybrid", 4, 32], ["encoder", 4], ["encoder", 16], ["plain", 32], ["hybrid", 6, 32], ["hybrid", 8, 32],
        ["hybrid", 6, 16], ["hybrid", 2, 32], ["hybrid", 1, 32], ["hybrid", 4, 16], ["hybrid", 4, 8],
        ["hybrid", 4, 4]]),
    "large-pool": ("core", "random-large-v3", "pool", [
        ["hybrid", 4, 16], ["hybrid", 4, 32], ["hybrid", 6, 16], ["hybrid", 1, 32], ["hybrid", 2, 32],
        ["hybrid", 4, 8], ["hybrid", 4, 4]]),
    "turbo-default": ("core", "random-large-v3-turbo", "default", [["plain", 8], ["plain", 32], ["hybrid", 4, 32]]),
    "large-default": ("core", "random-large-v3", "default", [["plain", 8], ["plain", 32], ["hybrid", 4, 16]]),
    "turbo-bins": ("core", "random-large-v3-turbo", "bins", [["hybrid", 4, 32], ["plain", 32], ["hybrid", 6, 32]]),
    "large-bins": ("core", "random-large-v3", "bins", [["hybrid", 4, 16], ["hybrid", 4, 8]]),
    "text": ("text", "base", "pool", []),
    "path-base": ("path", "base", "pool", []),
    "path-turbo": ("path", "base-as-turbo", "pool", []),
    "path-plain": ("plain_path", "base", "default", []),
    "path-plain-turbo": ("plain_path", "base-as-turbo", "default", []),
    "vad": ("vad", "base", "default", []),
}  # fmt: skip
TOKENS = 50
"""Forced length of a chunk's text."""
_PROMPT = [50258, 50259, 50359, 50363]
_MIB = 1 << 20


def _open_package() -> None:
    """Modules of ``include.stt`` without the package's own imports."""
    if "include.stt" not in sys.modules:
        package = types.ModuleType("include.stt")
        package.__path__ = [str(ROOT / "include" / "stt")]
        sys.modules["include.stt"] = package


class Load:
    """The GPU's busy percentage (nvidia-smi, five times a second) and the most memory in use inside the ``with``."""

    def __enter__(self) -> Load:
        import torch

        self.gpu = torch.cuda.is_available()
        self._done, self.most, self.busy = threading.Event(), 0, []
        self._smi: Any = None
        if self.gpu:
            query = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "200"]
            self._smi = subprocess.Popen(query, stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._thread.start()
        return self

    def _poll(self) -> None:
        import torch

        while not self._done.wait(0.01):
            if self.gpu:
                free, total = torch.cuda.mem_get_info()
                self.most = max(self.most, (total - free) // _MIB)

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        if self._smi is not None:
            self._smi.terminate()
            text, _ = self._smi.communicate()
            self.busy = [int(line) for line in text.split() if line.isdigit()]

    def row(self) -> dict[str, Any]:
        """Median and mean of the busy percentage, first sample left out; MiB."""
        used = sorted(self.busy[1:])
        if not used:
            return {"peak_mib": self.most}
        return {"busy_median": used[len(used) // 2], "busy_mean": round(sum(used) / len(used)), "peak_mib": self.most}


@contextmanager
def timed(row: dict[str, Any], audio_s: float) -> Iterator[None]:
    """Fill ``row`` with seconds, real-time factor, processor seconds a second, load and memory."""
    cpu = time.process_time()
    with Load() as load:
        began = time.perf_counter()
        yield
        row["s"] = round(time.perf_counter() - began, 3)
    row |= {"x_real_time": round(audio_s / row["s"], 1), "cores": round((time.process_time() - cpu) / row["s"], 2)}
    row |= load.row()


class Core:
    """Encoder and decoders of one model on ready features, texts of a forced length."""

    def __init__(self, folder: Path, note: Callable[[dict[str, Any]], None]) -> None:
        import ctranslate2
        import torch

        from include.stt.torch_encoder import TorchEncoder

        self.gpu = torch.cuda.is_available()
        self.device, kind = ("cuda", "float16") if self.gpu else ("cpu", "float32")
        began = time.perf_counter()
        self.whisper = ctranslate2.models.Whisper(
            str(folder), device=self.device, compute_type=kind, inter_threads=8 if self.gpu else 2, intra_threads=1
        )
        self.encoder = TorchEncoder(folder, self.device, kind, (30.0,))
        loaded = time.perf_counter()
        self.features = torch.randn(32, self.encoder.mels, 3000)
        with ThreadPoolExecutor(8) as pool:  # every decoder makes its handles and workspaces now
            list(pool.map(lambda _: self._decode(self.encoder.encode_view(self.features[:4])), range(8)))
        note({"load_s": round(loaded - began, 1), "warm_up_s": round(time.perf_counter() - loaded, 1)})

    def _decode(self, encoded: Any) -> list[int]:
        count = encoded.shape[0]
        found = self.whisper.generate(
            encoded, [_PROMPT] * count, beam_size=5, max_length=2 * TOKENS, suppress_tokens=[-1, 50257],
            return_scores=True, return_no_speech_prob=True,
        )  # fmt: skip
        return [len(one.sequences_ids[0]) for one in found]

    def plain(self, batch: int) -> tuple[float, Callable[[], list[int]]]:
        """WhisperX's way: encode and decode in CTranslate2, one batch after the other."""
        import ctranslate2

        given = ctranslate2.StorageView.from_array(self.features[:batch].numpy())
        rounds = 2 if self.gpu else 1

        def work() -> list[int]:
            return [n for _ in range(rounds) for n in self._decode(self.whisper.encode(given, to_cpu=False))]

        return rounds * batch * 30.0, work

    def hybrid(self, decoders: int, batch: int) -> tuple[float, Callable[[], list[int]]]:
        """Torch's encoder before several decoders."""
        rounds = max(2 if decoders > 4 else 3, 64 // batch) if self.gpu else 1

        def one(_: int) -> list[int]:
            return [n for _ in range(rounds) for n in self._decode(self.encoder.encode_view(self.features[:batch]))]

        def work() -> list[int]:
            with ThreadPoolExecutor(decoders) as pool:
                return [n for lengths in pool.map(one, range(decoders)) for n in lengths]

        return decoders * rounds * batch * 30.0, work

    def encode(self, batch: int) -> tuple[float, Callable[[], list[int]]]:
        """Torch's encoder alone."""
        rounds = 128 // batch if self.gpu else 1
        ready = self.features[:batch].to(self.encoder.device, self.encoder.dtype)

        def work() -> list[int]:
            for _ in range(rounds):
                self.encoder.encode(ready)
            return [0]

        return rounds * batch * 30.0, work


def child_core(wanted: argparse.Namespace, note: Callable[[dict[str, Any]], None], turn: Callable[[], None]) -> None:
    """Rows of one model."""
    _, _, allocator, rows = PLANS[wanted.child]
    if allocator == "pool":
        from include.stt.hybrid import keep_device_memory

        note({"pool_kept": keep_device_memory()})
    core = Core(wanted.models / wanted.model, note)
    turn()
    for what, *numbers in rows:
        row: dict[str, Any] = {"what": what, "numbers": numbers}
        try:
            act = {"plain": core.plain, "hybrid": core.hybrid, "encoder": core.encode}[str(what)]
            audio_s, work = act(*map(int, numbers))
            with timed(row, audio_s):
                lengths = work()
            row["tokens"] = round(sum(lengths) / len(lengths), 1)
        except RuntimeError as error:
            row["error"] = str(error)[:200]
        note(row)


def recordings(audio: Path, count: int) -> list[Any]:
    """The samples, each time begun elsewhere: every recording differs; one in four is three times as long."""
    import numpy as np

    pcm = (np.load(audio) / np.float32(32768)).astype(np.float32)
    made = [np.roll(pcm, -int(n * 2.63 * 16000)) for n in range(count)]
    return [np.tile(one, 3) if n % 4 == 3 else one for n, one in enumerate(made)]


def edits(one: str, other: str) -> int:
    """Levenshtein's distance."""
    row = list(range(len(other) + 1))
    for n, a in enumerate(one, 1):
        before, row[0] = row[0], n
        for m, b in enumerate(other, 1):
            before, row[m] = row[m], min(row[m] + 1, row[m - 1] + 1, before + (a != b))
    return row[-1]


def child_text(wanted: argparse.Namespace, note: Callable[[dict[str, Any]], None], turn: Callable[[], None]) -> None:
    """The same chunks through CTranslate2's encoder (as WhisperX does) and through torch's: encoder output and text."""
    import ctranslate2
    import numpy as np
    import torch
    from faster_whisper.tokenizer import Tokenizer
    from whisperx.asr import WhisperModel
    from whisperx.audio import log_mel_spectrogram

    from include.stt.torch_encoder import TorchEncoder

    device = "cuda" if torch.cuda.is_available() else "cpu"
    kind = "float16" if device == "cuda" else "float32"
    whisper = WhisperModel(str(wanted.models / wanted.model), device=device, compute_type=kind, cpu_threads=2)
    tokenizer = Tokenizer(whisper.hf_tokenizer, True, task="transcribe", language="en")
    pcm = recordings(wanted.audio, 1)[0]
    count = 64 if device == "cuda" else 2
    parts = [np.roll(pcm, -int(n * 1.63 * 16000))[: 480000 if n % 2 else 300000 + n * 1000] for n in range(count)]
    mels = torch.stack([log_mel_spectrogram(one, n_mels=80, padding=480000 - len(one)) for one in parts])

    def texts(encoded: Any) -> list[str]:
        found = whisper.model.generate(encoded, [_PROMPT] * encoded.shape[0], beam_size=5, suppress_tokens=[-1])
        return [tokenizer.decode([t for t in one.sequences_ids[0] if t < tokenizer.eot]).strip() for one in found]

    def host(encoded: Any) -> Any:
        if device == "cuda":
            return torch.as_tensor(encoded, device="cuda").cpu().float().numpy()
        return np.array(encoded, np.float32)

    turn()
    groups = [mels[n : n + 16] for n in range(0, count, 16)]
    plain = [whisper.model.encode(ctranslate2.StorageView.from_array(one.numpy()), to_cpu=False) for one in groups]
    wanted_texts, first = [text for one in plain for text in texts(one)], host(plain[0])
    again = [text for one in groups for text in texts(whisper.encode(one.numpy()))]
    note({"what": "plain twice", "same": sum(a == b for a, b in zip(wanted_texts, again, strict=True)), "of": count})
    eights = [mels[n : n + 8] for n in range(0, count, 8)]
    other = [text for one in eights for text in texts(whisper.encode(one.numpy()))]
    note({"what": "plain in batches of 8 against 16"} | _differences(wanted_texts, other))
    encoder = TorchEncoder(wanted.models / wanted.model, device, kind, (30.0,))
    row: dict[str, Any] = {"what": "torch encoder"}
    own = encoder.features(parts[:16]).float().cpu()
    row["mel_most"] = float((own - mels[:16]).abs().max())
    coded = host(encoder.encode_view(groups[0]))
    row["encoder_relative"] = float(np.linalg.norm(coded - first) / np.linalg.norm(first))
    found = [text for one in groups for text in texts(encoder.encode_view(one))]
    from_audio = [
        text for n in range(0, count, 16) for text in texts(encoder.encode_view(encoder.features(parts[n : n + 16])))
    ]
    note(row | _differences(wanted_texts, found))
    note({"what": "with own features"} | _differences(wanted_texts, from_audio))


def _differences(wanted: list[str], found: list[str]) -> dict[str, Any]:
    wrong = sum(edits(a, b) for a, b in zip(wanted, found, strict=True))
    same = sum(a == b for a, b in zip(wanted, found, strict=True))
    return {"same": same, "of": len(wanted), "cer_percent": round(100 * wrong / max(sum(map(len, wanted)), 1), 3)}


def child_path(wanted: argparse.Namespace, note: Callable[[dict[str, Any]], None], turn: Callable[[], None]) -> None:
    """Speech regions, decoding with time stamps, fallbacks and second passes, word times: the product's own modules."""
    import torch

    from include.stt.engine import SpeechModel
    from include.stt.hybrid import HybridModel, keep_device_memory
    from include.stt.overlap import Stage, StageMeter, run_stages
    from include.stt.work import DecodeItem

    gpu = torch.cuda.is_available()
    keep_device_memory()
    model = HybridModel(1, wanted.model)
    given = recordings(wanted.audio, 64 if gpu else 2)
    if not gpu:
        given = [one[: 15 * 16000] for one in given]
    total = sum(map(len, given)) / 16000

    def regions(audio: Any) -> Any:
        found, chunks = model.speech_regions(audio)
        return DecodeItem([audio], [(0, *chunk) for chunk in chunks], "auto", [found])

    def flow(speech: Any, batch: int, together: int, workers: int) -> list[Any]:
        speech.batch_size = batch
        meter, row = StageMeter(), {"what": type(speech).__name__, "batch": batch, "together": together}
        stages = [
            Stage("vad", regions, workers=12 if gpu else 1),
            Stage("decode", speech.decode_many, workers=workers, together=together),
        ]
        with timed(row, total):
            ended = sorted(
                run_stages(given, stages, bound_s=40000, weigh=lambda a: len(a) / 16000, meter=meter),
                key=lambda o: o.index,
            )
        row |= {"audio_s": round(total), "workers": workers}
        row["busy_s"] = {name: round(seconds, 2) for name, seconds in meter.busy_s.items()}
        row["errors"] = [f"{one.error}"[:200] for one in ended if one.error is not None][:2]
        texts = [" ".join(chunk.text for chunk in one.result.chunks) if one.result else "" for one in ended]
        note(row | {"chars": sum(map(len, texts)), "decoders": getattr(speech, "decoders", 1)})
        return texts

    turn()
    flow(model, 16, 16, 2)  # to warm up
    hybrid = flow(model, 32, 16, 2)
    flow(model, 16, 16, 2)
    flow(model, 32, 32, 2)
    if wanted.model == "base" or not gpu:
        plain = SpeechModel(1, wanted.model)
        texts = flow(plain, 32, 32, 1)
        note({"what": "same path, CTranslate2's encoder against torch's"} | _differences(texts[:16], hybrid[:16]))


def child_plain_path(
    wanted: argparse.Namespace, note: Callable[[dict[str, Any]], None], turn: Callable[[], None]
) -> None:
    """Plain ``whisperx``: its pipeline on the same recordings, one after the other (text only, no word times)."""
    import torch
    import whisperx

    from include.stt.weights import vad_weights  # noqa: F401 - fails early where WhisperX isn't whole

    gpu = torch.cuda.is_available()
    pipe = whisperx.load_model(
        str(wanted.models / wanted.model), "cuda" if gpu else "cpu", compute_type="float16" if gpu else "float32",
        language="en", threads=2,
    )  # fmt: skip
    given = recordings(wanted.audio, 8 if gpu else 1)
    pipe.transcribe(given[0], batch_size=8)
    turn()
    for batch in (16, 32) if gpu else (8,):
        row: dict[str, Any] = {"what": "whisperx", "batch": batch}
        with timed(row, sum(map(len, given)) / 16000):
            for one in given:
                pipe.transcribe(one, batch_size=batch)
        note(row)


def child_vad(wanted: argparse.Namespace, note: Callable[[dict[str, Any]], None], turn: Callable[[], None]) -> None:
    """Both detectors: one recording after the other, and in threads."""
    import torch

    from include.stt.vad import VoiceDetector

    gpu = torch.cuda.is_available()
    given = recordings(wanted.audio, 16 if gpu else 1)
    total = sum(map(len, given)) / 16000
    silero, pyannote = VoiceDetector("silero", "cpu"), VoiceDetector("pyannote", "cuda" if gpu else "cpu")
    silero.regions(given[0][:160000])
    pyannote.regions(given[0][:160000])
    turn()
    for workers in (1, 4, 12) if gpu else (1,):
        row: dict[str, Any] = {"what": "silero on the CPU", "threads": workers}
        with timed(row, total), ThreadPoolExecutor(workers) as pool:
            list(pool.map(silero.regions, given))
        note(row)
    inference = pyannote._pyannote.vad_pipeline._segmentation
    for batch in (32, 256) if gpu else (32,):
        inference.batch_size = batch
        row = {"what": "pyannote", "batch": batch}
        with timed(row, total):
            for one in given:
                pyannote.regions(one)
        note(row)


def child(wanted: argparse.Namespace) -> None:
    """One step in this process."""
    what, model, _, _ = PLANS[wanted.child]
    wanted.model = wanted.rename.get(model, model)

    def note(row: dict[str, Any]) -> None:
        line = json.dumps({"step": wanted.child, "t": round(time.time() - wanted.began, 1)} | row)
        print(line, flush=True)
        with (wanted.out / "speech_gpu.jsonl").open("a") as file:
            file.write(line + "\n")

    def turn() -> None:
        ready = wanted.out / f".ready-{wanted.child}"
        ready.touch()
        while not (wanted.out / f".go-{wanted.child}").exists():
            time.sleep(0.05)

    try:
        globals()[f"child_{what}"](wanted, note, turn)
    except Exception as error:
        note({"failed": f"{type(error).__name__}: {error}"[:400]})
        raise


def main() -> None:
    """Start all steps, let them load, then let each measure alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("audio", type=Path)
    parser.add_argument("--steps", nargs="+", choices=list(PLANS), default=list(PLANS))
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rename", type=json.loads, default={}, help="model → another one, for a trial: JSON")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds that one step may measure")
    parser.add_argument("--load-limit", type=float, default=120.0, help="seconds that loading may take")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--began", type=float, default=time.time(), help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    _open_package()
    wanted.out.mkdir(parents=True, exist_ok=True)
    if wanted.child:
        child(wanted)
        return
    running = {}
    for step in wanted.steps:
        for mark in ("ready", "go"):
            (wanted.out / f".{mark}-{step}").unlink(missing_ok=True)
        told = ["--child", step, "--models", str(wanted.models), "--out", str(wanted.out), "--began", str(wanted.began)]
        command = [sys.executable, __file__, str(wanted.audio), *told, "--rename", json.dumps(wanted.rename)]
        variables = os.environ | _POOL[PLANS[step][2]] | {"VOICEMAN_MODEL_DIR": str(wanted.models)}
        with (wanted.out / f"{step}.err").open("w") as errors:
            running[step] = subprocess.Popen(command, env=variables, stdout=None, stderr=errors)
    until = time.time() + wanted.load_limit
    for step, process in running.items():  # nobody measures while another one loads
        while process.poll() is None and not (wanted.out / f".ready-{step}").exists() and time.time() < until:
            time.sleep(0.05)
    for step, process in running.items():
        (wanted.out / f".go-{step}").touch()
        try:
            process.wait(wanted.limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            print(json.dumps({"step": step, "failed": "over its limit"}), flush=True)
    for mark in wanted.out.glob(".*-*"):
        mark.unlink()


if __name__ == "__main__":
    main()
