"""The custody ledger in PostgreSQL: what is added to it, and how it is read (migration 006; docs/evidence.md).

Changes of state and deletions become events by triggers; here is what else is noted, signed heads, and the export.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from include.evidence import Event, Link, Scope
from include.state.database import reading, transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from include.manifest import Recording
    from include.state.recordings import Actor

__all__ = [
    "Attested",
    "Note",
    "add_head",
    "attestations",
    "case_of",
    "cases_without_head",
    "chain_end",
    "events_of",
    "heads_of",
    "jobs_of",
    "note",
]


@dataclass(frozen=True)
class Note:
    """What a task adds to the event of a change of state."""

    action: str | None = None
    """None: what the change itself is called."""
    reason: str | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    """Name → SHA-256 of what was read and verified for it."""

    def to_json(self) -> str:
        """As the trigger reads it."""
        given = {"action": self.action, "reason": self.reason, "digests": dict(self.digests)}
        return json.dumps({key: value for key, value in given.items() if value})


@dataclass(frozen=True)
class Attested:
    """A signed statement about one stage of one recording."""

    stage: str
    sha256: str
    """Of the envelope's bytes."""
    envelope: bytes


def leave_note(cursor: Any, given: Note | None) -> None:
    """Leave a note for the events of this transaction."""
    if given is not None:
        cursor.execute("SELECT set_config('voiceman.custody', %s, true)", (given.to_json(),))


def save_attestation(cursor: Any, recording: Recording, attested: Attested) -> None:
    """Keep an attestation, in the transaction that ends its stage."""
    cursor.execute(
        "INSERT INTO voiceman.attestation (job_id, file_id, stage, sha256, envelope) VALUES (%s, %s, %s, %s, %s)",
        (recording.job_id, recording.file_id, attested.stage, attested.sha256, attested.envelope.decode("ascii")),
    )


def attestations(job_id: str, file_id: str) -> dict[str, bytes]:
    """Stage → the newest attestation's envelope; in the order of the stages."""
    with reading() as cursor:
        cursor.execute(
            "SELECT stage, envelope FROM (SELECT DISTINCT ON (stage) stage, id, envelope FROM voiceman.attestation "
            "WHERE job_id = %s AND file_id = %s ORDER BY stage, id DESC) newest ORDER BY id",
            (job_id, file_id),
        )
        return {stage: envelope.encode("ascii") for stage, envelope in cursor.fetchall()}


def case_of(job_id: str) -> str | None:
    """The case whose ledger holds a job's events; None when the job is not known."""
    with reading() as cursor:
        cursor.execute("SELECT case_name FROM voiceman.job WHERE job_id = %s", (job_id,))
        row = cursor.fetchone()
    return None if row is None else str(row[0])


def jobs_of(case: str) -> list[str]:
    """The jobs of a case."""
    with transaction() as cursor:
        cursor.execute("SELECT job_id FROM voiceman.job WHERE case_name = %s ORDER BY 1", (case,))
        return [job_id for (job_id,) in cursor.fetchall()]


def note(job_id: str, file_id: str | None, given: Note, actor: Actor) -> None:
    """Write an event that is no change of state; nothing for a job that is not known.

    Args:
        job_id: the job.
        file_id: the recording; None for what concerns the whole job.
        given: action (it must have one), reason, digests.
        actor: who did it.
    """
    with transaction() as cursor:
        cursor.execute(
            "SELECT custody.append(case_name, job_id, %s, %s, NULL, NULL, %s, %s, %s, %s::jsonb, %s) FROM voiceman.job "
            "WHERE job_id = %s",
            (
                file_id or "", given.action, actor.run_id or None, actor.try_number or None, actor.name,
                json.dumps(dict(given.digests)), given.reason, job_id,
            ),
        )  # fmt: skip


_EVENT = "case_name, seq, prev, body, hash"


@contextmanager
def events_of(case: str, scope: Scope | None = None) -> Iterator[Iterator[Event]]:
    """A case's events in order: all, read as they are asked for, in one transaction; or those of one own chain."""
    if scope is None:
        with transaction() as cursor, cursor.connection.cursor(name="ledger") as rows:
            rows.execute(f"SELECT {_EVENT} FROM custody.event WHERE case_name = %s ORDER BY seq", (case,))  # noqa: S608
            yield (Event(*row) for row in rows)
        return
    with reading() as rows:
        rows.execute(
            f"SELECT {_EVENT} FROM custody.event WHERE case_name = %s AND job = %s AND recording = %s "  # noqa: S608
            "ORDER BY own_seq",
            (case, scope[0], scope[1] or ""),
        )
        yield (Event(*row) for row in rows)


def chain_end(cursor: Any, case: str, scope: Scope | None) -> Link | None:
    """The end of a case's chain or of an own chain; None when there is no event."""
    if scope is None:
        cursor.execute(
            "SELECT seq, seq, hash FROM custody.event WHERE case_name = %s ORDER BY seq DESC LIMIT 1", (case,)
        )
    else:
        cursor.execute(
            "SELECT own_seq, seq, hash FROM custody.event WHERE case_name = %s AND job = %s AND recording = %s "
            "ORDER BY own_seq DESC LIMIT 1",
            (case, scope[0], scope[1] or ""),
        )
    row = cursor.fetchone()
    return None if row is None else Link(*row)


def add_head(case: str, scope: Scope | None, sign: Callable[[Link, str | None], tuple[bytes, str]]) -> bytes | None:
    """Sign a chain's end, unless the newest head names it already.

    Args:
        case: the case.
        scope: whose own chain; None: the case's whole chain.
        sign: given the end and the payload's SHA-256 of the head before, gives envelope and payload's SHA-256.

    Returns:
        The newest head; None when there is no event.

    Raises:
        StateError: another head was signed at the same moment (a retry heals it), or PostgreSQL can't be reached.
    """
    job, recording = scope or ("", None)
    with transaction() as cursor:
        end = chain_end(cursor, case, scope)
        if end is None:
            return None
        cursor.execute(
            "SELECT payload_sha256, seq, envelope FROM custody.head "
            "WHERE case_name = %s AND job = %s AND recording = %s ORDER BY number DESC LIMIT 1",
            (case, job, recording or ""),
        )
        last = cursor.fetchone()
        if last is not None and last[1] == end.seq:
            return str(last[2]).encode("ascii")
        envelope, sha256 = sign(end, None if last is None else last[0])
        cursor.execute(
            "SELECT custody.add_head(%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                case, job, recording or "", None if last is None else last[0], end.seq, end.hash, sha256,
                envelope.decode("ascii"),
            ),
        )  # fmt: skip
        return envelope


def heads_of(case: str, *scopes: Scope | None) -> list[bytes]:
    """Signed heads in order, of a case's whole chain and of all own chains, or of the scopes named."""
    named = [f"{(one or ('', None))[0]}\n{(one or ('', None))[1] or ''}" for one in scopes]
    with transaction() as cursor:
        cursor.execute(
            "SELECT envelope FROM custody.head WHERE case_name = %s AND (%s OR job || chr(10) || recording = ANY(%s)) "
            "ORDER BY job, recording, number",
            (case, not scopes, named),
        )
        return [envelope.encode("ascii") for (envelope,) in cursor.fetchall()]


def cases_without_head() -> list[str]:
    """Cases with events after the newest head of their whole chain."""
    with transaction() as cursor:
        cursor.execute(
            "SELECT e.case_name FROM (SELECT case_name, max(seq) AS seq FROM custody.event GROUP BY 1) e "
            "LEFT JOIN (SELECT case_name, max(seq) AS seq FROM custody.head WHERE job = '' GROUP BY 1) h "
            "USING (case_name) WHERE e.seq > coalesce(h.seq, 0) ORDER BY 1"
        )
        return [case for (case,) in cursor.fetchall()]
