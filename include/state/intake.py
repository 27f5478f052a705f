"""Intake facts of jobs, and the release of quarantined ones: append-only, each with its custody event."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.evidence import IntakeFacts, parse_intake
from include.state.database import reading, transaction

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from include.state.recordings import Actor

__all__ = [
    "Quarantined",
    "decision_of",
    "intake_of",
    "is_kept_held",
    "keep_held",
    "names_sha256",
    "note_quarantine",
    "quarantined",
    "release_job",
    "save_intake",
    "unreleased",
]


_HELD = "held recordings"
"""In an event's digests: of the recordings' names."""


@dataclass(frozen=True)
class Quarantined:
    """A job that waits for a person."""

    sha256: str
    """Of the intake.json that declares it."""
    names: tuple[str, ...]
    """The recordings that nobody released, of those there were when it was last claimed."""


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
    with reading() as cursor:
        cursor.execute(
            "SELECT document, sha256 FROM voiceman.intake WHERE job_id = %s ORDER BY id DESC LIMIT 1", (job_id,)
        )
        row = cursor.fetchone()
    return None if row is None else (parse_intake(bytes(row[0]), f"intake.json of job {job_id}"), row[1])


def names_sha256(names: Sequence[str]) -> str:
    """SHA-256 (hex) over recordings' names: a JSON array, sorted, without blanks, UTF-8."""
    listed = json.dumps(sorted(set(names)), ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(listed.encode("utf-8", "surrogatepass")).hexdigest()


def note_quarantine(job_id: str, sha256: str, reason: str, actor: Actor, names: Sequence[str]) -> None:
    """Note once for an intake.json and these recordings that the job waits for a person."""
    held = names_sha256(names)
    with transaction() as cursor:
        cursor.execute(
            "SELECT 1 FROM custody.event e JOIN voiceman.job j ON j.case_name = e.case_name "
            "WHERE j.job_id = %s AND e.job = %s AND e.recording = '' AND e.body::jsonb ->> 'action' = 'quarantined' "
            "AND e.body::jsonb -> 'digests' ->> 'intake.json' = %s AND e.body::jsonb -> 'digests' ->> %s = %s LIMIT 1",
            (job_id, job_id, sha256, _HELD, held),
        )
        if cursor.fetchone() is None:
            _append(cursor, job_id, "quarantined", actor, sha256, reason=reason, held=held)
        cursor.execute(
            "INSERT INTO voiceman.quarantine (job_id, sha256, names) VALUES (%s, %s, %s) ON CONFLICT (job_id) "
            "DO UPDATE SET sha256 = EXCLUDED.sha256, names = EXCLUDED.names",
            (job_id, sha256, list(names)),
        )


def quarantined(job_id: str) -> Quarantined | None:
    """What the job waits for; None when it was never held, all was released, or other facts were stated since."""
    with transaction() as cursor:
        cursor.execute(
            "SELECT q.sha256, q.names FROM voiceman.quarantine q WHERE q.job_id = %s AND q.sha256 = (SELECT i.sha256 "
            "FROM voiceman.intake i WHERE i.job_id = q.job_id ORDER BY i.id DESC LIMIT 1)",
            (job_id,),
        )
        row = cursor.fetchone()
        names = [] if row is None else _unreleased(cursor, job_id, row[0], row[1])
    return Quarantined(row[0], tuple(names)) if row and names else None


def release_job(job_id: str, sha256: str, person: str, reason: str, actor: Actor, *, names: Sequence[str]) -> None:
    """Release these recordings, which the person was shown, of a job whose intake.json has this SHA-256."""
    with transaction() as cursor:
        _decide(cursor, job_id, sha256, "released", person=person, reason=reason, names=list(names))
        _append(cursor, job_id, "released", actor, sha256, reason=f"by {person}: {reason}", held=names_sha256(names))


def keep_held(job_id: str, sha256: str, person: str, reason: str, actor: Actor) -> None:
    """A person decided that a job whose intake.json has this SHA-256 stays in quarantine; earlier releases end."""
    with transaction() as cursor:
        _decide(cursor, job_id, sha256, "kept held", person=person, reason=reason)
        _append(cursor, job_id, "kept held", actor, sha256, reason=f"by {person}: {reason}")


def is_kept_held(job_id: str, sha256: str) -> bool:
    """True when the last decision is that the job stays held, as that intake.json describes it."""
    with transaction() as cursor:
        cursor.execute(
            "SELECT decision = 'kept held' FROM voiceman.release WHERE job_id = %s AND sha256 = %s "
            "ORDER BY id DESC LIMIT 1",
            (job_id, sha256),
        )
        row = cursor.fetchone()
    return row is not None and bool(row[0])


def decision_of(job_id: str, run_id: str) -> str | None:
    """``released`` or ``kept held``, whichever a run decided last (its task is tried again, or answered anew)."""
    with transaction() as cursor:
        cursor.execute(
            "SELECT e.body::jsonb ->> 'action' FROM custody.event e JOIN voiceman.job j ON j.case_name = e.case_name "
            "WHERE j.job_id = %s AND e.job = %s AND e.recording = '' AND e.body::jsonb ->> 'run' = %s "
            "AND e.body::jsonb ->> 'action' IN ('released', 'kept held') ORDER BY e.seq DESC LIMIT 1",
            (job_id, job_id, run_id),
        )
        row = cursor.fetchone()
    return None if row is None else str(row[0])


def unreleased(job_id: str, sha256: str, names: Sequence[str]) -> list[str]:
    """Those of the recordings that no person released as that intake.json describes them."""
    with transaction() as cursor:
        return _unreleased(cursor, job_id, sha256, names)


def _unreleased(cursor: Any, job_id: str, sha256: str, names: Sequence[str]) -> list[str]:
    cursor.execute(
        "SELECT names FROM voiceman.release WHERE job_id = %s AND sha256 = %s AND decision = 'released' AND id > "
        "(SELECT COALESCE(max(id), 0) FROM voiceman.release WHERE job_id = %s AND sha256 = %s "
        "AND decision = 'kept held')",
        (job_id, sha256, job_id, sha256),
    )
    given = [row[0] for row in cursor.fetchall()]
    if None in given:  # before releases had names they were of all that the document declares
        return []
    released = {name for shown in given for name in shown}
    return [name for name in names if name not in released]


def _decide(
    cursor: Any, job_id: str, sha256: str, decision: str, *, person: str, reason: str, names: list[str] | None = None
) -> None:
    cursor.execute(
        "INSERT INTO voiceman.release (job_id, sha256, decision, person, reason, names) "
        "VALUES (%s, %s, %s, %s, %s, %s)",
        (job_id, sha256, decision, person, reason, names),
    )


def _append(
    cursor: Any, job_id: str, action: str, actor: Actor, sha256: str, *, reason: str | None = None,
    held: str | None = None,
) -> None:  # fmt: skip
    digests = {"intake.json": sha256} | ({} if held is None else {_HELD: held})
    cursor.execute(
        "SELECT custody.append(case_name, job_id, '', %s, NULL, NULL, %s, %s, %s, %s::jsonb, %s) FROM voiceman.job "
        "WHERE job_id = %s",
        (
            action, actor.run_id or None, actor.try_number or None, actor.name, json.dumps(digests), reason, job_id,
        ),
    )  # fmt: skip
