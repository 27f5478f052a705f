"""AMR, FLAC and ASF (wma): headers."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from include.container.mpeg_tags import read_end_tags, read_id3v2
from include.container.ogg import read_comments
from include.container.source import LimitReachedError, MalformedError, uint

if TYPE_CHECKING:
    from include.container.source import Notes, Source

__all__ = ["examine_amr", "examine_asf", "examine_flac"]

_AMR_NB: Final = (12, 13, 15, 17, 19, 20, 26, 31, 5, None, None, None, None, None, None, 0)
_AMR_WB: Final = (17, 23, 32, 36, 40, 46, 50, 58, 60, 5, None, None, None, None, 0, 0)
_WINDOW: Final = 1 << 16
_MOST_FRAMES: Final = 1_500_000
_FLAC: Final = ("STREAMINFO", "PADDING", "APPLICATION", "SEEKTABLE", "VORBIS_COMMENT", "CUESHEET", "PICTURE")
_ASF_PROPERTIES: Final = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_EXTENDED: Final = bytes.fromhex("40a4d0d207e3d21197f000a0c95ea850")
_ASF_HEAD: Final = 30


def examine_amr(source: Source, notes: Notes) -> None:
    """Walk the frames of 20 ms (RFC 4867): their modes, and bytes that are none.

    Raises:
        LimitReachedError: there are more than any recording has.
    """
    wide = source.read(0, 9) == b"#!AMR-WB\n"
    sizes, at = (_AMR_WB, 9) if wide else (_AMR_NB, 6)
    modes: Counter[int] = Counter()
    window, base = b"", at
    while at < source.size:
        if not base <= at < base + len(window):
            base, window = at, source.read(at, _WINDOW)
        head = window[at - base]
        mode = head >> 3 & 15
        size = sizes[mode]
        if size is None or head & 0x83:
            notes.add("amr.trailing", f"@{at}", bytes=source.size - at, begins=source.read(at, 16).hex())
            break
        modes[mode] += 1
        if modes.total() > _MOST_FRAMES:
            raise LimitReachedError(f"more than {_MOST_FRAMES} frames, at byte {at}")
        at += 1 + size
    if at > source.size:
        notes.add("structure.cut", "last frame", declared_bytes=at, present_bytes=source.size)
    told = {f"mode_{mode}": f"{count} frames" for mode, count in sorted(modes.items())}
    notes.add("amr.frames", "@0", codec="AMR-WB" if wide else "AMR-NB", frames=modes.total(),
              seconds=f"{modes.total() * 0.02:.2f} s", **told)  # fmt: skip


def examine_flac(source: Source, notes: Notes) -> None:
    """Note the metadata blocks.

    Raises:
        MalformedError, LimitReachedError: nothing more can be read.
    """
    at = read_id3v2(source, 0, notes)
    read_end_tags(source, notes)
    at += 4
    for index in range(128):
        head = source.exactly(at, 4)
        kind, size, body = head[0] & 0x7F, uint(head, 1, 3), at + 4
        name = _FLAC[kind] if kind < len(_FLAC) else f"type {kind}"
        notes.add("flac.block", f"{name} @{at}", number=index + 1, bytes=size)
        if body + size > source.size:
            notes.add("structure.cut", f"{name} @{at}", declared_bytes=size, present_bytes=source.size - body)
            return
        if kind == 0:
            packed = uint(source.exactly(body, 34), 10, 8)
            rate, samples = packed >> 44, packed & (1 << 36) - 1
            seconds = f"{samples / rate:.3f} s" if rate and samples else "not stated"
            notes.add("flac.stream", f"{name} @{at}", sample_rate=rate, channels=(packed >> 41 & 7) + 1,
                      samples=samples, seconds=seconds)  # fmt: skip
        elif kind == 4:
            read_comments(source.read(body, min(size, _WINDOW)), f"{name} @{at}", notes)
        at = body + size
        if head[0] & 0x80:
            return


def examine_asf(source: Source, notes: Notes) -> None:
    """Note the header's objects, the creation time (epoch 1601) and the extended description.

    Raises:
        MalformedError, LimitReachedError: nothing more can be read.
    """
    head = source.exactly(0, _ASF_HEAD)
    size, count = uint(head, 16, 8, little=True), uint(head, 24, 4, little=True)
    at, end = _ASF_HEAD, min(size, source.size)
    notes.add("asf.header", "@0", bytes=size, objects=count)
    for _ in range(min(count, 100)):
        if end - at < 24:
            break
        raw = source.exactly(at, 24)
        length = uint(raw, 16, 8, little=True)
        if not 24 <= length <= end - at:
            raise MalformedError(f"the header object at byte {at} promises {length} bytes")
        if raw[:16] == _ASF_PROPERTIES:
            told = source.exactly(at + 24, 40)
            notes.add("asf.times", f"file properties @{at}", created=_file_time(uint(told, 24, 8, little=True)),
                      declared_bytes=uint(told, 16, 8, little=True), present_bytes=source.size)  # fmt: skip
        elif raw[:16] == _ASF_EXTENDED:
            _extended(source.exactly(at + 24, min(length - 24, _WINDOW)), at, notes)
        at += length


def _extended(data: bytes, offset: int, notes: Notes) -> None:
    at, count = 2, uint(data, 0, 2, little=True)
    for _ in range(min(count, 100)):
        size = uint(data, at, 2, little=True)
        name = data[at + 2 : at + 2 + size].decode("utf-16-le", "replace").rstrip("\0")
        at += 2 + size
        kind, size = uint(data, at, 2, little=True), uint(data, at + 2, 2, little=True)
        value = data[at + 4 : at + 4 + size]
        text = value.decode("utf-16-le", "replace").rstrip("\0") if kind == 0 else value[:16].hex()
        encoder = name.startswith(("WM/Encod", "WM/Tool", "WMFSDK"))
        notes.add("tag.encoder" if encoder else "tag.other", f"ASF @{offset}", tag=name, text=text)
        at += 4 + size


def _file_time(ticks: int) -> str:
    if ticks == 0:
        return "not set (0)"
    try:
        return (datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=ticks // 10)).strftime("%Y-%m-%dT%H:%M:%SZ")
    except OverflowError:
        return f"no calendar date ({ticks})"
