"""Where the local stack keeps things, and what it remembers between ``up`` and ``down``.

``stack.json`` holds no secret: the stack's id, its ports, and what was prepared. Secrets are in
``secrets.json`` (see :mod:`include.local.secrets`).
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from include.errors import StackError
from include.settings import get_settings

__all__ = ["Layout", "Prepared", "StackState", "load_state", "locked", "write_private"]

SERVER_ROOT = Path("/var/lib/voiceman")
"""Used as root only, when the PostgreSQL user can't reach ``home`` (a clone under /root, say)."""


class Prepared(BaseModel):
    """What the Airflow database was prepared with: while it holds, ``up`` skips the slow steps."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    airflow_version: str
    """Version of apache-airflow that migrated the database."""
    revision: str
    """Alembic revision that the migration left in the database."""
    pools_sha256: str
    """Digest of the pools that were imported: pools.json with this host's devices; empty before the first time.
    Pools edited in the UI stay until that changes."""


class StackState(BaseModel):
    """What survives ``down``."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    stack_id: str = Field(default_factory=lambda: uuid.uuid4().hex)
    """Every process of the stack carries it as ``VOICEMAN_STACK_ID``."""
    ports: dict[str, int] = Field(default_factory=dict)
    """Port name to number; see :mod:`include.local.ports`."""
    prepared: Prepared | None = None
    devices: int = 1
    """Device slots that the last ``up`` found on this host."""

    def save(self, layout: Layout) -> None:
        """Write the state atomically."""
        write_private(layout.state_file, self.model_dump_json(indent=2) + "\n")


@dataclass(frozen=True)
class Layout:
    """The paths of one local stack, all absolute."""

    home: Path

    @classmethod
    def current(cls) -> Layout:
        """The layout of the configured ``VOICEMAN_HOME``."""
        return cls(get_settings().home)

    @property
    def state_file(self) -> Path:
        """Ids, ports, markers; no secrets."""
        return self.home / "stack.json"

    @property
    def secrets_file(self) -> Path:
        """All generated secrets, mode 0600."""
        return self.home / "secrets.json"

    @property
    def passwords_file(self) -> Path:
        """The simple auth manager's users and passwords, mode 0600."""
        return self.home / "airflow-passwords.json"

    @property
    def demo_key(self) -> Path:
        """The demo signing key, mode 0600; its public half lies in ``public`` beside it."""
        return self.home / "keys" / "demo.pem"

    @property
    def demo_certificate(self) -> Path:
        """The demo certificate that signs reports, with its key, mode 0600; its root is ``demo-root.pem`` beside it."""
        return self.home / "keys" / "demo-pdf.pem"

    @property
    def s3_config(self) -> Path:
        """SeaweedFS identities, mode 0600."""
        return self.home / "s3.json"

    @property
    def s3_data(self) -> Path:
        """SeaweedFS volumes and metadata."""
        return self.home / "s3"

    @property
    def airflow_home(self) -> Path:
        """``AIRFLOW_HOME``."""
        return self.home / "airflow"

    @property
    def logs(self) -> Path:
        """One log file a service, and ``tasks/`` for the tasks' logs."""
        return self.home / "logs"

    @property
    def supervisor_conf(self) -> Path:
        """Written anew by each ``up``; no secrets."""
        return self.home / "supervisord.conf"

    def log(self, service: str) -> Path:
        """A service's log file."""
        return self.logs / f"{service}.log"

    def sockets(self, stack_id: str) -> Path:
        """A short directory (mode 0700) for UNIX sockets: their paths may have 107 characters only."""
        return Path(tempfile.gettempdir()) / f"voiceman-{stack_id[:12]}"

    def server_dir(self, stack_id: str) -> Path:
        """Where root keeps PostgreSQL when its user can't reach ``home``."""
        return SERVER_ROOT / stack_id

    def create(self) -> None:
        """Make the directories, private to this user.

        ``home`` itself may be traversed (0711) so that PostgreSQL, which refuses to run as root,
        can reach its own data directory as another user; nothing in it can be listed or read.

        Raises:
            StackError: a directory can't be made.
        """
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            strangers = {path.name for path in self.home.iterdir()} - {"models", "lock", "leases"}
            if strangers and not self.secrets_file.exists():
                raise StackError(
                    f"{self.home} holds other files ({min(strangers)!r} …); give VOICEMAN_HOME a directory of its own."
                )
            self.home.chmod(0o711 if os.geteuid() == 0 else 0o700)
            for path in (self.logs, self.s3_data, self.airflow_home):
                path.mkdir(exist_ok=True)
                path.chmod(0o700)
        except OSError as error:
            raise StackError(
                f"The stack's directory {self.home} can't be prepared ({error.strerror}); set VOICEMAN_HOME to a "
                "directory you can write to."
            ) from error


def write_private(path: Path, text: str) -> None:
    """Write a file (mode 0600) so that a crash leaves the old or the new one, never half.

    Raises:
        StackError: it can't be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StackError(f"{path} can't be written ({error.strerror}); check the disk and its permissions.") from error


def load_state(layout: Layout) -> StackState | None:
    """What an earlier ``up`` left, or None if there was none.

    Raises:
        StackError: the file is there but can't be used.
    """
    try:
        return StackState.model_validate_json(layout.state_file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise StackError(
            f"{layout.state_file} can't be used ({type(error).__name__}); restore it from a backup, or move "
            f"{layout.home} away to begin with an empty stack."
        ) from error


@contextmanager
def locked(layout: Layout) -> Iterator[None]:
    """Only one ``up`` or ``down`` at a time for one home.

    Raises:
        StackError: another one is at work.
    """
    with (layout.home / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackError(
                f"Another `voiceman up` or `down` is at work on {layout.home}; wait for it to end and try again."
            ) from error
        yield
