"""MPEG audio (mp3, mp2): tags, the Xing/Info/VBRI header, and every frame's header."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from include.container.mpeg_tags import read_end_tags, read_id3v2
from include.container.source import LimitReachedError, MalformedError, uint

if TYPE_CHECKING:
    from include.container.source import Notes, Source

__all__ = ["Frame", "examine_mpeg", "frame_at"]

_RATES: Final = (44100, 48000, 32000)
_KBPS: Final = {
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_WINDOW: Final = 1 << 16
_MOST_FRAMES: Final = 500_000
_MOST_TRIED: Final = 200_000
_LIKELY: Final = re.compile(
    rb"\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff][\x10-\x1b\x20-\x2b\x30-\x3b\x40-\x4b\x50-\x5b\x60-\x6b\x70-\x7b\x80-\x8b\x90-\x9b"
    rb"\xa0-\xab\xb0-\xbb\xc0-\xcb\xd0-\xdb\xe0-\xeb].",
    re.DOTALL,
)
"""What :func:`frame_at` may take for a header: runs of 0xFF are passed over without trying each byte."""
_ENCODER: Final = re.compile(rb"LAME[0-9A-Za-z.() ]{0,12}|Lav[cf][0-9.]{0,12}|GOGO[0-9. ]{0,8}|Gogo[0-9. ]{0,8}")


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame's header."""

    version: str
    layer: int
    rate: int
    """Hz."""
    channels: int
    kbps: int
    size: int
    """Bytes, header included."""


def frame_at(data: bytes, at: int) -> Frame | None:
    """The frame header at this place, or None; free-format frames are not known."""
    if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
        return None
    second, third, fourth = data[at + 1], data[at + 2], data[at + 3]
    version, layer = (second >> 3) & 3, 4 - ((second >> 1) & 3)
    bits, rate, padding = third >> 4, (third >> 2) & 3, (third >> 1) & 1
    if version == 1 or layer == 4 or bits in (0, 15) or rate == 3:
        return None
    first = version == 3
    kbps = _KBPS[1, layer][bits] if first else _KBPS[2, 1 if layer == 1 else 2][bits]
    hertz = _RATES[rate] // (1 if first else 2 if version == 2 else 4)
    if layer == 1:
        size = (12_000 * kbps // hertz + padding) * 4
    else:
        size = (144_000 if first or layer == 2 else 72_000) * kbps // hertz + padding
    name = {3: "1", 2: "2", 0: "2.5"}[version]
    return Frame(name, layer, hertz, 1 if fourth >> 6 == 3 else 2, kbps, size)


def examine_mpeg(source: Source, notes: Notes) -> None:
    """Note tags and frames.

    Raises:
        MalformedError, LimitReachedError: nothing more can be read.
    """
    start = 0
    try:
        while start < source.size and (after := read_id3v2(source, start, notes)) != start:
            start = after
    except MalformedError as error:
        notes.add("structure.malformed", f"ID3v2 @{start}", problem=str(error))
        start = _first_frame(source, start + 10)
    end = read_end_tags(source, notes)
    _frames(source, start, end, notes)


def _first_frame(source: Source, start: int) -> int:
    data = source.read(start, _WINDOW)
    return start + next((at for at in range(len(data)) if frame_at(data, at) is not None), len(data))


def _frames(source: Source, start: int, end: int, notes: Notes) -> None:
    """Walk the frames through a window; a stretch that holds none is skipped, counted and told."""
    kinds: Counter[tuple[str, int, int, int]] = Counter()
    bit_rates: Counter[int] = Counter()
    tried: Counter[str] = Counter()
    window, base, at, promised = b"", start, start, None
    while at < end:
        if at + 4 > base + len(window) or at < base:
            base, window = at, source.read(at, min(_WINDOW, end - at))
        frame = frame_at(window, at - base)
        if frame is None:
            gap = at
            at = _resync(source, at + 1, end, tried)
            kind = "mpeg.trailing" if at >= end else "mpeg.gap" if kinds else "mpeg.before"
            notes.add(kind, f"@{gap}", bytes=at - gap, begins=source.read(gap, min(16, at - gap)).hex())
            continue
        if not kinds:
            promised = _header(source, at, frame, notes)
        if at + frame.size > end:
            notes.add("structure.cut", f"frame @{at}", declared_bytes=frame.size, present_bytes=end - at)
        kinds[frame.version, frame.layer, frame.rate, frame.channels] += 1
        bit_rates[frame.kbps] += 1
        if sum(kinds.values()) > _MOST_FRAMES:
            raise LimitReachedError(f"more than {_MOST_FRAMES} frames, at byte {at}")
        at += frame.size
    told = {
        f"{index + 1}": f"{count} frames MPEG-{version} layer {layer}, {rate} Hz, {channels} channels"
        for index, ((version, layer, rate, channels), count) in enumerate(kinds.most_common(20))
    }
    rates = ", ".join(f"{kbps}" for kbps in sorted(bit_rates))
    notes.add("mpeg.frames", f"@{start}", frames=kinds.total(), kbps=rates, **told)
    if len(kinds) > 1:
        notes.add("mpeg.parameters_differ", f"@{start}", **told)
    if promised is not None and not 0 <= kinds.total() - promised <= 1:
        notes.add("mpeg.count_differs", f"@{start}", header=promised, counted=kinds.total())


def _resync(source: Source, at: int, end: int, tried: Counter[str]) -> int:
    """The next place where two frames follow each other, or the end.

    Raises:
        LimitReachedError: more headers than any recording has were tried, over all gaps.
    """
    while at < end:
        data = source.read(at, min(_WINDOW, end - at))
        found = _LIKELY.search(data)
        while found is not None:
            place = found.start()
            tried["headers"] += 1
            if tried["headers"] > _MOST_TRIED:
                raise LimitReachedError(f"more than {_MOST_TRIED} headers outside frames, at byte {at + place}")
            frame = frame_at(data, place)
            after = None if frame is None else place + frame.size
            if after is not None and (at + after >= end or after + 4 > len(data) or frame_at(data, after)):
                return at + place
            found = _LIKELY.search(data, place + 1)
        at += max(len(data) - 3, 1)
    return end


def _header(source: Source, at: int, frame: Frame, notes: Notes) -> int | None:
    """The first frame's Xing, Info or VBRI header; returns how many frames it promises."""
    data = source.read(at, min(frame.size, 4096))
    promised = None
    for mark in (b"Xing", b"Info", b"VBRI"):
        place = data.find(mark, 4, 64)
        if place < 0:
            continue
        if mark == b"VBRI":
            promised = uint(data, place + 14, 4) if len(data) >= place + 18 else None
        elif len(data) >= place + 12 and data[place + 7] & 1:
            promised = uint(data, place + 8, 4)
        notes.add("mpeg.info_header", f"@{at + place}", header=mark, frames=promised)
        break
    found = _ENCODER.search(data)
    if found is not None:
        notes.add("tag.encoder", f"@{at + found.start()}", tag="in the first frame", text=found.group())
    return promised
