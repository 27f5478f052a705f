"""Who was on a device, and whether two processes ever were at once.

A process that is on a device holds the file ``{slot}.lock`` (flock) from its first recording there to its last. The
kernel frees the lock when the process ends, however it ends: whoever can't take it has met a *living* process on the
same slot, an orphan, and writes a violation. Replicas of one process share the lock. Each recording also leaves a
``begin`` and an ``end`` line: a begin without an end was cut off, two ends of one recording were done twice.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE = "VOICEMAN_FAKE_DEVICES"

_lock = threading.Lock()
_held: dict[str, tuple[int, int]] = {}
"""Slot → open file and how many recordings of this process are on it."""


def _slot() -> str:
    return os.environ.get("CUDA_VISIBLE_DEVICES") or "cpu-0"


def _append(folder: Path, **entry: Any) -> None:
    """One line; short appends to a file opened with O_APPEND are not torn on a local file system."""
    line = json.dumps({"pid": os.getpid(), "at": time.monotonic(), **entry}) + "\n"
    descriptor = os.open(folder / "use.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def _enter(folder: Path, slot: str) -> None:
    with _lock:
        if slot in _held:
            descriptor, count = _held[slot]
            _held[slot] = (descriptor, count + 1)
            return
        descriptor = os.open(folder / f"{slot}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        except BlockingIOError:
            _append(folder, what="violation", slot=slot, holder=os.pread(descriptor, 20, 0).decode())
        _held[slot] = (descriptor, 1)


def _leave(slot: str) -> None:
    with _lock:
        descriptor, count = _held.pop(slot)
        if count > 1:
            _held[slot] = (descriptor, count - 1)
        else:
            os.close(descriptor)  # frees the lock


@contextmanager
def on_device(sha256: str) -> Iterator[None]:
    """This process works on this recording on its slot; nothing is written unless the variable names a folder."""
    if not os.environ.get(VARIABLE):
        yield
        return
    folder, slot = Path(os.environ[VARIABLE]), _slot()
    _enter(folder, slot)
    try:
        _append(folder, what="begin", slot=slot, sha256=sha256)
        yield
        _append(folder, what="end", slot=slot, sha256=sha256)
    finally:
        _leave(slot)


def uses(folder: Path) -> list[dict[str, Any]]:
    """All lines so far."""
    path = folder / "use.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def busy(folder: Path) -> list[str]:
    """Slots on which a living process is now."""
    found = []
    for path in folder.glob("*.lock"):
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                found.append(path.stem)
    return found


def redone(lines: list[dict[str, Any]]) -> int:
    """How many recordings were transcribed to the end more than once."""
    ends = Counter(line["sha256"] for line in lines if line["what"] == "end")
    return sum(count - 1 for count in ends.values())
