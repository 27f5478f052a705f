"""Ledgers of a real PostgreSQL, changed by a superuser with all triggers off, exported as ``./voiceman ledger`` does.

A third of the changes is clumsy (one row), the rest an expert's: the chain behind the change computed anew, so that
every hash, link and number is right. What a superuser can't do is sign.
"""

from __future__ import annotations

import json
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from bench.evidence import postgres
from bench.tampering_edits import OPERATIONS
from include import evidence, state
from include.evidence import Event, event_hash
from include.manifest import Job, Recording, State
from include.state import Actor

CASE = "case-of-the-harness"


@contextmanager
def superuser() -> Iterator[psycopg.Cursor[Any]]:
    """Who may do anything, triggers off; what was done is rolled back."""
    from include.local.layout import Layout
    from include.local.secrets import load_secrets

    conninfo = os.environ["AIRFLOW_CONN_VOICEMAN_DB"]
    port = int(conninfo.rpartition(":")[2].partition("/")[0])
    with psycopg.connect(
        host="127.0.0.1", port=port, user="postgres", dbname="voiceman",
        password=load_secrets(Layout.current()).db_superuser_password,
    ) as connection, connection.cursor() as cursor:  # fmt: skip
        cursor.execute("SET session_replication_role = replica")
        yield cursor
        connection.rollback()


def fill(signer: evidence.Signer, recordings: int = 4) -> None:
    """A job whose recordings went through all states, and the heads that are signed on the way."""
    actor, chain = Actor("run", 1, "process.batch.transcribe[0]"), list(State)[1:8]
    state.save_job(Job(job_id=CASE))
    made = [
        Recording(job_id=CASE, file_id=f"통화 {n}", name=f"통화 {n}.m4a", sha256=f"{n:064x}", size_bytes=1)
        for n in range(recordings)
    ]
    for one in made:
        state.add_recording(one, actor, received_at=datetime.now(UTC))

    def sign(scope: tuple[str, str | None] | None) -> None:
        state.add_head(CASE, scope, lambda end, before: evidence.sign_head(CASE, scope, end, before, signer))

    sign(None)
    for target in chain:
        for one in made:
            state.advance(one, target, actor)
    for one in made:
        sign((CASE, one.file_id))
    sign(None)


def rows(cursor: psycopg.Cursor[Any]) -> list[Event]:
    cursor.execute(
        "SELECT case_name, seq, prev, body, hash FROM custody.event WHERE case_name = %s ORDER BY seq", (CASE,)
    )
    return [Event(*row) for row in cursor.fetchall()]


def exported(cursor: psycopg.Cursor[Any], keys: dict[str, evidence.PublicKey]) -> dict[str, bytes]:
    """What ``./voiceman ledger CASE --out DIR`` writes, of what this transaction sees."""
    cursor.execute(
        "SELECT envelope FROM custody.head WHERE case_name = %s ORDER BY at, job, recording, number", (CASE,)
    )
    heads = b"".join(row[0].encode() + b"\n" for row in cursor.fetchall())
    return {
        "ledger.jsonl": b"".join(event.line() for event in rows(cursor)),
        "heads.jsonl": heads,
        "keys/keys.json": evidence.keys_json(keys.values()),
    } | {f"keys/{key.keyid}.pem": key.pem for key in keys.values()}


def clumsy(cursor: psycopg.Cursor[Any], chance: random.Random, operation: str) -> None:
    """One statement, as somebody at a prompt would write it."""
    last = len(rows(cursor))
    a, b = chance.sample(range(1, last + 1), 2)
    one = "WHERE case_name = %(case)s AND seq = %(a)s"
    statement = {
        "edit": f"UPDATE custody.event SET body = replace(body, 'process', 'Process') {one}",
        "delete": f"DELETE FROM custody.event {one}",
        "insert": "INSERT INTO custody.event SELECT case_name, %(last)s + 1, job, recording, own_seq + 1000, prev, "
                  f"body, hash FROM custody.event {one}",
        "reorder": "UPDATE custody.event x SET body = y.body, hash = y.hash FROM custody.event y WHERE "
                   "x.case_name = %(case)s AND x.seq = %(a)s AND y.case_name = %(case)s AND y.seq = %(b)s",
        "truncate": "DELETE FROM custody.event WHERE case_name = %(case)s AND seq >= %(a)s",
    }[operation]  # fmt: skip
    cursor.execute(statement, {"case": CASE, "a": a, "b": b, "last": last})
    assert cursor.rowcount > 0


def expert(cursor: psycopg.Cursor[Any], chance: random.Random, operation: str) -> None:
    """The rows changed and every hash, link and number computed anew."""
    told = [json.loads(event.body) for event in rows(cursor)]
    at, other = chance.sample(range(len(told)), 2)
    if operation == "edit":
        told[at] |= {"actor": "kim"}
    elif operation == "delete":
        del told[at]
    elif operation == "insert":
        told.insert(at, dict(told[other]))
    elif operation == "reorder":
        told[at], told[other] = told[other], told[at]
    else:
        del told[max(at, 1) :]
    cursor.execute("DELETE FROM custody.event WHERE case_name = %s", (CASE,))
    prev, own = "0" * 64, dict[tuple[str, str | None], tuple[int, str]]()
    for seq, one in enumerate(told, 1):
        scope = one["job"], one["recording"]
        number, before = own.get(scope, (0, "0" * 64))
        body = json.dumps(one | {"own_seq": number + 1, "own_prev": before}, ensure_ascii=False, separators=(",", ":"))
        fresh = event_hash(CASE, seq, prev, body)
        cursor.execute(
            "INSERT INTO custody.event (case_name, seq, job, recording, own_seq, prev, body, hash) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (CASE, seq, scope[0], scope[1] or "", number + 1, prev, body, fresh),
        )
        prev, own[scope] = fresh, (number + 1, fresh)


def cut_with_its_heads(cursor: psycopg.Cursor[Any]) -> None:
    """The end removed together with every head but the first: true to the last byte, and an older state."""
    cursor.execute("DELETE FROM custody.head WHERE case_name = %s AND (job <> '' OR number > 1)", (CASE,))
    cursor.execute(
        "DELETE FROM custody.event WHERE case_name = %s AND seq > (SELECT max(seq) FROM custody.head "
        "WHERE case_name = %s)", (CASE, CASE),
    )  # fmt: skip


def database_changes(count: int, seed: int) -> Iterator[tuple[str, dict[str, bytes], dict[str, bytes]]]:
    """Name, export, and the copy received before for those that need one; the first is untouched."""
    with tempfile.TemporaryDirectory(prefix="voiceman-tampering-key-") as name, postgres():
        folder = Path(name)
        evidence.new_key(folder / "key.pem", folder / "public")
        keys = evidence.read_keys(folder / "public")
        fill(evidence.FileSigner(folder / "key.pem"))
        chance = random.Random(seed)
        with superuser() as cursor:
            whole = exported(cursor, keys)
            yield "intact-database", whole, {}
            for number in range(count):
                operation, how = OPERATIONS[number % 5], ("clumsy", "expert", "both")[number // 5 % 3]
                cursor.execute("SAVEPOINT before")
                against: dict[str, bytes] = {}
                if how == "both" and operation == "truncate":
                    cut_with_its_heads(cursor)
                    how, against = "with its heads", whole
                else:
                    (clumsy if how == "clumsy" else expert)(cursor, chance, operation)
                made = exported(cursor, keys)
                cursor.execute("ROLLBACK TO SAVEPOINT before")
                if made != whole:  # two rows alike may change places
                    yield f"database-{number:04d}-{operation}-{how}".replace(" ", "-"), made, against
            assert exported(cursor, keys) == whole
