"""What a job's recordings show together, taken for one case: ``completed/{job_id}/case_course.json``."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from include import forensic, report, stt
from include.errors import DocumentError, StorageError
from include.job_summary import CaseCounts, CaseSummary
from include.manifest import State
from include.storage import layout

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from include.evidence import IntakeFacts
    from include.state import Artefact, RecordingState, Related
    from include.storage import Store

__all__ = ["MOST_RECORDINGS", "JobRecordings", "Member", "read_members", "write_course"]

log = logging.getLogger(__name__)

MOST_RECORDINGS = 400
"""A larger case gets no course: its analyses would all be read again at each run's end."""


@dataclass(frozen=True)
class JobRecordings:
    """A job's recordings, as the database has them, and what was stated of them."""

    job_id: str
    rows: Mapping[str, RecordingState]
    """By ``file_id``."""
    made: Mapping[str, Mapping[str, Artefact]]
    stated: IntakeFacts | None = None
    related: Mapping[str, Sequence[Related]] = field(default_factory=dict)
    """Recordings that sound like each."""

    def done(self) -> list[RecordingState]:
        """Those whose analysis can be read."""
        return [
            row
            for key, row in self.rows.items()
            if row.state is State.COMPLETED and "forensic.json" in self.made.get(key, {})
        ]


@dataclass(frozen=True)
class Member:
    """One recording of a case, as course and case report read it."""

    recording: forensic.CaseRecording
    entry: report.CaseEntry
    categories: dict[str, dict[str, str]]


def read_members(store: Store, jobs: Sequence[JobRecordings]) -> list[Member] | stt.NotMeasured:
    """Read the analyses and transcripts of a case; what can't be read any more is left out.

    Args:
        store: the bucket.
        jobs: the jobs of the case.

    Returns:
        Its COMPLETED recordings; or why they were not read.

    Raises:
        StorageError: S3 can't be reached.
    """
    done = [(job, row) for job in jobs for row in job.done()]
    if len(done) > MOST_RECORDINGS:
        return stt.NotMeasured(
            reason=f"{len(done)} recordings; a course is made of {MOST_RECORDINGS} at most. Name those of one case to "
            "./voiceman case."
        )
    counts = Counter(row.recording.file_id for _, row in done)
    keys = {
        (job.job_id, row.recording.file_id): row.recording.file_id
        if counts[row.recording.file_id] == 1
        else f"{job.job_id}/{row.recording.file_id}"
        for job, row in done
    }
    read = [_member(store, job, row, keys) for job, row in done]
    return [one for one in read if one is not None]


def write_course(
    store: Store, job_id: str, members: Sequence[Member] | stt.NotMeasured
) -> CaseSummary | stt.NotMeasured:
    """Set the job's recordings side by side, and write the course where there are two or more.

    Args:
        store: the bucket.
        job_id: the job.
        members: its recordings.

    Returns:
        What the summary says of it: counts, no words; or why there is no course.

    Raises:
        StorageError: S3 can't be reached.
    """
    if isinstance(members, stt.NotMeasured):
        return members
    course = forensic.case_course([one.recording for one in members])
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


def _member(
    store: Store, job: JobRecordings, row: RecordingState, keys: Mapping[tuple[str, str], str]
) -> Member | None:
    """One recording with what was found in it; None when that can't be read any more (deleted by retention, say)."""
    one, made = row.recording, job.made[row.recording.file_id]
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
    received = one.received_name or one.name
    stated = None if job.stated is None else job.stated.of(received)
    written, at = PurePosixPath(received).stem, None if stated is None else stated.recorded_at
    key = keys[job.job_id, one.file_id]
    recording = forensic.case_recording(analysis, transcript, key, written=written, stated=at)
    alike = [keys.get((other.job_id, other.file_id)) for other in job.related.get(one.file_id, ())]
    entry = report.case_entry(
        analysis,
        transcript,
        recording,
        job_id=job.job_id,
        file_id=one.file_id,
        received=received,
        written=written,
        stated_at=at,
        persons=None if stated is None else stated.speakers,
        digests={kind: artefact.ref.sha256 for kind, artefact in made.items()},
        same_sound=[other for other in alike if other is not None],
    )
    return Member(recording, entry, report.category_names(analysis))


def _read(store: Store, artefact: Artefact) -> bytes:
    return store.read(store.key(artefact.ref.uri), sha256=artefact.ref.sha256)
