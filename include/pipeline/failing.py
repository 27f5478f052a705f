"""A recording fails: its reason and its untouched original go to ``failed/``, its neighbours go on."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from include import state
from include.errors import DigestMismatchError, MissingObjectError, NotOwnerError, VoiceManError
from include.manifest import State
from include.pipeline.kinds import ALL_REPORTS
from include.pipeline.signing import ATTESTATIONS
from include.storage import layout

if TYPE_CHECKING:
    from include.manifest import Recording
    from include.state import Actor
    from include.storage import Store

__all__ = ["fail_recording", "reason_of"]

log = logging.getLogger(__name__)


def reason_of(error: Exception, stage: str) -> tuple[str, str]:
    """Code and sentence for an error. A foreign exception's own text stays in the task's log: it may quote speech."""
    if isinstance(error, VoiceManError):
        return error.code, str(error)
    return "unexpected", f"{type(error).__name__} while in {stage}; see the task's log and report it to the developers."


def fail_recording(
    store: Store,
    recording: Recording,
    actor: Actor,
    *,
    stage: str,
    code: str,
    message: str,
    held: bool = False,
) -> None:
    """Put the original and ``{file_id}_error.json`` under ``failed/``, set the recording FAILED, drop half-made files.

    Safe to repeat: each step gives the same result when it was done before. A damaged or missing original is said in
    the error file and stops nothing.

    Args:
        store: the bucket.
        recording: the recording, owned by the actor's run.
        actor: who fails it.
        stage: claim, transcribe, analyze, report or gate.
        code: the error's code.
        message: one sentence for people.
        held: the actor must be the one who changed the state last.

    Raises:
        NotOwnerError: it isn't; nothing was changed.
    """
    job_id, file_id = recording.job_id, recording.file_id
    if held and not state.recordings_of(job_id, [file_id])[file_id].held_by(actor):
        raise NotOwnerError(f"{file_id} of job {job_id} was taken over from {actor.name}; it was left as it is.")
    report = {
        "schema": "voiceman.error/1",
        "job_id": job_id,
        "file_id": file_id,
        "name": recording.name,
        "received_name": recording.received_name or recording.name,
        "sha256": recording.sha256,
        "stage": stage,
        "code": code,
        "message": message,
        "original": _hand_over_original(store, recording),
        "run_id": actor.run_id,
        "try_number": actor.try_number,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    data = json.dumps(report, ensure_ascii=False, indent=2).encode("utf-8", "backslashreplace")
    store.write(layout.failed_error_key(job_id, file_id), data)
    if state.recordings_of(job_id, [file_id])[file_id].state is not State.FAILED:
        try:
            state.fail(recording, actor, code=code, message=message, held=held)
        except NotOwnerError:  # taken over while this was written
            store.delete_all([layout.failed_error_key(job_id, file_id), layout.failed_key(job_id, recording.name)])
            raise
    # reports and attestations are written before the rows that name them
    for kind in {*state.artefacts(job_id, file_id).get(file_id, {}), *ALL_REPORTS, ATTESTATIONS}:
        store.delete(layout.processing_key(job_id, f"{file_id}_{kind}"))
        store.delete(layout.completed_key(job_id, f"{file_id}_{kind}"))
    store.delete(layout.processing_key(job_id, recording.name))
    log.error("Recording %s of job %s failed in %s: %s", file_id, job_id, stage, message)


def _hand_over_original(store: Store, recording: Recording) -> dict[str, bool | str]:
    original = layout.original_key(recording.job_id, recording.name)
    try:
        store.copy(original, layout.failed_key(recording.job_id, recording.name), sha256=recording.sha256)
    except (DigestMismatchError, MissingObjectError) as error:
        log.error("The original of %s of job %s is not intact: %s", recording.file_id, recording.job_id, error)
        return {"verified": False, "reason": str(error)}
    return {"verified": True}
