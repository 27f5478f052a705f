"""Device slots that workers found on their hosts: as many as were seen lately make the pool ``gpu``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.state.database import transaction

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

__all__ = ["DEVICE_SEEN_S", "Device", "count_devices", "list_devices", "register_devices"]

DEVICE_SEEN_S = 75 * 60.0
"""A device counts this many seconds after it was last seen. Workers report their hosts every 10 minutes (compose) or
every minute (local stack), and whenever a task takes a device; a worker that only does the last may be silent as long
as its longest task: 55 minutes, and 10 of waiting."""


@dataclass(frozen=True)
class Device:
    """A slot of a host."""

    slot: str
    """UUID of a GPU or MIG instance; ``cpu-0``."""
    kind: str
    """``gpu``, ``mig`` or ``cpu``."""
    name: str
    memory_bytes: int | None
    host: str = ""
    seen_at: datetime | None = None
    """Set in what :func:`list_devices` gives."""


def register_devices(host: str, devices: Sequence[Device]) -> None:
    """Remember all the devices of a host as seen now; those it no longer has are forgotten.

    Args:
        host: the worker's host name.
        devices: all that its tasks may use; ``host`` and ``seen_at`` in them don't count.
    """
    with transaction() as cursor:
        for one in sorted(devices, key=lambda device: device.slot):  # in one order: two workers can't wait crosswise
            cursor.execute(
                "INSERT INTO voiceman.device (host, slot, kind, name, memory_bytes) VALUES (%s, %s, %s, %s, %s) "
                "ON CONFLICT (host, slot) DO UPDATE SET kind = EXCLUDED.kind, name = EXCLUDED.name, "
                "memory_bytes = EXCLUDED.memory_bytes, seen_at = clock_timestamp()",
                (host, one.slot, one.kind, one.name, one.memory_bytes),
            )
        cursor.execute(
            "DELETE FROM voiceman.device WHERE host = %s AND slot <> ALL (%s)", (host, [one.slot for one in devices])
        )


def list_devices() -> list[Device]:
    """Every device that still counts, by host and slot; a GPU seen by two hosts (a container made anew) once."""
    with transaction() as cursor:
        cursor.execute(
            "SELECT slot, kind, name, memory_bytes, host, seen_at FROM ("
            "  SELECT DISTINCT ON (CASE WHEN kind = 'cpu' THEN host END, slot) * FROM voiceman.device"
            "  WHERE seen_at > clock_timestamp() - make_interval(secs => %s)"
            "  ORDER BY CASE WHEN kind = 'cpu' THEN host END, slot, seen_at DESC) AS seen "
            "ORDER BY host, slot",
            (DEVICE_SEEN_S,),
        )
        return [Device(*row) for row in cursor.fetchall()]


def count_devices() -> int:
    """How many devices count."""
    return len(list_devices())
