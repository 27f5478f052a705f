"""The whole speech path on one device, stages overlapping, from PCM to the transcript with speakers and word times.

    python bench/speech_path.py AUDIO.npy --models DIR --model NAME [--recordings 64] [--out FILE] [--seconds 30]

``AUDIO.npy``: one channel, 16 kHz, int16. It runs ``transcribe_stream``, the loop that a GPU task and the resident
service run; only reading is replaced, because a bare GPU machine has no ffmpeg: the samples come from memory, and
digests, channel plan and quality are computed as ever (decoding and fingerprint: ``bench/decode.py``).
Settings come from the environment as always. ``--plain``: WhisperX's own pipeline on the same audio instead.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def _open_packages() -> None:
    """Modules of the packages without the packages' own imports, which a bare machine may lack."""
    for name in ("include.stt", "include.stt.service"):
        package = types.ModuleType(name)
        package.__path__ = [str(ROOT / name.replace(".", "/"))]
        sys.modules[name] = package


def recordings(audio: Path, count: int) -> list[Any]:
    """The samples, each time begun elsewhere: every recording differs; one in four is three times as long."""
    import numpy as np

    pcm = np.load(audio)
    made = [np.roll(pcm, -int(n * 2.63 * 16000)) for n in range(count)]
    return [np.tile(one, 3) if n % 4 == 3 else one for n, one in enumerate(made)]


def from_memory(given: list[Any]) -> Any:
    """What stands in for ``prepare``: all of it but ffmpeg."""
    from include.stt import prepare as reading
    from include.stt.audio import DecodedAudio
    from include.stt.channels import plan_channels, select_channels
    from include.stt.prepare import Prepared, _recording
    from include.stt.probe import Probe

    if shutil.which("ffmpeg") is None:  # the fingerprint is ffmpeg's work too
        reading.fingerprint = lambda _: types.SimpleNamespace(text=lambda: "")  # type: ignore[attr-defined]

    def prepare(path: Path, *, language: str = "auto", name: str | None = None) -> Prepared:
        pcm = given[int(path.stem.split("-")[1])][:, None]
        audio = DecodedAudio(pcm, hashlib.sha256(pcm.tobytes()).hexdigest(), "none", [], clipping=0.0)
        found = Probe("wav", "pcm_s16le", 1, 16000, len(pcm) / 16000, True, None)
        plan = plan_channels(pcm, coded_channels=1)
        recording = _recording(path, found, audio)
        return Prepared(name or path.name, language, audio, plan, select_channels(pcm, plan), recording)

    return prepare


def path_of(wanted: argparse.Namespace, given: list[Any], note: Any) -> None:
    """Rows: a pass to warm up, then ``--passes`` measured ones."""
    import tempfile

    from bench.speech_gpu import timed
    from include.stt import stream
    from include.stt.overlap import StageMeter
    from include.stt.transcriber import Transcriber

    stream.prepare = from_memory(given)  # type: ignore[attr-defined]
    began = time.perf_counter()
    transcriber = Transcriber(wanted.threads, wanted.model)
    model = transcriber.model
    model.calls_at_once = wanted.calls or model.calls_at_once
    if wanted.switch_ms:
        sys.setswitchinterval(wanted.switch_ms / 1000)
    note({"what": "loaded", "s": round(time.perf_counter() - began, 1), "engine": type(model).__name__,
          "batch": model.batch_size, "decoders": getattr(model, "decoders", 1)})  # fmt: skip
    total = sum(map(len, given)) / 16000
    with tempfile.TemporaryDirectory() as folder:
        requests = []
        for n, pcm in enumerate(given):
            path = Path(folder) / f"r-{n}.m4a"
            path.write_bytes(bytes(int(len(pcm) / 16000 * 4000)))
            requests.append(stream.Request(path, wanted.language))
        for number in range(wanted.passes + 1):
            if number == 1:
                _together(wanted)
            use = requests if number else requests[: max(len(requests) // 4, 1)]
            audio_s = total if number else sum(map(len, given[: len(use)])) / 16000
            what = "whole path" if number else "to warm up"
            meter, row = StageMeter(), {"what": what, "audio_s": round(audio_s), "pid": os.getpid()}
            with timed(row, audio_s):
                ended = list(stream.transcribe_stream(transcriber, use, meter=meter))
            row["busy_s"] = {name: round(seconds, 2) for name, seconds in meter.busy_s.items()}
            row["errors"] = [f"{one.stage}: {one.error!r}"[:300] for one in ended if one.error is not None][:2]
            good = [one.result for one in ended if one.error is None]
            row["words"] = sum(len(segment.words) for one in good for segment in one.segments)
            row["uncovered_s"] = round(sum(u.end - u.start for one in good for u in one.uncovered_speech), 1)
            note(row)


def _together(wanted: argparse.Namespace) -> None:
    """Wait until all replicas are ready."""
    if wanted.meet is None:
        return
    folder, count = wanted.meet, wanted.replicas
    (folder / f"ready-{os.getpid()}").touch()
    while len(list(folder.glob("ready-*"))) < count:
        time.sleep(0.01)


def replicas(wanted: argparse.Namespace, note: Any) -> None:
    """Several processes on one device, each with its own model; they measure at the same time."""
    import tempfile

    from bench.speech_gpu import Load

    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-W", "ignore", __file__, *sys.argv[1:], "--meet", folder]
        running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(wanted.replicas)]
        while len(list(Path(folder).glob("ready-*"))) < wanted.replicas and all(p.poll() is None for p in running):
            time.sleep(0.01)
        with Load() as load:
            rows = [json.loads(line) for p in running for line in p.communicate()[0].splitlines() if line[0] == "{"]
    # one pass of each: the first of them, while all work (later ones begin and end apart)
    measured = list({row["pid"]: row for row in reversed(rows) if row["what"] == "whole path"}.values())
    if not measured:
        raise SystemExit("No replica measured anything; see its error above.")
    slowest = max(row["s"] for row in measured)
    note({
        "what": "replicas", "replicas": wanted.replicas, "audio_s": sum(row["audio_s"] for row in measured),
        "s": slowest, "x_real_time": round(sum(row["audio_s"] for row in measured) / slowest, 1),
        "cores": round(sum(row["cores"] for row in measured), 1), "busy_s": [row["busy_s"] for row in measured],
        "errors": [error for row in measured for error in row["errors"]], "ended": [p.returncode for p in running],
        **load.row(),
    })  # fmt: skip


def plain(wanted: argparse.Namespace, given: list[Any], note: Any) -> None:
    """WhisperX as its README shows it: text only, one recording after the other."""
    import numpy as np
    import torch
    import whisperx

    from bench.speech_gpu import timed

    gpu = torch.cuda.is_available()
    pipe = whisperx.load_model(
        str(wanted.models / wanted.model), "cuda" if gpu else "cpu", compute_type="float16" if gpu else "float32",
        language=None if wanted.language == "auto" else wanted.language, threads=wanted.threads or 4,
    )  # fmt: skip
    sound = [(one / np.float32(32768)).astype(np.float32) for one in given]
    pipe.transcribe(sound[0], batch_size=8)
    for batch in (8, 32) if gpu else (8,):
        row: dict[str, Any] = {"what": "plain whisperx", "batch": batch}
        with timed(row, sum(map(len, sound)) / 16000):
            found = [pipe.transcribe(one, batch_size=batch) for one in sound]
        row["words"] = sum(len(segment["text"].split()) for one in found for segment in one["segments"])
        note(row)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("audio", type=Path)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--model", default="base")
    parser.add_argument("--recordings", type=int, default=64)
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--language", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--replicas", type=int, default=1, help="processes on the device, each with its own model")
    parser.add_argument("--meet", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--calls", type=int, default=0, help="threads that decode; the engine's own number when 0")
    parser.add_argument("--switch-ms", type=float, default=0.0, help="Python's switch interval; its own when 0")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--tag", default="")
    parser.add_argument("--out", type=Path)
    wanted = parser.parse_args()
    _open_packages()

    def note(row: dict[str, Any]) -> None:
        line = json.dumps({"model": wanted.model, "tag": wanted.tag} | row)
        print(line, flush=True)
        if wanted.out:
            with wanted.out.open("a") as file:
                file.write(line + "\n")

    given = recordings(wanted.audio, wanted.recordings)
    if wanted.replicas > 1 and wanted.meet is None:
        replicas(wanted, note)
    else:
        (plain if wanted.plain else path_of)(wanted, given, note)


if __name__ == "__main__":
    main()
