"""The sound that the player carries: a compressed working copy of the decoded audio, never the evidence."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from include.errors import ToolError
from include.settings import TEMPORARY

if TYPE_CHECKING:
    import numpy as np

__all__ = ["WorkingAudio", "encode_audio"]

BIT_RATE: Final = {1: "32k", 2: "48k"}
"""AAC-LC at 16 kHz by channels: speech of a telephone loses nothing that one hears, and 70 minutes are 17 to 25 MB."""


@dataclass(frozen=True)
class WorkingAudio:
    """A compressed copy."""

    data: bytes
    sha256: str
    mime: str
    told: str
    """Codec, rate, channels and bit rate, to be printed."""


def encode_audio(channels: Sequence[np.ndarray], sample_rate: int) -> WorkingAudio:
    """AAC in an MP4 file, which Chromium, Safari and Firefox all play; the same sound gives the same bytes.

    The decoded audio is what the transcript's times count in; compressing it instead of the file keeps them right
    where a container's own clock is not.

    Args:
        channels: samples from -1 to 1, all of one length; of more than two the first two are taken.
        sample_rate: Hz.

    Raises:
        ToolError: ffmpeg is missing or failed.
    """
    import numpy as np

    chosen = list(channels)[:2]
    samples = np.empty((len(chosen[0]), len(chosen)), dtype="<i2")
    for at, channel in enumerate(chosen):  # one by one: an hour of one channel is 230 MB as floats
        samples[:, at] = np.clip(channel * np.float32(32768), -32768, 32767)
    rate = BIT_RATE[len(chosen)]
    with tempfile.TemporaryDirectory(prefix=TEMPORARY) as folder:
        path = Path(folder) / "audio.m4a"
        command = [
            "ffmpeg", "-v", "error", "-nostdin", "-threads", "1", "-f", "s16le", "-ar", str(sample_rate),
            "-ac", str(len(chosen)), "-i", "pipe:0", "-map_metadata", "-1", "-c:a", "aac", "-b:a", rate,
            "-fflags", "+bitexact", "-flags:a", "+bitexact", "-movflags", "+faststart", str(path),
        ]  # fmt: skip
        try:
            done = subprocess.run(command, input=samples.data.cast("B"), capture_output=True, check=False)
        except OSError as error:
            raise ToolError("ffmpeg can't be started; install it.") from error
        if done.returncode or not path.is_file():
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
            raise ToolError(f"ffmpeg could not compress the audio for the player ({last[0][:200]}).")
        data = path.read_bytes()
    told = f"AAC-LC, {sample_rate} Hz, {len(chosen)} ch, {rate}bit/s"
    return WorkingAudio(data, hashlib.sha256(data).hexdigest(), "audio/mp4", told)
