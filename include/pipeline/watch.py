"""Body of the DAG ``watch``: the pool ``gpu`` follows the devices, the recommendation follows the queue."""

from __future__ import annotations

import logging
import re

from include import state
from include.errors import SettingsError
from include.pipeline.airflow_admin import airflow_database, run_airflow
from include.pipeline.devices import register_host
from include.pipeline.scaling import record_scaling

__all__ = ["gpu_pool", "recommend", "register_here", "resize_pool"]

log = logging.getLogger(__name__)

POOL = "gpu"
_FOUND = re.compile(r" \((\d+) found\)$")


def gpu_pool(description: str, found: int) -> str:
    """The pool's description with the number of devices for which its slots were set.

    It is the memory of what was set last: slots that a person changes stay until another number of devices is found.
    """
    return f"{_FOUND.sub('', description)} ({found} found)"


def register_here() -> bool:
    """Report this machine's devices when every task runs on it (local executor); True when it does.

    Celery's workers report their own: a task for it would wait in the queue ``gpu`` while all their devices work.

    Raises:
        StateError: PostgreSQL can't be reached.
        SettingsError, ToolError: as :func:`include.pipeline.devices.slots`.
    """
    from airflow.sdk.configuration import conf

    local = "LocalExecutor" in conf.get("core", "executor")
    if local:
        register_host()
    return local


def resize_pool() -> int | None:
    """Give the pool ``gpu`` as many slots as there are devices on all hosts; returns the number it was given.

    It changes nothing (None) when the number of devices is the one for which the pool was set last, when no device was
    seen yet, and when there is no connection to Airflow's database: then it says what it would set.

    Raises:
        StateError: PostgreSQL can't be reached.
        ToolError: Airflow's command failed.
    """
    found = state.count_devices()
    if found == 0:
        log.warning("No device was seen in the last %.0f minutes; the pool stays as it is.", state.DEVICE_SEEN_S / 60)
        return None
    try:
        with airflow_database() as cursor:
            cursor.execute("SELECT slots, description, include_deferred FROM slot_pool WHERE pool = %s", (POOL,))
            row = cursor.fetchone()
    except SettingsError as error:
        log.warning("The pool %s should have %d slots, but this task can't set it: %s", POOL, found, error)
        return None
    slots, description, deferred = row or (None, "Transcription: one batch a device at a time", False)
    before = _FOUND.search(description or "")
    if slots is not None and before and int(before[1]) == found:
        log.info("%d devices, as before; the pool %s has %d slots.", found, POOL, slots)
        return None
    options = ["--include-deferred"] if deferred else []
    run_airflow(["pools", "set", POOL, str(found), gpu_pool(description or "", found).strip(), *options])
    log.warning("The pool %s had %s slots and has %d now, one a device.", POOL, slots, found)
    return found


def recommend() -> str:
    """Write the scaling recommendation; returns it in words."""
    advice = record_scaling()
    told = f"{advice.action}: {advice.stt_workers} STT, {advice.forensic_workers} forensic"
    log.info("%s%s", told, ", alert" if advice.alert else "")
    return told
