"""What housekeeping asks the database, and the record of what it removed (``voiceman.deletion``, append-only)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from include.manifest import Recording, State
from include.state.database import transaction

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Deletion", "digests_of", "open_recordings", "record_deletions", "try_job_lock"]

_TERMINAL = [one.value for one in State if one.terminal]


@dataclass(frozen=True)
class Deletion:
    """One object that goes, and why."""

    key: str
    size_bytes: int
    modified: datetime
    """When the object was written, by the store's clock: with the key, it tells one object from a later one."""
    policy: str
    """What decided it."""
    actor: str
    sha256: str | None = None
    """Of originals always; else None: it was not read."""


def try_job_lock(cursor: Any, job_id: str) -> bool:
    """Hold a job for this transaction unless a claim holds it (:func:`include.state.job_lock`).

    Returns:
        False when somebody else holds it.
    """
    cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 1))", (job_id,))
    return bool(cursor.fetchone()[0])


def open_recordings(job_id: str | None = None) -> list[Recording]:
    """Recordings that are neither COMPLETED nor FAILED, of one job or of all."""
    with transaction() as cursor:
        cursor.execute(
            "SELECT job_id, file_id, name, sha256, size_bytes FROM voiceman.recording "
            "WHERE state <> ALL (%s) AND (%s::text IS NULL OR job_id = %s)",
            (_TERMINAL, job_id, job_id),
        )
        return [
            Recording(job_id=job, file_id=file_id, name=name, sha256=sha256, size_bytes=size)
            for job, file_id, name, sha256, size in cursor.fetchall()
        ]


def digests_of(job_id: str) -> dict[str, str]:
    """SHA-256 as claimed of a job's recordings, by the name under which each is kept; empty: the job is not known."""
    with transaction() as cursor:
        cursor.execute("SELECT name, sha256 FROM voiceman.recording WHERE job_id = %s", (job_id,))
        return dict(cursor.fetchall())


def record_deletions(deletions: Sequence[Deletion]) -> int:
    """Write down what is about to be deleted; what a pass before this one wrote down already is not written twice.

    Returns:
        How many were new.
    """
    if not deletions:
        return 0
    with transaction() as cursor:
        cursor.executemany(
            "INSERT INTO voiceman.deletion (key, sha256, size_bytes, modified, policy, actor) "
            "SELECT %s, %s, %s, %s, %s, %s WHERE NOT EXISTS "
            "(SELECT FROM voiceman.deletion WHERE key = %s AND modified = %s)",
            [
                (one.key, one.sha256, one.size_bytes, one.modified, one.policy, one.actor, one.key, one.modified)
                for one in sorted(
                    deletions, key=lambda one: one.key
                )  # one order of cases: no two passes wait for each other
            ],
        )
        return int(cursor.rowcount)
