"""The embedded stack, for real: PostgreSQL, S3 and Airflow are started, asked, hurt and stopped."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.faults.inject import FAULTS
from bench.faults.job import Job, make_wav
from bench.faults.lab import Lab, wait_until
from bench.faults.watch import Watch
from include import local
from include.errors import StackError
from include.local import StackInfo
from include.local.layout import Layout, StackState, load_state
from include.local.ports import DEFAULT_PORTS, choose_ports
from include.local.processes import stack_processes
from include.local.secrets import StackSecrets, load_secrets
from include.settings import get_settings
from tests.guard import guarded
from tests.services import by_name, s3_client

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


def wait_until_healthy(seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while any(service.state != "healthy" for service in local.status()):
        assert time.monotonic() < deadline, local.status()
        time.sleep(0.3)


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
    client = s3_client(stack, secrets.s3_access_key, secrets.s3_secret_key)
    client.put_object(Bucket=get_settings().bucket, Key="incoming/probe.bin", Body=b"kept")
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
