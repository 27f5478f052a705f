"""Recordings and what becomes of them: every change of state with time, run, try and actor."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from include.errors import NotOwnerError
from include.manifest import Job, Priority, Recording, State
from include.state.artefacts import Artefact, write_artefacts
from include.state.custody import Attested, Note, leave_note, save_attestation
from include.state.database import reading, transaction

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Actor",
    "RecordingState",
    "StageTime",
    "add_recording",
    "adopt",
    "advance",
    "advance_all",
    "fail",
    "find_job",
    "job_lock",
    "let_go",
    "list_jobs",
    "recordings_of",
    "reopen",
    "save_job",
    "stage_times",
]

_CHAIN = [
    State.PENDING,
    State.STT_QUEUE,
    State.STT_PROCESSING,
    State.FORENSIC_QUEUE,
    State.FORENSIC_PROCESSING,
    State.REPORT_QUEUE,
    State.REPORT_GENERATING,
    State.COMPLETED,
]
_COLUMNS = (
    "job_id, file_id, name, sha256, size_bytes, duration_s, nullif(received_name, name), revision, language, "
    "state, error_code, error_message, run_id, received_at, actor, try_number, let_go"
)


@dataclass(frozen=True)
class Actor:
    """Who changes a state: a task instance, or a person at the command line."""

    run_id: str
    try_number: int
    name: str


@dataclass(frozen=True)
class RecordingState:
    """A recording and where it stands."""

    recording: Recording
    state: State
    error_code: str | None
    error_message: str | None
    run_id: str
    received_at: datetime
    actor: str
    """Who changed the state last: a task, by its name."""
    try_number: int
    let_go: bool
    """The try that was busy with it ended by itself: it did not kill that try."""

    def held_by(self, actor: Actor) -> bool:
        """True when this try of this task changed the state last."""
        return (self.run_id, self.actor, self.try_number) == (actor.run_id, actor.name, actor.try_number)

    def reached(self, state: State) -> bool:
        """True when the recording is at ``state`` or past it (a FAILED one never is)."""
        return self.state is not State.FAILED and _CHAIN.index(self.state) >= _CHAIN.index(state)


@dataclass(frozen=True)
class StageTime:
    """When a recording entered a state."""

    file_id: str
    state: State
    at: datetime


def job_lock(cursor: object, job_id: str) -> None:
    """Hold a job for this transaction: two runs never claim the same drop at once."""
    cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", (job_id,))  # type: ignore[attr-defined]


def save_job(job: Job, *, case: str | None = None) -> None:
    """Remember a job; a later run's language, priority, model and emotion replace the earlier ones.

    Args:
        job: the job.
        case: the case whose ledger its events are in; the job's id when None. The first one stays.
    """
    with transaction() as cursor:
        cursor.execute(
            "INSERT INTO voiceman.job (job_id, language, priority, model, emotion, case_name) "
            "VALUES (%s, %s, %s, %s, %s, %s) "
            "ON CONFLICT (job_id) DO UPDATE SET language = EXCLUDED.language, priority = EXCLUDED.priority, "
            "model = EXCLUDED.model, emotion = EXCLUDED.emotion",
            (job.job_id, job.language, job.priority, job.model, job.emotion, case),
        )


def find_job(job_id: str) -> Job | None:
    """A job as it was asked for last; None when it is not known."""
    with reading() as cursor:
        cursor.execute("SELECT language, priority, model, emotion FROM voiceman.job WHERE job_id = %s", (job_id,))
        row = cursor.fetchone()
    if row is None:
        return None
    return Job(job_id=job_id, language=row[0], priority=row[1], model=row[2], emotion=row[3])


def add_recording(recording: Recording, actor: Actor, *, received_at: datetime, note: Note | None = None) -> None:
    """Insert a recording as PENDING, owned by the actor's run; one that is there already stays as it is.

    Args:
        recording: the recording.
        actor: who claims it.
        received_at: when the store took the drop, by the store's clock.
        note: what the custody event says besides.
    """
    r = recording
    with transaction() as cursor:
        leave_note(cursor, note)
        cursor.execute(
            "INSERT INTO voiceman.recording "
            "(job_id, file_id, name, sha256, size_bytes, duration_s, received_name, revision, language, received_at, "
            "run_id, try_number, actor) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (job_id, file_id) DO NOTHING",
            (
                r.job_id,
                r.file_id,
                r.name,
                r.sha256,
                r.size_bytes,
                r.duration_s,
                r.received_name or r.name,
                r.revision,
                r.language,
                received_at,
                actor.run_id,
                actor.try_number,
                actor.name,
            ),
        )


def recordings_of(job_id: str, file_ids: Sequence[str] | None = None) -> dict[str, RecordingState]:
    """The job's recordings by ``file_id``, all or those named."""
    named, values = ("", (job_id,)) if file_ids is None else ("AND file_id = ANY(%s) ", (job_id, list(file_ids)))
    with reading() as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM voiceman.recording WHERE job_id = %s {named}ORDER BY file_id",  # noqa: S608 - constants
            values,
        )
        rows = cursor.fetchall()
    return {
        row[1]: RecordingState(
            Recording(
                job_id=row[0], file_id=row[1], name=row[2], sha256=row[3], size_bytes=row[4], duration_s=row[5],
                received_name=row[6], revision=row[7], language=row[8],
            ),
            State(row[9]), *row[10:],
        )
        for row in rows
    }  # fmt: skip


# An earlier try that still runs (its task was taken for dead) must not change what the next try has begun.
_NO_LATER_TRY = "AND NOT (actor = %s AND try_number > %s)"
_HELD = "AND actor = %s AND try_number = %s"


def _set_state(
    recording: Recording,
    state: State,
    actor: Actor,
    code: str | None = None,
    message: str | None = None,
    *,
    held: bool = False,
    note: Note | None = None,
    attested: Attested | None = None,
    made: Sequence[Artefact] = (),
) -> None:
    with transaction() as cursor:
        leave_note(cursor, note)
        if made:
            write_artefacts(cursor, recording, made, actor)
        if attested is not None:  # first: from the change of state on, the case's other writers wait for the commit
            save_attestation(cursor, recording, attested)
        cursor.execute(
            "UPDATE voiceman.recording SET state = %s, error_code = %s, error_message = %s, let_go = false, "  # noqa: S608 - constants
            "try_number = %s, actor = %s WHERE job_id = %s AND file_id = %s AND run_id = %s "
            f"{_HELD if held else _NO_LATER_TRY}",
            (
                state, code, message, actor.try_number, actor.name, recording.job_id, recording.file_id, actor.run_id,
                actor.name, actor.try_number,
            ),
        )  # fmt: skip
        if cursor.rowcount != 1:
            raise NotOwnerError(
                f"The recording {recording.file_id} of job {recording.job_id} was taken over from {actor.name} "
                f"(try {actor.try_number}) of {actor.run_id}; it was left as it is."
            )


def advance(
    recording: Recording,
    state: State,
    actor: Actor,
    *,
    held: bool = False,
    note: Note | None = None,
    attested: Attested | None = None,
    made: Sequence[Artefact] = (),
) -> None:
    """Move a recording forward.

    Args:
        recording: the recording.
        state: where to.
        actor: who does it.
        held: the actor must be the one who changed the state last: what it began, only it ends.
        note: what the custody event says besides.
        attested: kept in the same transaction: neither is there without the other.
        made: artefacts to remember with it; the actor must be the one who changed the state last.

    Raises:
        IllegalTransitionError: the database does not allow this change.
        NotOwnerError: another run, or a later try of the same task, has taken the recording over.
    """
    _set_state(recording, state, actor, held=held, note=note, attested=attested, made=made)


def advance_all(job_id: str, before: State, state: State, actor: Actor) -> None:
    """Move all of a job's recordings forward that the actor's run owns and that are at ``before``."""
    with transaction() as cursor:
        cursor.execute(
            "UPDATE voiceman.recording SET state = %s, try_number = %s, actor = %s "
            "WHERE job_id = %s AND run_id = %s AND state = %s",
            (state, actor.try_number, actor.name, job_id, actor.run_id, before),
        )


def reopen(recording: Recording, actor: Actor, state: State = State.PENDING, *, reason: str | None = None) -> None:
    """Give a finished recording to the actor's run again, because it was dropped or asked for again.

    Args:
        recording: FAILED or COMPLETED.
        actor: who takes it.
        state: PENDING; or FORENSIC_QUEUE, when a COMPLETED one keeps its transcript.
        reason: why, for the custody event.

    Raises:
        IllegalTransitionError: the recording is not finished.
    """
    with transaction() as cursor:
        leave_note(cursor, Note("reopened", reason))
        cursor.execute(
            "UPDATE voiceman.recording SET state = %s, error_code = NULL, error_message = NULL, run_id = %s, "
            "try_number = %s, actor = %s WHERE job_id = %s AND file_id = %s",
            (state, actor.run_id, actor.try_number, actor.name, recording.job_id, recording.file_id),
        )


def adopt(row: RecordingState, actor: Actor) -> None:
    """Take over a recording that a run left half-way when it ended; its state stays, the change is an event."""
    recording = row.recording
    with transaction() as cursor:
        leave_note(cursor, Note("adopted", f"left half-way by the run {row.run_id}"))
        cursor.execute(
            "UPDATE voiceman.recording SET run_id = %s, try_number = %s, actor = %s "
            "WHERE job_id = %s AND file_id = %s AND run_id = %s",
            (actor.run_id, actor.try_number, actor.name, recording.job_id, recording.file_id, row.run_id),
        )
        if cursor.rowcount == 1:
            cursor.execute(
                "INSERT INTO voiceman.recording_event "
                "(job_id, file_id, from_state, to_state, run_id, try_number, actor) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s)",
                (
                    recording.job_id, recording.file_id, row.state, row.state,
                    actor.run_id, actor.try_number, actor.name,
                ),
            )  # fmt: skip


def let_go(recording: Recording, actor: Actor) -> None:
    """Note that this try ends while it is busy with the recording, but not because of it."""
    with transaction() as cursor:
        cursor.execute(
            "UPDATE voiceman.recording SET let_go = true WHERE job_id = %s AND file_id = %s AND run_id = %s "
            "AND actor = %s AND try_number = %s",
            (recording.job_id, recording.file_id, actor.run_id, actor.name, actor.try_number),
        )


def fail(recording: Recording, actor: Actor, *, code: str, message: str, held: bool = False) -> None:
    """Set a recording FAILED with its reason; ``held`` as for :func:`advance`."""
    _set_state(recording, State.FAILED, actor, code, message, held=held)


def stage_times(job_id: str) -> list[StageTime]:
    """Every state each recording of a job entered, in order."""
    with transaction() as cursor:
        cursor.execute(
            "SELECT file_id, to_state, at FROM voiceman.recording_event WHERE job_id = %s ORDER BY id", (job_id,)
        )
        return [StageTime(file_id, State(state), at) for file_id, state, at in cursor.fetchall()]


def list_jobs() -> list[tuple[Job, dict[State, int], datetime]]:
    """Jobs, newest first, with the number of recordings in each state."""
    with transaction() as cursor:
        cursor.execute(
            "SELECT j.job_id, j.language, j.priority, j.created_at, r.state, count(r.file_id) FROM voiceman.job j "
            "LEFT JOIN voiceman.recording r USING (job_id) GROUP BY 1, 2, 3, 4, 5 ORDER BY j.created_at DESC, j.job_id"
        )
        found: dict[str, tuple[Job, dict[State, int], datetime]] = {}
        for job_id, language, priority, created, state, count in cursor.fetchall():
            rank: Priority = priority
            entry = found.setdefault(job_id, (Job(job_id=job_id, language=language, priority=rank), {}, created))
            if state is not None:
                entry[1][State(state)] = count
    return list(found.values())
