"""What a file is, by its container's header: format, codec, channels, declared duration.

Only local files are opened, and only demuxers of real media containers: a playlist that names other
files or URLs is refused (``-protocol_whitelist``, ``-format_whitelist``). Every call of a program has a
time limit, and ffmpeg may not take more than half a GB in one piece (``-max_alloc``), whatever a header says.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from include.errors import AudioError, ToolError

__all__ = [
    "INPUT_OPTIONS",
    "Probe",
    "clean_messages",
    "decoder_options",
    "ffmpeg_version",
    "file_url",
    "probe",
    "tool",
]

_FORMATS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,eac3,flac,flv,gsm,iff,loas,matroska,webm,mov,mp4,m4a,3gp,3g2,"
    "mj2,mp2,mp3,mpc,mpc8,mpeg,mpegts,mpegtsraw,oga,ogg,opus,qcp,rm,shn,tak,tta,voc,w64,wav,wv"
)
INPUT_OPTIONS = ("-max_alloc", "500000000", "-protocol_whitelist", "file", "-format_whitelist", _FORMATS)
"""Before every ``-i``: local files and media containers only."""

_OPENCORE = {"amr_nb": "libopencore_amrnb", "amr_wb": "libopencore_amrwb"}
# containers whose header says how long they are (mp3: its Xing header, else ffprobe says that it estimates)
_DECLARES = {"mov", "mp4", "m4a", "3gp", "wav", "w64", "caf", "aiff", "au", "flac", "matroska", "webm", "asf", "avi"}
_DECLARES |= {"mp3", "tta", "ape", "wv", "tak", "mpc8", "dsf", "iff", "voc"}
_LONGEST_S = 1e6
_TIMEOUT_S = 60
_ADDRESS = re.compile(r" @ 0x[0-9a-f]+")
_ENTRIES = "format=format_name,duration:stream=codec_type,codec_name,channels,sample_rate,duration"


@dataclass(frozen=True)
class Probe:
    """What the container says of itself."""

    container: str
    codec: str
    channels: int
    sample_rate: int
    """Hz, as coded."""
    duration_s: float | None
    duration_is_declared: bool
    """False where ffprobe estimates the duration from a bit rate or from the last page it finds (AAC, AMR, Ogg …):
    nothing about missing audio can be concluded from it."""
    promised_bytes: int | None
    """Size of the whole file by its own header, where it has one (RIFF)."""
    audio_streams: int = 1
    """The first is decoded; a second one is said in the decoder's messages."""


def tool(name: str) -> str:
    """The path of ``ffmpeg`` or ``ffprobe``.

    Raises:
        ToolError: it isn't installed.
    """
    path = shutil.which(name)
    if path is None:
        raise ToolError(f"The program {name} is not installed; run make system (apt package ffmpeg).")
    return path


@cache
def _said_by_ffmpeg(option: str) -> str:
    command = [tool("ffmpeg"), "-hide_banner", option]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=_TIMEOUT_S).stdout
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"ffmpeg {option} did not answer; check the installation of ffmpeg.") from error


def ffmpeg_version() -> str:
    """Version of the installed ffmpeg."""
    return _said_by_ffmpeg("-version").split()[2]


def file_url(path: Path) -> str:
    """The path as ffmpeg takes it: ``file:`` keeps a name like ``http:x`` or ``-i`` from being a URL or an option."""
    return f"file:{path.resolve()}"


def clean_messages(text: str, path: Path, *, most: int | None = None) -> list[str]:
    """ffmpeg's messages, a line each, without the path and the addresses that differ from run to run."""
    text = _ADDRESS.sub("", text.replace(str(path.resolve()), path.name).replace("file:", ""))
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line][:most]


def decoder_options(found: Probe, name: str) -> list[str]:
    """Options that choose the decoder: AMR goes through libopencore, since ffmpeg's own decoder drops audio and
    returns 0 (DESIGN §5).

    Raises:
        ToolError: libopencore is missing.
    """
    wanted = _OPENCORE.get(found.codec)
    if wanted is None:
        return []
    if wanted not in _said_by_ffmpeg("-decoders"):
        raise ToolError(f"{name} is {found.codec} and needs the decoder {wanted}; install libavcodec-extra.")
    return ["-c:a", wanted]


def probe(path: Path, *, name: str | None = None) -> Probe:
    """Read the container's header.

    Args:
        path: a local file.
        name: what to call it in an error (a working copy's own name means nothing to the user).

    Raises:
        AudioError: missing, empty, not audio, or without a usable audio stream.
        ToolError: ffprobe is missing.
    """
    name = name or path.name
    try:
        size = path.stat().st_size
    except OSError as error:
        raise AudioError(f"{name} can't be read ({error.strerror}); check the path.") from error
    if not path.is_file():
        raise AudioError(f"{name} is not a file; give the path of one recording.")
    if size == 0:
        raise AudioError(f"{name} is empty (0 bytes); ask for the file again.")
    found, said = _ask_ffprobe(path, name)
    streams = [stream for stream in found.get("streams", []) if stream.get("codec_type") == "audio"]
    if not streams:
        raise AudioError(f"{name} holds no audio stream; check that it is a sound file.")
    stream, container = streams[0], str(found["format"].get("format_name", "unknown"))
    channels, rate = _whole(stream.get("channels")), _whole(stream.get("sample_rate"))
    if channels < 1 or rate < 1:
        raise AudioError(f"{name} has an audio stream without channels or sample rate; the file is damaged.")
    duration = _seconds(stream.get("duration")) or _seconds(found["format"].get("duration"))
    estimated = "Estimating duration from bitrate" in said or not _DECLARES & set(container.split(","))
    return Probe(
        container=container,
        codec=str(stream.get("codec_name", "unknown")),
        channels=channels,
        sample_rate=rate,
        duration_s=duration,
        duration_is_declared=duration is not None and not estimated,
        promised_bytes=_promised_bytes(path, container),
        audio_streams=len(streams),
    )


def _ask_ffprobe(path: Path, name: str) -> tuple[dict[str, Any], str]:
    """ffprobe's answer, and its messages."""
    command = [tool("ffprobe"), "-v", "warning", *INPUT_OPTIONS, "-of", "json", "-show_entries", _ENTRIES]
    try:
        run = subprocess.run([*command, file_url(path)], capture_output=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise AudioError(
            f"{name} could not be examined within {_TIMEOUT_S} s; the file is probably damaged: ask for it again."
        ) from error
    said = run.stderr.decode(errors="replace")
    try:
        found: dict[str, Any] = json.loads(run.stdout or b"{}")
    except ValueError as error:  # ffprobe died in the middle of its answer
        raise AudioError(f"{name} has a header that can't be read; check that it is a complete sound file.") from error
    if run.returncode != 0 or "format" not in found:
        lines = clean_messages(said, path)
        why = f" ({lines[-1]})" if lines else ""
        raise AudioError(f"{name} is not audio that can be opened{why}; check that it is a complete sound file.")
    return found, said


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
