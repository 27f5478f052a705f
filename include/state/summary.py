"""What a job's summary needs, each in one statement: the database groups, so that 10,000 recordings stay linear."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from include.manifest import State
from include.state.database import transaction

__all__ = ["RunSpan", "last_entries", "run_span", "same_bytes"]


@dataclass(frozen=True)
class RunSpan:
    """What one run did to a job's recordings."""

    started_at: datetime | None
    """Its first change of a state."""
    ended_at: datetime | None
    """The last recording that it completed or failed."""
    completed: int
    failed: int


def last_entries(job_id: str) -> dict[str, dict[State, datetime]]:
    """``file_id`` → state → when the recording entered it last."""
    found: dict[str, dict[State, datetime]] = {}
    with transaction() as cursor:
        cursor.execute(
            "SELECT file_id, to_state, max(at) FROM voiceman.recording_event "
            # a stage begun again by the next try counts; a recording taken over as it stood entered nothing
            "WHERE job_id = %s AND (from_state IS DISTINCT FROM to_state "
            "OR to_state IN ('STT_PROCESSING', 'FORENSIC_PROCESSING', 'REPORT_GENERATING')) "
            "GROUP BY file_id, to_state",
            (job_id,),
        )
        for file_id, entered, at in cursor.fetchall():
            found.setdefault(file_id, {})[State(entered)] = at
    return found


def run_span(job_id: str, run_id: str) -> RunSpan:
    """When a run began and ended with a job's recordings, and how many it completed and failed."""
    with transaction() as cursor:
        cursor.execute(
            "SELECT min(e.at), max(e.at) FILTER (WHERE e.to_state IN ('COMPLETED', 'FAILED')), "
            "count(DISTINCT e.file_id) FILTER (WHERE e.to_state = 'COMPLETED' AND r.state = 'COMPLETED'), "
            "count(DISTINCT e.file_id) FILTER (WHERE e.to_state = 'FAILED' AND r.state = 'FAILED') "
            "FROM voiceman.recording_event e JOIN voiceman.recording r USING (job_id, file_id) "
            "WHERE e.job_id = %s AND e.run_id = %s",
            (job_id, run_id),
        )
        return RunSpan(*cursor.fetchone())


def same_bytes(job_id: str, *, limit: int = 10) -> dict[str, list[tuple[str, str]]]:
    """SHA-256 of a recording of the job → other jobs' recordings with these bytes, oldest first.

    Args:
        job_id: the job.
        limit: of other recordings for each digest.

    Returns:
        Pairs of ``job_id`` and ``file_id``; digests that only this job has are left out.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    with transaction() as cursor:
        cursor.execute(
            "SELECT mine.sha256, other.job_id, other.file_id "
            "FROM (SELECT DISTINCT sha256 FROM voiceman.recording WHERE job_id = %s) mine CROSS JOIN LATERAL ("
            "SELECT job_id, file_id, received_at FROM voiceman.recording "
            "WHERE sha256 = mine.sha256 AND job_id <> %s ORDER BY received_at, job_id, file_id LIMIT %s) other "
            "ORDER BY other.received_at, other.job_id, other.file_id",
            (job_id, job_id, limit),
        )
        for sha256, other, file_id in cursor.fetchall():
            found.setdefault(sha256, []).append((other, file_id))
    return found
