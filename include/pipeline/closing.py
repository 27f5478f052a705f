"""The end of a job: reconcile with the manifest, summarise, tell, and judge.

A task killed by SIGKILL runs no callback and leaves its recordings half-way; here they are found, because
the manifest, not XCom, says which recordings there were.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from include import __version__, state
from include.errors import JobFailedError
from include.manifest import ArtefactRef, State
from include.pipeline.claim import load_manifest
from include.pipeline.failing import fail_recording
from include.settings import get_settings
from include.storage import layout

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.pipeline.taskrun import TaskRun
    from include.state import Artefact, RecordingState, StageTime
    from include.storage import Store

__all__ = ["judge", "notify_end", "reconcile", "summarize_job"]

log = logging.getLogger(__name__)

_STAGES = {
    "transcribe": (State.STT_PROCESSING, State.FORENSIC_QUEUE),
    "analyze": (State.FORENSIC_PROCESSING, State.REPORT_QUEUE),
    "report": (State.REPORT_GENERATING, State.COMPLETED),
}


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


def summarize_job(store: Store, job_id: str, run: TaskRun) -> ArtefactRef:
    """Write ``completed/{job_id}/job_summary.json`` over all recordings of the job."""
    rows, made, times = state.recordings_of(job_id), state.artefacts(job_id), state.stage_times(job_id)
    recordings = [_describe(store, row, made.get(key, {}), times) for key, row in rows.items()]
    counts = {one.value: sum(row.state is one for row in rows.values()) for one in State}
    summary: dict[str, Any] = {
        "schema": "voiceman.job_summary/1",
        "job_id": job_id,
        "run_id": run.run_id,
        "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "software": {"voiceman": __version__},
        "totals": {
            "recordings": len(rows),
            "by_state": {name: count for name, count in counts.items() if count},
            "audio_s": round(sum(row.recording.duration_s or 0.0 for row in rows.values()), 1),
            "recordings_of_unknown_duration": sum(row.recording.duration_s is None for row in rows.values()),
            "cache_hits": sum(artefact.cache_hit for kinds in made.values() for artefact in kinds.values()),
        },
        "recordings": recordings,
    }
    data = json.dumps(summary, ensure_ascii=False, indent=2).encode()
    return store.write(layout.summary_key(job_id), data)


def _describe(store: Store, row: RecordingState, made: dict[str, Artefact], times: list[StageTime]) -> dict[str, Any]:
    recording = row.recording
    entry: dict[str, Any] = {
        "file_id": recording.file_id,
        "name": recording.name,
        "sha256": recording.sha256,
        "received_at": row.received_at.isoformat(timespec="seconds"),
        "state": row.state.value,
        "duration_s": recording.duration_s,
        "stage_s": _stage_seconds([one for one in times if one.file_id == recording.file_id]),
        "artefacts": {kind: one.ref.model_dump() for kind, one in made.items() if row.state is State.COMPLETED},
    }
    if row.state is State.FAILED:
        entry["error"] = {
            "code": row.error_code,
            "message": row.error_message,
            "details": store.uri(layout.failed_error_key(recording.job_id, recording.file_id)),
        }
    return entry


def _stage_seconds(times: list[StageTime]) -> dict[str, float]:
    """Seconds from the last entry into each stage to its end; a stage that did not end is left out."""
    seconds = {}
    for name, (working, done) in _STAGES.items():
        begun = [one.at for one in times if one.state is working]
        ended = [one.at for one in times if one.state is done]
        if begun and ended and ended[-1] >= begun[-1]:
            seconds[name] = round((ended[-1] - begun[-1]).total_seconds(), 2)
    return seconds


def notify_end(context: Context, job_id: str) -> str:
    """Tell the configured HTTP endpoint how the job ended: ids and counts only, never what was said.

    Returns:
        ``sent``, ``not configured`` or ``failed: …``: a notification that fails never fails a job, but it is said.
    """
    conn_id = get_settings().notify_conn_id
    if conn_id is None:
        log.info("No notification: VOICEMAN_NOTIFY_CONN_ID is not set.")
        return "not configured"
    from airflow.providers.http.notifications import HttpNotifier
    from airflow.sdk.exceptions import AirflowException
    from requests.exceptions import RequestException

    rows = state.recordings_of(job_id).values()
    failed = sum(row.state is State.FAILED for row in rows)
    body = {"job_id": job_id, "recordings": len(rows), "failed": failed, "run_id": str(context["run_id"])}
    try:
        HttpNotifier(http_conn_id=conn_id, json=body).notify(context)
    except (AirflowException, RequestException) as error:
        log.warning("The notification through %s failed: %s", conn_id, type(error).__name__)
        return f"failed: {type(error).__name__}"
    return "sent"


def judge(store: Store, manifest_ref: ArtefactRef | None, summary_ref: ArtefactRef | None) -> str:
    """The gate: green only when every recording of the manifest is COMPLETED.

    Raises:
        JobFailedError: a recording failed, or the job has no manifest or summary to judge by.
    """
    if manifest_ref is None:
        raise JobFailedError("The drop could not be claimed; see the log of the task claim, then start the job again.")
    if summary_ref is None:
        raise JobFailedError("The job could not be summarised; see the log of the task summarize, then clear it.")
    manifest = load_manifest(store, manifest_ref)
    rows = state.recordings_of(manifest.job.job_id, [recording.file_id for recording in manifest.recordings])
    failed = [
        f"{one.file_id} ({_why_not(rows.get(one.file_id))})"
        for one in manifest.recordings
        if one.file_id not in rows or rows[one.file_id].state is not State.COMPLETED
    ]
    if failed:
        shown = ", ".join(failed[:5]) + (f" and {len(failed) - 5} more" if len(failed) > 5 else "")
        raise JobFailedError(
            f"{len(failed)} of {len(manifest.recordings)} recordings failed: {shown}; "
            f"the reasons are in {summary_ref.uri} and under failed/{manifest.job.job_id}/."
        )
    return f"{len(manifest.recordings)} recordings completed"


def _why_not(row: RecordingState | None) -> str:
    if row is None:
        return "not in the database"
    return row.error_code or f"{row.state} in the run {row.run_id}"
