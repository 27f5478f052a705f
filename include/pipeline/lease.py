"""The lease that keeps two transcriptions off one device.

Airflow's pool bounds how many transcriptions run; it can't know that a killed task's process still sits on a GPU. The
lease can: it is an ``flock`` on one file a slot, held by the process that works, and the kernel drops it when that
process ends, whatever ended it.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from include.errors import DeviceBusyError, SettingsError
from include.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from include.pipeline.nvidia import Slot
    from include.state import Actor

__all__ = ["VISIBLE", "WAIT_S", "Holder", "Lease", "held_slots", "hold"]

log = logging.getLogger(__name__)

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""By this variable CUDA learns which devices a process may use, when it is initialised."""

WAIT_S = 600.0
"""A killed task's orphan ends within a minute; longer means that something hangs."""

_POLL_S = 0.2
_SAY_S = 60.0
_RECORD_BYTES = 4096


@dataclass(frozen=True)
class Lease:
    """A slot that this process holds until the ``with`` ends."""

    slot: Slot
    fd: int
    """The open lock file: a child process that is started with ``pass_fds=(fd,)`` keeps the lease, too."""


@dataclass(frozen=True)
class Holder:
    """Who holds a slot, as it wrote into the lock file; for people."""

    pid: int
    run_id: str
    task: str
    try_number: int
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} ({self.task}, try {self.try_number}, run {self.run_id}, since {self.since})"


@contextmanager
def hold(found: Sequence[Slot], actor: Actor | None = None, *, wait_s: float = WAIT_S) -> Iterator[Lease]:
    """Hold one of these slots; ``CUDA_VISIBLE_DEVICES`` names it for this process and its children.

    It must come before CUDA is initialised: until then a process can still choose its device. Processes that it
    starts don't inherit the lease unless they are given :attr:`Lease.fd` (forked ones neither).

    Args:
        found: this host's slots.
        actor: who asks, for the log and for those who wait.
        wait_s: how long to wait for a slot.

    Raises:
        DeviceBusyError: none became free in that time; a retry may find one.
        SettingsError: the directory of the locks can't be used.
    """
    held = _acquire(found, actor, wait_s)
    before = os.environ.get(VISIBLE)
    try:
        if held.slot.kind != "cpu":
            os.environ[VISIBLE] = held.slot.id
        log.info(
            "Device %s (%s) of %s is leased to process %d",
            held.slot.id, held.slot.name, socket.gethostname(), os.getpid(),
        )  # fmt: skip
        yield held
    finally:
        if held.slot.kind != "cpu":
            os.environ.pop(VISIBLE, None)
            if before is not None:
                os.environ[VISIBLE] = before
        # closed, never unlocked: a child that was given the file keeps the device until it has ended, too
        _close(held.fd)


def _acquire(found: Sequence[Slot], actor: Actor | None, wait_s: float) -> Lease:
    began = time.monotonic()
    said = -_SAY_S
    while True:
        for slot in found:
            if (fd := _try(slot)) is not None:
                _sign(fd, actor)
                return Lease(slot, fd)
        waited = time.monotonic() - began
        if waited >= wait_s:
            raise DeviceBusyError(
                f"No device of {socket.gethostname()} became free in {wait_s:.0f} s; {_who(found)}; end what hangs."
            )
        if waited - said >= _SAY_S:
            said = waited
            log.warning("Waiting for a device: %s", _who(found))
        time.sleep(_POLL_S)


def held_slots(found: Sequence[Slot]) -> dict[str, Holder | None]:
    """Slots of this host that somebody holds now, with who (None: the lock file doesn't say)."""
    held: dict[str, Holder | None] = {}
    for slot in found:
        fd = _try(slot)
        if fd is None:
            held[slot.id] = _holder(_path(slot))
        else:
            _close(fd)
    return held


def _path(slot: Slot) -> Path:
    return get_settings().leases / (slot.id.replace("/", "_") + ".lock")


_open: set[int] = set()


def _try(slot: Slot) -> int | None:
    """The slot's locked file; None when somebody else holds it."""
    path = _path(slot)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise SettingsError(
            f"The device lock {path} can't be opened ({error.strerror}); set VOICEMAN_LEASE_DIR to a directory on this "
            "host's own disk that the workers can write to."
        ) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    _open.add(fd)
    return fd


def _close(fd: int) -> None:
    _open.discard(fd)
    os.close(fd)


def _drop_in_fork() -> None:
    """A forked child must not hold its parent's device; closing its copy of the file leaves the parent's lock alone."""
    for fd in _open:
        with suppress(OSError):
            os.close(fd)
    _open.clear()


os.register_at_fork(after_in_child=_drop_in_fork)


def _sign(fd: int, actor: Actor | None) -> None:
    told = {
        "pid": os.getpid(),
        "run_id": actor.run_id if actor else "none",
        "task": actor.name if actor else "by hand",
        "try_number": actor.try_number if actor else 0,
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    os.ftruncate(fd, 0)
    os.pwrite(fd, json.dumps(told, ensure_ascii=False).encode()[:_RECORD_BYTES], 0)


def _holder(path: Path) -> Holder | None:
    try:
        return Holder(**json.loads(path.read_bytes()[:_RECORD_BYTES]))
    except (OSError, ValueError, TypeError):  # being written just now, or by something else
        return None


def _who(found: Sequence[Slot]) -> str:
    return "; ".join(f"{slot.id} is held by {_holder(_path(slot)) or 'an unknown process'}" for slot in found)
