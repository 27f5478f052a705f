"""Words: character error rate on labelled speech, beside plain WhisperX with the same weights on the same files.

Normaliser: NFKC, lower case, everything but letters and digits removed (spaces too: Korean spacing is not settled),
then edit distance over characters, summed over files before dividing. *cpCER*: each speaker's words in time order,
hypothesis speakers given to reference speakers in the way that costs least (as cpWER of CHiME-6), over characters.
Development data only; nothing of it is written to the output but numbers.
"""

from __future__ import annotations

import json
import math
import subprocess
import tempfile
import time
import unicodedata
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import Any

import jiwer
from rich.progress import track

from include.settings import get_settings
from include.stt import Transcriber, Transcript
from include.stt.engine import resolve_batch_size

__all__ = ["evaluate", "normalise"]


@dataclass(frozen=True)
class Recording:
    """A file and what is said in it."""

    path: Path
    duration_s: float
    turns: list[tuple[str, str]] = field(default_factory=list)
    """(speaker, text) in the order of their start."""

    @property
    def text(self) -> str:
        return " ".join(text for _, text in self.turns)


def normalise(text: str) -> str:
    """NFKC, lower case, letters and digits only."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).lower() if c.isalnum())


def calls(data: Path) -> list[Recording]:
    """``ko_calls``: two-party calls."""
    folder = data / "ko_calls"
    rows = [json.loads(line) for line in (folder / "reference.jsonl").read_text().splitlines()]
    return [
        Recording(folder / row["file"], row["duration"],
                  [(t["speaker"], t["text"]) for t in sorted(row["turns"], key=lambda t: t["start"])])
        for row in rows
    ]  # fmt: skip


def utterances(data: Path) -> list[Recording]:
    """``ko_speech``: single utterances of 2 to 12 s."""
    folder = data / "ko_speech"
    rows = [line.split("\t") for line in (folder / "manifest.tsv").read_text().splitlines()[1:]]
    return [Recording(folder / row[0], float(row[3]), [(row[1], row[2])]) for row in rows]


def plain_whisperx(recordings: list[Recording]) -> tuple[list[str], float]:
    """WhisperX as its README shows it: load_audio, transcribe, text of all segments; seconds without loading."""
    import whisperx

    settings = get_settings()
    model = whisperx.load_model(
        str(settings.models / settings.whisper_model), "cpu", compute_type="int8", language="ko",
        threads=settings.cpu_threads,
    )  # fmt: skip
    started, texts = time.perf_counter(), []
    for one in track(recordings, description="plain whisperx"):
        result = model.transcribe(whisperx.load_audio(str(one.path)), batch_size=resolve_batch_size("cpu"))
        texts.append(" ".join(segment["text"] for segment in result["segments"]))
    return texts, time.perf_counter() - started


def ours(recordings: list[Recording], transcriber: Transcriber) -> tuple[list[Transcript], float]:
    """The product's transcriber, as configured; seconds without loading."""
    transcriber.transcribe(recordings[0].path, language="ko")  # loads the models
    started = time.perf_counter()
    found = [transcriber.transcribe(one.path, language="ko") for one in track(recordings, description="voiceman")]
    return found, time.perf_counter() - started


def cer(recordings: list[Recording], texts: list[str]) -> float:
    """Over all files together."""
    return float(jiwer.cer([normalise(one.text) for one in recordings], [normalise(text) or " " for text in texts]))


def cp_cer(recordings: list[Recording], transcripts: list[Transcript]) -> float:
    """Speaker-attributed error rate, by the best pairing of speakers in each file."""
    errors = total = 0
    for one, transcript in zip(recordings, transcripts, strict=True):
        reference: dict[str, str] = {}
        for speaker, text in one.turns:
            reference[speaker] = reference.get(speaker, "") + normalise(text)
        heard: dict[str, str] = {}
        for segment in transcript.segments:
            for word in segment.words:
                name = word.speaker or segment.speaker or "nobody"
                heard[name] = heard.get(name, "") + normalise(word.text)
        total += sum(map(len, reference.values()))
        errors += _best(list(reference.values()), list(heard.values()))
    return errors / total if total else math.nan


def _best(reference: list[str], heard: list[str]) -> int:
    from rapidfuzz.distance import Levenshtein

    size = max(len(reference), len(heard))
    left = reference + [""] * (size - len(reference))
    heard = sorted(heard + [""] * (size - len(heard)), key=len, reverse=True)
    if size > 6:  # more voices than that: the smallest ones can't be anybody's
        kept, rest = heard[:6], heard[6:]
        left = left[:6]
        return min(_cost(left, list(order), Levenshtein.distance) for order in permutations(kept)) + sum(map(len, rest))
    return min(_cost(left, list(order), Levenshtein.distance) for order in permutations(heard))


def _cost(left: list[str], right: list[str], distance: Any) -> int:
    return sum(distance(a, b) for a, b in zip(left, right, strict=True))


NOISES = {
    "silence": "anullsrc=r=16000", "white noise": "anoisesrc=a=0.1:r=16000:seed=1",
    "pink noise": "anoisesrc=a=0.1:c=pink:r=16000:seed=2", "tone": "sine=f=440:r=16000",
    "chords": "aevalsrc='0.2*sin(2*PI*t*(262+66*floor(mod(t*2\\,4))))+0.2*sin(2*PI*330*t)+0.1*sin(2*PI*392*t)':s=16000",
}  # fmt: skip


def words_in_noise(transcriber: Transcriber) -> dict[str, int]:
    """Words that are found where nobody speaks, in 20 s of each sound, and in 0.4 s of speech-like noise."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, source in NOISES.items():
            for seconds in (20, 0.4):
                path = Path(folder) / "sound.wav"
                subprocess.run(
                    ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, "-t", str(seconds), path], check=True
                )
                made = transcriber.transcribe(path, language="auto")
                found[f"{name}, {seconds} s"] = sum(len(one.text.split()) for one in made.segments)
    return found


def evaluate(data: Path) -> dict[str, Any]:
    """All of it: CER, cpCER, seconds per audio second, words in noise."""
    transcriber = Transcriber()
    result: dict[str, Any] = {"normaliser": normalise.__doc__, "engine": transcriber.engine.model_dump()}
    for name, recordings in (("ko_calls", calls(data)), ("ko_speech", utterances(data))):
        audio_s = sum(one.duration_s for one in recordings)
        transcripts, our_s = ours(recordings, transcriber)
        texts, plain_s = plain_whisperx(recordings)
        own = [" ".join(one.text for one in made.segments) for made in transcripts]
        result[name] = {
            "files": len(recordings), "audio_s": round(audio_s, 1),
            "voiceman": {
                "cer": round(cer(recordings, own), 4), "s_per_audio_s": round(our_s / audio_s, 4),
                "uncovered_s": round(sum(u.end - u.start for made in transcripts for u in made.uncovered_speech), 1),
                "per_file": [round(cer([one], [text]), 3) for one, text in zip(recordings, own, strict=True)][:12],
            },
            "plain_whisperx": {"cer": round(cer(recordings, texts), 4), "s_per_audio_s": round(plain_s / audio_s, 4)},
        }  # fmt: skip
        if name == "ko_calls":
            result[name]["voiceman"]["cp_cer"] = round(cp_cer(recordings, transcripts), 4)
    result["words_in_noise"] = words_in_noise(transcriber)
    return result
