"""Deletion by prefix and age, as ``VOICEMAN_RETENTION_DAYS`` says; nothing by default.

Never anything of a job that has a recording which is not finished, and never ``incoming/``. Originals go only by an
explicit policy; each one's SHA-256 is read before, and one that is not what was claimed stays.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from include import state
from include.errors import MissingObjectError
from include.pipeline.sweeping import job_of, locked
from include.settings import get_settings

if TYPE_CHECKING:
    from include.pipeline.sweeping import Sweep
    from include.storage import Listed

__all__ = ["apply_retention"]

log = logging.getLogger(__name__)

_CHUNK = 200


def apply_retention(sweep: Sweep) -> None:
    """Delete what the policy says.

    Raises:
        StateError, StorageError: PostgreSQL or S3 can't be reached; the rest goes with the next pass.
    """
    for prefix, days in get_settings().retention.items():
        limit = sweep.older_than(days)
        policy = f"retention: {prefix} after {days} days"
        expired = (item for item in sweep.store.list(prefix) if item.modified < limit)
        if prefix == "cache/":
            _cached(sweep, list(expired), policy)
        else:
            jobs: dict[str, list[Listed]] = {}
            for item in expired:
                jobs.setdefault(job_of(item.key), []).append(item)
            for job_id, items in jobs.items():
                _of_job(sweep, job_id, items, policy)


def _cached(sweep: Sweep, items: list[Listed], policy: str) -> None:
    """Cached transcripts, but for those of recordings that are still worked on."""
    for start in range(0, len(items), _CHUNK):
        chunk = items[start : start + _CHUNK]
        busy = {recording.sha256 for recording in state.open_recordings()}  # asked again: it may have begun just now
        free = [item for item in chunk if not busy & set(item.key.split("/"))]
        sweep.counts["kept"] += len(chunk) - len(free)
        sweep.remove(free, policy, "retention")


def _of_job(sweep: Sweep, job_id: str, items: list[Listed], policy: str) -> None:
    with locked(job_id) as free:
        if not free or state.open_recordings(job_id):
            log.info("%d expired objects of job %s stay: it is not finished.", len(items), job_id)
            sweep.counts["kept"] += len(items)
        elif items[0].key.startswith("originals/"):
            _originals(sweep, job_id, items, policy)
        else:
            sweep.remove(items, policy, "retention")


def _originals(sweep: Sweep, job_id: str, items: list[Listed], policy: str) -> None:
    claimed = state.digests_of(job_id)
    if not claimed:
        log.error("%d originals of job %s stay: the database does not know the job.", len(items), job_id)
        sweep.counts["kept"] += len(items)
        return
    decided = f"{policy}; {get_settings().retention_originals_policy}"
    for item in items:
        try:
            digest = sweep.store.sha256(item.key)
        except MissingObjectError:
            continue  # deleted since it was listed
        if claimed.get(item.key.split("/", 2)[2], digest) != digest:
            log.error("%s stays: it is not what was claimed (its SHA-256 is %s).", item.key, digest)
            sweep.counts["kept"] += 1
            continue
        sweep.remove([item], decided, "originals", {item.key: digest})
