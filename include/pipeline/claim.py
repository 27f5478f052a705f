"""Claim a drop: preserve every original, register every recording, empty ``incoming/``.

For each file, in this order: digest → preservation copy (verified) → row in PostgreSQL → working copy
(verified) → delete from ``incoming/``. A claim that dies half-way is repeated and continues where it was.
"""

from __future__ import annotations

import logging
import platform
import re
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from include import __version__, state
from include.errors import (
    DeliveryError,
    DuplicateRecordingError,
    EmptyJobError,
    InputError,
    InvalidJobError,
    StorageError,
)
from include.manifest import ArtefactRef, Job, Manifest, Recording, State, safe_name
from include.pipeline.delivery import DeliveredFile, Delivery, read_delivery
from include.pipeline.failing import fail_recording
from include.pipeline.identity import identify
from include.pipeline.intake_facts import check_facts, read_facts
from include.pipeline.redo import NOTHING, Redoing, take_again
from include.pipeline.signing import open_signer
from include.settings import TEMPORARY
from include.storage import layout

if TYPE_CHECKING:
    from include.pipeline.taskrun import TaskRun
    from include.storage import Listed, Store

__all__ = ["claim_job", "load_manifest"]

log = logging.getLogger(__name__)

_THREADS = 4

_MARK_S = 10.0  # the watcher takes a claim for dead that was not at work for a minute

MOST_FILES = 1000
"""Recordings that one run claims of a drop."""

_REVISION = re.compile(r"(~r\d+)+$")
_COPIED = f"each written and read back by VoiceMan {__version__} (SHA-256: Python {platform.python_version()} hashlib)"
_HOLD_S = 3600.0  # a `submit` that died must not hold a job for ever


@dataclass(frozen=True)
class _Drop:
    """What is claimed, by whom, from where."""

    store: Store
    job: Job
    run: TaskRun
    prefix: str
    delivery: Delivery | None
    problem: str | None
    """Why its manifest.json could not be used."""

    @property
    def folder(self) -> str:
        """The folder under ``incoming/`` in which it lies."""
        return self.prefix.split("/")[1]

    def name(self, item: Listed) -> str:
        """The file's name: what follows the prefix's last slash."""
        return item.key.removeprefix(self.prefix[: self.prefix.rindex("/") + 1])

    def is_control(self, item: Listed) -> bool:
        """True for what describes the drop; a marker that holds bytes is taken for a recording: nothing is lost."""
        name = self.name(item)
        return layout.is_control(name) and not (layout.is_marker(name) and item.size > 0)


def claim_job(
    store: Store,
    job: Job,
    run: TaskRun,
    *,
    prefix: str | None = None,
    redo: Redoing = NOTHING,
    claim_held: bool = True,
) -> ArtefactRef:
    """Claim what lies under ``incoming/{job_id}/`` and write the run's manifest.

    Recordings that an earlier run left half-way when it ended are taken over, too.

    Args:
        store: the bucket.
        job: what was asked for.
        run: this try of this task.
        prefix: where the drop lies, when it isn't ``incoming/{job_id}/``.
        redo: which finished recordings of the job are done again; when it names an interval, nothing else that was
            received outside of it is touched either.
        claim_held: claim a drop although a fresh ``_HOLD`` says that somebody is uploading (and starts the job).

    Returns:
        The manifest's place and digest.

    Raises:
        EmptyJobError: nothing was dropped and the job is unknown.
        IntakeFactsError, QuarantineError: what intake.json says, or doesn't, forbids it; the drop stays as it is.
        MissingKeyError: there is no key to sign with; the drop stays as it is.
        StorageError, StateError: S3 or PostgreSQL can't be reached.
    """
    open_signer()  # before anything is moved: what can't be signed is not begun
    prefix = prefix or layout.incoming_prefix(job.job_id)
    with state.transaction() as cursor:
        for name in sorted({job.job_id, prefix.split("/")[1]}):  # in one order: two claims never wait for each other
            state.job_lock(cursor, name)
        dropped = sorted((one for one in store.list(prefix) if redo.covers(one.modified)), key=lambda item: item.key)
        _check_folder(prefix.split("/")[1], job.job_id, any(_is_held(one) for one in dropped))
        if not claim_held and any(_is_held(one) for one in dropped):
            log.info("Somebody is uploading to %s; only what was claimed before is done.", store.uri(prefix))
            dropped = []
        drop = _Drop(store, job, run, prefix, *_delivery(store, prefix, job.job_id))
        recordings = [item for item in dropped if not drop.is_control(item)]
        if not recordings and not state.recordings_of(job.job_id):
            raise EmptyJobError(f"No recordings lie under {store.uri(prefix)}; upload some there, then start the job.")
        stated = read_facts(store, prefix)
        state.save_job(job, case=stated[0].case_number if stated else None)
        check_facts(job, stated, [drop.name(item) for item in recordings], run.actor)
        state.mark_claim(drop.folder, under_way=True)
        room = _room(job.job_id, run)
        _claim_all(drop, recordings[:room])
        _adopt_leftovers(job, run, redo)
        take_again(store, job.job_id, run, redo)
        written = _write_manifest(drop, {drop.name(item) for item in recordings[room:]})
        for item in dropped:  # last: a claim that dies before has to read the list of files again
            if drop.is_control(item) and redo.received is None:
                _keep_control(drop, item)
        state.mark_claim(drop.folder, under_way=False)
    return written


def _room(job_id: str, run: TaskRun) -> int:
    """How many more files this run may claim; the others stay, and the watcher starts another run for them.

    Airflow's scheduler looks at every waiting batch in every loop, and a run's manifest is held in memory.
    """
    return max(MOST_FILES - sum(row.run_id == run.run_id for row in state.recordings_of(job_id).values()), 0)


def _write_manifest(drop: _Drop, waiting: set[str]) -> ArtefactRef:
    job, run = drop.job, drop.run
    rows = state.recordings_of(job.job_id)
    owned = tuple(row.recording for row in rows.values() if row.run_id == run.run_id)
    if not owned:
        log.info("Nothing to claim for job %s: another run has it already, or it is done.", job.job_id)
    key, problem = layout.manifest_key(job.job_id, run.run_id), drop.problem
    if problem is None and drop.store.exists(key):  # the claim was cleared: what it found then still holds
        problem = Manifest.model_validate_json(drop.store.read(key)).problem
    missing = _missing(drop, rows, waiting)
    manifest = Manifest(job=job, run_id=run.run_id, recordings=owned, missing=missing, problem=problem)
    return drop.store.write(key, manifest.model_dump_json(indent=2).encode())


def _check_folder(folder: str, job_id: str, held: bool) -> None:
    """A prefix must not take what belongs to another job, or is being uploaded for it.

    Raises:
        InvalidJobError: it would.
    """
    if folder != job_id and (held or state.find_job(folder) is not None):
        raise InvalidJobError(
            f"incoming/{folder}/ belongs to another job than {job_id}; start that job, or name another prefix."
        )


def _is_held(item: Listed) -> bool:
    fresh = (datetime.now(UTC) - item.modified).total_seconds() < _HOLD_S
    return item.key.endswith("/_HOLD") and item.size == 0 and fresh


def _delivery(store: Store, prefix: str, job_id: str) -> tuple[Delivery | None, str | None]:
    """What the drop's manifest.json lists, or the job's last one did: it holds until another replaces it.

    One that can't be read stops no recording; it is said in the run's manifest, and the gate is red.
    """
    try:
        found = read_delivery(store, prefix)
    except DeliveryError as error:
        log.error("%s The recordings are claimed without it.", error)
        return None, str(error)
    if found is not None:
        state.save_delivery(job_id, [(one.name, one.sha256, one.language) for one in found.files.values()])
        return found, None
    kept = state.delivered(job_id)
    return (Delivery(tuple(DeliveredFile.model_validate(one) for one in kept)) if kept else None), None


def _missing(drop: _Drop, rows: dict[str, state.RecordingState], waiting: set[str]) -> tuple[str, ...]:
    """Names that the delivery lists and that the job does not have; ``waiting`` lie there for another run."""
    if drop.delivery is None:
        return ()
    recordings = [row.recording for row in rows.values()]
    have = {(one.received_name or one.name, one.sha256) for one in recordings}
    # what was refused is not missing: it is FAILED with its reason
    refused = {one.received_name for one in recordings if one.received_name is not None and one.revision == 1}
    listed = drop.delivery.files.values()
    missing = tuple(
        sorted(one.name for one in listed if (one.name, one.sha256) not in have and one.name not in refused | waiting)
    )
    if missing:
        log.error("%d files that manifest.json of job %s lists are not there", len(missing), drop.job.job_id)
    return missing


def _adopt_leftovers(job: Job, run: TaskRun, redo: Redoing) -> None:
    for row in state.recordings_of(job.job_id).values():
        if not redo.covers(row.received_at):
            continue
        if not row.state.terminal and row.run_id != run.run_id and run.run_is_over(row.run_id):
            log.warning("Recording %s was left %s by the run %s", row.recording.file_id, row.state, row.run_id)
            state.adopt(row, run.actor)


def _claim_all(drop: _Drop, dropped: list[Listed]) -> None:
    """Claim in a few threads (it is mostly waiting for the store); names that could collide, one after the other."""
    groups: dict[str, list[Listed]] = {}
    for item in dropped:
        # a file named like a revision goes with those that may become that revision
        groups.setdefault(_REVISION.sub("", PurePosixPath(item.key).stem), []).append(item)

    marked = time.monotonic()

    def claim_group(items: list[Listed]) -> None:
        nonlocal marked
        for item in items:
            _claim_one(drop, item)
            if time.monotonic() - marked > _MARK_S:
                marked = time.monotonic()
                state.mark_claim(drop.folder, under_way=True)

    with ThreadPoolExecutor(_THREADS) as threads:
        for _ in threads.map(claim_group, groups.values()):
            pass  # raises the first error; the claim is repeated and continues


def load_manifest(store: Store, ref: ArtefactRef) -> Manifest:
    """Read a manifest back.

    Raises:
        DigestMismatchError: it is not the one that was written.
    """
    return Manifest.model_validate_json(store.read(store.key(ref.uri), sha256=ref.sha256))


def _claim_one(drop: _Drop, item: Listed) -> None:
    store, job_id, run, name = drop.store, drop.job.job_id, drop.run, drop.name(item)
    with tempfile.TemporaryDirectory(prefix=TEMPORARY) as folder:
        local = Path(folder) / "recording"
        digest = store.download(item.key, local)
        try:
            recording = identify(job_id, drop.delivery, name, digest, local)
            _preserve(store, item.key, recording)
        except InputError as error:
            _refuse(drop, item, digest, error)
            return
    note = state.Note(reason=_received(name), digests={"original": digest})
    state.add_recording(recording, run.actor, received_at=item.modified, note=note)
    row = state.recordings_of(job_id, [recording.file_id])[recording.file_id]
    if row.recording.sha256 != recording.sha256:
        raise StorageError(
            f"Two files were taken for {recording.file_id} of job {job_id} at once; the claim tries again."
        )
    if row.state is State.FAILED:
        log.info("Recording %s of job %s was dropped again; it is taken up again.", recording.file_id, job_id)
        # copies only: the original and the history of states stay
        reason = layout.failed_error_key(job_id, recording.file_id)
        store.delete_all([reason, layout.failed_key(job_id, recording.name)])
        state.reopen(recording, run.actor, reason="dropped again")
    if row.state in (State.FAILED, State.PENDING):
        store.copy(
            layout.original_key(job_id, recording.name),
            layout.processing_key(job_id, recording.name),
            sha256=recording.sha256,
        )
        both = {"preservation copy": recording.sha256, "working copy": recording.sha256}
        state.note(job_id, recording.file_id, state.Note("copied", _COPIED, both), run.actor)
    _empty(store, item)
    log.info("Claimed %s of job %s (%d bytes, SHA-256 %s)", recording.name, job_id, recording.size_bytes, digest)


def _received(name: str) -> str:
    """Of a claimed recording: the name as it was dropped; what PostgreSQL can't hold is escaped."""
    return f"received as {name.encode('utf-8', 'backslashreplace').decode()!r}".replace("\x00", "\\x00")


def _empty(store: Store, item: Listed) -> None:
    """Remove a claimed object from ``incoming/``, unless other bytes were put there meanwhile."""
    if store.etag(item.key) in (None, item.etag):
        store.delete(item.key)
    else:
        log.warning("%s was uploaded again during the claim; the new bytes stay for the next run.", item.key)


def _keep_control(drop: _Drop, item: Listed) -> None:
    """Preserve what came with the recordings to describe them; empty markers say nothing more."""
    store, job_id, name = drop.store, drop.job.job_id, drop.name(item)
    if not layout.is_marker(name):
        digest = store.sha256(item.key)
        path = PurePosixPath(name)
        target = layout.original_key(job_id, name)
        if store.exists(target) and store.sha256(target) != digest:
            target = layout.original_key(job_id, f"{path.stem}~{digest[:12]}{path.suffix}")
        store.copy(item.key, target, sha256=digest)
    _empty(store, item)


def _preserve(store: Store, key: str, recording: Recording) -> None:
    original = layout.original_key(recording.job_id, recording.name)
    if not store.exists(original):
        store.copy(key, original, sha256=recording.sha256)
    elif store.sha256(original) != recording.sha256:
        # a claim that died between this copy and the row, and then other bytes under the same name
        raise DuplicateRecordingError(
            f"{store.uri(original)} holds other bytes than {recording.name}; submit the file under another job id."
        )


def _refuse(drop: _Drop, item: Listed, digest: str, error: InputError) -> None:
    store, job_id, actor, name = drop.store, drop.job.job_id, drop.run.actor, drop.name(item)
    path = PurePosixPath(safe_name(name))
    kept = f"{path.stem}~{digest[:12]}{path.suffix}"  # by its contents: other bytes refused under this name stay apart
    recording = Recording(
        job_id=job_id, file_id=kept, name=kept, sha256=digest, size_bytes=item.size,
        received_name=name.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00"),
    )  # fmt: skip
    _preserve(store, item.key, recording)
    note = state.Note(reason=_received(name), digests={"original": digest})
    state.add_recording(recording, actor, received_at=item.modified, note=note)
    if state.recordings_of(job_id, [kept])[kept].state is State.FAILED:
        state.reopen(recording, actor, reason="dropped again")  # refused before: this run's gate must say so, too
    fail_recording(store, recording, actor, stage="claim", code=error.code, message=str(error))
    _empty(store, item)
