"""supervisord: it starts each service, starts it again when it dies, and stops it in order.

It is asked over a UNIX socket in a directory of mode 0700; it has no network port.
"""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
import sys
import time
from http.client import HTTPException
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from include.errors import StackError
from include.local.environment import base_environment
from include.local.layout import Layout, StackState, write_private
from include.local.postgres import Server, server_command
from include.local.processes import SERVICE_VARIABLE
from include.settings import ROOT

__all__ = ["SERVICES", "STOP_ORDER", "STORES", "Supervisor", "write_configuration"]

SERVICES = ("postgres", "s3", "api-server", "dag-processor", "scheduler", "triggerer", "watchdog")
"""In the order in which they start, but for the scheduler, which comes when the API server is healthy."""
STORES = ("postgres", "s3")
"""What works without Airflow."""

_STOP_WAIT_S = {"scheduler": 20, "postgres": 30, "triggerer": 4, "s3": 5}
"""Seconds a service gets to end by itself, 10 unless named. Airflow 3.3.2's triggerer ends at once or,
when a trigger was running, hangs: its triggers are in the database and go to the next triggerer. SeaweedFS
4.48 closes its stores at once (by its log) and then sometimes waits in vain for its own master to come back."""
STOP_ORDER = (("watchdog",), ("triggerer", "scheduler", "dag-processor"), ("api-server",), ("s3", "postgres"))
"""Running tasks end while the API server still hears them; what stands together ends at the same time."""


def write_configuration(layout: Layout, state: StackState, server: Server) -> None:
    """Write supervisord's configuration: no secret in it."""
    sockets = layout.sockets(state.stack_id)
    parts = [
        _section("unix_http_server", {"file": sockets / "supervisor.sock", "chmod": "0700"}),
        _section("rpcinterface:supervisor", {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface",
        }),
        _section("supervisord", {
            "logfile": layout.log("supervisord"), "pidfile": sockets / "supervisord.pid", "directory": layout.home,
            "childlogdir": layout.logs, "logfile_maxbytes": "5MB", "logfile_backups": 1, "umask": "077",
        }),
    ]  # fmt: skip
    for service in SERVICES:
        launcher = [sys.executable, "-m", "include.local.launch", service]
        program: dict[str, object] = {
            "command": shlex.join(server_command(server, state) if service == "postgres" else launcher),
            "environment": f'{SERVICE_VARIABLE}="{service}"',
            "autostart": "false",
            "autorestart": "true",
            "startsecs": 0 if service == "watchdog" else 1,  # nobody waits for it
            "startretries": 100,
            "stopsignal": "INT" if service == "postgres" else "TERM",  # PostgreSQL: fast shutdown
            "stopwaitsecs": _STOP_WAIT_S.get(service, 10),
            # The triggerer's child has to hear it too: without it the parent always waits in vain.
            "stopasgroup": "true" if service == "triggerer" else "false",
            "killasgroup": "true",
            "redirect_stderr": "true",
            "stdout_logfile": layout.log(service),
            "stdout_logfile_maxbytes": "20MB",
            "stdout_logfile_backups": 2,
            "directory": "/" if service == "postgres" else layout.airflow_home,
        }
        if service == "postgres" and server.user is not None:
            program["user"] = server.user
        parts.append(_section(f"program:{service}", program))
    write_private(layout.supervisor_conf, "\n".join(parts))


def _section(name: str, values: dict[str, Any]) -> str:
    # A percent sign would be taken for a reference to a variable.
    lines = [f"{key}={str(value).replace('%', '%%')}" for key, value in values.items()]
    return "\n".join([f"[{name}]", *lines, ""])


class Supervisor:
    """Talks to this stack's supervisord."""

    def __init__(self, layout: Layout, state: StackState) -> None:
        self._layout = layout
        self._state = state
        self._socket: Path = layout.sockets(state.stack_id) / "supervisor.sock"

    def running(self) -> bool:
        """Whether it answers."""
        try:
            self._call("getState")
        except (OSError, HTTPException):
            return False
        return True

    def start(self) -> None:
        """Start supervisord in the background; it starts no service yet.

        Raises:
            StackError: it doesn't answer within 15 s.
        """
        self._socket.parent.mkdir(mode=0o700, exist_ok=True)
        about = self._socket.parent.lstat()  # /tmp is everybody's: another user may have made it, with links in it
        if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid() or stat.S_IMODE(about.st_mode) != 0o700:
            raise StackError(f"{self._socket.parent} is not a private folder of this user; remove it, then try again.")
        self._socket.unlink(missing_ok=True)
        environment = base_environment(self._state) | {"PYTHONPATH": str(ROOT), "VOICEMAN_HOME": str(self._layout.home)}
        log = self._layout.log("supervisord-start")
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._layout.supervisor_conf)]
        with log.open("w") as output:
            done = subprocess.run(
                command, env=environment, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                cwd=self._layout.home, start_new_session=True, check=False,
            )  # fmt: skip
        deadline = time.monotonic() + 15
        while done.returncode == 0 and time.monotonic() < deadline:
            if self.running():
                return
            time.sleep(0.1)
        raise StackError(f"The process manager (supervisord) did not start; see {log}.")

    def start_service(self, service: str) -> None:
        """Start one service, without waiting for its health.

        Raises:
            StackError: it can't be started; its log is named.
        """
        try:
            self._call("startProcess", service, False)
        except (Fault, OSError, HTTPException) as error:
            raise StackError(f"{service} can't be started ({error}); see {self._layout.log(service)}.") from error

    def stop_services(self, *services: str) -> None:
        """Stop these services at the same time and wait for them; one that doesn't run is left alone.

        One that comes back meanwhile, because it had just died, is stopped again.

        Raises:
            StackError: supervisord doesn't answer, or a service is still there after its time and 10 s.
        """
        deadline = time.monotonic() + max(_STOP_WAIT_S.get(service, 10) for service in services) + 10
        try:
            while left := self._not_stopped(services):
                if time.monotonic() > deadline:
                    raise StackError(f"{', '.join(left)} can't be stopped; see {self._layout.log('supervisord')}.")
                for service, state in left.items():
                    if state != "STOPPING":
                        self._stop(service)
                time.sleep(0.1)
        except (Fault, OSError, HTTPException) as error:
            raise StackError(f"The process manager went away while {', '.join(services)} stopped ({error}).") from error

    def _stop(self, service: str) -> None:
        try:
            self._call("stopProcess", service, False)
        except Fault as error:
            if "NOT_RUNNING" not in error.faultString:
                raise

    def _not_stopped(self, services: tuple[str, ...]) -> dict[str, str]:
        # a supervisord that an older version started doesn't know a service that is new
        known = self.processes()
        states = {service: str(known[service]["statename"]) for service in services if service in known}
        return {one: state for one, state in states.items() if state in ("STARTING", "RUNNING", "BACKOFF", "STOPPING")}

    def shut_down(self) -> None:
        """Tell supervisord to end (the services are stopped already)."""
        try:
            self._call("shutdown")
        except (Fault, OSError, HTTPException) as error:
            raise StackError(f"The process manager could not be told to end ({error}).") from error

    def processes(self) -> dict[str, dict[str, Any]]:
        """supervisord's view of each service: ``statename``, ``pid``, ``start`` (seconds), ``spawnerr`` …"""
        return {entry["name"]: entry for entry in self._call("getAllProcessInfo")}

    def _call(self, method: str, *arguments: object) -> Any:
        from supervisor.xmlrpc import SupervisorTransport

        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        # The address is not used: the transport goes to the socket.
        with ServerProxy("http://localhost", transport=transport) as proxy:
            return getattr(proxy.supervisor, method)(*arguments)
