"""What a file's own structure says about lost audio, where no duration is declared.

Raw AAC (ADTS), AMR and MP3 files are chains of frames, each of a length that its header gives: bytes between two
frames that are not a frame are audio that is gone. An Ogg file is a chain of pages with sequence numbers, checksums
and a flag on the last one. RIFF and ASF files say how long they are. Nothing is decoded here.

Frame layouts: ISO/IEC 13818-7 (ADTS), RFC 4867 (AMR storage format), ISO/IEC 11172-3 and 13818-3 (MPEG audio),
RFC 3533 (Ogg), Microsoft/IBM RIFF, EBU 3306 (RF64) and the ASF specification.
"""

from __future__ import annotations

import mmap
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Structure", "walk"]

_PADDING = 4096  # zeros or tags of this size at the end are an encoder's, not lost audio
_HEADER = 8  # bytes of a frame's header at most
_LATER = 4_000_000  # bytes searched for the next frame after damage


@dataclass
class Structure:
    """What walking through the file found."""

    unit: str = ""
    """What was walked: ``frame`` or ``page``; empty where the format isn't walked."""
    units: int = 0
    damaged: list[tuple[float | None, float | None, str]] = field(default_factory=list)
    """Places with audio lost: (seconds of audio before it, seconds lost, what was found); None where unknown."""
    cut_off: str | None = None
    """What shows that the end is missing."""
    cut_off_s: float | None = None
    """Seconds missing at the end, where the structure tells."""
    hidden_s: float = 0.0
    """Seconds at the begin that the header tells a decoder to leave out (Opus pre-skip)."""


def walk(path: Path, container: str) -> Structure:
    """Look through a file of one of the formats above; an empty :class:`Structure` for others."""
    names = set(container.split(","))
    walker: Callable[[mmap.mmap], Structure] | None = None
    for kind, one in (("ogg", _ogg), ("wav", _riff), ("asf", _asf), ("aac", _adts), ("amr", _amr), ("mp3", _mp3)):
        walker = one if kind in names else walker
    if walker is None:
        return Structure()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return walker(data)


# --- chains of frames -------------------------------------------------------------------------------------------


def _chain(
    data: mmap.mmap, start: int, frame: Callable[[int], tuple[int, float]], first: bytes, sure: int
) -> Structure:
    """Follow frames: ``frame(offset)`` gives (bytes, seconds), (0, 0) where none begins; ``sure`` frames in a row
    count as found again after damage; each begins with ``first``, when that isn't empty."""
    found, position, seconds, size = Structure(unit="frame"), start, 0.0, len(data)
    while position < size:
        length, lasts = frame(position)
        if length == 0:
            again = _next(data, position, frame, first, sure)
            if again == size and size - position < _HEADER and first and data[position : position + 1] == first:
                found.cut_off = "the last frame is incomplete"
                break
            if not _is_tag(data, position, again):
                per_byte = seconds / (position - start) if seconds else None
                lost = None if per_byte is None else (again - position) * per_byte
                found.damaged.append((seconds, lost, f"{again - position} bytes that are no {found.unit}"))
            position = again
            continue
        if position + length > size:
            found.cut_off = "the last frame is incomplete"
            break
        position, seconds, found.units = position + length, seconds + lasts, found.units + 1
    return found if found.units > 1 else Structure()  # free-format MP3, a wrong name: nothing to conclude from


def _next(data: mmap.mmap, position: int, frame: Callable[[int], tuple[int, float]], first: bytes, sure: int) -> int:
    """Offset of the next place from which ``sure`` frames follow one another; the end of the file when none."""
    offset, last = position, min(len(data), position + _LATER)
    while True:
        offset = data.find(first, offset + 1, last) if first else offset + 1
        if offset < 0 or offset >= last:
            return len(data)
        following, good = offset, 0
        while good < sure and following < len(data):
            length = frame(following)[0]
            if length == 0:
                break
            following, good = following + length, good + 1
        if good == sure or (good and following >= len(data)):
            return offset


def _is_tag(data: mmap.mmap, start: int, end: int) -> bool:
    """Whether the bytes are a tag (ID3, APE, Lyrics3), or a few zeros at the end."""
    part = data[start : min(end, start + _PADDING)]
    tags = (b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"3DI")
    return part.startswith(tags) or (end == len(data) and end - start < _PADDING and not part.strip(b"\0"))


def _after_id3(data: mmap.mmap) -> int:
    position = 0
    while data[position : position + 3] == b"ID3" and position + 10 < len(data):
        size = data[position + 6 : position + 10]
        footer = 10 if data[position + 5] & 0x10 else 0
        position += 10 + footer + sum((byte & 0x7F) << shift for byte, shift in zip(size, (21, 14, 7, 0), strict=True))
    return min(position, len(data))


_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)


def _adts(data: mmap.mmap) -> Structure:
    def frame(at: int) -> tuple[int, float]:
        head = data[at : at + 7]
        if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
            return 0, 0.0
        rate, length = head[2] >> 2 & 0xF, (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
        if rate >= len(_AAC_RATES) or length < 7:
            return 0, 0.0
        return length, 1024 * ((head[6] & 3) + 1) / _AAC_RATES[rate]

    return _chain(data, _after_id3(data), frame, b"\xff", 3)


_AMR_NB = (13, 14, 16, 18, 20, 21, 27, 32, 6, 0, 0, 0, 0, 0, 0, 1)
_AMR_WB = (18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 0, 0, 0, 0, 1, 1)


def _amr(data: mmap.mmap) -> Structure:
    """Frames with an impossible type, with padding bits set or marked as damaged (Q = 0) count as damage. AMR has no
    sync word: eight possible frames in a row are taken for the chain found again."""
    wide = data[:9] == b"#!AMR-WB\n"
    sizes = _AMR_WB if wide else _AMR_NB

    def frame(at: int) -> tuple[int, float]:
        head = data[at]
        length = sizes[head >> 3 & 0xF] if head & 0x83 == 0 and head & 0x04 else 0
        return length, 0.02 if length else 0.0

    if not wide and data[:6] != b"#!AMR\n":  # several channels, or no header: not walked
        return Structure()
    return _chain(data, 9 if wide else 6, frame, b"", 8)


_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_KBITS = {
    (True, 3): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 1): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 3): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 1): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


def _mp3(data: mmap.mmap) -> Structure:
    def frame(at: int) -> tuple[int, float]:
        head = data[at : at + 4]
        if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
            return 0, 0.0
        version, layer, bits, rate = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
        if version == 1 or layer == 0 or bits in (0, 15) or rate == 3:
            return 0, 0.0
        hertz, kbits = _RATES[version][rate], _KBITS[version == 3, layer][bits - 1]
        samples = 384 if layer == 3 else 576 if layer == 1 and version != 3 else 1152
        slot = 4 if layer == 3 else 1
        return (samples // 8 * kbits * 1000 // slot // hertz + (head[2] >> 1 & 1)) * slot, samples / hertz

    return _chain(data, _after_id3(data), frame, b"\xff", 3)


# --- Ogg --------------------------------------------------------------------------------------------------------

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_AUDIO_HEADS = (b"\x01vorbis", b"OpusHead", b"Speex   ", b"\x7fFLAC", b"fLaC")


def _ogg_checksum(page: bytes) -> int:
    """Ogg's CRC-32 (polynomial 04C11DB7, not reflected, start 0) by zlib's, which is the same one reflected."""
    reflected = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reflected:032b}"[::-1], 2)


def _ogg(data: mmap.mmap) -> Structure:
    found, position, bad, lost = Structure(unit="page"), 0, 0, 0
    last: dict[int, tuple[int, bool]] = {}  # of each audio stream: the last page's number, and whether it ends it
    while (position := data.find(b"OggS", position)) >= 0:
        head = data[position : position + 27]
        if len(head) < 27:
            break
        sizes = data[position + 27 : position + 27 + head[26]]
        end = position + 27 + head[26] + sum(sizes)
        serial, number = int.from_bytes(head[14:18], "little"), int.from_bytes(head[18:22], "little")
        page = data[position:end]
        if end > len(data):
            found.cut_off = "the last page is incomplete"
            break
        if _ogg_checksum(page[:22] + b"\0\0\0\0" + page[26:]) != int.from_bytes(head[22:26], "little"):
            bad, position = bad + 1, position + 4
            continue
        position, found.units = end, found.units + 1
        if head[5] & 2 and page[27 + head[26] :].startswith(_AUDIO_HEADS):
            last[serial] = number, bool(head[5] & 4)
            body = page[27 + head[26] :]
            found.hidden_s = int.from_bytes(body[10:12], "little") / 48000 if body[:8] == b"OpusHead" else 0.0
        elif serial in last:
            lost += max(number - last[serial][0] - 1, 0)
            last[serial] = number, bool(head[5] & 4)
    if bad or lost:
        found.damaged.append((None, None, f"{lost} pages missing by their numbers, {bad} with a wrong checksum"))
    if found.cut_off is None and last and not all(ended for _, ended in last.values()):
        found.cut_off = "no page is marked as the last"
    return found


# --- RIFF, ASF ----------------------------------------------------------------------------------------------------


def _riff(data: mmap.mmap) -> Structure:
    found, position, large, per_second = Structure(), 12, 0, 0
    if data[:4] not in (b"RIFF", b"RF64"):
        return found
    while position + 8 <= len(data):
        name, size = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "little")
        body = position + 8
        if name == b"ds64":
            large = int.from_bytes(data[body + 8 : body + 16], "little")
        elif name == b"fmt ":
            per_second = int.from_bytes(data[body + 8 : body + 12], "little")
        elif name == b"data":
            size = large if size == 0xFFFFFFFF and large else size
            missing = body + size - len(data)
            if 0 < size < 0xFFFFFF00 or large:
                found.cut_off_s = missing / per_second if missing > 0 and per_second else None
                found.cut_off = f"its data should be {missing} bytes longer" if missing > 0 else None
            break
        position = body + size + size % 2
    return found


_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def _asf(data: mmap.mmap) -> Structure:
    """ASF's file properties give the file's size and its play time; packets are of one size."""
    found, at = Structure(), data.find(_ASF_PROPERTIES, 0, 1 << 20)
    if at < 0 or at + 104 > len(data):
        return found
    size, play, preroll = (int.from_bytes(data[at + o : at + o + 8], "little") for o in (40, 64, 80))
    live = data[at + 88] & 1
    if live or size <= len(data):
        return found
    seconds = max(play / 1e7 - preroll / 1e3, 0.0)
    found.cut_off = f"its header promises {size} bytes, {len(data)} are there"
    found.cut_off_s = seconds * (size - len(data)) / size or None
    return found
