"""What of the custody ledger only the database can tell: who may change it, and whether its tables agree with it."""

from __future__ import annotations

from typing import Any

from include.state.database import transaction

__all__ = ["ledger_sealed", "unexplained"]


def ledger_sealed() -> bool:
    """True when the pipeline's own role can neither change the ledger nor become who can (seal_ledger.sql)."""
    with transaction() as cursor:
        cursor.execute(
            "SELECT bool_and(NOT pg_has_role(current_user, c.relowner, 'MEMBER') "
            "AND NOT has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')) "
            "AND NOT (SELECT pg_has_role(current_user, nspowner, 'MEMBER') FROM pg_namespace "
            "WHERE nspname = 'custody') "
            "FROM pg_class c WHERE c.oid IN ('custody.event'::regclass, 'custody.head'::regclass)"
        )
        return bool(cursor.fetchone()[0])


def unexplained(case: str) -> list[str]:
    """What the database says of a case's recordings and the ledger does not: a sentence each.

    The chain proves that its events are whole; this finds rows that were changed past it (a superuser, or the owner of
    the tables with their triggers switched off).
    """
    with transaction() as cursor:
        return differences(cursor, case)


def differences(cursor: Any, case: str) -> list[str]:
    """As :func:`unexplained`, by what a cursor sees."""
    cursor.execute(
        """
        SELECT r.job_id, r.file_id, r.state, r.sha256, e.body::jsonb,
               (SELECT jsonb_object_agg(a.kind, a.sha256) FROM voiceman.artefact a
                WHERE a.job_id = r.job_id AND a.file_id = r.file_id)
        FROM voiceman.job j JOIN voiceman.recording r USING (job_id)
        LEFT JOIN LATERAL (
            SELECT body FROM custody.event e
            WHERE e.case_name = j.case_name AND e.job = r.job_id AND e.recording = r.file_id
            AND e.body::jsonb ->> 'to_state' IS NOT NULL ORDER BY e.own_seq DESC LIMIT 1) e ON true
        WHERE j.case_name = %s ORDER BY 1, 2
        """,
        (case,),
    )
    rows = cursor.fetchall()
    cursor.execute(
        "SELECT DISTINCT e.job, e.recording FROM custody.event e LEFT JOIN voiceman.recording r "
        "ON r.job_id = e.job AND r.file_id = e.recording "
        "WHERE e.case_name = %s AND e.recording <> '' AND r.file_id IS NULL ORDER BY 1, 2",
        (case,),
    )
    gone = cursor.fetchall()
    found = [f"{file_id} of job {job_id} has events and is not in the database." for job_id, file_id in gone]
    for job_id, file_id, state, sha256, body, made in rows:
        which = f"{file_id} of job {job_id}"
        if body is None:
            found.append(f"{which} is in the database and has no event.")
            continue
        if body["to_state"] != state:
            found.append(f"{which} is {state} in the database and {body['to_state']} by its last event.")
        if body["digests"].get("recording") != sha256:
            found.append(f"{which} has another SHA-256 in the database than by its last event.")
        if state == "COMPLETED":
            found += [
                f"The {kind} of {which} has another SHA-256 in the database than by its last event."
                for kind, digest in sorted((made or {}).items())
                if body["digests"].get(kind, digest) != digest
            ]
    return found
