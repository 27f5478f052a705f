import numpy as np
import pytest

from include.stt import NotMeasured
from include.stt.channels import plan_channels
from include.stt.quality import measure_quality

RATE = 16000
RNG = np.random.default_rng(1)


def bursts(seconds: int, on: list[tuple[float, float]], level: float = 4000) -> np.ndarray:
    audio = RNG.normal(0, 5, seconds * RATE)
    for start, end in on:
        audio[int(start * RATE) : int(end * RATE)] += RNG.normal(0, level, int(end * RATE) - int(start * RATE))
    return audio


def stereo(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.clip(np.stack([left, right], axis=1), -32768, 32767).astype(np.int16)


def test_a_party_per_channel_is_split() -> None:
    pcm = stereo(bursts(20, [(0, 6), (12, 15)]), bursts(20, [(6, 12), (16, 20)]))
    assert plan_channels(pcm).split


@pytest.mark.parametrize("offset", [0.0, 0.3])
def test_a_mono_call_in_two_channels_is_not(offset: float) -> None:
    both = bursts(20, [(0, 6), (12, 15)])
    assert not plan_channels(stereo(both, both * (1 - offset))).split


def test_one_silent_channel_is_not() -> None:
    plan = plan_channels(stereo(bursts(20, [(0, 10)]), np.zeros(20 * RATE)))
    assert not plan.split
    assert "100%" in plan.reason


def test_silence_and_mono() -> None:
    assert not plan_channels(np.zeros((RATE, 2), dtype=np.int16)).split
    assert not plan_channels(np.zeros((RATE, 1), dtype=np.int16)).split


def test_snr_bandwidth_and_clipping() -> None:
    noise = RNG.normal(0, 100, 10 * RATE)
    noise[2 * RATE : 6 * RATE] += 3000 * np.sin(2 * np.pi * 1000 * np.arange(4 * RATE) / RATE)
    quality = measure_quality(noise.astype(np.int16)[:, None], [noise.astype(np.int16)], [[(2.0, 6.0)]], missing_s=-0.1)
    expected = 10 * np.log10((3000**2 / 2) / 100**2)
    assert quality.snr_db == pytest.approx(expected, abs=0.3)
    assert quality.bandwidth_hz == pytest.approx(1000, abs=50)
    assert quality.speech_s == 4.0
    assert quality.missing_s == 0.0
    assert quality.clipping == 0.0
    loud = np.full(RATE, 32767, dtype=np.int16)
    assert measure_quality(loud[:, None], [loud], [[]], missing_s=2.5).clipping == 1.0
    half = np.stack([loud, np.zeros(RATE, dtype=np.int16)], axis=1)  # the mix of both would show none
    assert measure_quality(half, [half.mean(axis=1).astype(np.int16)], [[]], missing_s=0).clipping == 0.5


def test_speech_in_both_channels_counts_once() -> None:
    channel = RNG.normal(0, 999, 4 * RATE).astype(np.int16)
    pcm = np.stack([channel, channel], axis=1)
    quality = measure_quality(pcm, [channel, channel], [[(0.0, 2.0)], [(1.0, 3.0)]], missing_s=0)
    assert quality.speech_s == 3.0


def test_what_can_not_be_measured_says_so() -> None:
    silent = measure_quality(np.zeros((RATE, 1), dtype=np.int16), [np.zeros(RATE, dtype=np.int16)], [[]], missing_s=0)
    assert isinstance(silent.snr_db, NotMeasured)
    assert isinstance(silent.bandwidth_hz, NotMeasured)
    speech = RNG.normal(0, 999, RATE).astype(np.int16)
    full = measure_quality(speech[:, None], [speech], [[(0.0, 1.0)]], missing_s=NotMeasured(reason="no duration"))
    assert isinstance(full.missing_s, NotMeasured)
    assert isinstance(full.snr_db, NotMeasured)
    assert "without speech" in full.snr_db.reason
