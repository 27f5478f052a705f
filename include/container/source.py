"""Bounded reading of a file that nobody vouches for, and the notes that are taken of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import BinaryIO

__all__ = ["LimitReachedError", "MalformedError", "Notes", "Source", "shown", "uint"]

_MOST_AT_ONCE: Final = 1 << 20
_MOST_READ: Final = 96 << 20
_MOST_READS: Final = 600_000
_MOST_SHOWN: Final = 300
_MOST_NOTES: Final = 200
_MOST_OF_A_KIND: Final = 20
_MOST_VALUES: Final = 64


class MalformedError(Exception):
    """A structure is not what its format says; becomes an observation, never leaves this package."""


class LimitReachedError(Exception):
    """A file asks for more work than an examination does; becomes an observation, never leaves this package."""


class Source:
    """A file read piece by piece: at most 1 MiB at once, 96 MiB and 600,000 pieces in all."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.size = size
        self._file = file
        self._left = _MOST_READ
        self._reads = _MOST_READS

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``offset``; fewer where the file ends.

        Raises:
            LimitReachedError: too much was asked for, at once or in all.
        """
        length = max(0, min(length, self.size - offset))
        if length > _MOST_AT_ONCE:
            raise LimitReachedError(f"a structure of {length} bytes at byte {offset}")
        self._left -= length
        self._reads -= 1
        if self._left < 0 or self._reads < 0:
            raise LimitReachedError(f"more structures than are read, at byte {offset}")
        self._file.seek(offset)
        return self._file.read(length)

    def exactly(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``.

        Raises:
            MalformedError: the file ends before.
            LimitReachedError: as :meth:`read`.
        """
        data = self.read(offset, length)
        if len(data) != length:
            raise MalformedError(f"the file ends inside a structure at byte {offset}")
        return data


class Notes:
    """What is seen, in order; each kind's and all notes' number is bounded, and that some were left out is said."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str, dict[str, str]]] = []
        self.left_out = 0
        self._of_kind: dict[str, int] = {}

    def add(self, kind: str, where: str, **values: object) -> None:
        """Note one thing: its stable id, where it lies, and its values (empty ones are left out)."""
        self._of_kind[kind] = self._of_kind.get(kind, 0) + 1
        if self._of_kind[kind] > _MOST_OF_A_KIND or len(self.taken) >= _MOST_NOTES:
            self.left_out += 1
            return
        told = {name: shown(value) for name, value in list(values.items())[:_MOST_VALUES] if value not in (None, "")}
        self.taken.append((kind, where, told))

    def first(self, kind: str) -> dict[str, str] | None:
        """The values of the first note of a kind."""
        return next((values for one, _, values in self.taken if one == kind), None)


def uint(data: bytes, at: int, length: int, *, little: bool = False) -> int:
    """An unsigned number.

    Raises:
        MalformedError: the data end before.
    """
    piece = data[at : at + length]
    if len(piece) != length:
        raise MalformedError("a structure is shorter than its fields")
    return int.from_bytes(piece, "little" if little else "big")


def shown(value: object) -> str:
    """A value as text of one line, 300 characters at most; bytes that are no text and signs that don't print are
    escaped."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    text = "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in text[: _MOST_SHOWN + 1].rstrip("\0 "))
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "…"
