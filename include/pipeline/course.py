"""What a job's recordings show together, taken for one case: ``completed/{job_id}/case_course.json``."""

from __future__ import annotations

import logging
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from include import forensic, stt
from include.errors import DocumentError, StorageError
from include.job_summary import CaseCounts, CaseSummary
from include.manifest import State
from include.storage import layout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.state import Artefact, RecordingState
    from include.storage import Store

__all__ = ["MOST_RECORDINGS", "write_course"]

log = logging.getLogger(__name__)

MOST_RECORDINGS = 400
"""A larger job gets no course: its analyses would all be read again at each of its runs' ends."""


def write_course(
    store: Store, job_id: str, rows: Mapping[str, RecordingState], made: Mapping[str, Mapping[str, Artefact]]
) -> CaseSummary | stt.NotMeasured:
    """Set the job's COMPLETED recordings side by side, and write the course where there are two or more.

    Args:
        store: the bucket.
        job_id: the job.
        rows: its recordings by ``file_id``.
        made: their artefacts.

    Returns:
        What the summary says of it: counts, no words; or why there is no course.

    Raises:
        StorageError: S3 can't be reached.
    """
    done = [row for key, row in rows.items() if row.state is State.COMPLETED and "forensic.json" in made.get(key, {})]
    if len(done) > MOST_RECORDINGS:
        return stt.NotMeasured(
            reason=f"{len(done)} recordings; a course is made of {MOST_RECORDINGS} at most. Name those of one case to "
            "./voiceman case."
        )
    read = {row.recording.file_id: _recording(store, row, made[row.recording.file_id]) for row in done}
    recordings = [one for one in read.values() if one is not None]
    course = forensic.case_course(recordings)
    if isinstance(course, stt.NotMeasured):
        return course
    ref = store.write(layout.course_key(job_id), (course.model_dump_json(indent=2) + "\n").encode())
    return _counts(course, ref.uri, ref.sha256)


def _counts(course: forensic.CaseCourse, uri: str, sha256: str) -> CaseSummary:
    found = [(party, party.finding) for party in course.stalking]
    return CaseSummary(
        uri=uri,
        sha256=sha256,
        recordings=len(course.recordings),
        findings=[
            CaseCounts(
                category=finding.category,
                severity=finding.severity,
                required=finding.required,
                recordings=finding.recordings,
                passages=sum(passage.counted for passage in party.passages),
            )
            for party, finding in found
            if not isinstance(finding, stt.NotMeasured)
        ],
        repetition_not_shown=sum(isinstance(finding, stt.NotMeasured) for _, finding in found),
    )


def _recording(store: Store, row: RecordingState, made: Mapping[str, Artefact]) -> forensic.CaseRecording | None:
    """One recording with what was found in it; None when that can't be read any more (deleted by retention, say)."""
    one = row.recording
    try:
        analysis = forensic.load_analysis(_read(store, made["forensic.json"]), name=f"{one.file_id}_forensic.json")
        transcript = stt.load_transcript(_read(store, made["transcript.json"]), name=f"{one.file_id}_transcript.json")
    except StorageError as error:
        if error.retryable:
            raise
        log.warning("%s is left out of the course: %s", one.file_id, error)
        return None
    except (DocumentError, KeyError) as error:
        log.warning("%s is left out of the course: %s", one.file_id, type(error).__name__)
        return None
    written = PurePosixPath(one.received_name or one.name).stem
    return forensic.case_recording(analysis, transcript, one.file_id, written=written)


def _read(store: Store, artefact: Artefact) -> bytes:
    return store.read(store.key(artefact.ref.uri), sha256=artefact.ref.sha256)
