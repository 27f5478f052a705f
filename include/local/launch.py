"""``python -m include.local.launch SERVICE``: become one service, with only the secrets it needs.

supervisord starts the services through this module, so that neither its configuration, its
environment nor any command line holds a secret.
"""

from __future__ import annotations

import os
import sys

from include.errors import StackError
from include.local.airflow import COMMANDS, airflow_command
from include.local.environment import base_environment, stack_environment
from include.local.layout import Layout, load_state
from include.local.processes import SERVICE_VARIABLE, end_processes, stack_processes
from include.local.s3 import s3_command, s3_environment
from include.local.secrets import load_secrets
from include.local.supervisor import STORES
from include.settings import ROOT

__all__ = ["main"]


def main(service: str) -> None:
    """Replace this process by the service.

    A scheduler that was killed leaves its workers and their tasks behind. The new one will hand
    those tasks out again, so they are ended first: otherwise an orphan holds the GPU and writes
    beside its successor. They get no time to end by themselves, except what stores data: nobody hears them any more.

    Raises:
        StackError: the stack's files can't be used.
    """
    layout = Layout.current()
    state = load_state(layout)
    if state is None:
        raise StackError(f"{layout.state_file} is missing; start the services with `./voiceman up`.")
    secrets = load_secrets(layout)
    if service == "s3":
        command, private = s3_command(layout, state), s3_environment(secrets)
    elif service == "watchdog":
        command = [sys.executable, "-c", "from include.local.watchdog import main; main()"]
        private = {"PYTHONPATH": str(ROOT), "VOICEMAN_HOME": str(layout.home)}  # it reads the secrets itself
    elif service in COMMANDS:
        command, private = airflow_command(COMMANDS[service]), stack_environment(layout, state, secrets)
    else:
        raise StackError(f"The local stack has no service {service!r}.")
    end_processes(stack_processes(state.stack_id, service), grace_s=2 if service in STORES else 0)
    # By list, without a shell: S606 asks for nothing else.
    os.execve(command[0], command, base_environment(state) | private | {SERVICE_VARIABLE: service})  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1])
