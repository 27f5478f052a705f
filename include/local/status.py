"""How each service of the local stack is: one line a service."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from include.local import airflow
from include.local.layout import Layout, StackState, load_state
from include.local.ports import HOST
from include.local.supervisor import SERVICES, Supervisor

__all__ = ["ServiceStatus", "status"]


@dataclass(frozen=True)
class ServiceStatus:
    """One line of the status table."""

    name: str
    state: str
    """``healthy``, ``starting``, ``unhealthy`` or ``stopped``."""
    address: str | None
    pid: int | None
    uptime_s: float | None
    memory_mb: float | None
    """Memory of the service and its children, MiB; pages shared by n processes count 1/n in each (PSS)."""
    log: Path


def status() -> list[ServiceStatus]:
    """How each service is, in starting order.

    Raises:
        StackError: the stack's files can't be used.
    """
    layout = Layout.current()
    state = load_state(layout)
    manager = None if state is None else Supervisor(layout, state)
    if state is None or manager is None or not manager.running():
        return [ServiceStatus(name, "stopped", None, None, None, None, layout.log(name)) for name in SERVICES]
    report = airflow.health(state)
    known = manager.processes()
    return [
        _service_status(layout, state, name, known[name], report)
        if name in known  # a supervisord that an older version started doesn't know a service that is new
        else ServiceStatus(name, "stopped", None, None, None, None, layout.log(name))
        for name in SERVICES
    ]


def _service_status(
    layout: Layout, state: StackState, name: str, entry: dict[str, object], report: airflow.HealthReport | None
) -> ServiceStatus:
    pid = int(str(entry["pid"])) or None
    started = datetime.fromtimestamp(int(str(entry["start"])), UTC)
    running = entry["statename"] == "RUNNING"
    ports = {"postgres": "postgres", "s3": "s3", "api-server": "ui"}
    address = f"{HOST}:{state.ports[ports[name]]}" if name in ports else None
    if not running:
        word = "starting" if entry["statename"] in ("STARTING", "BACKOFF") else "stopped"
    elif name in ("postgres", "s3"):
        word = "healthy" if _listens(address or "") else "unhealthy"
    elif name == "watchdog":
        word = "healthy"
    else:
        word = "healthy" if airflow.part_is_healthy(report, name, started) else "unhealthy"
    uptime = (datetime.now(UTC) - started).total_seconds() if running else None
    return ServiceStatus(name, word, address, pid, uptime, _memory_mb(pid), layout.log(name))


def _listens(address: str) -> bool:
    host, port = address.rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), timeout=2):
            return True
    except OSError:
        return False


def _memory_mb(pid: int | None) -> float | None:
    if pid is None:
        return None
    try:
        process = psutil.Process(pid)
        return sum(float(p.memory_full_info().pss) for p in (process, *process.children(recursive=True))) / 2**20
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
