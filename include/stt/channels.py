"""Does each channel of a stereo call carry one party?

Call recorders often write one party per channel. Then one channel is much louder than the other most
of the time, now this one, now that one. A stereo microphone or a mono call in two channels is not so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.stt.audio import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ChannelPlan", "plan_channels"]

_FRAME = SAMPLE_RATE // 50
_ACTIVE_DB = -50.0
_DOMINANT_DB = 10.0
_SHARE_DOMINATED = 0.6
_SHARE_EACH = 0.03


@dataclass(frozen=True)
class ChannelPlan:
    """How the channels are transcribed."""

    split: bool
    """True: each channel on its own, speakers ``channel-1``, ``channel-2``. False: mixed to one."""
    reason: str


def _frame_db(channel: NDArray[np.int16]) -> NDArray[np.float32]:
    import numpy as np

    whole = channel[: channel.shape[0] // _FRAME * _FRAME].reshape(-1, _FRAME)
    power = np.empty(whole.shape[0], dtype=np.float32)
    for start in range(0, whole.shape[0], 5000):  # 100 s at a time: flat memory on long calls
        block = whole[start : start + 5000].astype(np.float32) / 32768.0
        power[start : start + 5000] = np.mean(block * block, axis=1)
    level: NDArray[np.float32] = 10.0 * np.log10(power + np.float32(1e-10))
    return level


def plan_channels(pcm: NDArray[np.int16]) -> ChannelPlan:
    """Decide from 20 ms levels whether two channels carry two parties.

    Split when, over frames above -50 dBFS, one channel is 10 dB louder than the other in at least 60 %
    and each channel is the louder one in at least 3 %. The thresholds are this project's own, chosen on the
    samples and a two-channel call; ``bench`` and the tests hold the cases.

    Args:
        pcm: shape (frames, channels), 16 kHz.
    """
    import numpy as np

    if pcm.shape[1] != 2:
        return ChannelPlan(False, "one channel: speakers were not separated (diarization is not part of this version)")
    left, right = _frame_db(pcm[:, 0]), _frame_db(pcm[:, 1])
    active = np.maximum(left, right) > _ACTIVE_DB
    total = int(active.sum())
    if total == 0:
        return ChannelPlan(False, "two silent channels")
    difference = (left - right)[active]
    shares = (float((difference > _DOMINANT_DB).sum()) / total, float((difference < -_DOMINANT_DB).sum()) / total)
    told = f"one channel is 10 dB louder in {shares[0]:.0%} (left) and {shares[1]:.0%} (right) of the active frames"
    if sum(shares) >= _SHARE_DOMINATED and min(shares) >= _SHARE_EACH:
        return ChannelPlan(True, told)
    return ChannelPlan(False, f"the two channels do not carry one party each ({told}): mixed, speakers not separated")
