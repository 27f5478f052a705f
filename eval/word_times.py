"""How far word times are off: ``python eval/word_times.py --data ../shared/data [--out F.json]``.

Three timings of the same decoded words: cross-attention as it is, kept inside speech regions (as before issue 4), and
with boundaries on pauses (``WordTimer``). References: the turns of ``ko_calls`` (first word's start, last word's end;
counted are words whose first or last letter is decoded as in the reference), and, where flite is installed, synthetic
English (phone times from ``flite -psdur``; every word), in a telephone's band with noise. A turn of ``ko_calls`` is
*clean* when the sound begins (ends) within 0.1 s of it: others have silence inside the reference's turn. Sound: level
above 30 dB below the turn's 95th percentile. Development data only; nothing of it is written but numbers.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile
from rapidfuzz.distance import Levenshtein
from scipy.signal import butter, resample_poly, sosfiltfilt

from include.stt import Word, load_channels
from include.stt.align import WordTimer
from include.stt.engine import SpeechModel
from include.stt.text_units import letters
from include.stt.words import snap_to_speech

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE = 16_000
SENTENCES = (
    "The quick brown fox jumped over the lazy dog while nobody was watching.",
    "My brother bought seven green apples at the market yesterday evening.",
    "Remember to close every window before you leave the office tonight.",
    "Several people asked about the missing documents during the meeting.",
    "Nobody understands why the train stopped in the middle of the tunnel.",
    "Your payment has been received and the package leaves tomorrow morning.",
    "Please transfer the money before midnight and tell nobody about it.",
    "Doctors recommend drinking water regularly during hot summer days.",
)
Reference = tuple[str, float, float, str, str]
"""Text, start, end, and which kind of start and end it is (the name they are counted under)."""


def timings(model: SpeechModel, audio: NDArray[np.float32], language: str) -> dict[str, list[Word]]:
    """The decoded words of one channel with each timing."""
    regions, chunks = model.speech_regions(audio)
    found = model.decode([audio], [(0, start, end) for start, end in chunks], language, [regions]).chunks
    found = sorted(found, key=lambda chunk: chunk.start)
    snapped = [
        replace(
            one,
            words=snap_to_speech(one.words, [(a, b) for a, b in regions if a < one.end and b > one.start]),
        )
        for one in found
    ]
    placed = WordTimer().time(found, [audio], language, [regions])
    named = {"attention": found, "in speech regions": snapped, "on pauses": placed}
    return {name: [word for chunk in chunks for word in chunk.words] for name, chunks in named.items()}


def errors(words: list[Word], reference: list[Reference]) -> list[tuple[str, float]]:
    """(kind, seconds too late) of every reference edge whose letter was decoded at a word's edge."""
    theirs = [letters(word.text) for word in words]
    owner = [(n, at == 0, at == len(text) - 1) for n, text in enumerate(theirs) for at in range(len(text))]
    ours = [letters(text) for text, *_ in reference]
    same: dict[int, int] = {}
    for op in Levenshtein.opcodes("".join(ours), "".join(theirs)):
        if op.tag == "equal":
            same.update({op.src_start + n: op.dest_start + n for n in range(op.src_end - op.src_start)})
    found, at = [], 0
    for text, (_, start, end, first_kind, last_kind) in zip(ours, reference, strict=True):
        first, last = same.get(at), same.get(at + len(text) - 1)
        at += len(text)
        if text and first is not None and owner[first][1]:
            found.append((first_kind, (words[owner[first][0]].start or 0.0) - start))
        if text and last is not None and owner[last][2]:
            found.append((last_kind, (words[owner[last][0]].end or 0.0) - end))
    return found


def korean(data: Path) -> list[tuple[NDArray[np.float32], str, list[Reference]]]:
    """The calls of ``ko_calls`` with their turns."""
    cases = []
    for line in (data / "ko_calls" / "reference.jsonl").read_text().splitlines():
        row = json.loads(line)
        audio = load_channels(data / "ko_calls" / row["file"])[0]
        turns = []
        for turn in sorted(row["turns"], key=lambda turn: float(turn["start"])):
            part = audio[int(turn["start"] * RATE) : int(turn["end"] * RATE)]
            level = 10 * np.log10(np.mean(part[: len(part) // 160 * 160].reshape(-1, 160) ** 2, axis=1) + 1e-10)
            loud = np.flatnonzero(level > np.quantile(level, 0.95) - 30)
            kinds = [
                f"ko_calls {edge}, {'clean' if quiet <= 10 else 'with silence'}"
                for edge, quiet in (("turn start", loud[0]), ("turn end", len(level) - 1 - loud[-1]))
            ]
            turns.append((turn["text"], turn["start"], turn["end"], kinds[0], kinds[1]))
        cases.append((audio, "ko", turns))
    return cases


def _phones(voice: str, text: str, file: Path | None = None) -> list[tuple[str, float]]:
    command = ["flite", "-voice", voice, "-psdur", "-t", text, str(file) if file else "none"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [(name, float(end)) for name, _, end in (one.partition(":") for one in shown.split())]


def synthetic() -> list[tuple[NDArray[np.float32], str, list[Reference]]]:
    """Sentences by four flite voices, each word's phones counted off; 300-3400 Hz, noise at -50 dBFS."""
    rng, cases = np.random.default_rng(7), []
    band = butter(6, [300, 3400], btype="band", fs=RATE, output="sos")
    with tempfile.TemporaryDirectory() as folder:
        for voice in ("rms", "slt", "awb", "kal16"):
            parts, words, at = [np.zeros(int(0.4 * RATE))], [], 0.4
            for text in SENTENCES:
                phones = _phones(voice, text, Path(folder) / "t.wav")
                sound, rate = soundfile.read(Path(folder) / "t.wav")
                sound = sound if rate == RATE else resample_poly(sound, RATE, rate)
                edges = [0.0, *(end for _, end in phones)]
                spoken = [(edges[n], edges[n + 1]) for n, (name, _) in enumerate(phones) if name != "pau"]
                said = text.split()
                counts = [sum(p != "pau" for p, _ in _phones(voice, re.sub(r"\W", "", one))) for one in said]
                if sum(counts) != len(spoken):
                    raise SystemExit(f"flite speaks {text!r} in other phones than its words; choose another sentence")
                ends = np.cumsum(counts)
                for n, one in enumerate(said):
                    kinds = [f"synthetic word {e}" for e in ("start", "end")]
                    first, last = spoken[ends[n] - counts[n]][0], spoken[ends[n] - 1][1]
                    words.append((one, at + first, at + last, kinds[0], kinds[1]))
                gap = rng.uniform(0.2, 0.9)
                parts += [sound / np.abs(sound).max() * 0.5, np.zeros(int(gap * RATE))]
                at += (len(parts[-2]) + len(parts[-1])) / RATE
            clean = sosfiltfilt(band, np.concatenate(parts))
            audio = (clean + rng.normal(0, 10 ** (-50 / 20), len(clean))).astype(np.float32)
            cases.append((audio, "en", words))
    return cases


def figures(found: list[float]) -> dict[str, float | int]:
    """Of errors in seconds, late above 0."""
    error = np.array(found)
    return {
        "n": len(found),
        "median_abs_s": round(float(np.median(np.abs(error))), 3),
        "p90_abs_s": round(float(np.quantile(np.abs(error), 0.9)), 3),
        "bias_s": round(float(np.median(error)), 3),
    }


def evaluate(data: Path) -> dict[str, Any]:
    """Errors of word times by kind of word and way of timing."""
    model = SpeechModel()
    cases = korean(data) + (synthetic() if shutil.which("flite") else [])
    gathered: dict[str, dict[str, list[float]]] = {}
    for audio, language, reference in cases:
        for name, words in timings(model, audio, language).items():
            for kind, error in errors(words, reference):
                gathered.setdefault(kind, {}).setdefault(name, []).append(error)
    return {kind: {name: figures(found) for name, found in by.items()} for kind, by in sorted(gathered.items())}
