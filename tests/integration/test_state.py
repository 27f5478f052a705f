"""The state machine in the real PostgreSQL."""

import os
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from include import state
from include.errors import IllegalTransitionError, NotOwnerError, StateError
from include.manifest import ArtefactRef, Job, Recording, State
from include.state import Actor

pytestmark = pytest.mark.integration

ACTOR = Actor("run", 1, "test")
CHAIN = [
    State.STT_QUEUE, State.STT_PROCESSING, State.FORENSIC_QUEUE, State.FORENSIC_PROCESSING,
    State.REPORT_QUEUE, State.REPORT_GENERATING, State.COMPLETED,
]  # fmt: skip


@pytest.fixture
def recording(stack: Path) -> Recording:
    job = Job(job_id=f"state-{uuid.uuid4().hex[:8]}", language="ko", priority="urgent")
    state.save_job(job)
    one = Recording(job_id=job.job_id, file_id="통화", name="통화.m4a", sha256="a" * 64, size_bytes=5, duration_s=1.5)
    state.add_recording(one, ACTOR, received_at=datetime.now(UTC))
    return one


def now(recording: Recording) -> state.RecordingState:
    return state.recordings_of(recording.job_id)[recording.file_id]


def test_the_whole_way_is_recorded(recording: Recording) -> None:
    for one in CHAIN:
        state.advance(recording, one, Actor("run", 2, "dag.task[3]"))
    assert now(recording).state is State.COMPLETED
    assert now(recording).recording == recording
    assert [t.state for t in state.stage_times(recording.job_id)] == [State.PENDING, *CHAIN]
    with state.transaction() as cursor:
        cursor.execute(
            "SELECT DISTINCT run_id, try_number, actor FROM voiceman.recording_event "
            "WHERE job_id = %s AND from_state IS NOT NULL",
            (recording.job_id,),
        )
        assert cursor.fetchall() == [("run", 2, "dag.task[3]")]


def test_a_connection_that_the_server_ended_a_moment_ago_costs_nobody_anything(recording: Recording) -> None:
    with state.transaction() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        kept = cursor.fetchone()[0]
    with psycopg.connect(os.environ["AIRFLOW_CONN_VOICEMAN_DB"], autocommit=True) as other:
        assert other.execute("SELECT pg_terminate_backend(%s, 5000)", (kept,)).fetchone() == (True,)
    assert now(recording).state is State.PENDING
    with state.transaction() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        assert cursor.fetchone()[0] != kept


def test_artefacts_are_saved_together_or_not_at_all(recording: Recording) -> None:
    state.advance(recording, CHAIN[0], ACTOR)
    made = [
        state.Artefact("a", ArtefactRef(uri="s3://x/a", sha256="c" * 64), "d", False, 1.5, "a note"),
        state.Artefact("b", ArtefactRef(uri="s3://x/b", sha256="d" * 64), "d", True),
    ]
    state.save_artefacts(recording, made, ACTOR)
    found = state.artefacts(recording.job_id, recording.file_id)[recording.file_id]
    assert [found["a"], found["b"]] == made
    other = Actor(ACTOR.run_id, ACTOR.try_number + 1, ACTOR.name)
    with pytest.raises(NotOwnerError, match="its a, b stayed"):
        state.save_artefacts(recording, [replace(one, settings_digest="other") for one in made], other)
    with pytest.raises(NotOwnerError):
        state.advance(recording, CHAIN[1], other, held=True, made=made)
    assert state.artefacts(recording.job_id, recording.file_id)[recording.file_id] == found


@pytest.mark.parametrize("target", [State.COMPLETED, State.FORENSIC_QUEUE, State.REPORT_GENERATING])
def test_the_database_refuses_a_leap(recording: Recording, target: State) -> None:
    with pytest.raises(IllegalTransitionError, match="may not go from PENDING"):
        state.advance(recording, target, ACTOR)
    assert now(recording).state is State.PENDING


def test_the_end_is_the_end(recording: Recording) -> None:
    for one in CHAIN:
        state.advance(recording, one, ACTOR)
    with pytest.raises(IllegalTransitionError):
        state.fail(recording, ACTOR, code="x", message="x")


def test_every_state_on_the_way_can_fail_and_be_reopened(recording: Recording) -> None:
    for steps in range(len(CHAIN)):
        for one in CHAIN[:steps]:
            state.advance(recording, one, ACTOR)
        state.fail(recording, ACTOR, code="audio", message="why")
        assert (now(recording).state, now(recording).error_code, now(recording).error_message) == (
            State.FAILED,
            "audio",
            "why",
        )
        state.reopen(recording, ACTOR)
        assert now(recording).error_code is None


def test_a_second_try_re_enters_its_stage(recording: Recording) -> None:
    state.advance(recording, State.STT_QUEUE, ACTOR)
    state.advance(recording, State.STT_PROCESSING, ACTOR)
    state.advance(recording, State.STT_PROCESSING, Actor("run", 2, "test"))
    assert now(recording).reached(State.STT_PROCESSING)
    assert not now(recording).reached(State.FORENSIC_QUEUE)


@pytest.mark.parametrize(
    "statement", ["UPDATE voiceman.recording_event SET actor = 'me'", "DELETE FROM voiceman.recording_event"]
)
def test_events_are_append_only(recording: Recording, statement: str) -> None:
    with pytest.raises(StateError, match="append-only"), state.transaction() as cursor:
        cursor.execute(statement)


def test_a_failed_state_needs_a_reason(recording: Recording) -> None:
    with pytest.raises(StateError), state.transaction() as cursor:
        cursor.execute("UPDATE voiceman.recording SET state = 'FAILED' WHERE job_id = %s", (recording.job_id,))


def test_artefacts_are_replaced_by_kind(recording: Recording) -> None:
    for sha in ("b" * 64, "c" * 64):
        state.save_artefacts(
            recording, [state.Artefact("report.pdf", ArtefactRef(uri="s3://x/y", sha256=sha), "d", False)]
        )
    found = state.artefacts(recording.job_id)[recording.file_id]
    assert [one.ref.sha256 for one in found.values()] == ["c" * 64]
    assert state.artefacts(recording.job_id, "other") == {}


def test_migrations_are_applied_once(stack: Path) -> None:
    assert state.migrate() == []


def test_jobs_are_listed_with_their_counts(recording: Recording) -> None:
    found = {job.job_id: (job, states) for job, states, _ in state.list_jobs()}
    assert found[recording.job_id] == (
        Job(job_id=recording.job_id, language="ko", priority="urgent"), {State.PENDING: 1}
    )  # fmt: skip


def test_a_database_that_is_away_is_one_sentence(stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_VOICEMAN_DB", "postgresql://nobody:nothing-here@127.0.0.1:9/voiceman")
    with pytest.raises(StateError, match=r"^PostgreSQL can't be reached through 'voiceman_db'; check") as caught:
        state.list_jobs()
    assert "nothing-here" not in str(caught.value)
    assert isinstance(caught.value.__cause__, psycopg.Error)
    monkeypatch.delenv("AIRFLOW_CONN_VOICEMAN_DB")
    with pytest.raises(StateError, match="set AIRFLOW_CONN_VOICEMAN_DB"):
        state.list_jobs()


def test_only_the_owning_run_changes_a_state(recording: Recording) -> None:
    other = Actor("another run", 1, "test")
    with pytest.raises(NotOwnerError, match="was taken over from test .try 1. of another run"):
        state.advance(recording, State.STT_QUEUE, other)
    state.adopt(now(recording), other)
    state.advance(recording, State.STT_QUEUE, other)
    with pytest.raises(NotOwnerError):
        state.fail(recording, ACTOR, code="x", message="x")
    assert (now(recording).state, now(recording).run_id) == (State.STT_QUEUE, "another run")
    with state.transaction() as cursor:
        events = "SELECT to_state, run_id FROM voiceman.recording_event WHERE job_id = %s ORDER BY id"
        cursor.execute(events, (recording.job_id,))
        assert cursor.fetchall() == [("PENDING", "run"), ("PENDING", "another run"), ("STT_QUEUE", "another run")]
