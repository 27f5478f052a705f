"""How many voices are found in recordings of 1 to 15 speakers, 1 to 70 minutes: ``python bench/many_voices.py``.

There are no labelled calls of that kind. So recordings are drawn from what the voice network measures on single
utterances of known speakers: each speaker's mean, the spread from utterance to utterance and the spread from window to
window (neighbours overlap: they share half of it), each half the speaker's own and half everybody's. Nothing repeats.
The network and the audio of a whole call take no part: numbers compare ways to cluster, they promise no error rate.

Prints, for the cosine alone (as it was before) and for both cuts: the number found, and the share of the speech that
is given to a wrong speaker at the best assignment of names.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from include.stt import voice_clusters
from include.stt.senko_backend import turns_of
from include.stt.speech_frames import PARAMETERS, Frames, frame_at, look_at, pieces_of, windows_of
from include.stt.voices import FRAME_S, Voices

RATE = 16_000
SETS = {"ko_speech": ["ko_speech"], "acted": ["ko_emotion", "en_emotion_acted"]}
SETS["all"] = [one for names in list(SETS.values()) for one in names]
MOST_EACH = 20
CASES = [(n, m) for n in (1, 2, 3, 4, 6, 8, 10, 12, 15) for m in (1, 3, 10, 70) if 60 * m / n >= 15]


def phone(path: Path, seed: int) -> NDArray[np.float32]:
    """At most 25 s, 300 to 3,400 Hz, noise at 25 dB."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-ac", "1", "-ar", str(RATE)]
    command += ["-af", "highpass=f=300,lowpass=f=3400", "-t", "25", "-f", "s16le", "-"]
    pcm = subprocess.run(command, capture_output=True, check=True).stdout
    sound = np.frombuffer(pcm, np.int16).astype(np.float32) / 32768
    noise = np.random.default_rng(seed).normal(0, 1, len(sound)).astype(np.float32)
    noisy: NDArray[np.float32] = (sound + noise * np.sqrt(np.mean(sound**2)) * 10 ** (-25 / 20)).astype(np.float32)
    return noisy


def measure(data: Path, keep: Path) -> None:
    """Voice vectors of the utterances, kept for the next run: (windows, 192), each with utterance and speaker."""
    voices = Voices()
    vectors: list[NDArray[np.float32]] = []
    utterances: list[int] = []
    speakers: list[str] = []
    for name in SETS["all"]:
        rows = list(csv.DictReader((data / name / "manifest.tsv").open(encoding="utf-8"), delimiter="\t"))
        seen: dict[str, int] = {}
        for row in rows:
            seen[row["speaker"]] = seen.get(row["speaker"], 0) + 1
            if seen[row["speaker"]] > MOST_EACH:
                continue
            audio = phone(data / name / row["path"], len(vectors))
            frames = look_at(voices.segment(audio), len(audio) / RATE)
            windows = [window for piece in pieces_of(frames) for window in windows_of(piece, frames)]
            if windows:
                vectors.append(voices.embed(audio, windows))
                utterances += [len(vectors)] * len(windows)
                speakers += [f"{name}/{row['speaker']}"] * len(windows)
    np.savez(keep, vectors=np.concatenate(vectors), utterance=np.array(utterances), speaker=np.array(speakers))


class Drawn:
    """Speakers from whom windows can be drawn."""

    def __init__(self, kept: Any, sets: list[str]) -> None:
        vectors, utterance, speaker = kept["vectors"], kept["utterance"], kept["speaker"]
        self.names = sorted({one for one in speaker.tolist() if one.split("/")[0] in sets})
        self.mean: dict[str, NDArray[np.float32]] = {}
        self.spread: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}
        for name in self.names:
            said = [vectors[utterance == one] for one in np.unique(utterance[speaker == name])]
            self.mean[name] = np.concatenate(said).mean(0)
            long = [one for one in said if len(one) >= 2]
            between = np.array([one.mean(0) - self.mean[name] for one in long])
            within = np.concatenate([(one - one.mean(0)) * np.sqrt(len(one) / (len(one) - 1)) for one in long])
            self.spread[name] = between, within
        self.between, self.within = (np.concatenate([one[at] for one in self.spread.values()]) for at in (0, 1))

    def windows(self, random: np.random.Generator, name: str, count: int) -> NDArray[np.float32]:
        """Unit vectors of one utterance."""

        def some(rows: int, own: NDArray[np.float32], all_of: NDArray[np.float32]) -> NDArray[np.float64]:
            parts = [random.normal(0, 1, (rows, len(one))) @ one / np.sqrt(2 * len(one)) for one in (own, all_of)]
            return np.asarray(parts[0] + parts[1])

        between, within = self.spread[name]
        each = some(count + 1, within, self.within)
        found = self.mean[name] + some(1, between, self.between) + (each[:-1] + each[1:]) / np.sqrt(2)
        unit: NDArray[np.float32] = (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)
        return unit


def draw(voices: Drawn, speakers: int, minutes: float, seed: int) -> tuple[Frames, Any, Any, NDArray[np.intp]]:
    """A recording: frames, windows, vectors, and who speaks in each frame (-1: nobody)."""
    random = np.random.default_rng(seed)
    who = random.choice(voices.names, speakers, replace=False).tolist()
    share = np.maximum(random.dirichlet(np.full(speakers, 4.0)), 0.25 / speakers)
    at, spans, windows, vectors = 0.3, [], [], []
    width, hop = PARAMETERS["window_s"], PARAMETERS["hop_s"]
    while at < minutes * 60:
        one = int(random.choice(speakers, p=share / share.sum()))
        length = float(np.clip(random.lognormal(1.0, 0.7), 0.8, 15))  # seconds: median 2.7
        count = max(round((length - width) / hop), 0) + 1
        starts = at + np.arange(count) * max(length - width, 0) / max(count - 1, 1)
        windows += [(float(start), float(start) + min(length, width)) for start in starts]
        vectors.append(voices.windows(random, who[one], count))
        spans.append((at, at + length, one))
        at += length + random.uniform(0.05, 0.6)
    total = frame_at(at) + 1
    speech, changes, truth = np.zeros(total, bool), np.zeros(total, bool), np.full(total, -1)
    for start, end, one in spans:
        speech[frame_at(start) : frame_at(end)] = changes[frame_at(start)] = True
        truth[frame_at(start) : frame_at(end)] = one
    return Frames(speech, np.zeros(total, bool), changes, total * FRAME_S), windows, np.concatenate(vectors), truth


def judged(turns: Any, truth: NDArray[np.intp]) -> tuple[int | None, float]:
    """Voices found (None: said to be unclear), share of the speech given to a wrong one."""
    from scipy.optimize import linear_sum_assignment

    if turns is None:
        return None, 1.0
    names = sorted({one.speaker for one in turns})
    got = np.full(len(truth), -1)
    for one in turns:
        got[frame_at(one.start) : frame_at(one.end)] = names.index(one.speaker)
    both = np.zeros((int(truth.max()) + 1, len(names)))
    heard = (truth >= 0) & (got >= 0)
    np.add.at(both, (truth[heard], got[heard]), 1)
    rows, columns = linear_sum_assignment(-both)
    return len(names), 1 - float(both[rows, columns].sum()) / int((truth >= 0).sum())


def cosine_alone() -> Any:
    """As before: the first cut whose means differ enough, with no look at the gaps."""
    return mock.patch.multiple(
        voice_clusters, merged=lambda points, *_: points[:1], refuted=lambda *_: False,
        mixtures=lambda _points, _weight, means: np.zeros(len(means), bool),
    )  # fmt: skip


def main() -> None:
    """Draw, cluster, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--vectors", type=Path, required=True, help="kept voice vectors (.npz); made when missing")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--seeds", type=int, default=2)
    args = parser.parse_args()
    if not args.vectors.is_file():
        measure(args.data, args.vectors)
    kept = np.load(args.vectors)
    for name in args.sets.split(","):
        voices = Drawn(kept, SETS[name])
        lengths = [float(np.linalg.norm(one)) for one in voices.mean.values()]
        print(f"{name}: {len(lengths)} voices, length of the mean {min(lengths):.2f} to {max(lengths):.2f}", flush=True)
        for speakers, minutes in CASES:
            if speakers > len(voices.names):
                continue
            rows: dict[str, list[Any]] = {"before": [], "now": []}
            for seed in range(args.seeds if minutes < 70 else 1):
                frames, windows, vectors, truth = draw(voices, speakers, minutes, 1000 * speakers + 10 * minutes + seed)
                with cosine_alone():
                    rows["before"].append(judged(turns_of(frames, windows, vectors, None), truth))
                began = time.process_time()
                rows["now"].append(judged(turns_of(frames, windows, vectors, None), truth))
                spent = time.process_time() - began
            row: dict[str, Any] = {"set": name, "speakers": speakers, "minutes": minutes, "cpu_s": round(spent, 1)}
            for way, found in rows.items():
                row[way] = [count for count, _ in found]
                row[f"{way}_wrong"] = round(float(np.mean([wrong for _, wrong in found])), 3)
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
