"""Ogg (Opus, Vorbis, Speex): pages, streams one after the other, gaps, vendor and comments (RFC 3533, 7845)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from include.container.source import LimitReachedError, MalformedError, uint

if TYPE_CHECKING:
    from include.container.source import Notes, Source

__all__ = ["examine_ogg", "read_comments"]

_MOST_PAGES: Final = 150_000
_MOST_COMMENTS: Final = 100
_WINDOW: Final = 1 << 16
_UNSET: Final = 2**64 - 1


@dataclass
class _Stream:
    """What was seen of one serial number."""

    first: int
    pages: int = 0
    number: int = -1
    granule: int = 0


def examine_ogg(source: Source, notes: Notes) -> None:
    """Note pages and comments.

    Raises:
        MalformedError, LimitReachedError: nothing more can be read.
    """
    streams: dict[int, _Stream] = {}
    ended = False
    at = pages = 0
    while at < source.size:
        head = source.read(at, 27)
        if head[:4] != b"OggS" or len(head) < 27:
            after = _next_page(source, at + 1)
            notes.add("ogg.trailing" if after >= source.size else "ogg.gap", f"@{at}", bytes=after - at)
            at = after
            continue
        pages += 1
        if pages > _MOST_PAGES:
            raise LimitReachedError(f"more than {_MOST_PAGES} pages, at byte {at}")
        table = source.exactly(at + 27, head[26])
        size = 27 + len(table) + sum(table)
        flags, granule = head[5], uint(head, 6, 8, little=True)
        serial, number = uint(head, 14, 4, little=True), uint(head, 18, 4, little=True)
        if at + size > source.size:
            notes.add("structure.cut", f"page @{at}", declared_bytes=size, present_bytes=source.size - at)
        stream = streams.get(serial)
        if stream is None:
            if ended:
                notes.add("ogg.chained", f"page @{at}", serial=f"{serial:08x}", streams_before=len(streams))
            stream = streams[serial] = _Stream(at)
            notes.add("ogg.stream", f"page @{at}", serial=f"{serial:08x}",
                      codec=source.read(at + 27 + len(table), min(8, sum(table))))  # fmt: skip
        _follow(stream, number, granule, at, notes)
        if stream.pages in (2, 3):
            _packet(source, at + 27 + len(table), sum(table), notes)
        ended = bool(flags & 4)
        at += size
    last = "; ".join(f"{serial:08x}: {one.pages} pages, last position {one.granule}" for serial, one in
                     list(streams.items())[:20])  # fmt: skip
    notes.add("ogg.pages", "@0", pages=pages, streams=len(streams), each=last, end_marked="yes" if ended else "no")


def _follow(stream: _Stream, number: int, granule: int, at: int, notes: Notes) -> None:
    stream.pages += 1
    if stream.number >= 0 and number != stream.number + 1:
        notes.add("ogg.pages_missing", f"page @{at}", expected=stream.number + 1, found=number)
    stream.number = number
    if granule != _UNSET:
        if granule < stream.granule:
            notes.add("ogg.position_back", f"page @{at}", before=stream.granule, now=granule)
        stream.granule = granule


def _next_page(source: Source, at: int) -> int:
    while at < source.size:
        data = source.read(at, _WINDOW)
        place = data.find(b"OggS")
        if place >= 0:
            return at + place
        at += max(len(data) - 3, 1)
    return source.size


def _packet(source: Source, at: int, size: int, notes: Notes) -> None:
    """A comment header, as far as it lies in its first page."""
    data = source.read(at, size)
    for mark in (b"OpusTags", b"\x03vorbis"):
        if data.startswith(mark):
            try:
                read_comments(data[len(mark) :], f"comments @{at}", notes)
            except MalformedError as error:
                notes.add("structure.malformed", f"comments @{at}", problem=str(error))


def read_comments(data: bytes, where: str, notes: Notes) -> None:
    """Note a Vorbis comment block's vendor and comments.

    Raises:
        MalformedError: it is shorter than it promises.
    """
    length = uint(data, 0, 4, little=True)
    if length + 8 > len(data):
        raise MalformedError("the vendor's name is longer than its block")
    notes.add("tag.encoder", where, tag="vendor", text=data[4 : 4 + length])
    at, count = 8 + length, uint(data, 4 + length, 4, little=True)
    for _ in range(min(count, _MOST_COMMENTS)):
        size = uint(data, at, 4, little=True)
        name, _, text = data[at + 4 : at + 4 + min(size, 2000)].partition(b"=")
        told = name[:40].decode("utf-8", "replace")
        kind = {"encoder": "tag.encoder", "encoded-by": "tag.encoder", "date": "tag.date"}.get(told.lower())
        notes.add(kind or "tag.other", where, tag=told, text=text)
        at += 4 + size
