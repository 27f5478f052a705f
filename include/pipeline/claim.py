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

    Recordings that an earlier run left half-way when it ended are taken over, too.

    Returns:
        The manifest's place and digest.

    Raises:
        EmptyJobError: nothing was dropped and the job is unknown.
        StorageError, StateError: S3 or PostgreSQL can't be reached.
    """
    prefix = layout.incoming_prefix(job.job_id)
    with state.transaction() as cursor:
        state.job_lock(cursor, job.job_id)
        dropped = sorted(store.list(prefix), key=lambda item: item.key)
        recordings = [item for item in dropped if not layout.is_control(item.key.removeprefix(prefix))]
        if not recordings and not state.recordings_of(job.job_id):
            raise EmptyJobError(f"No recordings lie under {store.uri(prefix)}; upload some there, then start the job.")
        state.save_job(job)
        _claim_all(store, job, recordings, run)
        for item in dropped:
            if item not in recordings:
                _keep_control(store, job, item)
        _adopt_leftovers(job, run)
    ours = {key: row for key, row in state.recordings_of(job.job_id).items() if row.run_id == run.run_id}
    if not ours:
        log.info("Nothing to claim for job %s: another run has it already.", job.job_id)
    manifest = Manifest(job=job, run_id=run.run_id, recordings=tuple(row.recording for row in ours.values()))
    return store.write(layout.manifest_key(job.job_id, run.run_id), manifest.model_dump_json(indent=2).encode())


def _adopt_leftovers(job: Job, run: TaskRun) -> None:
    for row in state.recordings_of(job.job_id).values():
        if not row.state.terminal and row.run_id != run.run_id and run.run_is_over(row.run_id):
            log.warning("Recording %s was left %s by the run %s", row.recording.file_id, row.state, row.run_id)
            state.adopt(row, run.actor)


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
            size_bytes=local.stat().st_size,
            duration_s=_declared_duration(local, name),
        )
    _preserve(store, item.key, recording)
    state.add_recording(recording, run.actor, received_at=item.modified)
    row = state.recordings_of(job.job_id, [file_id])[file_id]
    if row.state is State.FAILED:
        log.info("Recording %s of job %s was dropped again; it is taken up again.", file_id, job.job_id)
        state.reopen(recording, run.actor)
    if row.state in (State.FAILED, State.PENDING):
        for key in (layout.failed_error_key(job.job_id, file_id), layout.failed_key(job.job_id, name)):
            store.delete(key)  # copies only: the original and the history of states stay
        store.copy(
            layout.original_key(job.job_id, name), layout.processing_key(job.job_id, name), sha256=recording.sha256
        )
    _empty(store, item)
    log.info("Claimed %s of job %s (%s bytes, SHA-256 %s)", name, job.job_id, recording.size_bytes, digest)


def _empty(store: Store, item: Listed) -> None:
    """Remove a claimed object from ``incoming/``, unless other bytes were put there meanwhile."""
    if store.etag(item.key) in (None, item.etag):
        store.delete(item.key)
    else:
        log.warning("%s was uploaded again during the claim; the new bytes stay for the next run.", item.key)


def _keep_control(store: Store, job: Job, item: Listed) -> None:
    """Preserve what came with the recordings to describe them; empty markers say nothing more."""
    name = item.key.removeprefix(layout.incoming_prefix(job.job_id))
    if not layout.is_marker(name):
        digest = store.sha256(item.key)
        path = PurePosixPath(name)
        target = layout.original_key(job.job_id, name)
        if store.exists(target) and store.sha256(target) != digest:
            target = layout.original_key(job.job_id, f"{path.stem}~{digest[:12]}{path.suffix}")
        store.copy(item.key, target, sha256=digest)
    _empty(store, item)


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
    path = PurePosixPath(safe_name(name))
    kept = f"{path.stem}~{digest[:12]}{path.suffix}"  # by its contents: other bytes refused under this name stay apart
    recording = Recording(job_id=job.job_id, file_id=kept, name=kept, sha256=digest, size_bytes=item.size)
    _preserve(store, item.key, recording)
    state.add_recording(recording, run.actor, received_at=item.modified)
    if state.recordings_of(job.job_id, [kept])[kept].state is State.FAILED:
        state.reopen(recording, run.actor)  # refused before: this run's gate must say so, too
    fail_recording(store, recording, run.actor, stage="claim", code=error.code, message=str(error), received_name=name)
    _empty(store, item)
