"""Claim a drop: preserve every original, register every recording, empty ``incoming/``.

For each file, in this order: digest → preservation copy (verified) → row in PostgreSQL → working copy
(verified) → delete from ``incoming/``. A claim that dies half-way is repeated and continues where it was.
"""

from __future__ import annotations

import logging
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from include import state
from include.errors import AudioError, DuplicateRecordingError, EmptyJobError, InputError
from include.manifest import ArtefactRef, Job, Manifest, Recording, State, check_file_name, safe_name
from include.pipeline.failing import fail_recording
from include.storage import layout
from include.stt import probe

if TYPE_CHECKING:
    from include.pipeline.taskrun import TaskRun
    from include.storage import Listed, Store

__all__ = ["claim_job", "load_manifest"]

log = logging.getLogger(__name__)

_THREADS = 4


def claim_job(store: Store, job: Job, run: TaskRun) -> ArtefactRef:
    """Claim what lies under ``incoming/{job_id}/`` and write the run's manifest.

    Returns:
        The manifest's place and digest.

    Raises:
        EmptyJobError: nothing was dropped and the job is unknown.
        StorageError, StateError: S3 or PostgreSQL can't be reached.
    """
    prefix = layout.incoming_prefix(job.job_id)
    with state.transaction() as cursor:
        state.job_lock(cursor, job.job_id)
        dropped = list(store.list(prefix))
        known = state.recordings_of(job.job_id)
        if not dropped and not known:
            raise EmptyJobError(f"Nothing lies under {store.uri(prefix)}; upload recordings there, then start the job.")
        state.save_job(job)
        _claim_all(store, job, dropped, run)
    ours = {key: row for key, row in state.recordings_of(job.job_id).items() if row.run_id == run.run_id}
    if not ours:
        log.info("Nothing to claim for job %s: another run has it already.", job.job_id)
    manifest = Manifest(
        job=job,
        run_id=run.run_id,
        recordings=tuple(row.recording for row in ours.values()),
        refused=tuple(key for key, row in ours.items() if row.state is State.FAILED),
    )
    return store.write(layout.manifest_key(job.job_id, run.run_id), manifest.model_dump_json(indent=2).encode())


def _claim_all(store: Store, job: Job, dropped: list[Listed], run: TaskRun) -> None:
    """Claim in a few threads (it is mostly waiting for the store); names that could collide, one after the other."""
    groups: dict[str, list[Listed]] = {}
    for item in dropped:
        groups.setdefault(PurePosixPath(item.key).stem, []).append(item)

    def claim_group(items: list[Listed]) -> None:
        for item in items:
            _claim_one(store, job, item, run)

    with ThreadPoolExecutor(_THREADS) as threads:
        for _ in threads.map(claim_group, groups.values()):
            pass  # raises the first error; the claim is repeated and continues


def load_manifest(store: Store, ref: ArtefactRef) -> Manifest:
    """Read a manifest back.

    Raises:
        DigestMismatchError: it is not the one that was written.
    """
    return Manifest.model_validate_json(store.read(store.key(ref.uri), sha256=ref.sha256))


def _claim_one(store: Store, job: Job, item: Listed, run: TaskRun) -> None:
    name = item.key.removeprefix(layout.incoming_prefix(job.job_id))
    with tempfile.TemporaryDirectory(prefix="voiceman-claim-") as folder:
        local = Path(folder) / "recording"
        digest = store.download(item.key, local)
        if layout.is_control(name):
            store.move(item.key, layout.original_key(job.job_id, name), sha256=digest)
            return
        try:
            file_id = check_file_name(name)
            _refuse_duplicate(job.job_id, file_id, name, digest)
        except InputError as error:
            _refuse(store, job, item, digest, error=error, run=run)
            return
        recording = Recording(
            job_id=job.job_id,
            file_id=file_id,
            name=name,
            sha256=digest,
            size_bytes=item.size,
            duration_s=_declared_duration(local, name),
        )
    _preserve(store, item.key, recording)
    state.add_recording(recording, run.actor)
    row = state.recordings_of(job.job_id, [file_id])[file_id]
    if row.state is State.FAILED:
        log.info("Recording %s of job %s was dropped again; it is taken up again.", file_id, job.job_id)
        state.reopen(recording, run.actor)
        for key in (layout.failed_error_key(job.job_id, file_id), layout.failed_key(job.job_id, name)):
            store.delete(key)  # copies only: the original and the history of states stay
    if row.state in (State.FAILED, State.PENDING):
        store.copy(
            layout.original_key(job.job_id, name), layout.processing_key(job.job_id, name), sha256=recording.sha256
        )
    store.delete(item.key)
    log.info("Claimed %s of job %s (%s bytes, SHA-256 %s)", name, job.job_id, item.size, digest)


def _declared_duration(path: Path, name: str) -> float | None:
    try:
        return probe(path, name=name).duration_s
    except AudioError as error:
        # only the plan uses the duration; the transcription names this error and fails the recording
        log.warning("No duration for %s: %s", name, error)
        return None


def _preserve(store: Store, key: str, recording: Recording) -> None:
    original = layout.original_key(recording.job_id, recording.name)
    if not store.exists(original):
        store.copy(key, original, sha256=recording.sha256)
    elif store.sha256(original) != recording.sha256:
        # not reached through a drop: the row with the other digest refused it before
        raise DuplicateRecordingError(
            f"{store.uri(original)} holds other bytes than {recording.name}; submit the file under another job id."
        )


def _refuse_duplicate(job_id: str, file_id: str, name: str, digest: str) -> None:
    row = state.recordings_of(job_id, [file_id]).get(file_id)
    if row is None or (row.recording.name == name and row.recording.sha256 == digest):
        return
    if row.recording.name == name:
        raise DuplicateRecordingError(
            f"The job {job_id} already has a recording named {name!r} with other contents; "
            "submit it under another job id."
        )
    raise DuplicateRecordingError(
        f"{name!r} and {row.recording.name!r} of job {job_id} share the name {file_id!r}; "
        "rename one and submit it again."
    )


def _refuse(store: Store, job: Job, item: Listed, digest: str, *, error: InputError, run: TaskRun) -> None:
    name = item.key.removeprefix(layout.incoming_prefix(job.job_id))
    kept = safe_name(name)
    if isinstance(error, DuplicateRecordingError):
        path = PurePosixPath(kept)
        kept = f"{path.stem}~{digest[:12]}{path.suffix}"  # two files can't lie under one name
    recording = Recording(job_id=job.job_id, file_id=kept, name=kept, sha256=digest, size_bytes=item.size)
    _preserve(store, item.key, recording)
    state.add_recording(recording, run.actor)
    fail_recording(store, recording, run.actor, stage="claim", code=error.code, message=str(error))
    store.delete(item.key)
