"""Recordings that sound alike: the fingerprints of all, and which pairs were found to be related."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.state.database import transaction

if TYPE_CHECKING:
    from include.manifest import Recording

__all__ = ["Related", "Sound", "related_to", "save_related", "save_sound", "similar_length"]

_MOST = 200
"""Recordings of about the same length that one is compared with, the newest."""


@dataclass(frozen=True)
class Sound:
    """A recording's fingerprint."""

    job_id: str
    file_id: str
    fingerprint: str


@dataclass(frozen=True)
class Related:
    """Another recording that sounds like this one; its bytes differ."""

    job_id: str
    file_id: str
    similarity: float
    """Share of fingerprint bits that agree, 0-1."""


def save_sound(recording: Recording, duration_s: float, fingerprint: str) -> None:
    """Remember (or replace) what a recording sounds like."""
    with transaction() as cursor:
        cursor.execute(
            "INSERT INTO voiceman.fingerprint (job_id, file_id, sha256, duration_s, fingerprint) "
            "VALUES (%s, %s, %s, %s, %s) ON CONFLICT (job_id, file_id) DO UPDATE SET sha256 = EXCLUDED.sha256, "
            "duration_s = EXCLUDED.duration_s, fingerprint = EXCLUDED.fingerprint, made_at = clock_timestamp()",
            (recording.job_id, recording.file_id, recording.sha256, duration_s, fingerprint),
        )


def similar_length(recording: Recording, duration_s: float) -> list[Sound]:
    """Recordings with other bytes that are at most a tenth and 5 s longer or shorter, the newest 200."""
    slack = duration_s * 0.1 + 5.0
    with transaction() as cursor:
        cursor.execute(
            "SELECT job_id, file_id, fingerprint FROM voiceman.fingerprint "
            "WHERE duration_s BETWEEN %s AND %s AND sha256 <> %s AND (job_id, file_id) <> (%s, %s) "
            "ORDER BY made_at DESC LIMIT %s",
            (duration_s - slack, duration_s + slack, recording.sha256, recording.job_id, recording.file_id, _MOST),
        )
        return [Sound(*row) for row in cursor.fetchall()]


def save_related(recording: Recording, found: list[Related]) -> None:
    """Remember pairs, in both directions."""
    with transaction() as cursor:
        for one in found:
            here, there = (recording.job_id, recording.file_id), (one.job_id, one.file_id)
            for first, second in ((here, there), (there, here)):
                cursor.execute(
                    "INSERT INTO voiceman.related_recording VALUES (%s, %s, %s, %s, %s) ON CONFLICT "
                    "(job_id, file_id, other_job_id, other_file_id) DO UPDATE SET similarity = EXCLUDED.similarity",
                    (*first, *second, one.similarity),
                )


def related_to(job_id: str) -> dict[str, list[Related]]:
    """``file_id`` of a job → recordings, of any job, that sound like it, the most similar first."""
    with transaction() as cursor:
        cursor.execute(
            "SELECT file_id, other_job_id, other_file_id, similarity FROM voiceman.related_recording "
            "WHERE job_id = %s ORDER BY file_id, similarity DESC, other_job_id, other_file_id",
            (job_id,),
        )
        found: dict[str, list[Related]] = {}
        for file_id, *other in cursor.fetchall():
            found.setdefault(file_id, []).append(Related(*other))
    return found
