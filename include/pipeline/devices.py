"""Device slots of this host, what the database knows of them, and the lease that a transcription takes."""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from include import state
from include.errors import SettingsError
from include.pipeline.lease import VISIBLE, WAIT_S, Holder, Lease, held_slots, hold
from include.pipeline.nvidia import Slot, find_devices, visible
from include.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from include.state import Actor

__all__ = ["Holder", "Lease", "Slot", "held_slots", "hold", "lease", "register_host", "slots"]


def slots() -> list[Slot]:
    """What transcriptions on this host may use, one at a time each: GPUs and MIG instances, else the CPU.

    ``VOICEMAN_DEVICE`` decides (``auto``: GPUs where there are any), and ``CUDA_VISIBLE_DEVICES`` restricts the GPUs.

    Raises:
        SettingsError: ``VOICEMAN_DEVICE`` is ``cuda`` and no GPU is there.
        ToolError: ``nvidia-smi`` hangs or can't be understood.
    """
    wanted = get_settings().device
    found = [] if wanted == "cpu" else visible(find_devices(), os.environ.get(VISIBLE))
    if found:
        return found
    if wanted == "cuda":
        raise SettingsError(
            "VOICEMAN_DEVICE is cuda, but this host has no GPU that nvidia-smi shows and CUDA_VISIBLE_DEVICES allows; "
            "install the driver, or set VOICEMAN_DEVICE=auto."
        )
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return [Slot("cpu-0", "cpu", "CPU", memory)]


def register_host(found: Sequence[Slot] | None = None) -> list[Slot]:
    """Tell the database which slots this host has; returns them.

    Args:
        found: what :func:`slots` gave; it is asked when None.

    Raises:
        StateError: PostgreSQL can't be reached.
    """
    mine = slots() if found is None else list(found)
    state.register_devices(
        socket.gethostname(), [state.Device(one.id, one.kind, one.name, one.memory_bytes) for one in mine]
    )
    return mine


@contextmanager
def lease(actor: Actor | None = None, *, wait_s: float = WAIT_S) -> Iterator[Lease]:
    """Report this host's devices and hold one of them: see :func:`include.pipeline.lease.hold`.

    Raises:
        DeviceBusyError: none became free in ``wait_s`` seconds; a retry may find one.
        SettingsError, ToolError: as :func:`slots`.
        StateError: PostgreSQL can't be reached.
    """
    with hold(register_host(), actor, wait_s=wait_s) as held:
        yield held
