"""The pool that follows the devices, and Airflow's own commands, in the real Airflow."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from include import local, state
from include.errors import ToolError
from include.pipeline import airflow_admin, watch
from include.pipeline.devices import register_host
from include.settings import ROOT
from tests.integration.test_devices import gpus

pytestmark = pytest.mark.e2e


@contextmanager
def api() -> Iterator[httpx.Client]:
    """Airflow's REST API."""
    login = local.admin_credentials()
    with httpx.Client(base_url=os.environ["VOICEMAN_UI_URL"], trust_env=False, timeout=60) as client:
        token = client.post("/auth/token", json={"username": login.user, "password": login.password}).json()
        client.headers["Authorization"] = f"Bearer {token['access_token']}"
        yield client


@pytest.fixture
def quiet(stack: Path) -> Iterator[None]:
    """The DAG watch stands still: a test does by hand what it does every minute."""
    with api() as client:
        client.patch("/api/v2/dags/watch", json={"is_paused": True}).raise_for_status()
        deadline = time.monotonic() + 60
        busy = {"state": ["running", "queued"]}
        while client.get("/api/v2/dags/watch/dagRuns/~/taskInstances", params=busy).json()["total_entries"]:
            assert time.monotonic() < deadline, "a run of watch does not end"
            time.sleep(0.5)
        yield
        client.patch("/api/v2/dags/watch", json={"is_paused": False}).raise_for_status()


@pytest.fixture
def no_devices(quiet: None) -> Iterator[None]:
    """A table that holds this test's devices only; what was there comes back, and the pool to this host's."""
    with state.transaction() as cursor:
        cursor.execute("DELETE FROM voiceman.device")
    yield
    with state.transaction() as cursor:
        cursor.execute("DELETE FROM voiceman.device")
    register_host()
    watch.resize_pool()


def pool() -> tuple[int, str]:
    """The pool as Airflow's API tells it."""
    with api() as client:
        told = client.get("/api/v2/pools/gpu").json()
    return told["slots"], told["description"]


def test_up_set_the_pool_and_registered_this_host(stack: Path) -> None:
    register_host()  # as `up` did, before another test emptied the table
    assert socket.gethostname() in {one.host for one in state.list_devices()}
    assert pool()[1].endswith(" found)")


def test_the_pool_follows_the_devices_and_leaves_slots_set_by_hand(
    no_devices: None, caplog: pytest.LogCaptureFixture
) -> None:
    assert watch.resize_pool() is None, "no device seen: a pool of 0 would stop everything"
    state.register_devices("one", gpus("GPU-a", "GPU-b", "GPU-c"))
    assert watch.resize_pool() == 3
    assert pool() == (3, "Transcription: one batch a device at a time (3 found)")
    assert watch.resize_pool() is None
    with api() as client:  # a person pauses transcription in the UI
        body = {"pool": "gpu", "slots": 0, "include_deferred": False}
        answer = client.patch("/api/v2/pools/gpu", params={"update_mask": "slots"}, json=body)
        assert answer.status_code == 200, answer.text
    assert watch.resize_pool() is None
    assert pool()[0] == 0
    state.register_devices("two", gpus("GPU-d"))
    assert watch.resize_pool() == 4
    airflow_admin.run_airflow(["pools", "import", str(ROOT / "pools.json")])  # as the container `init` does
    assert watch.resize_pool() == 4
    assert pool() == (4, "Transcription: one batch a device at a time (4 found)")
    assert os.environ["AIRFLOW_CONN_VOICEMAN_AIRFLOW_DB"].split(":")[2].split("@")[0] not in caplog.text


def test_airflow_is_run_with_its_database_from_inside_a_task(stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # what a task's process is given (airflow.sdk.execution_time.supervisor.block_orm_access)
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "airflow-db-not-allowed:///")
    monkeypatch.setenv("AIRFLOW__CORE__SQL_ALCHEMY_CONN", "airflow-db-not-allowed:///")
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "client")
    assert "default_pool" in airflow_admin.run_airflow(["pools", "list"])


def test_a_failed_airflow_command_is_one_sentence_without_secrets(stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ToolError, match=r"`airflow pools export` failed with code"):
        airflow_admin.run_airflow(["pools", "export", "/nowhere/pools.json"])
    monkeypatch.setenv("AIRFLOW_CONN_VOICEMAN_AIRFLOW_DB", "postgresql://airflow:hidden-word@127.0.0.1:9/airflow")
    with pytest.raises(ToolError) as caught:
        airflow_admin.run_airflow(["pools", "list"])
    assert "hidden-word" not in str(caught.value)
    with pytest.raises(ToolError, match="did not end within 0 s") as caught:
        airflow_admin.run_airflow(["pools", "list"], timeout_s=0.1)
    text = "".join(map(str, (caught.value, caught.value.__cause__, getattr(caught.value.__cause__, "cmd", ""))))
    assert "hidden-word" not in text


def test_the_dag_does_it_every_minute(stack: Path) -> None:
    with state.transaction() as cursor:
        cursor.execute("DELETE FROM voiceman.device")
    began = datetime.now(UTC)
    deadline = time.monotonic() + 150
    with api() as client:
        # one now, by hand: no need to wait for the next minute
        client.post("/api/v2/dags/watch/dagRuns", json={"logical_date": None}).raise_for_status()
        ended = {"state": ["success", "failed"], "order_by": "-start_date", "start_date_gte": began.isoformat()}
        while not (runs := client.get("/api/v2/dags/watch/dagRuns", params=ended).json()["dag_runs"]):
            assert time.monotonic() < deadline, "no run of watch ends"
            time.sleep(0.5)
        scheduled = client.get("/api/v2/dags/watch/dagRuns", params={"run_type": "scheduled"}).json()["dag_runs"]
    assert {run["state"] for run in runs} == {"success"}
    moments = [datetime.fromisoformat(run["run_after"]) for run in scheduled]
    assert moments
    assert {one.second for one in moments} == {0}
    row = state.last_recommendation()
    assert row is not None
    assert row.at is not None
    assert row.at >= began
    assert socket.gethostname() in {one.host for one in state.list_devices()}, "the local stack reports this machine"
