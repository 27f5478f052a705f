"""Intake facts of jobs, and the release of quarantined ones: append-only, each with its custody event."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.evidence import IntakeFacts, parse_intake
from include.state.database import transaction

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from include.state.recordings import Actor

__all__ = [
    "Quarantined",
    "decision_of",
    "intake_of",
    "is_kept_held",
    "is_released",
    "keep_held",
    "note_quarantine",
    "quarantined",
    "release_job",
    "save_intake",
]


@dataclass(frozen=True)
class Quarantined:
    """A job that waits for a person."""

    sha256: str
    """Of the intake.json that declares it."""
    names: tuple[str, ...]
    """The recordings that it is about, when it was last claimed."""


def save_intake(job_id: str, document: bytes, actor: Actor) -> str:
    """Keep a job's intake.json as it was written, unless it is the newest already; returns its SHA-256."""
    sha256 = hashlib.sha256(document).hexdigest()
    with transaction() as cursor:
        cursor.execute("SELECT sha256 FROM voiceman.intake WHERE job_id = %s ORDER BY id DESC LIMIT 1", (job_id,))
        last = cursor.fetchone()
        if last is None or last[0] != sha256:
            cursor.execute(
                "INSERT INTO voiceman.intake (job_id, sha256, document) VALUES (%s, %s, %s)", (job_id, sha256, document)
            )
            _append(cursor, job_id, "facts stated", actor, sha256)
    return sha256


def intake_of(job_id: str) -> tuple[IntakeFacts, str] | None:
    """A job's newest intake facts and the SHA-256 of their document; None: nothing was stated."""
    with transaction() as cursor:
        cursor.execute(
            "SELECT document, sha256 FROM voiceman.intake WHERE job_id = %s ORDER BY id DESC LIMIT 1", (job_id,)
        )
        row = cursor.fetchone()
    return None if row is None else (parse_intake(bytes(row[0]), f"intake.json of job {job_id}"), row[1])


def note_quarantine(job_id: str, sha256: str, reason: str, actor: Actor, names: Sequence[str]) -> None:
    """Note once for an intake.json that the job waits for a person, and each time which recordings do."""
    with transaction() as cursor:
        cursor.execute(
            "SELECT 1 FROM custody.event e JOIN voiceman.job j ON j.case_name = e.case_name "
            "WHERE j.job_id = %s AND e.job = %s AND e.recording = '' AND e.body::jsonb ->> 'action' = 'quarantined' "
            "AND e.body::jsonb -> 'digests' ->> 'intake.json' = %s LIMIT 1",
            (job_id, job_id, sha256),
        )
        if cursor.fetchone() is None:
            _append(cursor, job_id, "quarantined", actor, sha256, reason=reason)
        cursor.execute(
            "INSERT INTO voiceman.quarantine (job_id, sha256, names) VALUES (%s, %s, %s) ON CONFLICT (job_id) "
            "DO UPDATE SET sha256 = EXCLUDED.sha256, names = EXCLUDED.names",
            (job_id, sha256, list(names)),
        )


def quarantined(job_id: str) -> Quarantined | None:
    """What the job waits for; None when it was never held, was released, or other facts were stated since."""
    with transaction() as cursor:
        cursor.execute(
            "SELECT q.sha256, q.names FROM voiceman.quarantine q WHERE q.job_id = %s AND NOT EXISTS (SELECT 1 FROM "
            "voiceman.release r WHERE r.job_id = q.job_id AND r.sha256 = q.sha256) AND q.sha256 = (SELECT i.sha256 "
            "FROM voiceman.intake i WHERE i.job_id = q.job_id ORDER BY i.id DESC LIMIT 1)",
            (job_id,),
        )
        row = cursor.fetchone()
    return None if row is None else Quarantined(row[0], tuple(row[1]))


def release_job(job_id: str, sha256: str, person: str, reason: str, actor: Actor) -> None:
    """Release a job whose intake.json has this SHA-256."""
    with transaction() as cursor:
        cursor.execute(
            "INSERT INTO voiceman.release (job_id, sha256, person, reason) VALUES (%s, %s, %s, %s)",
            (job_id, sha256, person, reason),
        )
        _append(cursor, job_id, "released", actor, sha256, reason=f"by {person}: {reason}")


def keep_held(job_id: str, sha256: str, person: str, reason: str, actor: Actor) -> None:
    """A person decided that a job whose intake.json has this SHA-256 stays in quarantine."""
    with transaction() as cursor:
        _append(cursor, job_id, "kept held", actor, sha256, reason=f"by {person}: {reason}")


def is_kept_held(job_id: str, sha256: str) -> bool:
    """True when a person decided that the job stays held, as that intake.json describes it."""
    with transaction() as cursor:
        cursor.execute(
            "SELECT 1 FROM custody.event e JOIN voiceman.job j ON j.case_name = e.case_name "
            "WHERE j.job_id = %s AND e.job = %s AND e.recording = '' AND e.body::jsonb ->> 'action' = 'kept held' "
            "AND e.body::jsonb -> 'digests' ->> 'intake.json' = %s LIMIT 1",
            (job_id, job_id, sha256),
        )
        return cursor.fetchone() is not None


def decision_of(job_id: str, run_id: str) -> str | None:
    """``released`` or ``kept held``, when a run decided about a job already (its task is tried again)."""
    with transaction() as cursor:
        cursor.execute(
            "SELECT e.body::jsonb ->> 'action' FROM custody.event e JOIN voiceman.job j ON j.case_name = e.case_name "
            "WHERE j.job_id = %s AND e.job = %s AND e.recording = '' AND e.body::jsonb ->> 'run' = %s "
            "AND e.body::jsonb ->> 'action' IN ('released', 'kept held') LIMIT 1",
            (job_id, job_id, run_id),
        )
        row = cursor.fetchone()
    return None if row is None else str(row[0])


def is_released(job_id: str, sha256: str) -> bool:
    """True when a person released the job as that intake.json describes it."""
    with transaction() as cursor:
        cursor.execute("SELECT 1 FROM voiceman.release WHERE job_id = %s AND sha256 = %s LIMIT 1", (job_id, sha256))
        return cursor.fetchone() is not None


def _append(cursor: Any, job_id: str, action: str, actor: Actor, sha256: str, *, reason: str | None = None) -> None:
    cursor.execute(
        "SELECT custody.append(case_name, job_id, '', %s, NULL, NULL, %s, %s, %s, %s::jsonb, %s) FROM voiceman.job "
        "WHERE job_id = %s",
        (
            action, actor.run_id or None, actor.try_number or None, actor.name, json.dumps({"intake.json": sha256}),
            reason, job_id,
        ),
    )  # fmt: skip
