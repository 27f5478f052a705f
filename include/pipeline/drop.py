"""Drops: the trigger that tells Airflow which jobs under ``incoming/`` are ready, and the look that it repeats.

Ready means: nothing under the job's prefix changed for ``settle_s`` seconds, or a ``_READY`` marker lies there, or
every file that its ``manifest.json`` lists. What was seen, since when, and what Airflow was told lies in PostgreSQL
(``voiceman.incoming_drop``): a restarted or second triggerer goes on where the first was. An event may come twice (it
is repeated while the drop still lies there); the run id is made of the listing, so the second start finds its run.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from include import state
from include.errors import VoiceManError
from include.pipeline.listing import Deliveries, look
from include.settings import get_settings
from include.storage import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from include.state import Announced
    from include.storage import Store

__all__ = ["IncomingTrigger", "Watch"]

log = logging.getLogger(__name__)

_SHARE = 4  # a look that takes 10 s is followed by a pause of at least 40 s
_CHECK_S = 5.0  # in a long pause the database is asked so often whether something became due
_MOST_PAUSE_S = 30.0  # after errors


class Watch:
    """Repeated looks; what it keeps in memory only saves work."""

    def __init__(self, settle_s: float) -> None:
        self.settle_s = settle_s
        self._deliveries = Deliveries()
        self._store: Store | None = None
        self._told: dict[str, str] = {}

    def once(self, jobs: Collection[str] | None = None) -> list[Announced]:
        """Look, remember what was found, and take what is ready and must be told of now.

        Args:
            jobs: look at these only; None: all.

        Raises:
            StorageError, StateError: S3 or PostgreSQL can't be reached.
        """
        if self._store is None:
            self._store = open_store()
        begun = state.clock()
        try:
            drops = look(self._store, settle_s=self.settle_s, deliveries=self._deliveries, jobs=jobs)
        except VoiceManError:
            self._store = None  # the connection may have been changed meanwhile
            raise
        state.record_drops(drops, begun=begun, jobs=jobs)
        problems = {drop.job_id: drop.problem for drop in drops if drop.problem is not None}
        for job_id, problem in problems.items():
            if self._told.get(job_id) != problem:
                log.error("%s", problem)
        self._told = problems
        return state.announce_drops(jobs)


def _payload(drop: Announced) -> dict[str, str | int]:
    return {"job_id": drop.job_id, "run_id": drop.run_id, "times": drop.times}


class IncomingTrigger(BaseEventTrigger):
    """Looks at ``incoming/`` every ``poll_s`` seconds, and when a drop has settled, and fires for each ready drop.

    A store or database that is away is logged and tried again. Anything unforeseen ends the generator with its
    traceback in the triggerer's log; Airflow 3.3 makes an asset's trigger anew within about a second (its row stays),
    and nothing is lost, because the memory is in PostgreSQL.
    """

    def __init__(self, poll_s: float | None = None, settle_s: float | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        # the triggerer gives both: a constructor that raises would end the whole triggerer (apache/airflow#72758)
        self.poll_s = get_settings().poll_s if poll_s is None else poll_s
        self.settle_s = get_settings().settle_s if settle_s is None else settle_s

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """How Airflow stores the trigger."""
        return "include.pipeline.drop.IncomingTrigger", {"poll_s": self.poll_s, "settle_s": self.settle_s}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield ``{"job_id", "run_id", "times"}`` for each ready drop."""
        watch, failures = Watch(self.settle_s), 0
        while True:
            began = time.monotonic()
            try:
                ready = await asyncio.to_thread(watch.once)
                due_s = await asyncio.to_thread(state.next_due_s)
                failures = 0
            except VoiceManError as error:
                failures += 1
                log.warning("incoming/ can't be looked at (try %d), trying again: %s", failures, error)
                await asyncio.sleep(min(self.poll_s * 2 ** min(failures - 1, 6), _MOST_PAUSE_S))
                continue
            took_s = time.monotonic() - began
            for drop in ready:
                yield TriggerEvent(_payload(drop))  # type: ignore[no-untyped-call]
            await self._pause(due_s, took_s)

    async def _pause(self, due_s: float | None, took_s: float) -> None:
        """Until the next look: the next drop's settle time, or ``poll_s``; a long look is followed by a longer pause.

        A drop that is due but was not taken (a run claims its job just now) waits for the next look.
        """
        least, ends = _SHARE * took_s, time.monotonic() + max(self.poll_s, _SHARE * took_s)
        first = time.monotonic() + least
        while (left := ends - time.monotonic()) > 0:
            if due_s is not None and 0 < due_s < left:
                await asyncio.sleep(max(due_s, first - time.monotonic()) + 0.05)
                return
            await asyncio.sleep(min(left, _CHECK_S))
            if left > _CHECK_S:  # a notification may have let a task see a drop meanwhile
                due_s = await self._due_s()

    async def _due_s(self) -> float | None:
        try:
            return await asyncio.to_thread(state.next_due_s)
        except VoiceManError as error:
            log.warning("The intake's memory can't be read, trying again: %s", error)
            return None
