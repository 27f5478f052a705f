"""The stack's ports, all on 127.0.0.1: the usual one, else a free one, remembered while free."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from include.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DEFAULT_PORTS", "HOST", "choose_ports", "is_free", "ports_reserved"]

HOST = "127.0.0.1"

DEFAULT_PORTS: dict[str, int] = {
    "ui": 8080,
    "postgres": 55432,
    "s3": 8333,
    "s3_grpc": 18333,
    "s3_master": 9333,
    "s3_master_grpc": 19333,
    "s3_volume": 9340,
    "s3_volume_grpc": 19340,
    "s3_filer": 8888,
    "s3_filer_grpc": 18888,
    "s3_admin": 23646,
    "s3_admin_grpc": 33646,
}
"""Port name to the number that is tried first."""

FREE_RANGE = range(20_000, 32_000)
"""Where other ports are looked for: below the range from which Linux takes ports for outgoing connections."""


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now (a connection's TIME_WAIT doesn't count)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


@contextmanager
def ports_reserved() -> Iterator[None]:
    """Hold this user's lock on choosing ports, until the servers of the stack listen on theirs.

    Two stacks that start in the same second would else find the same ports free. The kernel drops the lock with the
    process that holds it.

    Raises:
        StackError: the lock's file can't be used, as when it is somebody else's.
    """
    path = Path(tempfile.gettempdir()) / f"voiceman-ports-{os.getuid()}.lock"
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StackError(f"{path} can't be opened ({error.strerror}); remove it, or set TMPDIR.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def choose_ports(remembered: dict[str, int]) -> dict[str, int]:
    """A free port for each name: the remembered one, else the usual one, else a random free one.

    Args:
        remembered: what the last ``up`` used; may be empty.

    Raises:
        StackError: no free port was found.
    """
    chosen: dict[str, int] = {}
    for name, default in DEFAULT_PORTS.items():
        wanted = [remembered[name]] if name in remembered else []
        candidates = [*wanted, default, *random.sample(FREE_RANGE, 200)]
        taken = set(chosen.values()) | {port for other, port in remembered.items() if other != name}
        port = next((port for port in candidates if port not in taken and is_free(port)), None)
        if port is None:
            raise StackError(f"No free port was found on {HOST} for {name}; end programs that hold ports 20000-32000.")
        chosen[name] = port
    return chosen
