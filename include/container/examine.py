"""Examine one file: which container it is by its first bytes, its structure, tags and times; its name, if known."""

from __future__ import annotations

import hashlib
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from include.container.bmff import examine_bmff
from include.container.document import ContainerExamination, Observation
from include.container.mpeg import examine_mpeg, frame_at
from include.container.naming import compare_times, read_name
from include.container.ogg import examine_ogg
from include.container.riff import examine_riff
from include.container.simple import examine_amr, examine_asf, examine_flac
from include.container.source import LimitReachedError, MalformedError, Notes, Source
from include.container.texts import texts
from include.container.writers import note_writers
from include.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["examination_digest", "examine_file"]

_PACKAGE: Final = Path(__file__).resolve().parent
_ASF: Final = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_LONGEST_S: Final = 24 * 3600.0  # a longer length is no recording's
_BOXES: Final = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp", b"pnot"}
_MARKS: Final = (
    (b"OggS", "ogg"), (b"fLaC", "flac"), (b"#!AMR\n", "amr"), (b"#!AMR-WB\n", "amr"), (_ASF, "asf"),
)  # AMR's multichannel marks (#!AMR_MC1.0) are not here: their frames lie otherwise  # fmt: skip
_EXAMINERS: Final[dict[str, Callable[[Source, Notes], None]]] = {
    "iso-bmff": examine_bmff,
    "riff": examine_riff,
    "mpeg": examine_mpeg,
    "ogg": examine_ogg,
    "flac": examine_flac,
    "amr": examine_amr,
    "asf": examine_asf,
}


@cache
def examination_digest() -> str:
    """SHA-256 (hex) over this package's code and texts: what, besides the file and its name, decides the result."""
    digest = hashlib.sha256()
    for path in sorted(path for path in _PACKAGE.iterdir() if path.suffix in (".py", ".toml")):
        digest.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def examine_file(path: Path, *, sha256: str, name: str | None = None) -> ContainerExamination:
    """Examine a file; damage of any kind is an observation. The sound itself is not read into memory.

    Args:
        path: a local file.
        sha256: its digest, hex, as verified by the caller.
        name: as it was received, to set its time against the file's own; None: it is not known.

    Raises:
        AudioError: the file can't be opened.
    """
    notes = Notes()
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            source = Source(file, size)
            container = _container(source)
            _examine(source, container, notes)
    except OSError as error:
        raise AudioError(f"{name or path.name} can't be read ({error.strerror}); check the path.") from error
    note_writers(notes)
    if name is not None:
        compare_times(read_name(name, notes), _created(notes), _length_s(notes), notes)
    return ContainerExamination(
        sha256=sha256,
        size_bytes=size,
        container=container,
        settings_digest=examination_digest(),
        observations=tuple(_observation(*one) for one in notes.taken),
        left_out=notes.left_out,
    )


def _examine(source: Source, container: str, notes: Notes) -> None:
    examiner = _EXAMINERS.get(container)
    if examiner is None:
        notes.add("structure.not_examined", "@0", begins=source.read(0, 16).hex())
        return
    try:
        examiner(source, notes)
    except MalformedError as error:
        notes.add("structure.malformed", "file", problem=str(error))
    except LimitReachedError as error:
        notes.add("structure.limit", "file", problem=str(error))


def _observation(kind: str, where: str, values: dict[str, str]) -> Observation:
    text = texts("en")[kind]
    return Observation(id=kind, what=text.what, values=values, where=where, meaning=text.meaning, limits=text.limits)


def _container(source: Source) -> str:
    head = source.read(0, 4096)
    if head[4:8] in _BOXES:
        return "iso-bmff"
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "riff"
    for mark, container in _MARKS:
        if head.startswith(mark):
            return container
    if head.startswith(b"ID3"):
        return "flac" if _after_id3(source, head) == b"fLaC" else "mpeg"
    frame = frame_at(head, 0)
    if frame is not None and (len(head) <= frame.size or frame_at(head, frame.size) is not None):
        return "mpeg"
    return "unknown"


def _after_id3(source: Source, head: bytes) -> bytes:
    size = 0
    for one in head[6:10]:
        size = size << 7 | one & 0x7F
    return source.read(10 + size, 4)


def _created(notes: Notes) -> str | None:
    """The creation time in the container's header, where one is set."""
    for kind in ("bmff.times", "asf.times"):
        times = notes.first(kind)
        if times is not None:
            return times.get("created")
    broadcast = notes.first("riff.broadcast")
    if broadcast is None:
        return None
    try:  # a broadcast chunk's time has no zone; it is compared as it stands
        text = f"{broadcast.get('date', '').replace(':', '-').replace('_', '-')}T{broadcast.get('time', '')}"
        return datetime.fromisoformat(text.replace("_", ":") + "+00:00").isoformat()
    except ValueError:
        return None


def _length_s(notes: Notes) -> float | None:
    """The shortest length that the container states, because one false header must not make any two times agree."""
    durations = notes.first("bmff.durations") or {}
    told = (durations.get(name) for name in ("media_header", "sample_table", "movie_header"))
    lengths = [float(one.removesuffix(" s")) for one in told if one is not None]
    return min((one for one in lengths if one <= _LONGEST_S), default=None)
