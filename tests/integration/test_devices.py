"""Devices and the queue's figures, in the real PostgreSQL; the pool that follows them: tests/e2e/test_pool.py."""

from __future__ import annotations

import os
import socket
import subprocess
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from include import state
from include.errors import SettingsError
from include.manifest import Job, Recording, State
from include.pipeline import airflow_admin, record_scaling, watch
from include.pipeline.devices import lease, register_host
from include.settings import ROOT
from include.state import Actor, Device

pytestmark = pytest.mark.integration

ACTOR = Actor("run", 1, "test")
CHAIN = [
    State.STT_QUEUE, State.STT_PROCESSING, State.FORENSIC_QUEUE, State.FORENSIC_PROCESSING,
    State.REPORT_QUEUE, State.REPORT_GENERATING, State.COMPLETED,
]  # fmt: skip


@pytest.fixture
def no_devices(stack: Path) -> Iterator[None]:
    """A table that holds this test's devices only; this host's come back."""
    with state.transaction() as cursor:
        cursor.execute("DELETE FROM voiceman.device")
    yield
    with state.transaction() as cursor:
        cursor.execute("DELETE FROM voiceman.device")
    register_host()


def seen_before(host: str, seconds: float) -> None:
    with state.transaction() as cursor:
        cursor.execute(
            "UPDATE voiceman.device SET seen_at = clock_timestamp() - make_interval(secs => %s) WHERE host = %s",
            (seconds, host),
        )


def gpus(*names: str) -> list[Device]:
    return [Device(name, "gpu", "NVIDIA H100 80GB HBM3", 85 << 30) for name in names]


CPU = Device("cpu-0", "cpu", "CPU", None)


def test_devices_are_counted_once(no_devices: None) -> None:
    state.register_devices("one", gpus("GPU-a", "GPU-b"))
    state.register_devices("one-again", gpus("GPU-b"))  # a container made anew: the same GPU
    state.register_devices("two", [CPU])
    state.register_devices("three", [CPU])
    assert [(one.host, one.slot) for one in state.list_devices()] == [
        ("one", "GPU-a"), ("one-again", "GPU-b"), ("three", "cpu-0"), ("two", "cpu-0"),
    ]  # fmt: skip
    state.register_devices("one", gpus("GPU-a", "GPU-b"))
    assert ("one", "GPU-b") in [(one.host, one.slot) for one in state.list_devices()], "where it was seen last"
    assert state.count_devices() == 4


def test_a_device_that_fell_off_its_host_or_was_not_seen_for_long_does_not_count(no_devices: None) -> None:
    state.register_devices("one", gpus("GPU-a", "GPU-b"))
    state.register_devices("two", gpus("GPU-c"))
    state.register_devices("one", gpus("GPU-a"))
    assert state.count_devices() == 2
    seen_before("two", 65 * 60)  # its longest task and its wait for a device
    assert state.count_devices() == 2
    seen_before("two", 76 * 60)
    assert state.count_devices() == 1


def test_a_lease_reports_its_host(no_devices: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEMAN_LEASE_DIR", str(tmp_path))
    monkeypatch.setenv("VOICEMAN_DEVICE", "cpu")
    with lease(ACTOR) as held:
        assert [(one.host, one.slot) for one in state.list_devices()] == [(socket.gethostname(), held.slot.id)]


def test_without_the_connection_it_says_what_it_would_set(
    no_devices: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_VOICEMAN_AIRFLOW_DB")
    state.register_devices("one", gpus(*(f"GPU-{number}" for number in range(7))))
    assert watch.resize_pool() is None
    assert "The pool gpu should have 7 slots" in caplog.text
    assert "set AIRFLOW_CONN_VOICEMAN_AIRFLOW_DB" in caplog.text
    with pytest.raises(SettingsError, match="AIRFLOW_CONN_VOICEMAN_AIRFLOW_DB"):
        airflow_admin.run_airflow(["pools", "list"])


# ---- the queue


def add(job: str, name: str, *states: State, age_s: float = 0) -> Recording:
    state.save_job(Job(job_id=job))
    one = Recording(job_id=job, file_id=name, name=f"{name}.m4a", sha256="a" * 64, size_bytes=5, duration_s=1.5)
    state.add_recording(one, ACTOR, received_at=datetime.now(UTC) - timedelta(seconds=age_s))
    for step in states:
        state.advance(one, step, ACTOR)
    return one


@pytest.fixture
def job(stack: Path) -> str:
    return f"queue-{uuid.uuid4().hex[:8]}"


def test_the_queue_by_stage(job: str) -> None:
    before = {one.stage: one for one in state.queue()}
    depth = state.queue_depth().depth
    assert list(before) == ["transcribe", "analyze", "report"]
    failed = add(job, "failed", *CHAIN[:2])
    state.fail(failed, ACTOR, code="audio", message="why")
    for number, reached in enumerate([0, 1, 1, 2, 3, 3, 3, 4, 5, 6, 6, 7]):
        add(job, f"r{number}", *CHAIN[:reached], age_s=1e6 + number)
    now = {one.stage: one for one in state.queue()}
    grown = {name: (now[name].waiting - before[name].waiting, now[name].working - before[name].working) for name in now}
    assert grown == {"transcribe": (3, 1), "analyze": (3, 1), "report": (1, 2)}
    assert state.queue_depth().depth - depth == 3
    for stage, oldest in (("transcribe", 1e6 + 3), ("analyze", 1e6 + 7), ("report", 1e6 + 10)):
        assert now[stage].oldest_age_s == pytest.approx(oldest, abs=60)
    assert state.queue_depth().oldest_age_s == pytest.approx(1e6 + 2, abs=60)


def test_the_rates_of_the_stages(job: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {one.stage: one for one in state.stage_rates()}
    for number in range(3):
        add(job, f"r{number}", *CHAIN)
    retried = add(job, "retried", *CHAIN[:2])
    state.advance(retried, State.STT_PROCESSING, Actor("run", 2, "test"))
    state.advance(retried, State.FORENSIC_QUEUE, Actor("run", 2, "test"))
    failed = add(job, "failed", *CHAIN[:4])
    state.fail(failed, ACTOR, code="audio", message="why")
    again = add(job, "again", *CHAIN)
    state.reopen(again, ACTOR, State.FORENSIC_QUEUE)  # its transcript is kept: no transcription was done
    now = {one.stage: one for one in state.stage_rates()}
    assert list(now) == ["transcribe", "analyze", "report"]
    done = {name: now[name].done_last_hour - before[name].done_last_hour for name in now}
    assert done == {"transcribe": 6, "analyze": 4, "report": 4}
    for one in now.values():
        assert one.median_s is not None
        assert one.p95_s is not None
        assert 0 <= one.median_s <= one.p95_s


def test_rates_are_of_the_last_hour_and_from_the_last_entry(stack: Path) -> None:
    """The view over events of chosen times: the real ones are append-only and of this minute."""
    steps = [
        ("old", "STT_QUEUE", "STT_PROCESSING", 9000), ("old", "STT_PROCESSING", "FORENSIC_QUEUE", 3700),
        ("r", "REPORT_QUEUE", "REPORT_GENERATING", 9000), ("r", "REPORT_GENERATING", "REPORT_GENERATING", 1500),
        ("r", "REPORT_GENERATING", "COMPLETED", 1000),
        ("s", "REPORT_QUEUE", "REPORT_GENERATING", 300), ("s", "REPORT_GENERATING", "COMPLETED", 200),
    ]  # fmt: skip
    with state.transaction() as cursor:
        cursor.execute("SET LOCAL search_path = ''")  # its tables are named in full
        cursor.execute("SELECT pg_get_viewdef('voiceman.stage_rate')")
        view = cursor.fetchone()[0].rstrip(";").replace("voiceman.recording_event", "chosen")
        cursor.execute("CREATE TEMP TABLE chosen ON COMMIT DROP AS SELECT * FROM voiceman.recording_event LIMIT 0")
        for number, (name, before, after, ago) in enumerate(steps):
            cursor.execute(
                "INSERT INTO chosen (id, job_id, file_id, from_state, to_state, at) "
                "VALUES (%s, 'job', %s, %s, %s, clock_timestamp() - make_interval(secs => %s))",
                (number, name, before, after, ago),
            )
        cursor.execute(f"SELECT stage, done_last_hour, median_s, p95_s FROM ({view}) AS rate ORDER BY position")
        rows = cursor.fetchall()
    assert rows[:2] == [("transcribe", 0, None, None), ("analyze", 0, None, None)], "a day's old news"
    assert rows[2] == ("report", 2, pytest.approx(300, abs=2), pytest.approx(480, abs=2))


def test_the_recommendation_is_written_for_an_autoscaler(job: str) -> None:
    for number in range(101):
        add(job, f"r{number}")
    advice = record_scaling()
    assert (advice.action, advice.stt_workers, advice.forensic_workers, advice.alert) == ("grow", 10, 8, True)
    row = state.last_recommendation()
    assert row is not None
    assert row.at is not None
    assert (row.action, row.stt_workers, row.forensic_workers, row.alert) == ("grow", 10, 8, True)
    assert row.queue_depth == state.queue_depth().depth >= 101
    assert abs((datetime.now(UTC) - row.at).total_seconds()) < 60
    with state.transaction() as cursor:  # the rest of the session's tests must not find a long queue
        cursor.execute("UPDATE voiceman.recording SET state = 'FAILED', error_code = 'x' WHERE job_id = %s", (job,))


def test_old_recommendations_go(stack: Path) -> None:
    with state.transaction() as cursor:
        cursor.execute(
            "INSERT INTO voiceman.scaling_recommendation "
            "(at, queue_depth, action, stt_workers, forensic_workers, alert) "
            "VALUES (now() - interval '31 days', 424242, 'hold', 2, 2, false), "
            "(now() - interval '29 days', 434343, 'hold', 2, 2, false)"
        )
    record_scaling()
    with state.transaction() as cursor:
        cursor.execute("SELECT queue_depth FROM voiceman.scaling_recommendation WHERE queue_depth IN (424242, 434343)")
        assert cursor.fetchall() == [(434343,)]


def test_the_command_shows_devices_and_the_recommendation(stack: Path) -> None:
    record_scaling()
    with lease(ACTOR) as held:
        done = subprocess.run([ROOT / "voiceman", "devices"], capture_output=True, text=True, env=os.environ)
        number = subprocess.run(
            [ROOT / "voiceman", "devices", "--register"], capture_output=True, text=True, env=os.environ
        )
    assert done.returncode == 0, done.stderr
    shown = " ".join(done.stdout.split())
    assert held.slot.id in shown
    assert str(os.getpid()) in shown
    assert "devices seen lately on" in shown
    assert "Recommendation of" in shown
    assert number.stdout == "1\n", number.stderr
