"""Airflow's own administration from inside a task.

A task of Airflow 3 has no way to Airflow's database: its process is given a false address. Administration needs one,
so it is done by the command ``airflow`` in a process of its own, which is given the address from the Airflow
connection ``VOICEMAN_AIRFLOW_DB_CONN_ID``: in its environment, never in a command line or a log.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from include.errors import SettingsError, StateError, ToolError
from include.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["airflow_database", "run_airflow"]

_TIMEOUT_S = 600.0
_URL = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
_OF_THE_TASK = ("_AIRFLOW_PROCESS_CONTEXT", "AIRFLOW__CORE__SQL_ALCHEMY_CONN", _URL + "_CMD", _URL + "_SECRET")


def _connection() -> Any:
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowException

    name = get_settings().airflow_db_conn_id
    try:
        return BaseHook.get_connection(name)
    except AirflowException as error:
        raise SettingsError(
            f"The Airflow connection {name!r} to Airflow's own database is not defined; set AIRFLOW_CONN_"
            f"{name.upper()} where tasks of the queue default run."
        ) from error


def run_airflow(arguments: Sequence[str], *, timeout_s: float = _TIMEOUT_S) -> str:
    """Run ``airflow …`` with access to Airflow's database; returns what it printed (both streams).

    Args:
        arguments: the command and its options; no secrets: other users of the machine can read a command line.
        timeout_s: seconds after which it is ended.

    Raises:
        SettingsError: the connection is not defined.
        ToolError: the command failed or did not end in time; the message ends with its last line.
    """
    from sqlalchemy.engine import URL

    connection = _connection()
    url = URL.create(
        "postgresql+psycopg2", connection.login, connection.password, connection.host, connection.port,
        connection.schema, {name: str(value) for name, value in connection.extra_dejson.items()},
    )  # fmt: skip
    secret = url.render_as_string(hide_password=False)
    environment = {name: value for name, value in os.environ.items() if name not in _OF_THE_TASK} | {_URL: secret}
    called = "airflow " + " ".join(arguments[:2])
    try:
        done = subprocess.run(
            [sys.executable, "-m", "airflow", *arguments], env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=timeout_s,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ToolError(
            f"`{called}` did not end within {timeout_s:.0f} s; see whether Airflow's database is up."
        ) from error
    printed = done.stdout.decode(errors="replace").replace(secret, "(database)")
    if connection.password:
        printed = printed.replace(connection.password, "***")
    if done.returncode != 0:
        last = (printed.strip().splitlines() or ["no output"])[-1][:300]
        raise ToolError(
            f"`{called}` failed with code {done.returncode} ({last}); see whether Airflow's database is up."
        )
    return printed


@contextmanager
def airflow_database() -> Iterator[Any]:
    """A cursor (psycopg 3) on Airflow's own database, in a transaction that may only read.

    Raises:
        SettingsError: the connection is not defined.
        StateError: the database can't be reached or refused a statement.
    """
    import psycopg

    connection = _connection()
    options: dict[str, Any] = {
        **connection.extra_dejson,
        **{"host": connection.host, "port": connection.port, "dbname": connection.schema},
        **{"user": connection.login, "password": connection.password},
        **{"connect_timeout": 10, "options": "-c default_transaction_read_only=on"},
    }
    try:
        with psycopg.connect(**options) as opened, opened.cursor() as cursor:
            yield cursor
    except psycopg.Error as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise StateError(f"Airflow's database can't be read ({said}); check that PostgreSQL is up.") from error
