"""The environment of everything that talks to the local stack, as plain ``NAME=value``.

``airflow.cfg`` holds what is the same everywhere; paths, ports and secrets of this machine are here.
"""

from __future__ import annotations

import json
import os
from urllib.parse import quote

from include.errors import StackError
from include.local.layout import Layout, StackState, load_state
from include.local.ports import HOST
from include.local.processes import SERVICE_VARIABLE, STACK_VARIABLE
from include.local.secrets import ADMIN, Credentials, StackSecrets, load_secrets
from include.settings import ROOT, get_settings

__all__ = [
    "REGION",
    "admin_credentials",
    "base_environment",
    "load_stack_env",
    "s3_endpoint",
    "stack_environment",
    "ui_url",
]

REGION = "us-east-1"
"""SeaweedFS takes any; a fixed one keeps boto3 from looking for a configuration."""

_INHERITED = (
    "HOME",
    "LANG",
    "LANGUAGE",
    "LD_LIBRARY_PATH",
    "LOGNAME",
    "PATH",
    "SOFTHSM2_CONF",
    "TMPDIR",
    "TZ",
    "USER",
    "XDG_CACHE_HOME",
)
_INHERITED_PREFIXES = ("AIRFLOW_CONN_", "AIRFLOW_VAR_", "CUDA_", "HF_", "LC_", "NVIDIA_", "OMP_", "VOICEMAN_")


def ui_url(state: StackState) -> str:
    """Where people reach the Airflow UI."""
    return f"http://{HOST}:{state.ports['ui']}"


def s3_endpoint(state: StackState) -> str:
    """The S3 server's URL."""
    return f"http://{HOST}:{state.ports['s3']}"


def base_environment(state: StackState) -> dict[str, str]:
    """What every process of the stack gets: a few of the caller's variables and the stack's id; no secrets of ours.

    The caller's shell may hold other secrets and other ``AIRFLOW__`` settings: they stay out.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name != SERVICE_VARIABLE
        and not name.startswith("VOICEMAN_API_")  # for the command line only
        and (name in _INHERITED or name.startswith(_INHERITED_PREFIXES) or name.lower().endswith("_proxy"))
    }
    no_proxy = ",".join(filter(None, (inherited.get("NO_PROXY", inherited.get("no_proxy", "")), HOST, "localhost")))
    return inherited | {
        STACK_VARIABLE: state.stack_id,
        "SPT_NOENV": "1",  # setproctitle must not overwrite the environment: the stack finds its processes by it
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
    }


def load_stack_env() -> dict[str, str]:
    """What a process needs to talk to this machine's stack, secrets included; merge it into ``os.environ``.

    Raises:
        StackError: the stack was never started, or its files can't be used.
    """
    layout = Layout.current()
    state = load_state(layout)
    if state is None:
        raise StackError(f"The local stack in {layout.home} was never started; run `./voiceman up`.")
    return stack_environment(layout, state, load_secrets(layout))


def stack_environment(layout: Layout, state: StackState, secrets: StackSecrets) -> dict[str, str]:
    """See :func:`load_stack_env`."""
    url = ui_url(state)
    connections = {
        "AIRFLOW_CONN_VOICEMAN_DB": _database_url("postgresql", "voiceman", secrets.db_voiceman_password, state),
        "AIRFLOW_CONN_VOICEMAN_AIRFLOW_DB": _database_url("postgresql", "airflow", secrets.db_airflow_password, state),
        "AIRFLOW_CONN_VOICEMAN_S3": json.dumps(
            {
                "conn_type": "aws",
                "login": secrets.s3_access_key,
                "password": secrets.s3_secret_key,
                "extra": {
                    "endpoint_url": s3_endpoint(state),
                    "region_name": REGION,
                    "config_kwargs": {"s3": {"addressing_style": "path"}},
                },
            }
        ),
    }
    airflow = {
        "AIRFLOW_HOME": str(layout.airflow_home),
        "AIRFLOW_CONFIG": str(ROOT / "airflow.cfg"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        # one machine, few cores: more would only swap; but each device's transcription leaves room for others
        "AIRFLOW__CORE__PARALLELISM": str(7 + state.devices),
        "AIRFLOW__CORE__FERNET_KEY": secrets.fernet_key,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(layout.passwords_file),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": _database_url(
            "postgresql+psycopg2", "airflow", secrets.db_airflow_password, state
        ),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__HOST": HOST,
        "AIRFLOW__API__PORT": str(state.ports["ui"]),
        "AIRFLOW__API__SECRET_KEY": secrets.api_secret_key,
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.jwt_secret,
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(layout.logs / "tasks"),
        "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(layout.logs / "dag-files"),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(layout.airflow_home / "bundles"),
    }
    ours = {
        "PYTHONPATH": str(ROOT),
        "VOICEMAN_HOME": str(layout.home),
        "VOICEMAN_UI_URL": url,
        "VOICEMAN_BUCKET": get_settings().bucket,
        "VOICEMAN_SIGNING_KEY": get_settings().signing_key or str(layout.demo_key),
        "VOICEMAN_PDF_CERTIFICATE": get_settings().pdf_certificate or str(layout.demo_certificate),
        "PYANNOTE_METRICS_ENABLED": "0",  # pyannote reports usage otherwise
    }
    return connections | airflow | ours


def admin_credentials() -> Credentials:
    """User and password for the UI and the REST API of the local stack.

    Raises:
        StackError: the stack was never started.
    """
    return Credentials(ADMIN, load_secrets(Layout.current()).admin_password)


def _database_url(scheme: str, name: str, password: str, state: StackState) -> str:
    return f"{scheme}://{name}:{quote(password, safe='')}@{HOST}:{state.ports['postgres']}/{name}"
