"""Character error rate on labelled calls, beside plain WhisperX with the same weights on the same files.

``make eval DATA=../shared/data OUT=eval.json``. Normaliser: NFKC, lower case, everything but letters and
digits removed (spaces too: Korean spacing is not settled), then edit distance over characters, summed over
files before dividing. Development data only; nothing of it is written to the output but numbers.
"""

from __future__ import annotations

import argparse
import json
import time
import unicodedata
from pathlib import Path
from typing import Any

import jiwer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from include.settings import get_settings
from include.stt import Transcriber, engine_info

console = Console()


def normalise(text: str) -> str:
    """NFKC, lower case, letters and digits only."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).lower() if c.isalnum())


def references(data: Path) -> dict[Path, str]:
    """Call → reference text, turns in order of their start."""
    calls = data / "ko_calls"
    rows = [json.loads(line) for line in (calls / "reference.jsonl").read_text().splitlines()]
    return {
        calls / row["file"]: " ".join(t["text"] for t in sorted(row["turns"], key=lambda t: t["start"])) for row in rows
    }


def plain_whisperx(files: list[Path]) -> tuple[dict[Path, str], float]:
    """WhisperX as its README shows it: load_audio, transcribe, text of all segments."""
    import whisperx

    settings = get_settings()
    model = whisperx.load_model(
        str(settings.models / settings.whisper_model), "cpu", compute_type="int8", language="ko",
        threads=settings.cpu_threads,
    )  # fmt: skip
    started, texts = time.perf_counter(), {}
    for file in track(files, description="plain whisperx", console=console):
        result = model.transcribe(whisperx.load_audio(str(file)), batch_size=settings.decode_batch_size)
        texts[file] = " ".join(segment["text"] for segment in result["segments"])
    return texts, time.perf_counter() - started


def voiceman(files: list[Path]) -> tuple[dict[Path, str], float]:
    """The product's transcriber, as configured."""
    transcriber = Transcriber()
    _ = transcriber.model  # loading is not part of the time, as for plain WhisperX
    started, texts = time.perf_counter(), {}
    for file in track(files, description="voiceman", console=console):
        texts[file] = " ".join(s.text for s in transcriber.transcribe(file, language="ko").segments)
    return texts, time.perf_counter() - started


def score(reference: dict[Path, str], texts: dict[Path, str]) -> dict[str, Any]:
    """CER per file and over all."""
    pairs = {f.name: (normalise(reference[f]), normalise(texts[f])) for f in reference}
    return {
        "cer": round(jiwer.cer([r for r, _ in pairs.values()], [h for _, h in pairs.values()]), 4),
        "per_file": {name: round(jiwer.cer(r, h), 4) for name, (r, h) in pairs.items()},
    }


def main() -> None:
    """Evaluate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    reference = references(args.data)
    files = list(reference)
    ours, our_s = voiceman(files)
    plain, plain_s = plain_whisperx(files)
    audio_s = sum(
        json.loads(line)["duration"] for line in (args.data / "ko_calls/reference.jsonl").read_text().splitlines()
    )
    result = {
        "set": "ko_calls", "files": len(files), "audio_s": round(audio_s, 1), "engine": engine_info().model_dump(),
        "normaliser": normalise.__doc__,
        "voiceman": {**score(reference, ours), "s_per_audio_s": round(our_s / audio_s, 4)},
        "plain_whisperx": {**score(reference, plain), "s_per_audio_s": round(plain_s / audio_s, 4)},
    }  # fmt: skip
    table = Table(
        "ko_calls, same weights, same machine",
        "CER",
        "s per audio second",
        title=f"{len(files)} calls, {audio_s:.0f} s",
    )
    for name in ("voiceman", "plain_whisperx"):
        table.add_row(name, f"{result[name]['cer']:.1%}", f"{result[name]['s_per_audio_s']:.3f}")
    console.print(table)
    if args.out:
        args.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
