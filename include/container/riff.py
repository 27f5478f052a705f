"""RIFF/WAVE files (wav, RF64): chunks, their sizes against the file's, and who says to have written them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from include.container.mpeg_tags import read_id3v2
from include.container.source import LimitReachedError, MalformedError, uint

if TYPE_CHECKING:
    from include.container.source import Notes, Source

__all__ = ["examine_riff"]

_MOST_CHUNKS: Final = 500
_LISTED: Final = 40
_STREAMED: Final = 0xFFFFFFFF
_USUAL: Final = {"fmt ", "data", "fact", "LIST", "bext", "id3 ", "ID3 ", "JUNK", "PAD ", "ds64"}


def examine_riff(source: Source, notes: Notes) -> None:
    """Note what a RIFF file's chunks show.

    Raises:
        MalformedError, LimitReachedError: nothing more can be read.
    """
    head = source.exactly(0, 12)
    promised = uint(head, 4, 4, little=True)
    long = head[:4] == b"RF64" or promised in (0, _STREAMED)
    end = source.size if long else min(8 + promised, source.size)
    if not long and promised + 8 > source.size:
        notes.add("structure.cut", "RIFF @0", declared_bytes=promised + 8, present_bytes=source.size)
    if long and head[:4] != b"RF64":
        notes.add("riff.streamed", "RIFF @0", declared_bytes=promised)
    listed: list[str] = []
    at = 12
    while end - at >= 8:
        if len(listed) >= _MOST_CHUNKS:
            raise LimitReachedError(f"more than {_MOST_CHUNKS} chunks, at byte {at}")
        raw = source.exactly(at, 8)
        kind, size = raw[:4].decode("latin-1"), uint(raw, 4, 4, little=True)
        if not kind.isprintable():
            notes.add("structure.malformed", f"RIFF @{at}", problem="no chunk begins here")
            break
        where = f"{kind.strip()} @{at}"
        listed.append(f"{where}, {size} bytes")
        room = end - at - 8
        if size > room:
            if kind != "data" or not long:
                notes.add("structure.cut", where, declared_bytes=size, present_bytes=room)
            size = room
        _chunk(source, kind, at + 8, size, notes)
        at += 8 + size + size % 2
    order = [one.split(" @")[0] for one in listed]
    listing = {f"{index + 1}": one for index, one in enumerate(listed[:_LISTED])}
    notes.add("riff.chunks", "@0", chunks=len(listed), form=head[8:12], **listing)
    for kind, count in Counter(order).items():
        if count > 1 and kind in ("fmt", "data"):
            notes.add("riff.several", "@0", chunk=kind, count=count)
    if "data" not in order:
        notes.add("riff.missing", "@0", chunk="data")
    if not long and source.size > 8 + promised + promised % 2:
        notes.add("riff.trailing", f"@{8 + promised}", bytes=source.size - 8 - promised)


def _chunk(source: Source, kind: str, body: int, size: int, notes: Notes) -> None:
    where = f"{kind.strip()} @{body - 8}"
    try:
        if kind == "fmt ":
            data = source.exactly(body, 16)
            notes.add(
                "riff.format", where, format_tag=f"0x{uint(data, 0, 2, little=True):04x}",
                channels=uint(data, 2, 2, little=True), sample_rate=uint(data, 4, 4, little=True),
                bytes_per_second=uint(data, 8, 4, little=True), bits=uint(data, 14, 2, little=True),
            )  # fmt: skip
        elif kind == "fact" and size >= 4:
            notes.add("riff.fact", where, samples=uint(source.exactly(body, 4), 0, 4, little=True))
        elif kind == "LIST":
            _list(source, body, size, notes)
        elif kind == "bext":
            _broadcast(source, body, size, notes)
        elif kind in ("id3 ", "ID3 "):
            read_id3v2(source, body, notes)
        elif kind not in _USUAL:
            notes.add("riff.other_chunk", where, bytes=size, begins=source.read(body, min(size, 24)).hex())
    except MalformedError as error:
        notes.add("structure.malformed", where, problem=str(error))


def _list(source: Source, body: int, size: int, notes: Notes) -> None:
    if source.read(body, min(size, 4)) != b"INFO":
        return
    at, end = body + 4, body + size
    for _ in range(_LISTED):
        if end - at < 8:
            return
        raw = source.exactly(at, 8)
        kind, length = raw[:4].decode("latin-1"), uint(raw, 4, 4, little=True)
        if length > end - at - 8:
            raise MalformedError(f"INFO {kind!r} promises {length} bytes, more than its list holds")
        text = source.read(at + 8, min(length, 1000))
        notes.add("tag.encoder" if kind in ("ISFT", "ITCH") else "tag.date" if kind == "ICRD" else "tag.other",
                  f"LIST/INFO/{kind} @{at}", tag=kind, text=text.split(b"\0")[0])  # fmt: skip
        at += 8 + length + length % 2


def _broadcast(source: Source, body: int, size: int, notes: Notes) -> None:
    data = source.exactly(body, min(size, 4096))
    uint(data, 337, 1)
    fields = {"description": data[:256], "originator": data[256:288], "reference": data[288:320],
              "date": data[320:330], "time": data[330:338]}  # fmt: skip
    told = {name: text.split(b"\0")[0] for name, text in fields.items()}
    history = data[602:].split(b"\0")[0]
    notes.add("riff.broadcast", f"bext @{body - 8}", **told, coding_history=history)
    for name, text in (("originator", told["originator"]), ("coding history", history)):
        if text:
            notes.add("tag.encoder", f"bext @{body - 8}", tag=name, text=text)
