"""Decode: any phone format to 16 kHz PCM with ffmpeg, and notice what is missing.

Only local files are opened, and only demuxers of real media containers: a playlist that names other
files or URLs is refused (``-protocol_whitelist``, ``-format_whitelist``). AMR goes through libopencore:
ffmpeg's own decoder drops audio and returns 0 (DESIGN §5).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.errors import AudioError, ToolError
from include.settings import get_settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["SAMPLE_RATE", "DecodedAudio", "Probe", "decode", "probe"]

SAMPLE_RATE = 16_000
"""Hz of every decoded channel: what Whisper and the voice activity detector take."""

_FORMATS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,eac3,flac,flv,gsm,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,"
    "mp2,mp3,mpeg,mpegts,mpegtsraw,oga,ogg,opus,rm,tta,voc,w64,wav,wv"
)
_INPUT = ("-protocol_whitelist", "file", "-format_whitelist", _FORMATS)
_OPENCORE = {"amr_nb": "libopencore_amrnb", "amr_wb": "libopencore_amrwb"}
# containers whose header says how long they are (mp3: its Xing header, else ffprobe says that it estimates)
_DECLARES = {"mov", "mp4", "m4a", "3gp", "wav", "flac", "matroska", "webm", "asf", "aiff", "avi", "mp3"}
_LONGEST_S = 1e6
_TOLERATED_S = 1.0  # encoders pad and trim a few frames at both ends
_TIMEOUT_S = 1800
_MAX_MESSAGES = 20


@dataclass(frozen=True)
class Probe:
    """What the container says of itself."""

    container: str
    codec: str
    channels: int
    sample_rate: int
    duration_s: float | None
    duration_is_declared: bool
    """False where ffprobe estimates the duration from a bit rate or from the last page it finds (AAC, AMR, Ogg …):
    nothing about missing audio can be concluded from it."""
    promised_bytes: int | None
    """Size of the whole file by its own header, where it has one (RIFF)."""


@dataclass(frozen=True)
class DecodedAudio:
    """A whole recording as 16-bit PCM."""

    pcm: NDArray[np.int16]
    """Shape (frames, channels), 16 kHz; one or two channels."""
    sha256: str
    """Of the interleaved little-endian PCM."""
    decoder: str
    messages: list[str]

    @property
    def duration_s(self) -> float:
        """Seconds of audio."""
        return float(self.pcm.shape[0]) / SAMPLE_RATE


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise ToolError(f"The program {name} is not installed; run make system (apt package ffmpeg).")
    return path


@cache
def _ffmpeg_version() -> str:
    out = subprocess.run([_tool("ffmpeg"), "-version"], capture_output=True, text=True, check=True, timeout=30).stdout
    return out.split()[2]


@cache
def _decoders() -> str:
    out = subprocess.run(
        [_tool("ffmpeg"), "-hide_banner", "-decoders"], capture_output=True, text=True, check=True, timeout=30
    )
    return out.stdout


def _file_url(path: Path) -> str:
    # "file:" keeps a name like "http:x" or "-i" from being taken for a URL or an option
    return f"file:{path.resolve()}"


def probe(path: Path, *, name: str | None = None) -> Probe:
    """Read the container's header.

    Args:
        path: a local file.
        name: what to call it in an error (a working copy's own name means nothing to the user).

    Raises:
        AudioError: missing, empty, not audio, or without a usable audio stream.
        ToolError: ffprobe is missing or hangs.
    """
    name = name or path.name
    try:
        size = path.stat().st_size
    except OSError as error:
        raise AudioError(f"{name} can't be read ({error.strerror}); check the path.") from error
    if size == 0:
        raise AudioError(f"{name} is empty (0 bytes); ask for the file again.")
    command = [
        _tool("ffprobe"),
        "-v",
        "warning",
        *_INPUT,
        "-of",
        "json",
        "-show_format",
        "-show_streams",
        _file_url(path),
    ]
    try:
        run = subprocess.run(command, capture_output=True, timeout=120, check=False)
    except subprocess.TimeoutExpired as error:
        raise AudioError(f"{name} could not be examined within 120 s; the file is probably damaged.") from error
    try:
        found: dict[str, Any] = json.loads(run.stdout or b"{}")
    except ValueError as error:  # ffprobe died in the middle of its answer
        raise AudioError(f"{name} has a header that can't be read; check that it is a complete sound file.") from error
    if run.returncode != 0 or "format" not in found:
        said = _clean(run.stderr.decode(errors="replace"), path)
        why = f" ({said[-1]})" if said else ""
        raise AudioError(f"{name} is not audio that can be opened{why}; check that it is a complete sound file.")
    streams = [stream for stream in found.get("streams", []) if stream.get("codec_type") == "audio"]
    if not streams:
        raise AudioError(f"{name} holds no audio stream; check that it is a sound file.")
    stream, container = streams[0], str(found["format"].get("format_name", "unknown"))
    channels, rate = _whole(stream.get("channels")), _whole(stream.get("sample_rate"))
    if channels < 1 or rate < 1:
        raise AudioError(f"{name} has an audio stream without channels or sample rate; the file is damaged.")
    duration = _seconds(stream.get("duration")) or _seconds(found["format"].get("duration"))
    estimated = b"Estimating duration from bitrate" in run.stderr or not _DECLARES & set(container.split(","))
    return Probe(
        container=container,
        codec=str(stream.get("codec_name", "unknown")),
        channels=channels,
        sample_rate=rate,
        duration_s=duration,
        duration_is_declared=duration is not None and not estimated,
        promised_bytes=_promised_bytes(path, container),
    )


def _whole(value: object) -> int:
    return int(str(value)) if str(value).isdecimal() else 0


def _seconds(value: object) -> float | None:
    """A duration as ffprobe prints it; None for none, nonsense and what can't be."""
    try:
        seconds = float(str(value))
    except ValueError:
        return None
    return seconds if 0 < seconds < _LONGEST_S else None


def _promised_bytes(path: Path, container: str) -> int | None:
    """Bytes that a RIFF header says the file has; None when it says nothing (0 or all ones: written as a stream)."""
    if container != "wav":
        return None
    with path.open("rb") as file:
        head = file.read(8)
    size = int.from_bytes(head[4:8], "little")
    return size + 8 if head[:4] == b"RIFF" and 0 < size < 0xFFFFFF00 else None


def _clean(text: str, path: Path) -> list[str]:
    lines = [line.replace(str(path.resolve()), path.name).replace("file:", "").strip() for line in text.splitlines()]
    return [line for line in lines if line][:_MAX_MESSAGES]


def _decoder_options(found: Probe, name: str) -> list[str]:
    wanted = _OPENCORE.get(found.codec)
    if wanted is None:
        return []
    if wanted not in _decoders():
        raise ToolError(f"{name} is {found.codec} and needs the decoder {wanted}; install libavcodec-extra.")
    return ["-c:a", wanted]


def decode(path: Path, found: Probe, *, name: str | None = None) -> DecodedAudio:
    """Decode to 16 kHz, 16-bit PCM, streaming into one array; more than two channels are mixed to one.

    Raises:
        AudioError: nothing decodes, the recording is longer than allowed, or seconds are missing.
        ToolError: ffmpeg or a decoder is missing.
    """
    import numpy as np

    name = name or path.name
    channels = found.channels if found.channels <= 2 else 1
    options = _decoder_options(found, name)
    output = ["-map", "0:a:0", "-vn", "-ac", str(channels), "-ar", str(SAMPLE_RATE), "-f", "s16le", "-c:a", "pcm_s16le"]
    command = [_tool("ffmpeg"), "-nostdin", "-hide_banner", "-v", "error", *_INPUT, *options, "-i", _file_url(path)]
    limit = int(get_settings().max_audio_s * SAMPLE_RATE) * channels * 2
    digest, data = hashlib.sha256(), bytearray()
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen([*command, *output, "pipe:1"], stdout=subprocess.PIPE, stderr=errors) as process:
            assert process.stdout is not None  # noqa: S101 - Popen with PIPE always sets it
            while block := process.stdout.read(1 << 20):
                digest.update(block)
                data += block
                if len(data) > limit:
                    process.kill()
                    hours = get_settings().max_audio_s / 3600
                    raise AudioError(
                        f"{name} is longer than {hours:g} h (VOICEMAN_MAX_AUDIO_S); split it or raise the limit."
                    )
            code = process.wait(_TIMEOUT_S)
        errors.seek(0)
        messages = _clean(errors.read(200_000).decode(errors="replace"), path)
    frames = len(data) // (2 * channels)
    if frames == 0:
        why = f" ({messages[-1]})" if messages else ""
        raise AudioError(f"{name} holds no audio that can be decoded{why}; ask for the complete file.")
    if code != 0:
        messages.append(f"ffmpeg ended with code {code}")
    pcm = np.frombuffer(data, dtype="<i2", count=frames * channels).reshape(frames, channels)
    shown = " ".join([*options, *output])
    audio = DecodedAudio(pcm, digest.hexdigest(), f"ffmpeg {_ffmpeg_version()} {shown}", messages)
    _refuse_loss(name, found, audio, path.stat().st_size)
    return audio


def _refuse_loss(name: str, found: Probe, audio: DecodedAudio, size: int) -> None:
    if get_settings().accept_damaged:
        return
    if found.promised_bytes is not None and found.promised_bytes - size > _TOLERATED_S * 8000:
        raise AudioError(
            f"{name} is cut off: its header promises {found.promised_bytes} bytes, {size} are there; ask for the "
            "complete file, or set VOICEMAN_ACCEPT_DAMAGED=true to have what is there transcribed and marked."
        )
    missing = (found.duration_s or 0.0) - audio.duration_s
    if found.duration_is_declared and missing > _TOLERATED_S:
        raise AudioError(
            f"{name} is cut off or damaged: {audio.duration_s:.1f} of {found.duration_s:.1f} s decode; ask for the "
            "complete file, or set VOICEMAN_ACCEPT_DAMAGED=true to have what is there transcribed and marked."
        )
