"""What Ray must find in the environment before it is imported, and the folders it works in."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.errors import StackError
from include.settings import ROOT, get_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MARK", "Folders", "prepare_environment", "stay_on_loopback"]

MARK = "VOICEMAN_SERVE_ID"
"""Every process of the service carries it, so that none is left behind."""

_LONGEST_SOCKET = 107  # sun_path, unix(7)
_RAY_ADDS = len("/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store.1")


@dataclass(frozen=True)
class Folders:
    """Where a service of one ``VOICEMAN_HOME`` keeps things; all of mode 0700."""

    home: Path
    """Its state: who runs, the lock."""
    ray: Path
    """Ray's sessions: logs, sockets. Short, because a socket's path may have 107 characters only. Ray opens it to all
    users: it lies in a folder that is closed to them."""

    @classmethod
    def current(cls) -> Folders:
        """Of the configured ``VOICEMAN_HOME``."""
        return cls.of(get_settings().home)

    @classmethod
    def of(cls, voiceman_home: Path) -> Folders:
        """Of a ``VOICEMAN_HOME``."""
        home = voiceman_home / "serve"
        ray = home / "ray"
        if len(str(ray)) + _RAY_ADDS > _LONGEST_SOCKET:
            tag = hashlib.sha256(str(home).encode()).hexdigest()[:10]
            ray = Path(tempfile.gettempdir()) / f"voiceman-{os.geteuid()}-{tag}" / "r"
        return cls(home, ray)

    @property
    def lock(self) -> Path:
        """Held by the running service."""
        return self.home / "lock"

    @property
    def state(self) -> Path:
        """Process id and address of the running service."""
        return self.home / "serve.json"

    @property
    def spool(self) -> Path:
        """Recordings while they are worked on; emptied at the start."""
        return self.ray.parent / "spool"

    def create_home(self) -> None:
        """Make the folder of the lock.

        Raises:
            StackError: it can't be made.
        """
        self._make(self.home, parents=True)

    def clean(self) -> None:
        """Empty what an earlier service left; only the holder of the lock may.

        Raises:
            StackError: the folder can't be made, or is another user's.
        """
        closed = self.ray.parent
        self._make(closed)
        if closed.is_symlink() or closed.stat().st_uid != os.geteuid():
            raise StackError(f"{closed} belongs to somebody else; remove it, or set another VOICEMAN_HOME.")
        for path in (self.ray, self.spool):
            shutil.rmtree(path, ignore_errors=True)
            self._make(path)

    def _make(self, path: Path, *, parents: bool = False) -> None:
        try:
            path.mkdir(mode=0o700, parents=parents, exist_ok=True)
            path.chmod(0o700)
        except OSError as error:
            raise StackError(
                f"{path} can't be made ({error.strerror}); set VOICEMAN_HOME to a directory you can write to."
            ) from error


def stay_on_loopback() -> None:
    """In a replica: the port for calls between deployments on 127.0.0.1 instead of all addresses.

    It asks for Ray's token either way. Only for a service that :func:`prepare_environment` has set up: on a cluster the
    nodes reach each other by it. Ray 2.60 has no option for it.
    """
    if MARK not in os.environ:
        return
    from ray.serve._private import replica as module

    replica: Any = module
    listen = replica.add_port_to_grpc_server
    replica.add_port_to_grpc_server = lambda server, address: listen(server, address.replace("[::]", "127.0.0.1"))


def prepare_environment(devices: Sequence[str] = ()) -> str:
    """Set what Ray reads when it is imported and what its processes inherit; returns the service's mark.

    No usage statistics, no dashboard, no environment of another job; a token of its own in front of Ray's ports, so
    that other users of the machine can't run code through them; the gate in front of Serve's proxies.

    Args:
        devices: GPUs or MIG instances (UUIDs) that the service may use; all that are visible when empty.
    """
    mark = secrets.token_hex(8)
    os.environ |= {
        MARK: mark,
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", "")))),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "include.stt.service.guard.proxy_middlewares",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # by this name: all of Ray's ports on 127.0.0.1, none on the network
        "RAY_worker_niceness": "0",  # 15 by default: whatever else the machine does would go before the model
        "RAY_enable_metrics_collection": "0",  # its HTTP route has no token
        "RAY_SERVE_LOG_TO_STDERR": "0",
        "RAY_raylet_start_wait_time_s": "180",  # its agent may take longer than 15 s on a machine that is busy
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
        "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "30",
        "PYANNOTE_METRICS_ENABLED": "0",
    }
    for name in ("RAY_ADDRESS", "RAY_JOB_CONFIG_JSON_ENV_VAR", "RAY_RUNTIME_ENV_HOOK"):
        os.environ.pop(name, None)
    if devices:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(devices)
    return mark
