"""``up`` and ``down``: PostgreSQL, S3 and Airflow on this machine, in the right order."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from include.errors import StackError
from include.evidence import make_demo_certificate, new_key
from include.local import airflow
from include.local.environment import s3_endpoint, ui_url
from include.local.layout import Layout, StackState, load_state, locked
from include.local.ports import choose_ports, ports_reserved
from include.local.postgres import ensure_cluster, ensure_databases, place_server, run_as_superuser
from include.local.processes import end_processes, stack_processes
from include.local.s3 import ensure_bucket, remove_stale_sockets, write_identities
from include.local.secrets import ADMIN, StackSecrets, load_secrets, make_secrets
from include.local.status import status
from include.local.supervisor import SERVICES, STOP_ORDER, STORES, Supervisor, write_configuration
from include.settings import ROOT, get_settings

__all__ = ["StackInfo", "down", "seal_ledger", "up"]

DATABASE_TIMEOUT_S = 60.0
S3_TIMEOUT_S = 60.0
AIRFLOW_TIMEOUT_S = 180.0
HEAL_TIMEOUT_S = 60.0
"""Seconds; a cold start on a busy two-core machine takes a tenth of it."""
_LEFTOVER_GRACE_S = {"s3": 5, "postgres": 10}


@dataclass(frozen=True)
class StackInfo:
    """A running stack; no secrets (see ``admin_credentials`` and ``load_stack_env``)."""

    ui_url: str
    admin_user: str
    s3_endpoint: str
    database_port: int
    home: Path
    secrets_file: Path
    logs: Path
    already_up: bool
    """True when ``up`` found everything running and healthy."""
    seconds: float
    """How long ``up`` took."""


def up(progress: Callable[[str], None] = lambda _: None, *, stores_only: bool = False) -> StackInfo:
    """Start what isn't running, wait until all of it is healthy, and say where it is.

    Args:
        progress: called with one short line before each step.
        stores_only: start PostgreSQL and S3 without Airflow; what of Airflow runs is left alone.

    Raises:
        StackError: something can't start; what was started is ended again, and the log is named.
    """
    began = time.monotonic()
    layout = Layout.current()
    layout.create()
    with locked(layout):
        state = load_state(layout) or StackState()
        secrets = make_secrets(layout)
        _ensure_demo_keys(layout)
        already_up = _all_healthy(layout, state, stores_only)
        if not already_up and not _heal(layout, state, progress, stores_only):
            _end_everything(layout, state)
            with ports_reserved():
                state.ports = choose_ports(state.ports)
                state.save(layout)
                try:
                    _start_stores(layout, state, secrets, progress)
                    if not stores_only:
                        _start_airflow(layout, state, secrets, progress)
                except BaseException:
                    # An interrupted start (Ctrl-C too) must leave nothing behind.
                    _end_everything(layout, state)
                    raise
    return StackInfo(
        ui_url=ui_url(state), admin_user=ADMIN, s3_endpoint=s3_endpoint(state), database_port=state.ports["postgres"],
        home=layout.home, secrets_file=layout.secrets_file, logs=layout.logs, already_up=already_up,
        seconds=time.monotonic() - began,
    )  # fmt: skip


def seal_ledger() -> None:
    """Take the custody ledger away from the pipeline's role, after the migrations (include/state/seal_ledger.sql).

    Raises:
        StackError: the stack was never started, or PostgreSQL refuses.
    """
    layout = Layout.current()
    state = load_state(layout)
    if state is None:
        raise StackError(f"The local stack in {layout.home} was never started; run `./voiceman up`.")
    script = (ROOT / "include" / "state" / "seal_ledger.sql").read_text()
    run_as_superuser(state, load_secrets(layout), "voiceman", script)


def _ensure_demo_keys(layout: Layout) -> None:
    """A key and a PDF certificate to sign with, unless they are configured: marked as a demo's wherever they show."""
    if not get_settings().signing_key and not layout.demo_key.exists():
        layout.demo_key.parent.mkdir(mode=0o700, exist_ok=True)
        new_key(layout.demo_key, layout.demo_key.parent / "public", demo=True)
    if not get_settings().pdf_certificate:
        make_demo_certificate(layout.demo_certificate.parent)


def down(progress: Callable[[str], None] = lambda _: None) -> int:
    """Stop the stack and make sure that nothing of it is left; the number of processes that were running.

    Raises:
        StackError: a process can't be ended.
    """
    layout = Layout.current()
    if not layout.home.is_dir():
        return 0
    with locked(layout):
        state = load_state(layout)
        return 0 if state is None else _end_everything(layout, state, progress)


def _start_stores(layout: Layout, state: StackState, secrets: StackSecrets, progress: Callable[[str], None]) -> None:
    server = place_server(layout, state)
    progress("PostgreSQL")
    ensure_cluster(server, layout, secrets)
    write_identities(layout, secrets)
    airflow.write_passwords(layout, secrets)
    write_configuration(layout, state, server)
    manager = Supervisor(layout, state)
    manager.start()
    manager.start_service("postgres")
    manager.start_service("s3")
    ensure_databases(state, secrets, timeout_s=DATABASE_TIMEOUT_S, log=layout.log("postgres"))
    progress("S3")
    ensure_bucket(state, secrets, timeout_s=S3_TIMEOUT_S, log=layout.log("s3"))


def _start_airflow(layout: Layout, state: StackState, secrets: StackSecrets, progress: Callable[[str], None]) -> None:
    manager = Supervisor(layout, state)
    progress("Airflow: database")
    airflow.migrate_database(layout, state, secrets)
    progress("Airflow: API server, DAG processor, triggerer")
    since = datetime.now(UTC)
    for service in ("api-server", "dag-processor", "triggerer"):
        manager.start_service(service)
    airflow.import_pools(layout, state, secrets)
    airflow.wait_for_part(layout, state, "api-server", since, timeout_s=AIRFLOW_TIMEOUT_S)
    # The scheduler last: its tasks need the pools, and talk to the API server.
    progress("Airflow: scheduler")
    manager.start_service("scheduler")
    for service in ("dag-processor", "triggerer", "scheduler"):
        airflow.wait_for_part(layout, state, service, since, timeout_s=AIRFLOW_TIMEOUT_S)
    manager.start_service("watchdog")


def _end_everything(layout: Layout, state: StackState, progress: Callable[[str], None] = lambda _: None) -> int:
    """Stop gracefully in reverse order while the manager answers, then end by id whatever is left."""
    count = len(stack_processes(state.stack_id))
    manager = Supervisor(layout, state)
    if manager.running():
        try:
            for services in STOP_ORDER:
                progress(", ".join(services))
                manager.stop_services(*services)
            manager.shut_down()
            _wait_until_gone(state, 10)
        except StackError as error:
            progress(f"what is left, by its id ({error})")
    _end_leftovers(state)
    if state.ports:
        remove_stale_sockets(state)
    shutil.rmtree(layout.sockets(state.stack_id), ignore_errors=True)
    return count


def _wait_until_gone(state: StackState, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while stack_processes(state.stack_id) and time.monotonic() < deadline:
        time.sleep(0.1)


def _end_leftovers(state: StackState) -> None:
    """End every process with the stack's id, Airflow before the stores.

    Without supervisord their output goes nowhere and Airflow's parts often hang while they log their
    end: they get 2 s, the stores longer. More than once: a process may be forked meanwhile.
    """
    for service in reversed(SERVICES):
        end_processes(stack_processes(state.stack_id, service), grace_s=_LEFTOVER_GRACE_S.get(service, 2))
    for _ in range(3):
        left = stack_processes(state.stack_id)
        if not left:
            return
        end_processes(left, grace_s=5)
    pids = ", ".join(str(process.pid) for process in stack_processes(state.stack_id))
    if pids:
        raise StackError(f"The stack's processes {pids} keep coming back; end them by hand with kill -9.")


def _heal(layout: Layout, state: StackState, progress: Callable[[str], None], stores_only: bool) -> bool:
    """When the manager is there, start what stands still and wait for the rest; running tasks go on.

    False when the manager is gone, the database was not prepared to the end, or a service doesn't become healthy: then
    start anew.
    """
    manager = Supervisor(layout, state)
    if not state.ports or not (stores_only or _prepared(state)) or not manager.running():
        return False
    progress("waiting for the services that are starting")
    for service, entry in manager.processes().items():
        if entry["statename"] in ("STOPPED", "EXITED", "FATAL") and (service in STORES or not stores_only):
            manager.start_service(service)
    deadline = time.monotonic() + HEAL_TIMEOUT_S
    while time.monotonic() < deadline:
        if _all_healthy(layout, state, stores_only):
            return True
        time.sleep(0.5)
    return False


def _all_healthy(layout: Layout, state: StackState, stores_only: bool) -> bool:
    if not state.ports or not (stores_only or _prepared(state)) or not Supervisor(layout, state).running():
        return False
    wanted = [service for service in status() if service.name in STORES or not stores_only]
    return all(service.state == "healthy" for service in wanted)


def _prepared(state: StackState) -> bool:
    """Whether the database was migrated and has the pools: an ``up`` that was killed may have left it half-way."""
    return state.prepared is not None and bool(state.prepared.pools_sha256)
