"""Preparing Airflow's database and asking its parts how they are."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from include.errors import StackError
from include.local.environment import base_environment, stack_environment, ui_url
from include.local.layout import Layout, Prepared, StackState, write_private
from include.local.postgres import airflow_revision
from include.local.secrets import ADMIN, StackSecrets
from include.settings import ROOT

__all__ = [
    "COMMANDS",
    "HealthReport",
    "airflow_command",
    "health",
    "import_pools",
    "migrate_database",
    "part_is_healthy",
    "wait_for_part",
    "write_passwords",
]

COMMANDS: dict[str, list[str]] = {
    "api-server": ["api-server", "--workers", "1"],
    "dag-processor": ["dag-processor"],
    # The log servers would listen on all addresses and serve what the API server reads from disk anyway.
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "triggerer": ["triggerer", "--skip-serve-logs", "--capacity", "100"],
}
"""Service to the arguments of ``airflow``, in the order in which they start."""

HealthReport = dict[str, dict[str, str | None]]
"""``/api/v2/monitor/health``: part to its ``status`` and ``latest_..._heartbeat``."""

_HEALTH_KEYS = {
    "dag-processor": ("dag_processor", "latest_dag_processor_heartbeat"),
    "scheduler": ("scheduler", "latest_scheduler_heartbeat"),
    "triggerer": ("triggerer", "latest_triggerer_heartbeat"),
}
_POOLS = ROOT / "pools.json"


def write_passwords(layout: Layout, secrets: StackSecrets) -> None:
    """Give the simple auth manager its password file, so that it makes up and prints none itself."""
    write_private(layout.passwords_file, json.dumps({ADMIN: secrets.admin_password}) + "\n")


def migrate_database(layout: Layout, state: StackState, secrets: StackSecrets) -> None:
    """Bring Airflow's database to the installed Airflow's schema, unless it is there.

    ``airflow db migrate`` takes seconds even when there is nothing to do, so what was done is
    remembered: Airflow's version and the revision found in the database.

    Raises:
        StackError: the command failed; its log is named.
    """
    installed = version("apache-airflow")
    done = state.prepared
    if done and done.airflow_version == installed and done.revision == airflow_revision(state, secrets):
        return
    _run_airflow(layout, state, secrets, ["db", "migrate"])
    revision = airflow_revision(state, secrets)
    if revision is None:
        raise StackError(f"`airflow db migrate` left no schema; see {layout.log('airflow-prepare')}.")
    state.prepared = Prepared(airflow_version=installed, revision=revision, pools_sha256="")
    state.save(layout)


def import_pools(layout: Layout, state: StackState, secrets: StackSecrets) -> None:
    """Import the pools into the migrated database when they are others than at the last time.

    Raises:
        StackError: the command failed; its log is named.
        SettingsError: ``VOICEMAN_DEVICE`` is ``cuda`` and there is no GPU.
        ToolError: ``nvidia-smi`` hangs or can't be understood.
    """
    content = _pools(state)
    digest = hashlib.sha256(content.encode()).hexdigest()
    if state.prepared is None:
        raise StackError("Airflow's database is not migrated yet; migrate_database comes first.")
    if state.prepared.pools_sha256 == digest:
        return
    file = layout.airflow_home / "pools.json"
    write_private(file, content)
    _run_airflow(layout, state, secrets, ["pools", "import", str(file)])
    state.prepared.pools_sha256 = digest
    state.save(layout)


def _pools(state: StackState) -> str:
    """``pools.json`` with as many slots in the pool ``gpu`` as this host has devices (kept in ``state``)."""
    from include.pipeline import gpu_pool, slots

    pools = json.loads(_POOLS.read_bytes())
    state.devices = len(slots())
    pools["gpu"] |= {"slots": state.devices, "description": gpu_pool(pools["gpu"]["description"], state.devices)}
    return json.dumps(pools, indent=2) + "\n"


def health(state: StackState, timeout_s: float = 5.0) -> HealthReport | None:
    """What ``/api/v2/monitor/health`` says, or None when the API server doesn't answer."""
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(f"{ui_url(state)}/api/v2/monitor/health", timeout=timeout_s) as answer:
            found: HealthReport = json.load(answer)
            return found
    except (URLError, TimeoutError, ConnectionError, json.JSONDecodeError):
        return None


def part_is_healthy(report: HealthReport | None, service: str, since: datetime | None) -> bool:
    """Whether the report calls this part healthy, by a heartbeat after ``since`` (a dead one's is not its)."""
    if report is None:
        return False
    if service == "api-server":
        return report["metadatabase"]["status"] == "healthy"
    key, heartbeat_key = _HEALTH_KEYS[service]
    part = report[key]
    heartbeat = part[heartbeat_key]
    if part["status"] != "healthy" or heartbeat is None:
        return False
    return since is None or datetime.fromisoformat(heartbeat) >= since


def wait_for_part(layout: Layout, state: StackState, service: str, since: datetime, *, timeout_s: float) -> None:
    """Wait until a part of Airflow, started at ``since`` (UTC), is healthy.

    Raises:
        StackError: it isn't within ``timeout_s`` seconds; its log is named.
    """
    deadline = time.monotonic() + timeout_s
    while not part_is_healthy(health(state), service, since):
        if time.monotonic() > deadline:
            raise StackError(
                f"Airflow's {service} did not become healthy within {timeout_s:.0f} s; see {layout.log(service)}."
            )
        time.sleep(0.3)


def airflow_command(arguments: list[str]) -> list[str]:
    """How this environment's Airflow is called."""
    return [sys.executable, "-m", "airflow", *arguments]


def _run_airflow(layout: Layout, state: StackState, secrets: StackSecrets, arguments: list[str]) -> None:
    log: Path = layout.log("airflow-prepare")
    with log.open("a") as output:
        output.write(f"--- airflow {' '.join(arguments)}\n")
        output.flush()
        done = subprocess.run(
            airflow_command(arguments), stdout=output, stderr=subprocess.STDOUT, check=False, cwd=layout.airflow_home,
            env=base_environment(state) | stack_environment(layout, state, secrets),
        )  # fmt: skip
    if done.returncode != 0:
        raise StackError(f"`airflow {' '.join(arguments[:2])}` failed with code {done.returncode}; see {log}.")
