"""The bodies of transcribe, analyze and report: one batch, recording by recording.

A recording whose artefact for exactly this input and these settings exists and verifies is not done again.
Bad input fails alone; what a retry may heal is tried again by the task, and failed on the last try.
"""

from __future__ import annotations

import logging
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from include import __version__, forensic, report, state, stt
from include.errors import (
    DigestMismatchError,
    MissingObjectError,
    NoSpeechError,
    NotOwnerError,
    StateError,
    StorageError,
    VoiceManError,
)
from include.manifest import ArtefactRef, State
from include.pipeline.failing import fail_recording, reason_of
from include.pipeline.keys import transcript_digest
from include.pipeline.rendering import Renderer
from include.settings import get_settings
from include.storage import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from include.manifest import Batch, Recording
    from include.pipeline.taskrun import TaskRun
    from include.storage import Store

__all__ = ["analyze_batch", "report_batch", "transcribe_batch"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Stage:
    name: str
    entry: State
    working: State
    done: State


_TRANSCRIBE = _Stage("transcribe", State.STT_QUEUE, State.STT_PROCESSING, State.FORENSIC_QUEUE)
_ANALYZE = _Stage("analyze", State.FORENSIC_QUEUE, State.FORENSIC_PROCESSING, State.REPORT_QUEUE)
_REPORT = _Stage("report", State.REPORT_QUEUE, State.REPORT_GENERATING, State.COMPLETED)


def _each(
    store: Store, batch: Batch, run: TaskRun, stage: _Stage, work: Callable[[Recording], None], *, workers: int = 1
) -> int:
    """Run one stage over a batch; returns how many recordings reached its end.

    ``workers`` recordings are worked on at once, in threads.
    """

    def one(file_id: str) -> Exception | None:
        row = state.recordings_of(batch.job_id, [file_id])[file_id]
        if row.run_id != run.run_id or row.state.terminal or row.reached(stage.done) or not row.reached(stage.entry):
            log.info("%s: %s is %s in run %s, nothing to do", stage.name, file_id, row.state, row.run_id)
            return None
        return _work_on(store, row.recording, run, stage, work)

    if workers == 1:
        outcomes = [one(file_id) for file_id in batch.file_ids]
    else:
        with ThreadPoolExecutor(workers) as threads:
            outcomes = list(threads.map(one, batch.file_ids))
    again = [error for error in outcomes if error is not None]
    if again:
        raise again[0]
    rows = state.recordings_of(batch.job_id, batch.file_ids).values()
    return sum(row.reached(stage.done) for row in rows)


def _work_on(
    store: Store, recording: Recording, run: TaskRun, stage: _Stage, work: Callable[[Recording], None]
) -> Exception | None:
    """One recording through one stage; returns the error with which the task should be tried again."""
    started = time.perf_counter()
    try:
        state.advance(recording, stage.working, run.actor)
        work(recording)
        state.advance(recording, stage.done, run.actor)
    except NotOwnerError as error:
        log.warning("%s", error)  # the run that owns it now does the work
    except (StorageError, StateError) as error:
        if error.retryable:
            raise  # the store or the database is away: nothing about this recording; the task tries again
        _fail(store, recording, run, stage, error)
    except Exception as error:  # one recording must never take its neighbours down
        if (isinstance(error, VoiceManError) and not error.retryable) or run.last_try:
            _fail(store, recording, run, stage, error)
        else:
            log.exception("%s of %s failed; the task will try again", stage.name, recording.file_id)
            return error
    else:
        log.info("%s: %s done in %.1f s", stage.name, recording.file_id, time.perf_counter() - started)
    return None


def _fail(store: Store, recording: Recording, run: TaskRun, stage: _Stage, error: Exception) -> None:
    if not isinstance(error, VoiceManError):
        log.error("%s of %s broke", stage.name, recording.file_id, exc_info=error)
    code, message = reason_of(error, stage.name)
    fail_recording(store, recording, run.actor, stage=stage.name, code=code, message=message)


@contextmanager
def _working_copy(store: Store, recording: Recording) -> Iterator[Path]:
    """The recording as a local file, its digest verified."""
    with tempfile.TemporaryDirectory(prefix="voiceman-") as folder:
        path = Path(folder) / "recording"
        key = layout.processing_key(recording.job_id, recording.name)
        if not store.exists(key):
            log.warning("The working copy of %s is gone; it is made again from the original.", recording.file_id)
            store.copy(layout.original_key(recording.job_id, recording.name), key, sha256=recording.sha256)
        digest = store.download(key, path)
        if digest != recording.sha256:
            raise DigestMismatchError(
                f"The working copy {store.uri(key)} is not the recording that was claimed (SHA-256 {digest}); "
                "its original lies untouched under originals/."
            )
        yield path


def _done_before(store: Store, recording: Recording, kind: str, digest: str) -> bool:
    """True when the artefact of this kind was made with these settings and still verifies."""
    made = state.artefacts(recording.job_id, recording.file_id).get(recording.file_id, {}).get(kind)
    if made is None or made.settings_digest != digest:
        return False
    key = store.key(made.ref.uri)
    return store.exists(key) and store.sha256(key) == made.ref.sha256


def _save(store: Store, recording: Recording, kind: str, data: bytes, digest: str, *, hit: bool = False) -> ArtefactRef:
    types = {"json": "application/json", "pdf": "application/pdf", "html": "text/html; charset=utf-8"}
    key = layout.processing_key(recording.job_id, f"{recording.file_id}_{kind}")
    ref = store.write(key, data, content_type=types[kind.rsplit(".", 1)[-1]])
    state.save_artefact(recording, state.Artefact(kind, ref, digest, hit))
    return ref


def transcribe_batch(store: Store, batch: Batch, language: str, run: TaskRun) -> int:
    """Transcribe a batch; models are loaded once, and only if a recording needs them.

    Returns:
        How many recordings have a transcript now.
    """
    transcribers = stt.TranscriberPool(len(batch.file_ids))

    def work(recording: Recording) -> None:
        digest = transcript_digest(language)
        if _done_before(store, recording, "transcript.json", digest):
            return
        key, hit = layout.cache_transcript_key(recording.sha256, digest), True
        if not store.exists(key):
            hit = False
            with _working_copy(store, recording) as path:
                made = transcribers.transcribe(path, language=language, name=recording.name)
            store.write(key, made.to_json().encode())
        data = store.read_written(key)
        transcript = stt.load_transcript(data, name=store.uri(key))
        if transcript.recording.sha256 != recording.sha256:
            raise DigestMismatchError(
                f"{store.uri(key)} is a transcript of another recording; delete it and try again."
            )
        if transcript.empty_reason is not None:
            raise NoSpeechError(f"{recording.name} holds too little speech: {transcript.empty_reason}.")
        _save(store, recording, "transcript.json", data, digest, hit=hit)

    return _each(store, batch, run, _TRANSCRIBE, work, workers=transcribers.replicas)


def _read_artefact(store: Store, recording: Recording, kind: str) -> tuple[bytes, ArtefactRef]:
    made = state.artefacts(recording.job_id, recording.file_id).get(recording.file_id, {}).get(kind)
    if made is None:
        raise MissingObjectError(
            f"{recording.file_id} of job {recording.job_id} has no {kind} although its stage is done; drop it again."
        )
    return store.read(store.key(made.ref.uri), sha256=made.ref.sha256), made.ref


def analyze_batch(store: Store, batch: Batch, run: TaskRun) -> int:
    """Analyse a batch; returns how many recordings have an analysis now."""

    def work(recording: Recording) -> None:
        data, ref = _read_artefact(store, recording, "transcript.json")
        digest = forensic.settings_digest() + ref.sha256[:16]
        if _done_before(store, recording, "forensic.json", digest):
            return
        transcript = stt.load_transcript(data, name=ref.uri)
        with _working_copy(store, recording) as path:
            channels = stt.load_channels(path, name=recording.name)
        analysis = forensic.analyze_transcript(
            transcript,
            transcript_name=f"{recording.file_id}_transcript.json",
            transcript_sha256=ref.sha256,
            channels=channels,
            sample_rate=stt.SAMPLE_RATE,
        )
        _save(store, recording, "forensic.json", analysis.to_json().encode(), digest)

    return _each(store, batch, run, _ANALYZE, work)


def report_batch(store: Store, batch: Batch, run: TaskRun) -> int:
    """Render the reports, on all cores, and move everything finished to ``completed/``.

    Returns:
        How many recordings are completed.
    """
    workers = min(get_settings().cpu_threads, len(batch.file_ids))
    with Renderer(workers) as renderer:

        def work(recording: Recording) -> None:
            transcript, _ = _read_artefact(store, recording, "transcript.json")
            analysis, ref = _read_artefact(store, recording, "forensic.json")
            digest = report.report_settings_digest() + ref.sha256[:16]
            if not all(_done_before(store, recording, kind, digest) for kind in renderer.kinds):
                row = state.recordings_of(recording.job_id, [recording.file_id])[recording.file_id]
                for kind, data in renderer.render(transcript, analysis, _facts(row, run)).items():
                    _save(store, recording, kind, data, digest)
            _complete(store, recording)

        return _each(store, batch, run, _REPORT, work, workers=workers)


def _facts(row: state.RecordingState, run: TaskRun) -> report.ReportFacts:
    recording = row.recording
    return report.ReportFacts(
        job_id=recording.job_id,
        file_id=recording.file_id,
        file_name=recording.name,
        sha256=recording.sha256,
        size_bytes=recording.size_bytes,
        received_at=row.received_at.astimezone(UTC).isoformat(timespec="seconds"),
        run_id=run.run_id,
        software_version=__version__,
        generated_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _complete(store: Store, recording: Recording) -> None:
    """Move the artefacts from ``processing/`` to ``completed/`` and drop the working copy (the original stays)."""
    for kind, made in state.artefacts(recording.job_id, recording.file_id)[recording.file_id].items():
        source = layout.processing_key(recording.job_id, f"{recording.file_id}_{kind}")
        target = layout.completed_key(recording.job_id, f"{recording.file_id}_{kind}")
        if store.key(made.ref.uri) != target:
            store.copy(source, target, sha256=made.ref.sha256)
            moved = ArtefactRef(uri=store.uri(target), sha256=made.ref.sha256)
            state.save_artefact(recording, state.Artefact(kind, moved, made.settings_digest, made.cache_hit))
        store.delete(source)  # also when a try before this one had come this far
    store.delete(layout.processing_key(recording.job_id, recording.name))
