"""How much waits, how fast the stages go, what the scaling policy recommended: figures for people and autoscalers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from include.state.database import transaction

__all__ = [
    "QueueDepth",
    "ScalingRow",
    "StageQueue",
    "StageRate",
    "last_recommendation",
    "queue",
    "queue_depth",
    "save_recommendation",
    "stage_rates",
]

_KEPT_DAYS = 30  # of recommendations: one a minute makes 43,200 rows


@dataclass(frozen=True)
class QueueDepth:
    """Recordings of all jobs that wait for transcription (PENDING and STT_QUEUE)."""

    depth: int
    oldest_age_s: float | None
    """Seconds since the store took the oldest of them; None: none waits."""


@dataclass(frozen=True)
class StageQueue:
    """What waits for a stage and what is in it."""

    stage: str
    """transcribe, analyze or report."""
    waiting: int
    working: int
    oldest_age_s: float | None
    """Seconds since the store took the oldest recording that waits or is worked on; None: there is none."""


@dataclass(frozen=True)
class StageRate:
    """How fast a stage was in the last hour."""

    stage: str
    """transcribe, analyze or report."""
    done_last_hour: int
    """Recordings that left the stage."""
    median_s: float | None
    """Seconds from its last entry into the stage to its end, of these recordings; None: there were none."""
    p95_s: float | None
    """The same, 95th percentile."""


@dataclass(frozen=True)
class ScalingRow:
    """A recommendation of the scaling policy, as an autoscaler reads it."""

    queue_depth: int
    oldest_age_s: float | None
    action: str
    """shrink, hold or grow."""
    stt_workers: int
    forensic_workers: int
    alert: bool
    at: datetime | None = None
    """When it was made; set in what :func:`last_recommendation` gives."""


def queue_depth() -> QueueDepth:
    """The depth that the batch table and the scaling policy ask for."""
    with transaction() as cursor:
        cursor.execute("SELECT depth, oldest_age_s FROM voiceman.queue_depth")
        return QueueDepth(*cursor.fetchone())


def queue() -> list[StageQueue]:
    """Waiting and working recordings of each stage, in the pipeline's order."""
    with transaction() as cursor:
        cursor.execute("SELECT stage, waiting, working, oldest_age_s FROM voiceman.queue ORDER BY position")
        return [StageQueue(*row) for row in cursor.fetchall()]


def stage_rates() -> list[StageRate]:
    """The last hour's speed of each stage, in the pipeline's order."""
    with transaction() as cursor:
        cursor.execute("SELECT stage, done_last_hour, median_s, p95_s FROM voiceman.stage_rate ORDER BY position")
        return [StageRate(*row) for row in cursor.fetchall()]


def save_recommendation(row: ScalingRow) -> None:
    """Write a recommendation; the newest row counts. Those older than 30 days go."""
    with transaction() as cursor:
        cursor.execute(
            "INSERT INTO voiceman.scaling_recommendation "
            "(queue_depth, oldest_age_s, action, stt_workers, forensic_workers, alert) VALUES (%s, %s, %s, %s, %s, %s)",
            (row.queue_depth, row.oldest_age_s, row.action, row.stt_workers, row.forensic_workers, row.alert),
        )
        cursor.execute(
            "DELETE FROM voiceman.scaling_recommendation WHERE at < clock_timestamp() - make_interval(days => %s)",
            (_KEPT_DAYS,),
        )


def last_recommendation() -> ScalingRow | None:
    """The newest recommendation; None when there is none yet."""
    with transaction() as cursor:
        cursor.execute(
            "SELECT queue_depth, oldest_age_s, action, stt_workers, forensic_workers, alert, at "
            "FROM voiceman.scaling_recommendation ORDER BY id DESC LIMIT 1"
        )
        row = cursor.fetchone()
    return None if row is None else ScalingRow(*row)
