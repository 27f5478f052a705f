"""The end of a job: reconcile with the manifest, and judge. The summary and the notifications are beside this.

A task killed by SIGKILL runs no callback and leaves its recordings half-way; here they are found, because
the manifest, not XCom, says which recordings there were.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

from include import state
from include.errors import JobFailedError
from include.manifest import ArtefactRef, State
from include.pipeline.advice import advice
from include.pipeline.claim import load_manifest
from include.pipeline.failing import fail_recording

if TYPE_CHECKING:
    from include.manifest import Manifest
    from include.pipeline.taskrun import TaskRun
    from include.state import RecordingState
    from include.storage import Store

__all__ = ["judge", "reconcile"]

log = logging.getLogger(__name__)

_NAMED = 5
_LOGGED = 100


def reconcile(store: Store, manifest_ref: ArtefactRef, run: TaskRun) -> str:
    """Fail every recording of the run that no task finished; returns the job's id."""
    manifest = load_manifest(store, manifest_ref)
    job_id = manifest.job.job_id
    rows = state.recordings_of(job_id, [recording.file_id for recording in manifest.recordings])
    for recording in manifest.recordings:
        row = rows[recording.file_id]
        if row.run_id == run.run_id and not row.state.terminal:
            message = (
                f"The task that should have finished {recording.name} ended while it was {row.state}; "
                "see the task's log, then submit the recording again."
            )
            fail_recording(store, recording, run.actor, stage="gate", code="unfinished", message=message)
    return job_id


def judge(store: Store, manifest_ref: ArtefactRef | None, summary_ref: ArtefactRef | None) -> str:
    """The gate: green only when every recording of the manifest is COMPLETED and nothing that was promised is missing.

    Raises:
        JobFailedError: a recording failed, a listed file never came, or the job has no manifest or summary to judge
            by. The message names the first of them and says what to do; the log names a hundred, with their reasons.
    """
    if manifest_ref is None:
        raise JobFailedError("The drop could not be claimed; see the log of the task claim, then start the job again.")
    if summary_ref is None:
        raise JobFailedError("The job could not be summarised; see the log of the task summarize, then clear it.")
    manifest = load_manifest(store, manifest_ref)
    rows = state.recordings_of(manifest.job.job_id, [recording.file_id for recording in manifest.recordings])
    failed = {
        one.file_id: rows.get(one.file_id)
        for one in manifest.recordings
        if one.file_id not in rows or rows[one.file_id].state is not State.COMPLETED
    }
    for file_id, row in list(failed.items())[:_LOGGED]:
        log.error("%s of job %s: %s", file_id, manifest.job.job_id, _reason(row))
    said = _about_failed(manifest, failed) + _about_missing(manifest)
    if said:
        where = f"the reasons are in {summary_ref.uri} and under failed/{manifest.job.job_id}/"
        raise JobFailedError(f"{'; '.join(said)}; {where}.")
    return f"{len(manifest.recordings)} recordings completed"


def _about_failed(manifest: Manifest, failed: dict[str, RecordingState | None]) -> list[str]:
    if not failed:
        return []
    codes = Counter(_code(row) for row in failed.values())
    todo = [f"{code}: {advice(code)}" for code, _ in codes.most_common(_NAMED)]
    shown = _some([f"{file_id} ({_code(row)})" for file_id, row in failed.items()])
    counted = f"{len(failed)} of {len(manifest.recordings)} recordings failed: {shown}"
    return [counted, f"what to do: {' | '.join(todo)}"]


def _about_missing(manifest: Manifest) -> list[str]:
    said = [] if manifest.problem is None else [f"not checked against its list: {manifest.problem.rstrip('.')}"]
    if manifest.missing:
        named = _some([repr(name) for name in manifest.missing])
        count = len(manifest.missing)
        said.append(f"{count} files that manifest.json lists never came: {named}: drop them under the same job id")
    return said


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _code(row: RecordingState | None) -> str:
    if row is None:
        return "not in the database"
    return row.error_code or f"{row.state} in the run {row.run_id}"


def _reason(row: RecordingState | None) -> str:
    return _code(row) if row is None or row.error_message is None else f"{row.error_code}: {row.error_message}"
