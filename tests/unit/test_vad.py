"""Silero in pieces: what faster-whisper's own loop gives, without its copies."""

import itertools
import tracemalloc

import numpy as np
import pytest
from faster_whisper import vad

from include.settings import ROOT
from include.stt import guards, probe, silero
from include.stt.audio import SAMPLE_RATE, decode
from include.stt.prepare import _as_float
from include.stt.vad import PARAMETERS

HOW = PARAMETERS["silero"]
OPTIONS = vad.VadOptions(
    threshold=HOW["onset"], neg_threshold=HOW["offset"], min_speech_duration_ms=round(HOW["min_speech_s"] * 1000),
    min_silence_duration_ms=round(HOW["min_silence_s"] * 1000), speech_pad_ms=round(HOW["pad_s"] * 1000),
)  # fmt: skip


@pytest.mark.parametrize("left_over", [0, 1, 500])
def test_the_same_probabilities_as_faster_whispers(left_over: int, monkeypatch: pytest.MonkeyPatch) -> None:
    path = ROOT / "samples" / "threat.m4a"
    sound = _as_float(decode(path, probe(path), name=path.name).pcm[:, 0])
    audio = sound[: 9 * SAMPLE_RATE // 512 * 512 + left_over]
    monkeypatch.setattr(silero, "_BATCH", 100)
    theirs = vad.get_vad_model()(np.pad(audio, (0, 512 - len(audio) % 512))).reshape(-1)
    ours = silero.probabilities(audio)
    assert ours.shape == theirs.shape
    assert np.allclose(ours, theirs, atol=1e-6)
    assert (ours > 0.9).any()


def test_the_same_regions_as_faster_whispers(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(3)
    for count, slow in itertools.product(range(1, 120, 7), (1, 3, 12)):
        likely = (np.repeat(random.random(count), slow)[:count] ** 2).astype(np.float32)
        samples = count * 512 - int(random.integers(1, 513))
        monkeypatch.setattr(vad, "get_vad_model", lambda likely=likely: lambda _: likely)
        theirs = vad.get_speech_timestamps(np.zeros(samples, np.float32), OPTIONS, SAMPLE_RATE)
        ours = silero.regions_of(likely, samples, **HOW)
        assert ours == [(one["start"] / SAMPLE_RATE, one["end"] / SAMPLE_RATE) for one in theirs]


def test_a_long_recording_is_not_copied() -> None:
    """Its noise floor took sixteen bytes a sample: a gigabyte of 70 minutes."""
    pcm = np.random.default_rng(0).integers(-900, 900, 600 * SAMPLE_RATE).astype(np.int16)
    tracemalloc.start()
    audio = _as_float(pcm)
    made = tracemalloc.get_traced_memory()[1]
    guards.noise_floor(audio)
    beside = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert made < 1.1 * audio.nbytes
    assert beside < 1.5 * audio.nbytes
    assert np.array_equal(audio, pcm.astype(np.float32) / np.float32(32768))
