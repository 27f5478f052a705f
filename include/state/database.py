"""PostgreSQL through Airflow's PostgresHook, and the migrations of schema ``voiceman``."""

from __future__ import annotations

import atexit
import logging
import os
import select
import threading
import time
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from include.errors import IllegalTransitionError, StateError
from include.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg_pool import ConnectionPool

__all__ = ["migrate", "reading", "transaction"]

log = logging.getLogger(__name__)

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 7_310_001  # any constant: one migration at a time
_ILLEGAL = "VM001"
_CONNECTIONS = 8  # of one process; a stage uses one for each of its threads
_WAIT_S = 10.0
_OPENING = threading.Lock()
_FRESH_S = 5.0  # a connection used so lately is asked nothing: an end of the server shows on its socket
_USED: WeakKeyDictionary[Any, float] = WeakKeyDictionary()


def _check(connection: Any) -> None:
    """Raise when the server has closed a connection; the pool opens another then.

    A server that died has closed the socket, which can be read from then. Only for a connection that was not used for a
    while, over which a firewall may have forgotten it, the server is asked.
    """
    from psycopg_pool import ConnectionPool

    if time.monotonic() - _USED.get(connection, -_FRESH_S) < _FRESH_S:
        waiting = select.poll()
        waiting.register(connection.fileno(), select.POLLIN)
        if not waiting.poll(0):
            return
    ConnectionPool.check_connection(connection)


@cache
def _pool(name: str, place: str, pid: int) -> ConnectionPool[Any]:  # noqa: ARG001 - elsewhere, or a forked process
    """Connections to one database, kept open: a new one costs more than ten statements."""
    from airflow.providers.postgres.hooks.postgres import PostgresHook
    from psycopg import Connection
    from psycopg_pool import ConnectionPool

    hook = PostgresHook(connection=PostgresHook.get_connection(name))

    class HookConnection(Connection[Any]):
        """Opened by Airflow's hook, which knows the connection's options."""

        @classmethod
        def connect(cls, *_: Any, **__: Any) -> Any:
            return hook.get_conn()

    pool = ConnectionPool(
        connection_class=HookConnection, min_size=0, max_size=_CONNECTIONS, timeout=_WAIT_S, max_idle=60, num_workers=1,
        reconnect_timeout=5, check=_check, open=True, name="voiceman",
    )  # fmt: skip
    atexit.register(pool.close)
    return pool


@contextmanager
def transaction() -> Iterator[Any]:
    """A cursor (psycopg 3) in one transaction: committed at the end, rolled back on any error.

    Raises:
        StateError: the database can't be reached or refused a statement.
        IllegalTransitionError: a change of state is not legal.
    """
    with _cursor(autocommit=False) as cursor:
        yield cursor


@contextmanager
def reading() -> Iterator[Any]:
    """A cursor for one statement that changes nothing: without the two round trips that begin and end a transaction.

    Raises:
        StateError: the database can't be reached or refused the statement.
    """
    with _cursor(autocommit=True) as cursor:
        yield cursor


@contextmanager
def _cursor(*, autocommit: bool) -> Iterator[Any]:
    import psycopg
    from airflow.sdk.exceptions import AirflowException
    from psycopg_pool import PoolTimeout

    name = get_settings().db_conn_id
    # a connection that Airflow keeps is asked for once a process: in a task that is a call to its supervisor
    place = os.environ.get(f"AIRFLOW_CONN_{name.upper()}", "")
    try:
        with _OPENING:
            pool = _pool(name, place, os.getpid())
    except AirflowException as error:
        raise StateError(f"The Airflow connection {name!r} is not defined; set AIRFLOW_CONN_{name.upper()}.") from error
    try:
        with pool.connection() as connection, connection.cursor() as cursor:
            connection.autocommit = autocommit
            yield cursor
            _USED[connection] = time.monotonic()
    except PoolTimeout as error:
        if not place:  # Airflow keeps the connection and somebody may have changed it: ask again
            _pool.cache_clear()
            atexit.unregister(pool.close)
            pool.close(timeout=0)
        raise StateError(f"PostgreSQL can't be reached through {name!r}; check that it is up.") from error
    except psycopg.Error as error:
        if error.sqlstate == _ILLEGAL:
            raise IllegalTransitionError(f"{str(error).splitlines()[0]}; the recording was left as it was.") from error
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise StateError(
            f"PostgreSQL refused a statement ({said}); if the schema is missing, run ./voiceman migrate."
        ) from error


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
