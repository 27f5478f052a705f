"""ISO base media files (m4a, mp4, 3gp, mov): the tree of boxes, and what its headers say (ISO/IEC 14496-12)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from include.container.bmff_tags import read_tags
from include.container.bmff_tracks import read_tracks
from include.container.source import LimitReachedError, MalformedError, uint

if TYPE_CHECKING:
    from include.container.source import Notes, Source

__all__ = ["Box", "examine_bmff"]

_CONTAINERS: Final = {"moov", "trak", "mdia", "minf", "stbl", "edts", "udta", "dinf", "mvex", "moof", "traf", "meta"}
_DEPTH: Final = 10
_MOST_BOXES: Final = 4000
_LISTED: Final = 60
_EPOCH: Final = datetime(1904, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Box:
    """One box."""

    kind: str
    path: str
    """Kinds from the root: ``moov/trak/mdia/mdhd``."""
    offset: int
    body: int
    """Where its contents begin."""
    end: int
    """Where it ends by its header, never beyond its parent."""

    @property
    def where(self) -> str:
        """Path and byte offset."""
        return f"{self.path} @{self.offset}"


def _media_time(seconds: int) -> str:
    """A time of the epoch 1904 as UTC by the specification; zero is "not set"."""
    if seconds == 0:
        return "not set (0)"
    try:
        return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    except OverflowError:
        return f"no calendar date ({seconds} s)"


def examine_bmff(source: Source, notes: Notes) -> None:
    """Note what a file of boxes shows; damage is a note, too.

    Raises:
        MalformedError, LimitReachedError: nothing more can be read.
    """
    boxes = _walk(source, notes)
    _structure(source, boxes, notes)
    for box in boxes:
        try:
            if box.kind == "ftyp" and box.path == "ftyp":
                _brands(source, box, notes)
            elif box.kind in ("mvhd", "tkhd", "mdhd"):
                _times(source, box, notes)
            elif box.kind == "uuid":
                notes.add("bmff.uuid", box.where, uuid=source.exactly(box.body, 16).hex(), bytes=box.end - box.offset)
        except MalformedError as error:
            notes.add("structure.malformed", box.where, problem=str(error))
    read_tracks(source, boxes, notes)
    read_tags(source, boxes, notes)


def _walk(source: Source, notes: Notes) -> list[Box]:
    """All boxes in the order of the file, without their contents; a stack, so that depth can't exhaust anything."""
    found: list[Box] = []
    stack: list[tuple[str, int, int]] = [("", 0, source.size)]
    while stack:
        parent, at, end = stack.pop()
        if end - at < 8:
            if end - at and not parent:
                notes.add("bmff.trailing", f"@{at}", bytes=end - at)
            elif end - at and not parent.endswith("udta"):  # QuickTime ends user data with four zero bytes
                notes.add("structure.padding", f"{parent} @{at}", bytes=end - at)
            continue
        if len(found) >= _MOST_BOXES:
            raise LimitReachedError(f"more than {_MOST_BOXES} boxes, at byte {at}")
        head = source.exactly(at, 8)
        size, raw, body = uint(head, 0, 4), head[4:8], at + 8
        if not all(32 <= one < 127 or one == 0xA9 for one in raw):
            kind = "bmff.trailing" if not parent and any(box.path == "moov" for box in found) else "structure.malformed"
            notes.add(kind, f"{parent or '(top)'} @{at}", bytes=end - at, problem="no box begins here")
            continue
        if size == 1:
            size, body = uint(source.exactly(at + 8, 8), 0, 8), at + 16
        elif size == 0:
            size = end - at
        name = raw.decode("latin-1")
        path = f"{parent}/{name}".lstrip("/")
        if size < body - at:
            notes.add("structure.malformed", f"{path} @{at}", problem=f"size {size} is smaller than its own header")
            continue
        if at + size > end:
            notes.add("structure.cut", f"{path} @{at}", declared_bytes=size, present_bytes=end - at)
        box = Box(name, path, at, body, min(at + size, end))
        found.append(box)
        stack.append((parent, box.end, end))
        if name in _CONTAINERS and path.count("/") < _DEPTH:
            stack.append((path, body + (4 if name == "meta" and _is_full(source, box) else 0), box.end))
    return found


def _is_full(source: Source, box: Box) -> bool:
    """ISO's ``meta`` begins with version and flags, QuickTime's with a box."""
    return source.read(box.body + 4, 4) != b"hdlr"


def _structure(source: Source, boxes: list[Box], notes: Notes) -> None:
    top = [box for box in boxes if "/" not in box.path]
    listed = {f"{index + 1}": f"{box.path} @{box.offset}, {box.end - box.offset} bytes" for index, box in
              enumerate(boxes[:_LISTED])}  # fmt: skip
    rest = len(boxes) - len(listed)
    notes.add("bmff.tree", "@0", boxes=len(boxes), not_listed=rest or None, **listed)
    kinds = [box.kind for box in top]
    if "moov" in kinds and "mdat" in kinds:
        first = "bmff.moov_first" if kinds.index("moov") < kinds.index("mdat") else "bmff.moov_last"
        notes.add(first, top[kinds.index("moov")].where, order=" ".join(kinds[:_LISTED]))
    for kind in ("moov", "mdat"):
        if kind not in kinds:
            notes.add("bmff.missing", "(top)", box=kind)
    if "moof" in kinds:
        notes.add("bmff.fragmented", top[kinds.index("moof")].where, fragments=kinds.count("moof"))
    for kind, count in Counter(kinds).items():
        if count > 1 and kind in ("ftyp", "moov", "mdat"):
            places = ", ".join(f"@{box.offset}" for box in top if box.kind == kind)
            notes.add("bmff.several", places, box=kind, count=count)
    if "moof" not in kinds and top and top[-1].kind not in ("moov", "mdat", "free", "skip", "wide", "udta", "mfra"):
        notes.add("bmff.after", top[-1].where, box=top[-1].kind, bytes=top[-1].end - top[-1].offset)
    for box in boxes:
        if box.kind in ("free", "skip") and box.end > box.body:
            data = source.read(box.body, min(box.end - box.body, 4096))
            held = "zero bytes only" if not data.strip(b"\0") else f"bytes that are not zero, such as {data[:24].hex()}"
            notes.add("bmff.free", box.where, bytes=box.end - box.offset, contents=held)


def _brands(source: Source, box: Box, notes: Notes) -> None:
    data = source.exactly(box.body, min(box.end - box.body, 8 + 4 * 32))
    others = [data[at : at + 4].decode("latin-1") for at in range(8, len(data) - 3, 4)]
    major = data[:4].decode("latin-1")
    notes.add("bmff.brands", box.where, major=major, minor=uint(data, 4, 4), compatible=", ".join(others))


def _times(source: Source, box: Box, notes: Notes) -> None:
    long = source.exactly(box.body, 1)[0] == 1
    data = source.exactly(box.body, 20 if long else 12)
    width = 8 if long else 4
    created, modified = uint(data, 4, width), uint(data, 4 + width, width)
    notes.add("bmff.times", box.where, created=_media_time(created), modified=_media_time(modified))
    if created and modified and modified != created:
        notes.add("bmff.modified_later" if modified > created else "bmff.modified_earlier", box.where,
                  seconds=modified - created)  # fmt: skip
