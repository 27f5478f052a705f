"""Deleting with a record: what goes is written to ``voiceman.deletion`` first, and only then deleted.

A pass that dies in between leaves a record of something that is still there; the next pass finds it again, adds no
second record, and deletes it.
"""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from include import state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from include.storage import Listed, Store

__all__ = ["Sweep", "job_of", "locked"]

log = logging.getLogger(__name__)

_CHUNK = 200


@dataclass
class Sweep:
    """One pass of housekeeping, and what it has done so far."""

    store: Store
    actor: str
    """Who deletes: a task, or a person at the command line."""
    dry_run: bool = False
    """Only say what would go."""
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    say: Callable[[str], None] = log.info
    """Told of each thing that goes, or would go."""
    counts: Counter[str] = field(default_factory=Counter)
    """What was done, by kind."""

    def older_than(self, days: float) -> datetime:
        """The moment so many days ago."""
        return self.now - timedelta(days=days)

    def remove(self, items: Iterable[Listed], policy: str, kind: str, digests: dict[str, str] | None = None) -> None:
        """Record, then delete objects.

        Args:
            items: the objects.
            policy: what decided that they go; kept in the record.
            kind: what they are, for the counts.
            digests: SHA-256 by key, where it was read.

        Raises:
            StateError: they could not be recorded; none of the last chunk was deleted.
            StorageError: S3 can't be reached; the rest goes with the next pass.
        """
        waiting = list(items)
        for start in range(0, len(waiting), _CHUNK):
            chunk = waiting[start : start + _CHUNK]
            if not self.dry_run:
                state.record_deletions(
                    [
                        state.Deletion(
                            one.key, one.size, one.modified, policy, self.actor, (digests or {}).get(one.key)
                        )
                        for one in chunk
                    ]
                )
            for one in chunk:
                if not self.dry_run:
                    self.store.delete(one.key)
                self.counts[kind] += 1
                self.counts["bytes"] += one.size
                self.say(f"{one.key} ({one.size} bytes, {one.modified:%Y-%m-%d %H:%M}): {policy}")


def job_of(key: str) -> str:
    """The job that an object belongs to: its second part (``completed/{job_id}/…``)."""
    return key.split("/")[1]


@contextmanager
def locked(job_id: str) -> Iterator[bool]:
    """Hold a job so that no claim begins with it; False when a claim is going on."""
    with state.transaction() as cursor:
        yield state.try_job_lock(cursor, job_id)
