"""Tags of an ISO base media file: iTunes' list, 3GPP's and vendors' boxes under ``udta``, QuickTime's keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from include.container.source import MalformedError, uint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.container.bmff import Box
    from include.container.source import Notes, Source

__all__ = ["read_tags"]

_MOST_TAGS: Final = 200
_MOST_BYTES: Final = 4096
_ENCODERS: Final = {"©too", "©swr", "©enc", "iTunSMPB", "tool", "Encoding Params", "com.apple.quicktime.software"}
_DATES: Final = {"©day", "com.apple.quicktime.creationdate"}
_STRUCTURE: Final = {"meta", "free", "skip"}


def read_tags(source: Source, boxes: list[Box], notes: Notes) -> None:
    """Note every tag, bounded in number and length; pictures and other data only by their size."""
    for box in boxes:
        try:
            if box.kind == "ilst":
                _list(source, box, _keys(source, boxes, box), notes)
            elif box.path.endswith("udta/" + box.kind) and box.kind not in _STRUCTURE:
                _user_data(source, box, notes)
        except MalformedError as error:
            notes.add("structure.malformed", box.where, problem=str(error))


def _note(notes: Notes, name: str, where: str, text: bytes) -> None:
    kind = "tag.encoder" if name in _ENCODERS else "tag.date" if name in _DATES else "tag.other"
    notes.add(kind, where, tag=name, text=text)


def _children(source: Source, start: int, end: int) -> Iterator[tuple[str, int, int, int]]:
    """Kind, offset, contents' offset and end of each box in a stretch."""
    at = start
    for _ in range(_MOST_TAGS):
        if end - at < 8:
            return
        head = source.exactly(at, 8)
        size = uint(head, 0, 4)
        if not 8 <= size <= end - at:
            raise MalformedError(f"a tag at byte {at} has the size {size}")
        yield head[4:8].decode("latin-1"), at, at + 8, at + size
        at += size


def _keys(source: Source, boxes: list[Box], box: Box) -> list[str]:
    """QuickTime's key names, which a list beside them names by number."""
    parent = box.path.rpartition("/")[0]
    keys = next((one for one in boxes if one.path == f"{parent}/keys"), None)
    if keys is None:
        return []
    names = []
    for _, _, body, end in _children(source, keys.body + 8, keys.end):
        names.append(source.read(body, min(end - body, 200)).decode("utf-8", "replace"))
    return names


def _list(source: Source, box: Box, keys: list[str], notes: Notes) -> None:
    for kind, offset, body, end in _children(source, box.body, box.end):
        name, text = kind, b""
        number = int.from_bytes(kind.encode("latin-1"), "big")
        if 0 < number <= len(keys):
            name = keys[number - 1]
        for part, _, inner, until in _children(source, body, end):
            if part == "name":
                name = source.read(inner + 4, min(until - inner - 4, 100)).decode("utf-8", "replace")
            elif part == "data":
                typed, length = uint(source.exactly(inner, 8), 0, 4), until - inner - 8
                data = source.read(inner + 8, min(length, _MOST_BYTES))
                text = data if typed == 1 else f"{length} bytes of type {typed}: {data[:16].hex()}".encode()
        _note(notes, name, f"{box.path}/{kind} @{offset}", text)


def _user_data(source: Source, box: Box, notes: Notes) -> None:
    data = source.read(box.body, min(box.end - box.body, _MOST_BYTES))
    if box.kind.startswith("©") and len(data) >= 4:  # QuickTime: length and language, then the text
        text = data[4 : 4 + uint(data, 0, 2)]
    elif box.kind in ("titl", "auth", "dscp", "cprt", "perf", "gnre", "albm"):  # 3GPP: version, language, text
        text = data[6:]
    else:
        plain = data.strip(b"\0")
        text = plain if plain and all(32 <= one < 127 for one in plain) else f"{len(data)} bytes: ".encode()
        text = text if text is plain else text + data[:32].hex().encode()
    _note(notes, box.kind, box.where, text)
