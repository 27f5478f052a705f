"""Tracks of an ISO base media file: durations, sample tables, edit lists, handlers, against each other."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from include.container.source import LimitReachedError, MalformedError, uint

if TYPE_CHECKING:
    from include.container.bmff import Box
    from include.container.source import Notes, Source

__all__ = ["read_tracks"]

_CHUNK: Final = 1 << 16
_MOST_ENTRIES: Final = 4_000_000
_MOST_EDITS: Final = 32
_DIFFER_S: Final = 0.5
_FRAME_MARK: Final = re.compile(rb"Lav[cf][0-9.]{0,16}")


@dataclass
class _Track:
    """What the headers of one track say; None: they don't."""

    where: str
    boxes: dict[str, Box] = field(default_factory=dict)
    scale: int = 0
    header_s: float | None = None
    media_s: float | None = None
    samples_s: float | None = None
    samples: int | None = None
    sized: int | None = None
    total_bytes: int = 0


def read_tracks(source: Source, boxes: list[Box], notes: Notes) -> None:
    """Note durations, sample tables, edit lists and handlers.

    Raises:
        LimitReachedError: tables are longer than any recording's.
    """
    movie_scale, movie_s = 0, None
    tracks: list[_Track] = []
    for box in boxes:
        if box.path == "moov/mvhd":
            try:
                movie_scale, movie_s = _scaled(source, box)
            except MalformedError as error:
                notes.add("structure.malformed", box.where, problem=str(error))
        elif box.path == "moov/trak":
            tracks.append(_Track(box.where))
        elif box.path.startswith("moov/trak/") and tracks:
            tracks[-1].boxes.setdefault(box.kind, box)
    for track in tracks:
        try:
            _read(source, track, movie_scale, notes)
        except MalformedError as error:
            notes.add("structure.malformed", track.where, problem=str(error))
        told = {
            "movie_header": movie_s, "track_header": track.header_s, "media_header": track.media_s,
            "sample_table": track.samples_s,
        }  # fmt: skip
        seconds = {name: f"{value:.3f} s" for name, value in told.items() if value is not None}
        notes.add("bmff.durations", track.where, samples=track.samples, **seconds)
        both = track.media_s, track.samples_s
        if both[0] is not None and both[1] is not None and abs(both[0] - both[1]) > _DIFFER_S:
            notes.add("bmff.durations_differ", track.where, media_header=f"{both[0]:.3f} s",
                      sample_table=f"{both[1]:.3f} s")  # fmt: skip
        if None not in (track.samples, track.sized) and track.samples != track.sized:
            notes.add("bmff.samples_differ", track.where, timed=track.samples, sized=track.sized)
    _media_bytes(source, boxes, tracks, notes)


def _scaled(source: Source, box: Box) -> tuple[int, float | None]:
    """Time scale and duration of ``mvhd`` or ``mdhd``; the duration is None when it is all ones (unknown)."""
    long = source.exactly(box.body, 1)[0] == 1
    data = source.exactly(box.body, 32 if long else 20)
    at, width = (20, 8) if long else (12, 4)
    scale, length = uint(data, at, 4), uint(data, at + 4, width)
    unknown = scale == 0 or length == 256**width - 1
    return scale, None if unknown else length / scale


def _read(source: Source, track: _Track, movie_scale: int, notes: Notes) -> None:
    boxes = track.boxes
    if "mdhd" in boxes:
        track.scale, track.media_s = _scaled(source, boxes["mdhd"])
    if "tkhd" in boxes and movie_scale:
        long = source.exactly(boxes["tkhd"].body, 1)[0] == 1
        data = source.exactly(boxes["tkhd"].body, 36 if long else 24)
        track.header_s = uint(data, 28 if long else 20, 8 if long else 4) / movie_scale
    if "hdlr" in boxes:
        box = boxes["hdlr"]
        data = source.read(box.body, min(box.end - box.body, 280))
        codec = source.read(boxes["stsd"].body + 12, 4) if "stsd" in boxes else b""
        notes.add("bmff.handler", box.where, handler=data[8:12], name=data[24:].split(b"\0")[0], codec=codec)
    if "stts" in boxes:
        pairs = _table(source, boxes["stts"], 8, 8)
        # two passes and no list: a hostile table has millions of entries
        track.samples = sum(count for count, _ in struct.iter_unpack(">II", pairs))
        ticks = sum(count * delta for count, delta in struct.iter_unpack(">II", pairs))
        track.samples_s = ticks / track.scale if track.scale else None
    if "stsz" in boxes:
        _sizes(source, track)
    if "elst" in boxes:
        _edits(source, track, movie_scale, notes)


def _table(source: Source, box: Box, head: int, width: int) -> bytes:
    """A table's entries.

    Raises:
        MalformedError: it promises more than its box holds.
        LimitReachedError: it is longer than any recording's.
    """
    count = uint(source.exactly(box.body, head), head - 4, 4)
    if count * width > box.end - box.body - head:
        raise MalformedError(f"{box.where} promises {count} entries, more than it holds")
    if count > _MOST_ENTRIES:
        raise LimitReachedError(f"{count} entries in {box.where}")
    start, length = box.body + head, count * width
    return b"".join(source.exactly(start + at, min(_CHUNK, length - at)) for at in range(0, length, _CHUNK))


def _sizes(source: Source, track: _Track) -> None:
    box = track.boxes["stsz"]
    head = source.exactly(box.body, 12)
    each, track.sized = uint(head, 4, 4), uint(head, 8, 4)
    if each:
        track.total_bytes = each * track.sized
        return
    table = memoryview(_table(source, box, 12, 4))
    track.total_bytes = sum(int.from_bytes(table[at : at + 4], "big") for at in range(0, len(table), 4))


def _edits(source: Source, track: _Track, movie_scale: int, notes: Notes) -> None:
    box = track.boxes["elst"]
    long = source.exactly(box.body, 1)[0] == 1
    width = 20 if long else 12
    table = _table(source, box, 8, width)
    half = 8 if long else 4
    listed: dict[str, str] = {}
    skipped = 0.0
    for index in range(min(len(table) // width, _MOST_EDITS)):
        at = index * width
        length = uint(table, at, half) / movie_scale if movie_scale else 0.0
        start = int.from_bytes(table[at + half : at + 2 * half], "big", signed=True)
        if start < 0:
            listed[f"{index + 1}"] = f"{length:.3f} s of nothing"
            continue
        begin = start / track.scale if track.scale else 0.0
        if index == 0:
            skipped = begin
        listed[f"{index + 1}"] = f"{length:.3f} s from {begin:.3f} s of the media"
    total = len(table) // width
    notes.add("bmff.edit_list", box.where, entries=total, **listed)
    if skipped > 0 or total > 1:
        # AAC encoders need about 0.05 s to begin with; more than 0.2 s is more than that needs
        kind = "bmff.edit_skips" if skipped > 0.2 or total > 1 else "bmff.edit_priming"
        notes.add(kind, box.where, skipped_at_start=f"{skipped:.3f} s", entries=total)


def _media_bytes(source: Source, boxes: list[Box], tracks: list[_Track], notes: Notes) -> None:
    """The tables' bytes against those in ``mdat``, and what an encoder wrote into the first of them."""
    media = [box for box in boxes if box.path == "mdat"]
    if not media:
        return
    held, used = sum(box.end - box.body for box in media), sum(track.total_bytes for track in tracks)
    fragmented = any(box.path == "moof" for box in boxes)
    if tracks and used and not fragmented and held != used:
        kind = "bmff.media_unused" if held > used else "bmff.media_short"
        notes.add(kind, media[0].where, in_mdat=held, in_sample_tables=used, difference=held - used)
    found = _FRAME_MARK.search(source.read(media[0].body, 4096))
    if found is not None:
        notes.add("tag.encoder", f"mdat @{media[0].body + found.start()}", tag="in the first coded frames",
                  text=found.group())  # fmt: skip
