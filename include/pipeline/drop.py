"""Drops: which jobs under ``incoming/`` are ready, and the trigger that says so to Airflow.

Ready means: between this trigger's looks nothing under the job's prefix changed for ``settle_s`` seconds, or a
``_READY`` marker lies there. Markers alone are no drop. An event may come twice (the triggerer restarts); the run id
is made of the listing, so the second start finds its run there already.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from include.errors import InvalidJobError, StorageError
from include.manifest import check_job_id
from include.settings import get_settings
from include.storage import layout, open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from include.storage import Store

__all__ = ["Drop", "IncomingTrigger", "look"]

log = logging.getLogger(__name__)

_HOLD_FOR = timedelta(hours=1)  # a `submit` that died must not hold a job for ever


@dataclass(frozen=True)
class Drop:
    """What lies under one job's prefix at one moment."""

    job_id: str
    fingerprint: str
    """Digest over keys, sizes, ETags and times: equal when nothing changed."""
    marked: bool
    """A ``_READY`` marker is there."""
    held: bool
    """A fresh ``_HOLD`` marker is there: `submit` is uploading and starts the job itself."""

    @property
    def run_id(self) -> str:
        """One run per state of the drop."""
        return f"drop__{self.job_id}__{self.fingerprint[:12]}"


def look(store: Store) -> list[Drop]:
    """Every job under ``incoming/`` that holds a file; a name that can't be a job id is logged and left."""
    drops = []
    for prefix in store.prefixes("incoming/"):
        job_id = prefix.removeprefix("incoming/").rstrip("/")
        try:
            check_job_id(job_id)
        except InvalidJobError as error:
            _say_once(f"The drop {store.uri(prefix)!r} is left where it is: {error}")
            continue
        total, count, marked, held = 0, 0, False, False
        for item in store.list(layout.incoming_prefix(job_id)):
            count += not layout.is_marker(item.key.removeprefix(prefix))
            marked = marked or item.key == layout.incoming_key(job_id, "_READY")
            held = held or (
                item.key == layout.incoming_key(job_id, "_HOLD") and datetime.now(UTC) - item.modified < _HOLD_FOR
            )
            line = f"{item.key}\0{item.size}\0{item.etag}\0{item.modified.isoformat()}"
            # a sum of digests: the same in whatever order the store lists
            total += int.from_bytes(hashlib.sha256(line.encode()).digest(), "big")
        if count:
            drops.append(Drop(job_id, f"{total % 2**256:064x}", marked, held))
    return drops


@cache
def _say_once(message: str) -> None:
    log.error(message)


class IncomingTrigger(BaseEventTrigger):
    """Looks at ``incoming/`` every ``poll_s`` seconds and fires once for each drop that has settled."""

    def __init__(self, poll_s: float | None = None, settle_s: float | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.poll_s = get_settings().poll_s if poll_s is None else poll_s
        self.settle_s = get_settings().settle_s if settle_s is None else settle_s

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """How Airflow stores the trigger."""
        return "include.pipeline.drop.IncomingTrigger", {"poll_s": self.poll_s, "settle_s": self.settle_s}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield ``{"job_id", "run_id"}`` for each settled drop; forgets drops that are gone."""
        seen: dict[str, tuple[str, float]] = {}
        fired: dict[str, str] = {}
        while True:
            try:
                drops = await asyncio.to_thread(lambda: look(open_store()))
            except StorageError as error:
                log.warning("incoming/ can't be looked at, trying again: %s", error)
                await asyncio.sleep(self.poll_s)
                continue
            now = time.monotonic()
            seen = {drop.job_id: _since(seen.get(drop.job_id), drop, now) for drop in drops}
            fired = {job_id: mark for job_id, mark in fired.items() if job_id in seen}
            for drop in drops:
                settled = not drop.held and (drop.marked or now - seen[drop.job_id][1] >= self.settle_s)
                if settled and fired.get(drop.job_id) != drop.fingerprint:
                    fired[drop.job_id] = drop.fingerprint
                    yield TriggerEvent({"job_id": drop.job_id, "run_id": drop.run_id})  # type: ignore[no-untyped-call]
            await asyncio.sleep(self.poll_s)


def _since(before: tuple[str, float] | None, drop: Drop, now: float) -> tuple[str, float]:
    if before is not None and before[0] == drop.fingerprint:
        return before
    return drop.fingerprint, now
