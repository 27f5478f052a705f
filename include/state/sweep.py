"""Which recordings a night, or a backfill, finds: what an ended run left, what a retry may heal, what is outdated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from include.manifest import State
from include.state.database import transaction

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["Found", "list_failed", "list_finished", "list_outdated", "list_unfinished"]

_ENDED = (State.COMPLETED.value, State.FAILED.value)

# How often a night took a failed recording up again since it was last dropped, asked for by somebody, or completed.
_RETRIES = """
(SELECT count(*) FROM voiceman.recording_event e
 WHERE e.job_id = r.job_id AND e.file_id = r.file_id AND e.from_state = 'FAILED' AND e.to_state = 'PENDING'
   AND starts_with(e.run_id, %(prefix)s)
   AND e.id > coalesce((SELECT max(b.id) FROM voiceman.recording_event b
                        WHERE b.job_id = r.job_id AND b.file_id = r.file_id AND (b.to_state = 'COMPLETED'
                              OR (b.to_state = 'PENDING' AND b.from_state IS DISTINCT FROM 'PENDING'
                                  AND NOT starts_with(b.run_id, %(prefix)s)))), 0))"""

# The same rule as include.pipeline.redo.outdated: each artefact's digest begins with today's.
_OUTDATED = """
(SELECT count(*) FROM voiceman.artefact a
 WHERE a.job_id = r.job_id AND a.file_id = r.file_id
   AND ((a.kind = 'forensic.json' AND starts_with(a.settings_digest, %(analysis)s))
     OR (a.kind = 'report.pdf' AND starts_with(a.settings_digest, %(report)s)))) < 2"""


@dataclass(frozen=True)
class Found:
    """Recordings of one job that one run owns."""

    job_id: str
    run_id: str
    count: int
    first: datetime
    """When the first of them was received."""
    last: datetime
    """When the last of them was received."""


def _find(condition: str, values: Mapping[str, Any], most: int | None = None) -> list[Found]:
    # the conditions are constants of this module
    statement = f"""
        SELECT job_id, run_id, count(*), min(received_at), max(received_at)
        FROM (SELECT r.job_id, r.run_id, r.received_at FROM voiceman.recording r
              WHERE (%(since)s::timestamptz IS NULL OR r.received_at >= %(since)s) AND r.received_at < %(before)s
                AND {condition}
              ORDER BY r.received_at DESC, r.job_id, r.file_id LIMIT %(most)s) found
        GROUP BY 1, 2 ORDER BY 5 DESC, 1, 2"""  # noqa: S608
    with transaction() as cursor:
        cursor.execute(statement, {**values, "most": most})
        return [Found(*row) for row in cursor.fetchall()]


def list_unfinished(since: datetime | None, before: datetime) -> list[Found]:
    """Recordings that are neither COMPLETED nor FAILED, by the run that owns them.

    Args:
        since: only those received from this moment on; None: however long ago.
        before: only those received before this moment.

    Raises:
        StateError: the database can't be reached.
    """
    values = {"since": since, "before": before, "ended": list(_ENDED)}
    return _find("r.state <> ALL (%(ended)s)", values)


def list_failed(
    since: datetime | None,
    before: datetime,
    *,
    codes: Collection[str] | None = None,
    retries: int | None = None,
    prefix: str = "",
) -> list[Found]:
    """FAILED recordings.

    Args:
        since: as for :func:`list_unfinished`.
        before: as for :func:`list_unfinished`.
        codes: only those that failed for one of these reasons; None: for any.
        retries: only those that runs named ``prefix…`` took up fewer times than this since they were last dropped,
            asked for by somebody, or completed; None: however often.
        prefix: how the ids of those runs begin.

    Raises:
        StateError: the database can't be reached.
    """
    condition = "r.state = 'FAILED' AND (%(codes)s::text[] IS NULL OR r.error_code = ANY (%(codes)s::text[]))"
    if retries is not None:
        condition += f" AND {_RETRIES} < %(retries)s"
    values = {"codes": None if codes is None else sorted(codes), "retries": retries, "prefix": prefix}
    return _find(condition, {"since": since, "before": before, **values})


def list_outdated(
    since: datetime | None, before: datetime, *, analysis: str, report: str, most: int | None = None
) -> list[Found]:
    """COMPLETED recordings whose analysis or report was made by another version than today's, the newest first.

    Args:
        since: as for :func:`list_unfinished`.
        before: as for :func:`list_unfinished`.
        analysis: what an analysis's digest begins with today.
        report: what a report's digest begins with today.
        most: of the newest at most so many recordings; None: all.

    Raises:
        StateError: the database can't be reached.
    """
    values = {"since": since, "before": before, "analysis": analysis, "report": report}
    return _find(f"r.state = 'COMPLETED' AND {_OUTDATED}", values, most)


def list_finished(since: datetime, before: datetime) -> list[Found]:
    """COMPLETED and FAILED recordings, received from ``since`` on and before ``before``.

    Raises:
        StateError: the database can't be reached.
    """
    return _find("r.state = ANY (%(ended)s)", {"since": since, "before": before, "ended": list(_ENDED)})
