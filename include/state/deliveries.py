"""What a job's last manifest.json listed: it must come, whichever run claims it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.state.database import transaction

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["delivered", "save_delivery"]


def save_delivery(job_id: str, files: Sequence[tuple[str, str, str | None]]) -> None:
    """Remember a list, in place of the job's earlier one.

    Args:
        job_id: the job.
        files: name, SHA-256 (hex), and language or None.
    """
    with transaction() as cursor:
        cursor.execute("DELETE FROM voiceman.delivery WHERE job_id = %s", (job_id,))
        cursor.executemany(
            "INSERT INTO voiceman.delivery (job_id, name, sha256, language) VALUES (%s, %s, %s, %s)",
            [(job_id, *one) for one in files],
        )


def delivered(job_id: str) -> list[dict[str, str | None]]:
    """``name``, ``sha256`` and ``language`` of every file on the job's last list."""
    with transaction() as cursor:
        cursor.execute(
            "SELECT name, sha256, language FROM voiceman.delivery WHERE job_id = %s ORDER BY name", (job_id,)
        )
        return [dict(zip(("name", "sha256", "language"), row, strict=True)) for row in cursor.fetchall()]
