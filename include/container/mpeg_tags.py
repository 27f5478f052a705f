"""ID3 and APE tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from include.container.source import MalformedError, uint

if TYPE_CHECKING:
    from include.container.source import Notes, Source

__all__ = ["read_end_tags", "read_id3v2"]

_MOST_FRAMES: Final = 200
_ENCODERS: Final = {"TSSE", "TENC", "TSS", "TEN"}
_DATES: Final = {"TDRC", "TDEN", "TDTG", "TYER", "TDAT", "TIME", "TYE", "TDA"}


def read_id3v2(source: Source, offset: int, notes: Notes) -> int:
    """Note the frames of an ID3v2 tag; returns where it ends, or ``offset`` when there is none.

    Raises:
        MalformedError: a frame promises more than the tag holds.
        LimitReachedError: there is too much.
    """
    head = source.read(offset, 10)
    if len(head) < 10 or head[:3] != b"ID3":
        return offset
    version, flags, size = head[3], head[5], _safe(head, 6)
    end = offset + 10 + size + (10 if flags & 0x10 else 0)
    notes.add("mpeg.id3v2", f"ID3v2 @{offset}", version=f"2.{version}", bytes=end - offset)
    if end > source.size:
        notes.add("structure.cut", f"ID3v2 @{offset}", declared_bytes=end - offset, present_bytes=source.size - offset)
    width, at, last = (3 if version == 2 else 4), offset + 10, min(offset + 10 + size, source.size)
    if flags & 0x40:
        raw = source.exactly(at, 4)
        at += _safe(raw, 0) if version == 4 else uint(raw, 0, 4) + 4
    for _ in range(_MOST_FRAMES):
        raw = source.read(at, 6 if width == 3 else 10)
        if last - at < len(raw) or len(raw) < 6 or not raw[:width].strip(b"\0"):
            break
        name = raw[:width].decode("latin-1")
        length = uint(raw, 3, 3) if width == 3 else _safe(raw, 4) if version == 4 else uint(raw, 4, 4)
        body = at + len(raw)
        if length > last - body:
            raise MalformedError(f"the ID3v2 frame {name!r} at byte {at} promises {length} bytes")
        _frame(name, f"ID3v2/{name} @{at}", length, source.read(body, min(length, 2000)), notes)
        at = body + length
    return end


def _frame(name: str, where: str, length: int, data: bytes, notes: Notes) -> None:
    if not name.startswith(("T", "COM")):
        notes.add("tag.other", where, tag=name, bytes=length)
        return
    coded = {0: "latin-1", 1: "utf-16", 2: "utf-16-be", 3: "utf-8"}.get(data[0] if data else 0, "latin-1")
    text = data[1:].decode(coded, "replace").replace("\0", " ").strip()
    kind = "tag.encoder" if name in _ENCODERS else "tag.date" if name in _DATES else "tag.other"
    notes.add(kind, where, tag=name, text=text)


def read_end_tags(source: Source, notes: Notes) -> int:
    """Note ID3v1 and APE tags at the end of a file; returns where the sound before them ends."""
    end = source.size
    last = source.read(max(0, end - 128), 128)
    if len(last) == 128 and last[:3] == b"TAG":
        end -= 128
        told = {"title": last[3:33], "artist": last[33:63], "album": last[63:93], "year": last[93:97],
                "comment": last[97:127]}  # fmt: skip
        named = {name: text.split(b"\0")[0].decode("cp949", "replace").strip() for name, text in told.items()}
        notes.add("mpeg.id3v1", f"ID3v1 @{end}", **named)
    foot = source.read(max(0, end - 32), 32)
    if len(foot) == 32 and foot[:8] == b"APETAGEX":
        size = uint(foot, 12, 4, little=True)
        has_head = bool(uint(foot, 20, 4, little=True) & 0x80000000)
        notes.add("mpeg.ape", f"APE @{max(0, end - size)}", bytes=size, items=uint(foot, 16, 4, little=True))
        end = max(0, end - size - (32 if has_head else 0))
    return end


def _safe(data: bytes, at: int) -> int:
    """A number of four bytes of seven bits."""
    value = 0
    for one in data[at : at + 4]:
        value = value << 7 | one & 0x7F
    return value
