"""The summary of a job: every recording, its durations, device seconds, cache hits, errors and versions; totals.

Linear in the number of recordings: the database groups the events, and of the transcripts one for each kind of
settings is read; all analyses are for the case's course (:mod:`include.pipeline.course`), which large jobs don't get.
"""

from __future__ import annotations

import platform
from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from include import __version__, state, stt
from include.errors import DocumentError, StorageError
from include.job_summary import (
    Failure,
    JobSummary,
    Made,
    RecordingSummary,
    RelatedRecording,
    RunFigures,
    Totals,
    Twin,
    Versions,
)
from include.manifest import ArtefactRef, Manifest, State
from include.pipeline.advice import advice
from include.settings import get_settings
from include.storage import layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from include.pipeline.taskrun import TaskRun
    from include.state import Artefact, RecordingState
    from include.storage import Store

__all__ = ["own_manifest", "summarize_job"]

_STAGES = {
    "transcribe": (State.STT_PROCESSING, State.FORENSIC_QUEUE),
    "analyze": (State.FORENSIC_PROCESSING, State.REPORT_QUEUE),
    "report": (State.REPORT_GENERATING, State.COMPLETED),
}

_PACKAGES = (
    *("apache-airflow", "whisperx", "faster-whisper", "ctranslate2", "torch", "kiwipiepy", "praat-parselmouth"),
    "weasyprint",
)

_KINDS_OF_SETTINGS = 16
"""Transcripts of so many settings are read for their versions, those of most recordings first."""


def summarize_job(store: Store, job_id: str, run: TaskRun) -> ArtefactRef:
    """Write ``completed/{job_id}/job_summary.json`` over all recordings of the job, and its case's course and report.

    Args:
        store: the bucket.
        job_id: the job.
        run: the run that ends.

    Returns:
        The summary's place and digest.

    Raises:
        StorageError, StateError: S3 or PostgreSQL can't be reached.
    """
    # the analysis comes with them: other tasks import this module, too
    from include.pipeline.case_report import write_case_report
    from include.pipeline.course import MOST_RECORDINGS, JobRecordings, read_members, write_course
    from include.pipeline.rendering import prepare

    rows, made = state.recordings_of(job_id), state.artefacts(job_id)
    done = sum(row.state is State.COMPLETED for row in rows.values())
    if get_settings().case_report and 1 < done <= MOST_RECORDINGS:
        prepare()
    entries, twins = state.last_entries(job_id), state.same_bytes(job_id)
    newest, related = _newest_revisions(rows.values()), state.related_to(job_id)
    manifest = own_manifest(store, job_id, run.run_id)
    stated = state.intake_of(job_id)
    job = JobRecordings(job_id, rows, made, None if stated is None else stated[0], related)
    members = read_members(store, [job])
    recordings = [
        _describe(
            store,
            row,
            made=made.get(key, {}),
            entered=entries.get(key, {}),
            twins=twins.get(row.recording.sha256, []),
            newest=newest,
            related=related.get(key, []),
        )
        for key, row in rows.items()
    ]
    summary = JobSummary(
        job_id=job_id,
        run_id=run.run_id,
        written_at=_iso(datetime.now(UTC)),
        software=_software(),
        engines=_engines(store, made),
        run=_figures(job_id, run.run_id),
        missing=[] if manifest is None else list(manifest.missing),
        manifest_problem=None if manifest is None else manifest.problem,
        totals=_totals(recordings, made),
        case=write_course(store, job_id, members),
        case_report=write_case_report(store, job, members, run.actor),
        recordings=recordings,
    )
    return store.write(layout.summary_key(job_id), summary.to_json().encode())


def own_manifest(store: Store, job_id: str, run_id: str) -> Manifest | None:
    """What a run claimed; None when it claimed nothing, because its claim did not finish.

    Raises:
        StorageError: S3 can't be reached, or the manifest is not what was written.
    """
    key = layout.manifest_key(job_id, run_id)
    return Manifest.model_validate_json(store.read_written(key)) if store.exists(key) else None


def _describe(
    store: Store,
    row: RecordingState,
    *,
    made: Mapping[str, Artefact],
    entered: Mapping[State, datetime],
    twins: list[tuple[str, str]],
    newest: Mapping[str, tuple[int, str]],
    related: list[state.Related],
) -> RecordingSummary:
    recording = row.recording
    received_name = recording.received_name or recording.name
    latest = newest.get(received_name)
    used = [one.device_s for one in made.values() if one.device_s is not None]
    return RecordingSummary(
        file_id=recording.file_id,
        name=recording.name,
        received_name=received_name,
        revision=recording.revision,
        superseded_by=latest[1] if latest and not _refused(row) and latest[0] > recording.revision else None,
        same_bytes_as=[Twin(job_id=job_id, file_id=file_id) for job_id, file_id in twins],
        sha256=recording.sha256,
        received_at=_iso(row.received_at),
        state=row.state,
        duration_s=recording.duration_s,
        stage_s=_stage_seconds(entered),
        device_s=round(sum(used), 2) if used else None,
        related=[RelatedRecording(**vars(one)) for one in related],
        notes=[one.note for one in made.values() if one.note is not None],
        cache_hits=[kind for kind, one in made.items() if one.cache_hit],
        artefacts={
            kind: Made(uri=one.ref.uri, sha256=one.ref.sha256, settings_digest=one.settings_digest)
            for kind, one in made.items()
            if row.state is State.COMPLETED
        },
        error=_failure(store, row),
    )


def _failure(store: Store, row: RecordingState) -> Failure | None:
    if row.state is not State.FAILED or row.error_code is None:
        return None
    return Failure(
        code=row.error_code,
        message=row.error_message or "",
        what_to_do=advice(row.error_code),
        details=store.uri(layout.failed_error_key(row.recording.job_id, row.recording.file_id)),
    )


def _refused(row: RecordingState) -> bool:
    """True for a file that was refused by its name: it is kept under another one and is no revision of anything."""
    return row.recording.received_name is not None and row.recording.revision == 1


def _newest_revisions(rows: Iterable[RecordingState]) -> dict[str, tuple[int, str]]:
    """Name as dropped → the newest revision's number and ``file_id``."""
    newest: dict[str, tuple[int, str]] = {}
    for row in rows:
        if not _refused(row):
            one = row.recording
            name, this = one.received_name or one.name, (one.revision, one.file_id)
            newest[name] = max(newest.get(name, this), this)
    return newest


def _stage_seconds(entered: Mapping[State, datetime]) -> dict[str, float]:
    return {
        name: round((entered[done] - entered[working]).total_seconds(), 2)
        for name, (working, done) in _STAGES.items()
        if working in entered and done in entered and entered[done] >= entered[working]
    }


def _totals(recordings: list[RecordingSummary], made: Mapping[str, Mapping[str, Artefact]]) -> Totals:
    states = Counter(one.state.value for one in recordings)
    hits = Counter(kind for one in recordings for kind in one.cache_hits)
    seconds: Counter[str] = Counter()
    for one in recordings:
        seconds.update(one.stage_s)
    return Totals(
        recordings=len(recordings),
        by_state={one.value: states[one.value] for one in State if states[one.value]},
        failures=dict(sorted(Counter(one.error.code for one in recordings if one.error is not None).items())),
        audio_s=round(sum(one.duration_s or 0.0 for one in recordings), 1),
        recordings_of_unknown_duration=sum(one.duration_s is None for one in recordings),
        stage_s={name: round(seconds[name], 2) for name in _STAGES if name in seconds},
        device_s=round(sum(one.device_s or 0.0 for kinds in made.values() for one in kinds.values()), 2),
        cache_hits=sum(hits.values()),
        cache_hits_by_kind=dict(sorted(hits.items())),
    )


def _figures(job_id: str, run_id: str) -> RunFigures:
    span = state.run_span(job_id, run_id)
    seconds = None
    if span.started_at is not None and span.ended_at is not None:
        seconds = round((span.ended_at - span.started_at).total_seconds(), 2)
    return RunFigures(
        run_id=run_id,
        started_at=None if span.started_at is None else _iso(span.started_at),
        ended_at=None if span.ended_at is None else _iso(span.ended_at),
        seconds=seconds,
        completed=span.completed,
        failed=span.failed,
        files_per_hour=round(span.completed / seconds * 3600, 1) if seconds and span.completed else None,
    )


def _software() -> dict[str, str]:
    from include.forensic import load_taxonomy

    found = {"voiceman": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # a worker without the speech stack; the transcripts say what made them
    taxonomy = load_taxonomy()
    return found | {"taxonomy": taxonomy.version, "taxonomy_sha256": taxonomy.sha256}


def _engines(store: Store, made: Mapping[str, Mapping[str, Artefact]]) -> list[Versions]:
    """What made the job's transcripts: one of each kind of settings is read, not all."""
    transcripts = [kinds["transcript.json"] for kinds in made.values() if "transcript.json" in kinds]
    counts = Counter(one.settings_digest for one in transcripts)
    one_of = {one.settings_digest: one.ref for one in transcripts}
    return [
        Versions(settings_digest=digest, recordings=count, engine=_engine(store, one_of[digest]))
        for digest, count in counts.most_common(_KINDS_OF_SETTINGS)
    ]


def _engine(store: Store, ref: ArtefactRef) -> dict[str, object] | None:
    try:
        data = store.read(store.key(ref.uri), sha256=ref.sha256)
        return stt.load_transcript(data, name=ref.uri).engine.model_dump()
    except StorageError as error:
        if error.retryable:
            raise
        return None  # deleted by a retention policy, or by somebody: not what a summary fails for
    except DocumentError:
        return None


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")
