"""What the channels carry: made calls with crosstalk, offsets, rare parties, and what must not be split."""

import numpy as np
import pytest

from include.stt.channels import ChannelKind, plan_channels, select_channels
from include.stt.quality import measure_quality

RATE = 16000


def talk(seconds: int, turns: list[tuple[float, float]], seed: int, level: float = 2500) -> np.ndarray:
    """Noise with a syllable's rhythm, in these turns."""
    rng = np.random.default_rng(seed)
    audio = np.zeros(seconds * RATE)
    for start, end in turns:
        first, last = int(start * RATE), int(end * RATE)
        time = np.arange(last - first) / RATE
        audio[first:last] = rng.normal(0, level, last - first) * (0.35 + 0.65 * np.sin(2 * np.pi * 2 * time) ** 2)
    return audio


def pcm(left: np.ndarray, right: np.ndarray, noise: float = 8) -> np.ndarray:
    rng = np.random.default_rng(9)
    both = np.stack([left, right], axis=1) + rng.normal(0, noise, (left.shape[0], 2))
    return np.clip(both, -32768, 32767).astype(np.int16)


A = talk(60, [(i, i + 2.6) for i in range(0, 60, 6)], 1)
B = talk(60, [(i + 3, i + 5.5) for i in range(0, 60, 6)], 2)
RARE = talk(60, [(40, 43)], 3)


def leak(db: float) -> float:
    return float(10 ** (db / 20))


@pytest.mark.parametrize(
    ("left", "right", "kind"),
    [
        (A + leak(-12) * B, B + leak(-12) * A, "parties"),
        (A + leak(-10) * B, B + leak(-10) * A, "parties"),
        (A + leak(-15) * B, leak(-20) * (B + leak(-15) * A), "parties"),
        (A + leak(-15) * RARE, RARE + leak(-15) * A, "parties"),
        (A + leak(-4) * B, B + leak(-4) * A, "mixed"),
        (A + leak(-6) * B, B + leak(-6) * A, "mixed"),
        (A + B, leak(-25) * (A + B), "mixed"),
        (A + B, A + B, "dual_mono"),
        (A + B, 0.3 * (A + B), "dual_mono"),
        (A + B, -(A + B), "dual_mono"),
    ],
)
def test_kinds(left: np.ndarray, right: np.ndarray, kind: ChannelKind) -> None:
    plan = plan_channels(pcm(left, right, noise=60 if kind == "mixed" else 8))
    assert plan.kind == kind, plan.reason
    assert plan.split == (kind == "parties")


def test_opposite_polarity_does_not_cancel_out() -> None:
    both = pcm(A + B, -(A + B))
    plan = plan_channels(both)
    assert plan.inverted
    (one,) = select_channels(both, plan)
    assert one.astype(float).std() == pytest.approx((A + B).std(), rel=0.02)


def test_a_silent_channel_takes_no_part() -> None:
    both = pcm(A, A)
    both[:, 1] = 0
    plan = plan_channels(both)
    assert plan.kind == "one_sided"
    (one,) = select_channels(both, plan)
    assert np.array_equal(one, both[:, 0])


def test_more_channels_are_said_to_be_mixed() -> None:
    plan = plan_channels(pcm(A, A)[:, :1], coded_channels=8)
    assert plan.kind == "mixed"
    assert plan.reason.startswith("8 channels")


def test_telephone_band_is_measured_in_spite_of_broadband_noise() -> None:
    rng = np.random.default_rng(5)
    spectrum = np.fft.rfft(rng.normal(0, 1, 20 * RATE))
    hertz = np.fft.rfftfreq(20 * RATE, 1 / RATE)
    spectrum[(hertz < 300) | (hertz > 3400)] = 0
    speech = np.fft.irfft(spectrum)
    speech *= 3000 / speech.std()
    audio = rng.normal(0, 300, 40 * RATE)
    audio[: 20 * RATE] += speech
    one = audio.astype(np.int16)
    quality = measure_quality(one[:, None], [one], [[(0.0, 20.0)]], missing_s=0)
    assert quality.bandwidth_hz == pytest.approx(3370, abs=40)
    assert quality.snr_db == pytest.approx(20, abs=0.2)


def test_muted_stretches_are_flagged_and_are_no_quiet_noise() -> None:
    rng = np.random.default_rng(6)
    audio = rng.normal(0, 100, 30 * RATE)
    audio[: 5 * RATE] += rng.normal(0, 3000, 5 * RATE)
    audio[10 * RATE : 25 * RATE] = 0
    one = audio.astype(np.int16)
    quality = measure_quality(one[:, None], [one], [[(0.0, 5.0)]], missing_s=0)
    assert [(flag.kind, flag.at_s, flag.seconds) for flag in quality.flags] == [("digital_silence", 10.0, 15.0)]
    assert quality.snr_db == pytest.approx(20 * np.log10(30), abs=0.3)
