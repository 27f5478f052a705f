"""Copies of a recording in other containers are recognised; other recordings are not."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from include.settings import ROOT
from include.stt.audio import decode
from include.stt.fingerprint import Fingerprint, fingerprint, related, similarity
from include.stt.probe import probe

SAMPLES = sorted((ROOT / "samples").glob("*.m4a"))


def of(path: Path) -> Fingerprint:
    return fingerprint(decode(path, probe(path)).pcm)


@pytest.fixture(scope="module")
def samples() -> dict[str, Fingerprint]:
    return {path.name: of(path) for path in SAMPLES}


@pytest.mark.parametrize(
    "options",
    [
        ("-b:a", "48k", "copy.mp3"),
        ("-c:a", "libopus", "-b:a", "16k", "copy.ogg"),
        ("-c:a", "libopencore_amrnb", "-ar", "8000", "-ac", "1", "copy.amr"),
        ("-ss", "1.37", "-af", "volume=-12dB", "-c:a", "aac", "copy.m4a"),
    ],
    ids=lambda options: options[-1],
)
def test_a_copy_in_another_coding_is_related_and_no_other_recording_is(
    tmp_path: Path, samples: dict[str, Fingerprint], options: tuple[str, ...]
) -> None:
    long = max(SAMPLES, key=lambda path: samples[path.name].duration_s)
    copy = tmp_path / options[-1]
    subprocess.run(["ffmpeg", "-v", "error", "-i", long, *options[:-1], copy], check=True)
    found = of(copy)
    for name, other in samples.items():
        assert related(found, other) == (name == long.name), (name, similarity(found, other))


def test_silence_and_short_clips_are_related_to_nothing() -> None:
    silence = fingerprint(np.zeros((30 * 16000, 1), dtype=np.int16))
    assert len(silence.values) > 100
    assert similarity(silence, silence) == 0.0
    noise = np.random.default_rng(1).normal(0, 3000, (16000 * 3, 1)).astype(np.int16)
    short = fingerprint(noise)
    assert similarity(short, short) == 0.0


def test_a_recording_is_wholly_like_itself_and_its_part(samples: dict[str, Fingerprint]) -> None:
    whole = max(samples.values(), key=lambda one: one.duration_s)
    assert similarity(whole, whole) == 1.0
    part = Fingerprint(whole.values[17:], whole.duration_s - 2)
    assert similarity(whole, part) == similarity(part, whole) == 1.0
    assert similarity(Fingerprint(whole.values, whole.duration_s, "another"), whole) == 0.0
