"""How a stage goes over its batch, recording by recording.

Bad input fails alone; what a retry may heal is tried again by the task, and failed on the last try. A recording that
an earlier try was busy with when it ended may have killed that try: it is done alone, in a child process, before the
others. What a try began, only that try ends: one that Airflow took for dead and that still runs changes no state and
no record of an artefact.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from include import state
from include.errors import (
    IllegalTransitionError,
    NotOwnerError,
    StateError,
    StorageError,
    ToolError,
    VoiceManError,
)
from include.manifest import State
from include.pipeline.failing import fail_recording, reason_of
from include.pipeline.signing import attested, open_signer, publish_attestations

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from include.evidence import Signer, StageFacts
    from include.manifest import Batch, Recording
    from include.pipeline.taskrun import TaskRun
    from include.storage import Store

__all__ = [
    "ANALYZE",
    "REPORT",
    "TRANSCRIBE",
    "Stage",
    "each",
]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stage:
    """A step of a recording's way."""

    name: str
    entry: State
    working: State
    done: State


TRANSCRIBE = Stage("transcribe", State.STT_QUEUE, State.STT_PROCESSING, State.FORENSIC_QUEUE)
ANALYZE = Stage("analyze", State.FORENSIC_QUEUE, State.FORENSIC_PROCESSING, State.REPORT_QUEUE)
REPORT = Stage("report", State.REPORT_QUEUE, State.REPORT_GENERATING, State.COMPLETED)


def each(
    store: Store,
    batch: Batch,
    run: TaskRun,
    stage: Stage,
    work: Callable[[Recording], StageFacts],
    *,
    alone: Callable[[Sequence[str]], str | None],
    workers: int = 1,
) -> int:
    """Run one stage over a batch.

    Args:
        store: the bucket.
        batch: the recordings.
        run: this try of this task.
        stage: which step.
        work: one recording's work: says what it consumed and made; it may raise anything.
        alone: does recordings (by ``file_id``) one after the other in a child process; returns the one over which
            the child was killed.
        workers: recordings worked on at once, in threads.

    Returns:
        How many recordings of the batch have reached the stage's end.

    Raises:
        MissingKeyError: what is done could not be attested.
    """
    signer = open_signer()
    rows = state.recordings_of(batch.job_id, batch.file_ids)
    todo = [rows[file_id] for file_id in batch.file_ids if _waits(rows[file_id], run, stage)]
    left: list[Exception] = []
    if not run.alone:
        suspects = [row for row in todo if row.state is stage.working and not row.let_go]
        _do_alone(store, [row.recording for row in suspects], run, stage, alone)
        left = _still_working(batch.job_id, suspects, stage)
        todo = [row for row in todo if row not in suspects]
    if workers == 1:
        outcomes = [_work_on(store, row.recording, run, stage, work, signer) for row in todo]
    else:
        with ThreadPoolExecutor(workers) as threads:
            outcomes = list(threads.map(lambda row: _work_on(store, row.recording, run, stage, work, signer), todo))
    again = [*(error for error in outcomes if error is not None), *left]
    if again:
        raise again[0]
    rows = state.recordings_of(batch.job_id, batch.file_ids)
    return sum(row.reached(stage.done) for row in rows.values())


def _waits(row: state.RecordingState, run: TaskRun, stage: Stage) -> bool:
    if row.run_id == run.run_id and not row.state.terminal and row.reached(stage.entry) and not row.reached(stage.done):
        return True
    log.info("%s: %s is %s in run %s, nothing to do", stage.name, row.recording.file_id, row.state, row.run_id)
    return False


def _still_working(job_id: str, suspects: list[state.RecordingState], stage: Stage) -> list[Exception]:
    """What the task must be tried again for: suspects that their child ended with neither done nor failed."""
    if not suspects:
        return []
    rows = state.recordings_of(job_id, [row.recording.file_id for row in suspects])
    names = [file_id for file_id, row in rows.items() if row.state is stage.working]
    return [ToolError(f"{', '.join(names)} could not be finished alone; the task tries again.")] if names else []


def _do_alone(
    store: Store,
    suspects: list[Recording],
    run: TaskRun,
    stage: Stage,
    alone: Callable[[Sequence[str]], str | None],
) -> None:
    """Do recordings in child processes; one that is busy with when its child is killed fails."""
    while suspects:
        names = [recording.file_id for recording in suspects]
        log.warning("%s: an earlier try ended over %s; done alone now", stage.name, ", ".join(names))
        killed = alone(names)
        if killed is None:
            return
        at = names.index(killed)
        killer, suspects = suspects[at], suspects[at + 1 :]
        message = (
            f"The process that worked on {killer.name} in {stage.name} was killed or ran out of time twice, the second "
            "time with this recording alone; see the task's log and the machine's memory, then ask for it again."
        )
        try:
            fail_recording(store, killer, run.actor, stage=stage.name, code="killed", message=message, held=True)
        except NotOwnerError as error:
            log.warning("%s", error)


def _work_on(  # noqa: PLR0917
    store: Store,
    recording: Recording,
    run: TaskRun,
    stage: Stage,
    work: Callable[[Recording], StageFacts],
    signer: Signer | None,
) -> Exception | None:
    """One recording through one stage; returns the error with which the task should be tried again."""
    started, began = time.perf_counter(), datetime.now(UTC)
    try:
        state.advance(recording, stage.working, run.actor)
        facts = work(recording)
        signed = attested(recording, run, facts, signer, stage=stage.name, started=began)
        digests, made = dict(facts.verified), []
        if signed is not None:
            digests[f"{stage.name}.dsse.json"] = signed.sha256
            if stage is REPORT:
                made.append(publish_attestations(store, recording, signed))
        note = state.Note(digests=digests)
        state.advance(recording, stage.done, run.actor, held=True, note=note, attested=signed, made=made)
    except (NotOwnerError, IllegalTransitionError) as error:
        log.warning("%s", error)  # whoever has it now does the work; the gate finds what nobody did
    except (StorageError, StateError) as error:
        if error.retryable:
            _let_go(recording, run)
            raise  # the store or the database is away: nothing about this recording; the task tries again
        _fail(store, recording, run, stage, error)
    except Exception as error:  # one recording must never take its neighbours down
        if (isinstance(error, VoiceManError) and not error.retryable) or run.last_try:
            _fail(store, recording, run, stage, error)
        else:
            log.exception("%s of %s failed; the task will try again", stage.name, recording.file_id)
            _let_go(recording, run)
            return error
    else:
        log.info("%s: %s done in %.1f s", stage.name, recording.file_id, time.perf_counter() - started)
    return None


def _let_go(recording: Recording, run: TaskRun) -> None:
    try:
        state.let_go(recording, run.actor)
    except StateError as error:  # then the next try does it alone, which costs time and nothing else
        log.warning("%s", error)


def _fail(store: Store, recording: Recording, run: TaskRun, stage: Stage, error: Exception) -> None:
    if not isinstance(error, VoiceManError):
        log.error("%s of %s broke", stage.name, recording.file_id, exc_info=error)
    code, message = reason_of(error, stage.name)
    try:
        fail_recording(store, recording, run.actor, stage=stage.name, code=code, message=message, held=True)
    except NotOwnerError as taken:
        log.warning("%s", taken)
