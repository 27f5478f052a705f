"""What the channels of a recording carry: one party each, the same twice, one of them nothing, or a mixture.

Call recorders often write one party per channel. Then one channel is much louder than the other most
of the time, now this one, now that one. A stereo microphone or a mono call in two channels is not so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from include.stt.audio import SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ChannelKind", "ChannelPlan", "plan_channels", "select_channels"]

ChannelKind = Literal["mono", "parties", "dual_mono", "one_sided", "mixed", "silent"]
"""``parties``: one in each channel. ``dual_mono``: both carry the same. ``one_sided``: one of them carries nothing."""

_FRAME = SAMPLE_RATE // 50
_BLOCK = SAMPLE_RATE * 100  # 100 s at a time: flat memory on long calls
_SILENT_DB = -75.0  # below this a channel carries nothing: 6 of 16 bits' steps
_FLOOR_DB = -70.0
_ABOVE_FLOOR_DB = 12.0
_DOMINANT_DB = 8.0
_SMOOTH = 5  # frames: 100 ms
_SHARE_DOMINATED = 0.6
_SHARE_EACH = 0.03
_LEAST_EACH_S = 2.0
_LEAST_RUN = 15  # frames: 0.3 s
_RESIDUAL = 0.01  # of the whole energy: -20 dB
_RESIDUAL_SECOND = 0.05  # of one second's
_NOISE_DB = -60.0  # or not more than a codec's noise
_SHARE_SAME = 0.98


@dataclass(frozen=True)
class ChannelPlan:
    """How the channels are transcribed."""

    split: bool
    """True: each channel on its own, speakers ``channel-1``, ``channel-2``. False: mixed to one."""
    reason: str
    kind: ChannelKind = "mixed"
    inverted: bool = False
    """The channels are of opposite polarity: one is turned round before mixing, or they would cancel out."""


def plan_channels(pcm: NDArray[np.int16], *, coded_channels: int | None = None) -> ChannelPlan:
    """Decide whether two channels carry two parties, and what they carry otherwise.

    *Dual mono*: the second channel is the first one times a constant of either sign, but for 1 % of the energy, and in
    98 % of the active seconds but for 5 % of theirs. *Parties*: levels over 100 ms, less the offset between the
    channels' levels; over the frames in which a channel is 12 dB above its own noise, one of them stands out by 8 dB
    in at least 60 %, and each one does in at least 3 %, or for 2 s where one party hardly speaks. The thresholds are
    this project's own, chosen on the samples, a two-channel call and mixtures with crosstalk made from single
    utterances (crosstalk of -10 dB is still split, two microphones that differ by 8 dB are not); the tests hold the
    cases.

    Args:
        pcm: shape (frames, channels), 16 kHz.
        coded_channels: channels of the file, when decoding mixed more than two to one.
    """
    if coded_channels is not None and coded_channels > 2:
        return ChannelPlan(False, f"{coded_channels} channels: mixed to one, speakers not separated", "mixed")
    if pcm.shape[1] != 2:
        return ChannelPlan(False, "one channel", "mono")
    return _plan_two(pcm)


def _plan_two(pcm: NDArray[np.int16]) -> ChannelPlan:
    left, right = _frame_db(pcm[:, 0]), _frame_db(pcm[:, 1])
    loudest = float(left.max(initial=-100.0)), float(right.max(initial=-100.0))
    if max(loudest) <= _SILENT_DB:
        return ChannelPlan(False, "two silent channels", "silent")
    shares, seconds = _standing_out(left, right)
    told = f"one channel stands out by 8 dB in {shares[0]:.0%} (left) and {shares[1]:.0%} (right) of the active frames"
    gain, same = _likeness(pcm)
    if same >= _SHARE_SAME:
        return ChannelPlan(
            False,
            f"both channels carry the same sound in {same:.0%} of the active seconds: taken as one, "
            "speakers not separated",
            "dual_mono",
            inverted=gain < 0,
        )
    if _enough(shares, seconds):
        return ChannelPlan(True, told, "parties")
    if min(loudest) <= _SILENT_DB:
        return ChannelPlan(False, f"only one channel carries sound ({told}): speakers not separated", "one_sided")
    return ChannelPlan(
        False,
        f"the two channels do not carry one party each ({told}): mixed, speakers not separated",
        "mixed",
        inverted=gain < -0.5,
    )


def select_channels(pcm: NDArray[np.int16], plan: ChannelPlan) -> list[NDArray[np.int16]]:
    """The channels to transcribe: each on its own when they are split, else one mixture.

    Channels of opposite polarity are mixed so that they add; a channel that carries nothing takes no part.
    """
    import numpy as np

    if pcm.shape[1] == 1:
        return [pcm[:, 0]]
    if plan.split:
        return [pcm[:, 0], pcm[:, 1]]
    if plan.kind == "one_sided":
        left, right = (int(np.abs(pcm[:, index].astype(np.int32)).max(initial=0)) for index in (0, 1))
        return [pcm[:, 0 if left >= right else 1]]
    mixed = np.empty(pcm.shape[0], dtype=np.int16)
    for start, block in _blocks(pcm):
        wide = block.astype(np.int32)
        one = wide[:, 0] - wide[:, 1] if plan.inverted else wide[:, 0] + wide[:, 1]
        mixed[start : start + block.shape[0]] = one // 2
    return [mixed]


def _blocks(pcm: NDArray[np.int16]) -> Iterator[tuple[int, NDArray[np.int16]]]:
    for start in range(0, pcm.shape[0], _BLOCK):
        yield start, pcm[start : start + _BLOCK]


def _frame_db(channel: NDArray[np.int16]) -> NDArray[np.float32]:
    """Level of each 20 ms, dBFS (a square wave at full scale: 0)."""
    import numpy as np

    power = [np.empty(0, dtype=np.float32)]
    for _, block in _blocks(channel):
        whole = block[: block.shape[0] // _FRAME * _FRAME].reshape(-1, _FRAME).astype(np.float32) / 32768.0
        power.append(np.mean(whole * whole, axis=1))
    level: NDArray[np.float32] = 10.0 * np.log10(np.concatenate(power) + np.float32(1e-10))
    return level


def _standing_out(left: NDArray[np.float32], right: NDArray[np.float32]) -> tuple[tuple[float, float], float]:
    """For each channel the share of the active frames in which it stands out, and the seconds of the one with fewer.

    Channels may be recorded at different levels: of the offsets of up to 40 dB the one counts that splits best.
    """
    import numpy as np

    smooth, speaks = [], []
    for level in (left, right):
        even = np.convolve(level, np.full(_SMOOTH, 1 / _SMOOTH), mode="same") if level.size >= _SMOOTH else level
        smooth.append(even)
        speaks.append(even > max(float(np.percentile(even, 10)), _FLOOR_DB) + _ABOVE_FLOOR_DB)
    active = speaks[0] | speaks[1]
    total = max(int(active.sum()), 1)
    difference = smooth[0] - smooth[1]
    best = (0.0, 0.0), 0.0
    for offset in sorted(range(-40, 41, 2), key=abs):
        first = speaks[0] & (difference > offset + _DOMINANT_DB)
        second = speaks[1] & (difference < offset - _DOMINANT_DB)
        shares = float(first.sum()) / total, float(second.sum()) / total
        seconds = min(_in_runs(first), _in_runs(second))
        if offset == 0 or (_enough(shares, seconds) and (sum(shares) > sum(best[0]) + 0.02 or not _enough(*best))):
            best = shares, seconds
    return best


def _enough(shares: tuple[float, float], seconds: float) -> bool:
    return sum(shares) >= _SHARE_DOMINATED and seconds > 0 and (min(shares) >= _SHARE_EACH or seconds >= _LEAST_EACH_S)


def _in_runs(mask: NDArray[np.bool_]) -> float:
    """Seconds of a mask of 20 ms frames that lie in runs long enough for a word: echoes trail by less."""
    import numpy as np

    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    runs = edges[1::2] - edges[::2]
    return float(runs[runs >= _LEAST_RUN].sum()) * 0.02


def _likeness(pcm: NDArray[np.int16]) -> tuple[float, float]:
    """The constant that makes the second channel of the first, and the share of active seconds in which it does."""
    import numpy as np

    sums = [np.zeros((0, 3))]
    for _, block in _blocks(pcm):
        whole = block[: block.shape[0] // SAMPLE_RATE * SAMPLE_RATE].reshape(-1, SAMPLE_RATE, 2).astype(np.float32)
        one, two = whole[:, :, 0], whole[:, :, 1]
        products = [np.einsum("ij,ij->i", a, b) for a, b in ((one, one), (two, two), (one, two))]
        sums.append(np.stack(products, axis=1).astype(np.float64))
    left, right, both = np.concatenate(sums).T
    gain = float(both.sum() / left.sum()) if left.sum() > 0 else 0.0
    limit = SAMPLE_RATE * 32768.0**2 * 10 ** (_SILENT_DB / 10)
    active = (left > limit) | (right > limit)
    # what is left of the second channel when the first, times the constant, is taken away
    rest = np.maximum(right - 2 * gain * both + gain * gain * left, 0.0)
    same = (rest < _RESIDUAL_SECOND * right) | (rest < SAMPLE_RATE * 32768.0**2 * 10 ** (_NOISE_DB / 10))
    if right.sum() == 0 or gain == 0 or rest.sum() > _RESIDUAL * right.sum():
        return gain, 0.0
    return gain, float((same & active).sum() / max(int(active.sum()), 1))
