"""The intake's memory: what lies under ``incoming/``, since when, when Airflow was told. All times are PostgreSQL's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from include.state.database import reading, transaction

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

__all__ = [
    "Announced",
    "KnownDrop",
    "SeenDrop",
    "announce_drops",
    "clock",
    "known_drops",
    "mark_claim",
    "next_due_s",
    "record_drops",
]

_LIMIT = 200  # events of one look; the others follow at the next

# A job's next files are claimed when few of those claimed before still wait: Airflow's scheduler looks at each waiting
# batch in every loop. Not for long, for a file that is not claimed has no second copy; not where somebody said that the
# drop is ready; and not for a job of which nothing moves, which may have no run at work.
_ENOUGH = 500
_BUSY = f"""(d.quiet_s > 0 AND d.since > clock_timestamp() - interval '5 minutes'
    AND EXISTS (SELECT FROM voiceman.recording r WHERE r.job_id = d.job_id
        AND r.updated_at > clock_timestamp() - interval '1 minute')
    AND EXISTS (SELECT FROM voiceman.recording r WHERE r.job_id = d.job_id
        AND r.state IN ('PENDING', 'STT_QUEUE') OFFSET {_ENOUGH}))"""  # noqa: S608 - made of constants

# When a drop is told: it is ready, and was not told yet, or so long ago that the event must have got lost. The pause
# doubles from 15 s (a triggerer that dies then costs less than 30) to 15 minutes.
# A drop that a killed claim left half empty is its retry's: that comes within seconds.
_DUE = f"""(d.claimed_at IS NULL OR d.claimed_at < clock_timestamp() - interval '1 minute')
    AND d.quiet_s IS NOT NULL AND clock_timestamp() - d.since >= make_interval(secs => d.quiet_s)
    AND (d.announced = 0
         OR d.announced_at <= clock_timestamp() - make_interval(secs => least(15 * 2 ^ least(d.announced - 1, 6), 900)))
    AND (%(jobs)s::text[] IS NULL OR d.job_id = ANY (%(jobs)s::text[]))
    AND NOT {_BUSY}"""

# The advisory lock is `job_lock`: while a run claims the job its listing shrinks from look to look, which is no news.
_ANNOUNCE = f"""
WITH due AS MATERIALIZED (
    SELECT d.job_id FROM voiceman.incoming_drop d WHERE {_DUE} ORDER BY d.since LIMIT {_LIMIT}
), free AS MATERIALIZED (
    SELECT job_id FROM due WHERE pg_try_advisory_xact_lock(hashtextextended(job_id, 1))
)
UPDATE voiceman.incoming_drop d SET announced = d.announced + 1, announced_at = clock_timestamp()
FROM free WHERE d.job_id = free.job_id AND {_DUE}
RETURNING d.job_id, d.fingerprint, d.announced"""  # noqa: S608 - made of constants

_RECORD = """
INSERT INTO voiceman.incoming_drop AS d (job_id, fingerprint, quiet_s, problem, look_at)
SELECT job_id, fingerprint, quiet_s, problem, %(begun)s
FROM unnest(%(job)s::text[], %(fingerprint)s::text[], %(quiet)s::double precision[], %(problem)s::text[])
     AS seen (job_id, fingerprint, quiet_s, problem)
ON CONFLICT (job_id) DO UPDATE SET
    since = CASE WHEN d.fingerprint = EXCLUDED.fingerprint THEN d.since ELSE clock_timestamp() END,
    announced = CASE WHEN d.fingerprint = EXCLUDED.fingerprint THEN d.announced ELSE 0 END,
    announced_at = CASE WHEN d.fingerprint = EXCLUDED.fingerprint THEN d.announced_at END,
    fingerprint = EXCLUDED.fingerprint, quiet_s = EXCLUDED.quiet_s, problem = EXCLUDED.problem,
    look_at = EXCLUDED.look_at
WHERE d.look_at <= EXCLUDED.look_at
  AND (d.fingerprint, d.quiet_s, d.problem)
      IS DISTINCT FROM (EXCLUDED.fingerprint, EXCLUDED.quiet_s, EXCLUDED.problem)"""

_FORGET = """
DELETE FROM voiceman.incoming_drop d
WHERE d.look_at <= %(begun)s AND (%(jobs)s::text[] IS NULL OR d.job_id = ANY (%(jobs)s::text[]))
  AND NOT EXISTS (SELECT 1 FROM unnest(%(job)s::text[]) AS seen (job_id) WHERE seen.job_id = d.job_id)"""


@dataclass(frozen=True)
class SeenDrop:
    """What one look found under one job's prefix."""

    job_id: str
    fingerprint: str
    """Digest over keys, sizes, ETags and times: equal when nothing changed."""
    quiet_s: float | None
    """It is ready when unchanged for so many seconds; None: it does not start by itself."""
    problem: str | None = None
    """Why it doesn't start yet, or at all: one sentence."""


@dataclass(frozen=True)
class Announced:
    """A drop that Airflow must be told of now."""

    job_id: str
    fingerprint: str
    times: int
    """How often it was told, this time included."""

    @property
    def run_id(self) -> str:
        """One run per state of the drop."""
        return f"drop__{self.job_id}__{self.fingerprint[:12]}"


@dataclass(frozen=True)
class KnownDrop:
    """A row of the intake's memory."""

    seen: SeenDrop
    unchanged_s: float
    """Seconds since it was first seen like this."""
    announced: int
    announced_at: datetime | None
    held: bool
    """It is ready, but many of its job's recordings still wait."""


def clock() -> datetime:
    """PostgreSQL's clock: when a look begins."""
    with reading() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
        return now


def record_drops(drops: Sequence[SeenDrop], *, begun: datetime, jobs: Collection[str] | None = None) -> None:
    """Remember what a look found: what changed counts from now, what vanished is forgotten.

    Args:
        drops: everything that was found.
        begun: when the look began, by :func:`clock`: what a later look found is not overwritten.
        jobs: the jobs that were looked at; None: all.

    Raises:
        StateError: the database can't be reached.
    """
    unique = {drop.job_id: drop for drop in drops}.values()  # two unprintable names may be shown alike
    values = {
        "begun": begun,
        "jobs": None if jobs is None else list(jobs),
        "job": [drop.job_id for drop in unique],
        "fingerprint": [drop.fingerprint for drop in unique],
        "quiet": [drop.quiet_s for drop in unique],
        "problem": [drop.problem for drop in unique],
    }
    with transaction() as cursor:
        cursor.execute(_RECORD, values)
        cursor.execute(_FORGET, values)


def announce_drops(jobs: Collection[str] | None = None) -> list[Announced]:
    """Take the drops that Airflow must be told of now: each is given to one caller only.

    One is told again when it still lies there after 15 s, then ever more rarely, at last every 15 minutes: its event
    may have got lost. A job that a run is claiming is left out, and, for five minutes at most, one with more than 500
    recordings that wait while its runs are at work. At most 200 at once.

    Args:
        jobs: only these; None: all.

    Raises:
        StateError: the database can't be reached.
    """
    with transaction() as cursor:
        cursor.execute(_ANNOUNCE, {"jobs": None if jobs is None else list(jobs)})
        return [Announced(*row) for row in cursor.fetchall()]


def mark_claim(folder: str, *, under_way: bool) -> None:
    """Say that a claim of a folder under ``incoming/`` is at work, or has ended; a folder not seen yet needs no mark.

    Raises:
        StateError: the database can't be reached.
    """
    with transaction() as cursor:
        cursor.execute(
            "UPDATE voiceman.incoming_drop SET claimed_at = CASE WHEN %s THEN clock_timestamp() END WHERE job_id = %s",
            (under_way, folder),
        )


def next_due_s() -> float | None:
    """Seconds until the next drop becomes ready that Airflow was not told of; None when there is none.

    Raises:
        StateError: the database can't be reached.
    """
    with reading() as cursor:
        cursor.execute(
            "SELECT min(quiet_s - extract(epoch FROM clock_timestamp() - since))::double precision "
            "FROM voiceman.incoming_drop WHERE announced = 0 "
            "AND quiet_s > extract(epoch FROM clock_timestamp() - since)"
        )
        due: float | None = cursor.fetchone()[0]
        return due


def known_drops() -> list[KnownDrop]:
    """What lies under ``incoming/`` as last seen, the oldest first.

    Raises:
        StateError: the database can't be reached.
    """
    with reading() as cursor:
        cursor.execute(
            "SELECT d.job_id, d.fingerprint, d.quiet_s, d.problem, "  # noqa: S608 - made of constants
            "extract(epoch FROM clock_timestamp() - d.since)::double precision, d.announced, d.announced_at, "
            f"coalesce(clock_timestamp() - d.since >= make_interval(secs => d.quiet_s) AND {_BUSY}, false) "
            "FROM voiceman.incoming_drop d ORDER BY d.since, d.job_id"
        )
        return [KnownDrop(SeenDrop(*row[:4]), *row[4:]) for row in cursor.fetchall()]
