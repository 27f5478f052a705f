"""A stack of the harness's own: its services, databases and S3, reached without the code that is being tested."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import boto3
import psutil
import psycopg
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from bench.faults.proxy import S3Proxy
from include.local.layout import Layout, load_state
from include.local.ports import is_free
from include.local.secrets import make_secrets
from include.local.supervisor import Supervisor
from include.pipeline.client import AirflowClient
from include.settings import ROOT, get_settings

SERVICES = ("postgres", "s3", "api-server", "dag-processor", "scheduler", "triggerer")
JOB_TYPES = {"scheduler": "SchedulerJob", "triggerer": "TriggererJob", "dag-processor": "DagProcessorJob"}
DISK_BYTES = 64 << 20
"""Size of the small disk that the tasks' temporary files lie on."""

FAKE = {
    "VOICEMAN_ENGINES": "bench.faults.fake:FakeEngines",
    "VOICEMAN_REPORT_REDACTED": "false",
    "VOICEMAN_REPORT_PLAYER": "false",
}
"""Settings under which nothing is transcribed, analysed or rendered in earnest."""


class Lab:
    """One local stack with S3 behind a proxy and the tasks' work directory on a small disk of its own."""

    def __init__(
        self, settings: dict[str, str], *, fake: bool = True, proxied: bool = True, home: Path | None = None
    ) -> None:
        """Lay it out; nothing is started.

        Args:
            settings: more environment for the stack (``VOICEMAN_…``).
            fake: use the fake engines.
            proxied: reach S3 through the proxy.
            home: the stack's home; a new one when None.
        """
        self.home = home or Path(tempfile.mkdtemp(prefix="vmf-", dir="/tmp"))
        layout = Layout(self.home)
        layout.create()
        self.home.chmod(0o711)
        self.devices = self.home.with_name(self.home.name + "-dev")
        self.devices.mkdir()
        self.work = self.home.with_name(self.home.name + "-work")
        self.work.mkdir()
        self.mounted = _mount(self.work)
        self.proxy = S3Proxy(next(port for port in range(19_000, 19_900) if is_free(port)))
        models = get_settings().models
        self.settings = {
            "VOICEMAN_HOME": str(self.home),
            "VOICEMAN_MODEL_DIR": str(models),
            "VOICEMAN_SETTLE_S": "2",
            "VOICEMAN_POLL_S": "1",
            "VOICEMAN_S3_CONN_ID": "faults_s3" if proxied else "voiceman_s3",
            "VOICEMAN_FAKE_DEVICES": str(self.devices),
            "TMPDIR": str(self.work),
            **(FAKE if fake else {}),
            **settings,
        }
        self.secrets = make_secrets(layout)
        self.settings["AIRFLOW_CONN_FAULTS_S3"] = self._s3_connection()
        self._open: dict[str, psycopg.Connection[Any]] = {}
        self.extra: subprocess.Popen[bytes] | None = None
        """A process of Airflow that a fault started beside the stack's."""

    # --- the stack ---

    def up(self) -> None:
        """Start the stack, or what is missing of it."""
        self._voiceman("up", 300)
        self.proxy.upstream = self.state.ports["s3"]
        self.s3 = self._client()

    def down(self) -> None:
        """Stop it and make sure that nothing of it is left."""
        for connection in self._open.values():
            connection.close()
        self._open.clear()
        self._voiceman("down", 180)

    def remove(self) -> None:
        """Stop it and delete everything."""
        self.down()
        self.proxy.close()
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.work)], check=True)
        for folder in (self.work, self.devices, self.home):
            shutil.rmtree(folder, ignore_errors=True)

    def _voiceman(self, command: str, timeout_s: float) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        done = subprocess.run(
            [str(ROOT / "voiceman"), command], env=environment | self.settings, capture_output=True, text=True,
            timeout=timeout_s, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"./voiceman {command} failed: {done.stderr or done.stdout}")

    @property
    def state(self) -> Any:
        """The stack's id and ports."""
        return load_state(Layout(self.home))

    def manager(self) -> Supervisor:
        """The stack's supervisord; its socket lies in the stack's TMPDIR, not in this process's."""
        before, tempfile.tempdir = tempfile.tempdir, str(self.work)
        try:
            return Supervisor(Layout(self.home), self.state)
        finally:
            tempfile.tempdir = before

    def _s3_connection(self) -> str:
        extra = {
            "endpoint_url": f"http://127.0.0.1:{self.proxy.port}",
            "region_name": "us-east-1",
            "config_kwargs": {"s3": {"addressing_style": "path"}},
        }
        login = {"login": self.secrets.s3_access_key, "password": self.secrets.s3_secret_key}
        return json.dumps({"conn_type": "aws", **login, "extra": extra})

    # --- processes ---

    def main_process(self, service: str) -> psutil.Process | None:
        """The service's first process: the one that supervisord started."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                parent = process.parent()  # orphans of a killed predecessor have another one
                if (
                    _variable(process, "VOICEMAN_SERVICE") == service
                    and parent is not None
                    and "supervisor.supervisord" in parent.cmdline()
                ):
                    return process
        return None

    def processes(self) -> list[psutil.Process]:
        """Every living process that carries the stack's id."""
        found, stack_id = [], self.state.stack_id
        for process in psutil.process_iter():
            with suppress(psutil.NoSuchProcess):
                if _variable(process, "VOICEMAN_STACK_ID") == stack_id and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def healthy(self, service: str, since: float) -> bool:
        """Whether the service works; parts of Airflow: by a heartbeat of one that started after ``since`` (Unix s)."""
        if service == "postgres":
            self._open.clear()  # a backend that outlives its killed server for a moment still answers
            return self.airflow("SELECT 1") is not None and self.voiceman("SELECT 1") is not None
        if service == "s3":
            with suppress(BotoCoreError, ClientError):
                self.s3.list_objects_v2(Bucket=self.bucket, MaxKeys=1)
                return True
            return False
        if service == "api-server":
            with suppress(OSError):
                url = f"http://127.0.0.1:{self.state.ports['ui']}/api/v2/monitor/health"
                return bool(build_opener(ProxyHandler({})).open(url, timeout=3).status == 200)
            return False
        return bool(
            self.airflow(
                "SELECT 1 FROM job WHERE job_type = %s AND state = 'running' AND extract(epoch FROM start_date) > %s "
                "AND latest_heartbeat > now() - interval '20 s'",
                (JOB_TYPES[service], since),
            )
        )

    def all_healthy(self) -> bool:
        """Whether every service works."""
        return all(self.main_process(name) is not None and self.healthy(name, 0) for name in SERVICES)

    def post(self, path: str, body: dict[str, Any], accepted: tuple[int, ...]) -> None:
        """A request to Airflow's REST API.

        Raises:
            RuntimeError: the answer has another status than those accepted.
        """
        url = f"http://127.0.0.1:{self.state.ports['ui']}"
        with AirflowClient(url, "admin", self.secrets.admin_password) as client:
            answer = client.call("POST", path, json=body)
        if answer.status_code not in accepted:
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text[:300]}")

    # --- databases ---

    def airflow(self, sql: str, arguments: tuple[Any, ...] = ()) -> list[tuple[Any, ...]] | None:
        """Rows from Airflow's database, or None while it is away."""
        return self._query("airflow", self.secrets.db_airflow_password, sql, arguments)

    def voiceman(self, sql: str, arguments: tuple[Any, ...] = ()) -> list[tuple[Any, ...]] | None:
        """Rows from VoiceMan's database, or None while it is away."""
        return self._query("voiceman", self.secrets.db_voiceman_password, sql, arguments)

    def _query(self, name: str, password: str, sql: str, arguments: tuple[Any, ...]) -> list[tuple[Any, ...]] | None:
        try:
            if name not in self._open or self._open[name].closed:
                self._open[name] = psycopg.connect(
                    host="127.0.0.1", port=self.state.ports["postgres"], user=name, dbname=name, password=password,
                    connect_timeout=2, autocommit=True,
                )  # fmt: skip
            return self._open[name].execute(sql, arguments).fetchall()
        except psycopg.OperationalError:
            self._open.pop(name, None)
            return None

    # --- S3, without the proxy ---

    bucket = "forensic-audio"

    def _client(self) -> Any:
        return boto3.client(
            "s3", endpoint_url=f"http://127.0.0.1:{self.state.ports['s3']}", region_name="us-east-1",
            aws_access_key_id=self.secrets.s3_access_key, aws_secret_access_key=self.secrets.s3_secret_key,
            config=Config(s3={"addressing_style": "path"}, proxies={}, connect_timeout=2, read_timeout=10,
                          retries={"total_max_attempts": 3}, max_pool_connections=32),
        )  # fmt: skip

    def put(self, key: str, data: bytes) -> None:
        """Write an object."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=data)

    def keys(self, prefix: str) -> list[str]:
        """All keys under a prefix."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def read(self, key: str) -> bytes | None:
        """An object's bytes, or None."""
        try:
            return bytes(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())
        except self.s3.exceptions.NoSuchKey:
            return None

    def digest(self, key: str) -> str | None:
        """An object's SHA-256, or None."""
        data = self.read(key)
        return None if data is None else hashlib.sha256(data).hexdigest()


def wait_until(condition: Any, timeout_s: float, every_s: float = 0.2) -> bool:
    """Whether the condition became true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_s)
    return True


def _variable(process: psutil.Process, name: str) -> str | None:
    try:
        return process.environ().get(name)
    except (psutil.Error, OSError):
        return None


def _mount(folder: Path) -> bool:
    """A small disk for the work directory; without the right to mount, the directory itself (no disk-full fault)."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=1777", "voiceman-faults", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
