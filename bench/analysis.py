"""What an analysis costs: CPU seconds and memory of calls of several lengths, each in a process of its own.

``PYTHONPATH=. .venv/bin/python bench/analysis.py [--minutes 10 70] [--channels 2]``. The words are harmless Korean
turns of the project's own corpus and a threat in every hundredth; the sound is a synthetic voice (pulses through two
resonances, with pauses), so that Praat has as much to do as with speech. One core: ``OMP_NUM_THREADS`` is set to 1.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from include.stt import Transcript

RATE = 16000
SHA = "0" * 64


def voice(seconds: float, hertz: float) -> NDArray[np.float32]:
    """Pulses through two resonances with slowly moving pitch, loudness and pauses."""
    import numpy as np
    from scipy.signal import lfilter

    count = int(seconds * RATE)
    at = np.arange(count) / RATE
    pitch = hertz * (1 + 0.15 * np.sin(2 * np.pi * at / 3.1))
    pulses = np.diff(np.floor(np.cumsum(pitch) / RATE), prepend=0.0)
    for formant, width in ((550, 90), (1500, 120)):
        radius = np.exp(-np.pi * width / RATE)
        pulses = lfilter([1.0], [1.0, -2 * radius * np.cos(2 * np.pi * formant / RATE), radius**2], pulses)
    loud = (np.sin(2 * np.pi * at / 1.7) > -0.6) * (1 + 0.3 * np.sin(2 * np.pi * at / 7.3))
    noise = np.random.default_rng(1).normal(0, 0.0005, count)
    sound = pulses * loud / (np.abs(pulses).max() + 1e-9) * 0.4 + noise
    return sound.astype(np.float32)


def call(minutes: float, channels: int) -> Transcript:
    """A two-party call of harmless turns, about 4.5 syllables a second, with a threat in every hundredth turn."""
    from include.forensic.learned import own_examples
    from include.stt import Engine, Quality, RecordingInfo, Segment, SpeakerInfo, Transcript, Word

    lines = [
        turn for one in own_examples() if not one.labels for turn in one.turns if any("가" <= c <= "힣" for c in turn)
    ]
    names = [f"channel-{at + 1}" for at in range(2)] if channels == 2 else ["speaker-1", "speaker-2"]
    segments: list[Segment] = []
    now = 0.3
    while now < minutes * 60 - 8:
        number = len(segments)
        text = "너 진짜 죽여 버릴 거야" if number % 100 == 99 else lines[number * 7 % len(lines)]
        words, start = [], now
        for word in text.split():
            length = max(len(word) / 4.5, 0.15)
            words.append(
                Word(text=word, start=round(now, 2), end=round(now + length, 2), score=0.8, timing="attention")
            )
            now += length
        segments.append(
            Segment(start=start, end=now, speaker=names[number % 2], text=text, confidence=0.8, words=words)
        )
        now += 0.4
    return Transcript(
        recording=RecordingInfo(
            sha256=SHA, size_bytes=1, duration_s=minutes * 60, container_duration_s=None, container="wav",
            codec="pcm_s16le", channels=channels, sample_rate=RATE, pcm_sha256=SHA, decoder="made for a benchmark",
        ),
        language="ko", language_probability=0.9, language_source="detected",
        engine=Engine(
            name="none", versions={}, model="none", weights={}, parameters={}, settings_digest=SHA, device="cpu"
        ),
        speakers=SpeakerInfo(method="channel" if channels == 2 else "diarization", speakers=names),
        segments=segments,
        quality=Quality(speech_s=minutes * 45, snr_db=35.0, bandwidth_hz=6000.0, clipping=0.0, missing_s=0.0),
        created_at="2026-01-01T00:00:00Z",
    )  # fmt: skip


def measure(minutes: float, channels: int) -> dict[str, float]:
    """One analysis in this process: seconds of CPU, and how much it added to the memory before it."""
    import numpy as np

    from include import forensic

    transcript = call(minutes, channels)
    # a minute, repeated: making an hour at once would be the peak of the memory
    sound = [np.tile(voice(60, hertz), int(minutes)) for hertz in (120.0, 210.0)[:channels]]
    forensic.located(call(0.5, channels))  # models load outside the figure; their time is told apart
    loaded = time.process_time()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    words = forensic.located(transcript)
    language = time.process_time() - loaded
    result = forensic.analyze_transcript(
        transcript, transcript_name="t.json", transcript_sha256=SHA, channels=sound, sample_rate=RATE, words=words
    )
    total = time.process_time() - loaded
    findings = result.findings if isinstance(result.findings, list) else []
    return {
        "minutes": minutes,
        "turns": len(transcript.segments),
        "findings by rule": sum(one.found_by == "rule" for one in findings),
        "findings by model": sum(one.found_by == "model" for one in findings),
        "load CPU s": round(loaded, 1),
        "language CPU s": round(language, 1),
        "voice CPU s": round(total - language, 1),
        "CPU s": round(total, 1),
        "audio MiB": round(sum(one.nbytes for one in sound) / 2**20),
        "MiB before": round(before),
        "MiB more": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before),
        "document KiB": round(len(result.to_json()) / 1024),
    }


def main() -> None:
    """Measure each length in a fresh process and print a line of JSON for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, nargs="+", default=[10.0, 70.0], help="whole")
    parser.add_argument("--channels", type=int, choices=(1, 2), default=2)
    parser.add_argument("--here", action="store_true", help="measure in this process")
    given = parser.parse_args()
    for minutes in given.minutes:
        if given.here:
            print(json.dumps(measure(minutes, given.channels)), flush=True)
            continue
        command = [sys.executable, "-W", "ignore", __file__, "--here", "--minutes", str(minutes)]
        subprocess.run(
            [*command, "--channels", str(given.channels)], check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )


if __name__ == "__main__":
    main()
