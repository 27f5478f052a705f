"""A recording fails: its reason and its untouched original go to ``failed/``, its neighbours go on."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from include import state
from include.errors import VoiceManError
from include.manifest import State
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


def fail_recording(store: Store, recording: Recording, actor: Actor, *, stage: str, code: str, message: str) -> None:
    """Write ``{file_id}_error.json``, put the original beside it, and set the recording FAILED, in this order.

    Safe to repeat: each step gives the same result when it was done before.
    """
    job_id, file_id = recording.job_id, recording.file_id
    store.copy(
        layout.original_key(job_id, recording.name), layout.failed_key(job_id, recording.name), sha256=recording.sha256
    )
    report = {
        "schema": "voiceman.error/1",
        "job_id": job_id,
        "file_id": file_id,
        "name": recording.name,
        "sha256": recording.sha256,
        "stage": stage,
        "code": code,
        "message": message,
        "run_id": actor.run_id,
        "try_number": actor.try_number,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    data = json.dumps(report, ensure_ascii=False, indent=2).encode()
    store.write(layout.failed_error_key(job_id, file_id), data)
    if state.recordings_of(job_id, [file_id])[file_id].state is not State.FAILED:
        state.fail(recording, actor, code=code, message=message)
    for key in [item.key for item in store.list(layout.processing_key(job_id, file_id))]:
        if key in _working_keys(recording):
            store.delete(key)
    log.error("Recording %s of job %s failed in %s: %s", file_id, job_id, stage, message)


def _working_keys(recording: Recording) -> set[str]:
    names = [recording.name, f"{recording.file_id}_transcript.json", f"{recording.file_id}_forensic.json"]
    return {layout.processing_key(recording.job_id, name) for name in names}
