"""Decoding: audio seconds per CPU second by format, beside plain ffmpeg and whisperx.load_audio in the same run.

``python bench/decode.py [--seconds 600] [--runs 2]`` makes a stereo recording of noise in each format, and decodes
it by each way in turn. CPU seconds include ffmpeg's. ``ours`` keeps two channels and looks for loss; ``load_audio``
mixes to one.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from include.stt.audio import decode
from include.stt.probe import probe

FORMATS = {
    "m4a": ("-c:a", "aac", "-b:a", "64k"),
    "mp3": ("-c:a", "libmp3lame", "-b:a", "64k"),
    "ogg": ("-c:a", "libopus", "-b:a", "32k"),
    "amr": ("-c:a", "libopencore_amrnb", "-ar", "8000", "-ac", "1"),
    "wav": ("-c:a", "pcm_mulaw", "-ar", "8000"),
    "flac": ("-c:a", "flac"),
}


def plain(path: Path) -> None:
    """What ffmpeg alone takes for 16 kHz samples that nobody keeps."""
    output = ["-map", "0:a:0", "-ar", "16000", "-f", "null", "-"]
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-i", str(path), *output], check=True)


def ours(path: Path) -> None:
    """probe and decode."""
    decode(path, probe(path))


def load_audio(path: Path) -> None:
    """WhisperX's own loader."""
    import whisperx

    whisperx.load_audio(str(path))


def cpu_s(work: Callable[[Path], None], path: Path) -> float:
    """CPU seconds of this process and its ended children for one call."""

    def spent() -> float:
        both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(one.ru_utime + one.ru_stime for one in both)

    before = spent()
    work(path)
    return spent() - before


def main() -> None:
    """Make the files, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--runs", type=int, default=2)
    options = parser.parse_args()
    ways = {"ours": ours, "ffmpeg": plain, "load_audio": load_audio}
    print("| audio s per CPU s | " + " | ".join(ways) + " |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, coding in FORMATS.items():
            path = Path(folder) / f"a.{name}"
            source = f"anoisesrc=d={options.seconds}:c=pink:a=0.3:r=44100:seed=1"
            command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, "-ac", "2", *coding, str(path)]
            subprocess.run(command, check=True)
            for way in ways.values():
                way(path)  # imports, file cache
            best = {key: min(cpu_s(way, path) for _ in range(options.runs)) for key, way in ways.items()}
            print(f"| {name} | " + " | ".join(f"{options.seconds / best[key]:.0f}" for key in ways) + " |", flush=True)


if __name__ == "__main__":
    main()
