"""Before the device: read a recording, choose its channels, and record what it is. No model is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.stt.audio import SAMPLE_RATE, DecodedAudio, decode, probe
from include.stt.channels import ChannelPlan, plan_channels, select_channels
from include.stt.fingerprint import fingerprint
from include.stt.transcript import RecordingInfo
from include.stt.weights import file_sha256

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from include.stt.audio import Probe

__all__ = ["Prepared", "heard_channels", "load_channels", "load_pcm", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """A recording that is read and not yet transcribed."""

    name: str
    language: str
    """As asked for: a Whisper code, or ``auto``."""
    audio: DecodedAudio
    plan: ChannelPlan
    pcm: list[NDArray[np.int16]]
    """What is transcribed: one array a channel, (samples,), 16 kHz."""
    recording: RecordingInfo

    @property
    def duration_s(self) -> float:
        """Seconds of audio."""
        return self.audio.duration_s

    def channels(self) -> list[NDArray[np.float32]]:
        """What is transcribed as float32, -1 to 1: made anew each time, for a long call has no room for both."""
        return [_as_float(one) for one in self.pcm]


def prepare(path: Path, *, language: str = "auto", name: str | None = None) -> Prepared:
    """Read a recording.

    Args:
        path: a local file in any format ffmpeg reads.
        language: a Whisper language code, or ``auto``.
        name: what to call the recording in an error.

    Raises:
        AudioError: it can't be decoded, or part of it is missing.
        ToolError: ffmpeg is missing or lacks a decoder.
    """
    name = name or path.name
    found = probe(path, name=name)
    audio = decode(path, found, name=name)
    plan = plan_channels(audio.pcm, coded_channels=found.channels)
    return Prepared(name, language, audio, plan, select_channels(audio.pcm, plan), _recording(path, found, audio))


def load_channels(path: Path, *, name: str | None = None) -> list[NDArray[np.float32]]:
    """Decode a recording for analysis: one float32 array (-1 to 1, 16 kHz) a channel.

    Raises:
        AudioError: it can't be decoded.
    """
    audio = decode(path, probe(path, name=name), name=name)
    return [_as_float(audio.pcm[:, index]) for index in range(audio.pcm.shape[1])]


def load_pcm(path: Path, *, name: str | None = None) -> NDArray[np.int16]:
    """Decode a recording for pictures of it: shape (frames, channels), 16-bit, 16 kHz; half the memory of floats.

    Raises:
        AudioError: it can't be decoded.
    """
    return decode(path, probe(path, name=name), name=name).pcm


def heard_channels(path: Path, *, name: str | None = None) -> list[NDArray[np.int16]]:
    """What of a recording is transcribed: one array a channel, (samples,), 16 kHz, as :func:`prepare` chooses them.

    Raises:
        AudioError: it can't be decoded.
    """
    found = probe(path, name=name)
    audio = decode(path, found, name=name)
    return select_channels(audio.pcm, plan_channels(audio.pcm, coded_channels=found.channels))


def _as_float(pcm: NDArray[np.int16]) -> NDArray[np.float32]:
    import numpy as np

    # one array of that size, not two; a power of two: exact
    made: NDArray[np.float32] = np.multiply(pcm, np.float32(1 / 32768), dtype=np.float32)
    return made


def _recording(path: Path, found: Probe, audio: DecodedAudio) -> RecordingInfo:
    return RecordingInfo(
        sha256=file_sha256(path),
        size_bytes=path.stat().st_size,
        duration_s=round(audio.pcm.shape[0] / SAMPLE_RATE, 3),
        container_duration_s=found.duration_s,
        container=found.container,
        codec=found.codec,
        channels=found.channels,
        sample_rate=found.sample_rate,
        pcm_sha256=audio.sha256,
        decoder=audio.decoder,
        messages=audio.messages,
        fingerprint=fingerprint(audio.pcm).text(),
    )
