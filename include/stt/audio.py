"""Decode: any phone format to 16 kHz PCM with ffmpeg, and notice what is missing.

One ffmpeg decodes once and writes three streams, read as they come: the PCM at 16 kHz, the times of the decoded frames
(``framecrc``: :class:`include.stt.loss.Timeline`), and, where the rate differs, the PCM at its own rate, in which
clipping is counted and which is then forgotten. Only the 16 kHz PCM is kept, once.
"""

from __future__ import annotations

import hashlib
import os
import selectors
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from include.errors import AudioError
from include.settings import get_settings
from include.stt.clipping import ClippingCounter, full_scale
from include.stt.loss import Timeline, find_loss, refuse_loss
from include.stt.probe import (
    INPUT_OPTIONS,
    Probe,
    clean_messages,
    decoder_options,
    ffmpeg_version,
    file_url,
    probe,
    tool,
)
from include.stt.transcript import NotMeasured, QualityFlag

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["SAMPLE_RATE", "DecodedAudio", "Probe", "decode", "probe"]

SAMPLE_RATE = 16_000
"""Hz of every decoded channel: what Whisper and the voice activity detector take."""

_STALLED_S = 120
_TIMEOUT_S = 1800
_BLOCK = 1 << 20
_MOST_MESSAGE_BYTES = 2_000_000
_COUNTED_CHANNELS = 8  # clipping of more is not counted before resampling


@dataclass(frozen=True)
class DecodedAudio:
    """A whole recording as 16-bit PCM."""

    pcm: NDArray[np.int16]
    """Shape (frames, channels), 16 kHz; one or two channels."""
    sha256: str
    """Of the interleaved little-endian PCM."""
    decoder: str
    messages: list[str]
    flags: list[QualityFlag] = field(default_factory=list)
    """Lost audio, decoder errors, jumps, clipping: what is known without looking for speech."""
    missing_s: float | NotMeasured = 0.0
    """Audio declared (header, time stamps, structure) and not decoded, seconds."""
    clipping: float | None = None
    """Share of samples at full scale before resampling, 0–1, all channels."""

    @property
    def duration_s(self) -> float:
        """Seconds of audio."""
        return float(self.pcm.shape[0]) / SAMPLE_RATE


def decode(path: Path, found: Probe, *, name: str | None = None) -> DecodedAudio:
    """Decode to 16 kHz, 16-bit PCM, streaming into one array; more than two channels are mixed to one, each with the
    same weight.

    Raises:
        AudioError: nothing decodes, ffmpeg hangs, the recording is longer than allowed, or seconds are missing.
        ToolError: ffmpeg or a decoder is missing.
    """
    import numpy as np

    name = name or path.name
    channels = found.channels if found.channels <= 2 else 1
    options, output = decoder_options(found, name), _output(found.channels)
    limit = int(get_settings().max_audio_s * SAMPLE_RATE) * channels * 2
    digest, data, timeline = hashlib.sha256(), bytearray(), Timeline()
    clipped = ClippingCounter(found.channels, found.sample_rate, full_scale(found.codec))

    as_coded = found.sample_rate == SAMPLE_RATE and found.channels == channels

    def keep(block: bytes) -> None:
        digest.update(block)
        if as_coded:
            clipped.feed(block)
        data.extend(block)
        if len(data) > limit:
            hours = get_settings().max_audio_s / 3600
            raise AudioError(f"{name} is longer than {hours:g} h (VOICEMAN_MAX_AUDIO_S); split it or raise the limit.")

    begin = [tool("ffmpeg"), "-nostdin", "-hide_banner", "-v", "error", "-copyts", "-err_detect", "crccheck"]
    command = [*begin, *INPUT_OPTIONS, *options, "-i", file_url(path)]
    native = ["-map", "0:a:0", "-vn", "-c:a", "pcm_s16le"]
    streams: list[tuple[list[str], Callable[[bytes], None]]] = [
        (output, keep),
        ([*native, "-f", "framecrc"], timeline.feed),
    ]
    if not as_coded and found.channels <= _COUNTED_CHANNELS:
        streams.append(([*native, "-f", "s16le"], clipped.feed))
    code, said = _run(command, streams, name)
    messages = clean_messages(said, path, most=20)
    frames = len(data) // (2 * channels)
    if frames == 0:
        why = f" ({messages[-1]})" if messages else ""
        raise AudioError(f"{name} holds no audio that can be decoded{why}; ask for the complete file.")
    loss = find_loss(path, found, frames / SAMPLE_RATE, timeline, clean_messages(said, path))
    if code != 0:
        messages.append(f"ffmpeg ended with code {code}")
    if found.audio_streams > 1:
        messages.append(f"the file holds {found.audio_streams} audio streams; the first was decoded")
    if not get_settings().accept_damaged:
        refuse_loss(name, frames / SAMPLE_RATE, loss)
    return DecodedAudio(
        pcm=np.frombuffer(data, dtype="<i2", count=frames * channels).reshape(frames, channels),
        sha256=digest.hexdigest(),
        decoder=f"ffmpeg {ffmpeg_version()} {' '.join([*options, *output])}",
        messages=messages,
        flags=[*loss.flags, *clipped.flags()],
        missing_s=loss.missing_s,
        clipping=clipped.share(),
    )


def _output(channels: int) -> list[str]:
    """Options of the 16 kHz stream. ffmpeg's own downmix of 5.1 leaves a channel out and fails on layouts without a
    name; ``pan`` with equal weights (``<``: scaled so that nothing clips) takes all."""
    mix = [] if channels <= 2 else ["-af", "pan=mono|c0<" + "+".join(f"c{index}" for index in range(channels))]
    kept = str(channels if channels <= 2 else 1)
    return ["-map", "0:a:0", "-vn", *mix, "-ac", kept, "-ar", str(SAMPLE_RATE), "-f", "s16le", "-c:a", "pcm_s16le"]


def _run(command: list[str], streams: list[tuple[list[str], Callable[[bytes], None]]], name: str) -> tuple[int, str]:
    """Run ffmpeg with one pipe a stream, each block given to the stream's function as it comes.

    Returns:
        Exit code, and what it said (at most 2 MB).

    Raises:
        AudioError: nothing came for two minutes, or it took longer than half an hour.
    """
    with selectors.DefaultSelector() as pipes, tempfile.TemporaryFile() as errors:
        ends = [os.pipe() for _ in streams]
        for (read, write), (options, take) in zip(ends, streams, strict=True):
            pipes.register(read, selectors.EVENT_READ, take)
            command = [*command, *options, f"pipe:{write}"]
        writing = [write for _, write in ends]
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, pass_fds=writing
            )
        finally:
            for write in writing:
                os.close(write)
        try:
            _drain(pipes, name)
            code = process.wait(_STALLED_S)
        except subprocess.TimeoutExpired as error:
            raise AudioError(f"{name} could not be decoded: ffmpeg did not end; ask for the file again.") from error
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            for read, _ in ends:
                os.close(read)
        errors.seek(0)
        return code, errors.read(_MOST_MESSAGE_BYTES).decode(errors="replace")


def _drain(pipes: selectors.BaseSelector, name: str) -> None:
    ends = time.monotonic() + _TIMEOUT_S
    while pipes.get_map():
        ready = pipes.select(_STALLED_S)
        if not ready or time.monotonic() > ends:
            raise AudioError(
                f"{name} could not be decoded: ffmpeg gave nothing for {_STALLED_S} s or took more than "
                f"{_TIMEOUT_S // 60} minutes; the file is probably damaged: ask for it again."
            )
        for key, _ in ready:
            if block := os.read(key.fd, _BLOCK):
                key.data(block)
            else:
                pipes.unregister(key.fd)
