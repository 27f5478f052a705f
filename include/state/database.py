"""PostgreSQL through Airflow's PostgresHook, and the migrations of schema ``voiceman``."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.errors import IllegalTransitionError, StateError
from include.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["migrate", "transaction"]

log = logging.getLogger(__name__)

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 7_310_001  # any constant: one migration at a time
_ILLEGAL = "VM001"


@contextmanager
def transaction() -> Iterator[Any]:
    """A cursor (psycopg 3) in one transaction: committed at the end, rolled back on any error.

    Raises:
        StateError: the database can't be reached or refused a statement.
        IllegalTransitionError: a change of state is not legal.
    """
    import psycopg
    from airflow.providers.postgres.hooks.postgres import PostgresHook
    from airflow.sdk.exceptions import AirflowException

    name = get_settings().db_conn_id
    try:
        connection = PostgresHook(postgres_conn_id=name).get_conn()
    except AirflowException as error:
        raise StateError(f"The Airflow connection {name!r} is not defined; set AIRFLOW_CONN_{name.upper()}.") from error
    except psycopg.Error as error:
        raise StateError(
            f"PostgreSQL can't be reached through {name!r} ({type(error).__name__}); check that it is up."
        ) from error
    try:
        with connection, connection.cursor() as cursor:
            yield cursor
    except psycopg.Error as error:
        if error.sqlstate == _ILLEGAL:
            raise IllegalTransitionError(f"{str(error).splitlines()[0]}; the recording was left as it was.") from error
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise StateError(
            f"PostgreSQL refused a statement ({said}); if the schema is missing, run ./voiceman migrate."
        ) from error
    finally:
        connection.close()


def migrate() -> list[str]:
    """Apply the migrations that the database does not have yet, in order; returns their names."""
    applied: list[str] = []
    with transaction() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        cursor.execute("CREATE SCHEMA IF NOT EXISTS voiceman")
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS voiceman.migration "
            "(name text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())"
        )
        cursor.execute("SELECT name FROM voiceman.migration")
        have = {row[0] for row in cursor.fetchall()}
        for file in sorted(_MIGRATIONS.glob("*.sql")):
            if file.name in have:
                continue
            cursor.execute(file.read_text())
            cursor.execute("INSERT INTO voiceman.migration (name) VALUES (%s)", (file.name,))
            applied.append(file.name)
    if applied:
        log.info("Applied migrations: %s", ", ".join(applied))
    return applied
