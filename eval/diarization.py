"""Who speaks when: DER on labelled recordings, beside plain senko on the same files.

DER by pyannote.metrics with overlaps scored, at collar 0 and at collar 0.5 (0.25 s on either side of each border),
summed over a set's seconds before dividing. Nothing but numbers and file names is written.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from include.settings import ROOT

Spans = list[tuple[float, float, str]]
COLLARS = (0.0, 0.5)
console = Console()


def mono(path: Path) -> NDArray[np.float32]:
    """All channels mixed, 16 kHz."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-ac", "1", "-ar", "16000", "-f", "s16le", "-"]
    pcm = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(pcm, np.int16).astype(np.float32) / np.float32(32768)


def read_rttm(path: Path) -> dict[str, Spans]:
    """Recording → spans."""
    found: dict[str, Spans] = defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines():
        part = line.split()
        found[part[1]].append((float(part[3]), float(part[3]) + float(part[4]), part[7]))
    return dict(found)


def corpus(data: Path) -> list[tuple[str, Path, Spans]]:
    """(set, file, reference spans)."""
    found = [
        ("diarization", data / "diarization" / f"{name}.flac", spans)
        for name, spans in read_rttm(data / "diarization/reference.rttm").items()
    ]
    for line in (data / "ko_calls/reference.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        spans = [(turn["start"], turn["end"], turn["speaker"]) for turn in row["turns"]]
        found.append(("ko_calls", data / "ko_calls" / row["file"], spans))
    for rttm in sorted((data / "calls_en").glob("*.rttm")):
        audio = next(
            one for one in rttm.parent.iterdir() if one.stem.lower().startswith(rttm.stem.lower()) and one != rttm
        )
        found.append(("calls_en", audio, next(iter(read_rttm(rttm).values()))))
    return found


class Score:
    """DER and its parts, set by set."""

    def __init__(self) -> None:
        from pyannote.metrics.diarization import DiarizationErrorRate

        self._metrics: dict[tuple[str, float], Any] = defaultdict()
        self._new = DiarizationErrorRate
        self._right: dict[str, list[bool]] = defaultdict(list)
        self.seconds, self.audio_s = 0.0, 0.0

    def add(self, kind: str, reference: Spans, found: Spans, duration: float, seconds: float) -> None:
        """One recording."""
        from pyannote.core import Segment, Timeline

        for collar in COLLARS:
            metric = self._metrics.setdefault((kind, collar), self._new(collar=collar, skip_overlap=False))
            metric(_annotation(reference), _annotation(found), uem=Timeline([Segment(0, duration)]))
        self._right[kind].append(len({who for *_, who in reference}) == len({who for *_, who in found}))
        self.seconds += seconds
        self.audio_s += duration

    def result(self) -> dict[str, Any]:
        """Numbers, as shares of the reference's speech."""
        sets: dict[str, Any] = {}
        for (kind, collar), metric in self._metrics.items():
            total = metric["total"]
            parts = {name: round(metric[name] / total, 4) for name in ("missed detection", "false alarm", "confusion")}
            sets.setdefault(kind, {"speakers_right": sum(self._right[kind]), "files": len(self._right[kind])})
            sets[kind][f"collar {collar:g}"] = {"der": round(abs(metric), 4), **parts}
        return {"sets": sets, "cpu_s_per_audio_s": round(self.seconds / self.audio_s, 4)}


def _annotation(spans: Spans) -> Any:
    from pyannote.core import Annotation, Segment

    made = Annotation()
    for number, (start, end, who) in enumerate(spans):
        made[Segment(start, end), number] = who
    return made


def plain_runs() -> bool:
    """Whether plain senko runs here: its compiled filter bank ends the process where AVX-512 is missing."""
    script = (
        "import pathlib, senko, eval.diarization as own\n"
        "plain = senko.Diarizer(device='cpu', warmup=False, quiet=True)\n"
        "plain.diarize_samples(own.mono(pathlib.Path('samples/threat.m4a')))\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], cwd=ROOT, capture_output=True, check=False)
    return done.returncode >= 0


def evaluate(data: Path) -> dict[str, Any]:
    """DER of both, by set, printed as a table."""
    warnings.simplefilter("ignore")
    import senko

    from include.settings import get_settings
    from include.stt.diarization import diarizer_facts, get_diarizer
    from include.stt.vad import VoiceDetector

    ours, detector = get_diarizer(), VoiceDetector(get_settings().vad, "cpu")
    plain = senko.Diarizer(device="cpu", warmup=False, quiet=True) if plain_runs() else None
    scores = {"voiceman": Score()} | ({"plain senko": Score()} if plain else {})
    for kind, path, reference in corpus(data):
        audio = mono(path)
        duration = len(audio) / 16000
        regions = detector.regions(audio)
        started = time.process_time()
        turns = ours.diarize(audio, regions).turns if ours else []
        spent = time.process_time() - started
        scores["voiceman"].add(kind, reference, [(t.start, t.end, t.speaker) for t in turns], duration, spent)
        if plain is None:
            continue
        started = time.process_time()
        merged = (plain.diarize_samples(audio) or {"merged_segments": []})["merged_segments"]
        spans = [(one["start"], one["end"], one["speaker"]) for one in merged]
        scores["plain senko"].add(kind, reference, spans, duration, time.process_time() - started)
    result: dict[str, Any] = {name: score.result() for name, score in scores.items()}
    result["engine"] = vars(diarizer_facts())
    if plain is None:
        reason = "its compiled filter bank (senko 0.2.2) does not run on this processor"
        result["plain senko"] = {"measured": False, "reason": reason}
        console.print(f"plain senko: not measured, {reason}")
    table = Table(
        "set", "who", *itertools.chain(*((f"DER {c:g}", "missed", "false", "confused") for c in COLLARS)), "n"
    )
    for name in scores:
        for kind, row in result[name]["sets"].items():
            cells = [f"{value:.1%}" for collar in COLLARS for value in row[f"collar {collar:g}"].values()]
            table.add_row(kind, name, *cells, f"{row['speakers_right']}/{row['files']}")
    console.print(table)
    console.print({name: result[name]["cpu_s_per_audio_s"] for name in scores})
    return result
