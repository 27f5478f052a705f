"""The files that the pipeline made for each recording, and those that newer ones replaced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.errors import NotOwnerError
from include.manifest import ArtefactRef
from include.state.database import reading, transaction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.manifest import Recording
    from include.state.recordings import Actor

__all__ = ["Artefact", "artefacts", "keep_replaced", "replaced", "save_artefacts", "write_artefacts"]


@dataclass(frozen=True)
class Artefact:
    """A file the pipeline made for a recording."""

    kind: str
    ref: ArtefactRef
    settings_digest: str
    cache_hit: bool
    device_s: float | None = None
    """Seconds of a device slot that were spent on it; None: none."""
    note: str | None = None
    """What a reader of the summary must know of it."""


def save_artefacts(recording: Recording, made: Sequence[Artefact], actor: Actor | None = None) -> None:
    """Remember (or replace) some of a recording's artefacts, all or none.

    Args:
        recording: the recording.
        made: what was made for it, one of a kind.
        actor: must be the one who changed the recording's state last; None: whoever it was.

    Raises:
        NotOwnerError: it isn't; nothing was changed.
    """
    with transaction() as cursor:
        write_artefacts(cursor, recording, made, actor)


def write_artefacts(cursor: Any, recording: Recording, made: Sequence[Artefact], actor: Actor | None) -> None:
    """:func:`save_artefacts` in a transaction that does more."""
    columns = zip(
        *((one.kind, one.ref.uri, one.ref.sha256, one.settings_digest, one.cache_hit, one.device_s, one.note)
          for one in made),
        strict=True,
    )  # fmt: skip
    cursor.execute(
        "INSERT INTO voiceman.artefact (job_id, file_id, kind, uri, sha256, settings_digest, cache_hit, device_s, "
        "note) SELECT r.job_id, r.file_id, a.* FROM voiceman.recording r, unnest(%s::text[], %s::text[], %s::text[], "
        "%s::text[], %s::boolean[], %s::double precision[], %s::text[]) a WHERE r.job_id = %s AND r.file_id = %s "
        "AND (%s::text IS NULL OR (r.run_id = %s AND r.actor = %s AND r.try_number = %s)) "
        "ON CONFLICT (job_id, file_id, kind) DO UPDATE SET uri = EXCLUDED.uri, sha256 = EXCLUDED.sha256, "
        "settings_digest = EXCLUDED.settings_digest, cache_hit = EXCLUDED.cache_hit, "
        "device_s = EXCLUDED.device_s, note = EXCLUDED.note, created_at = clock_timestamp()",
        (
            *(list(column) for column in columns), recording.job_id, recording.file_id,
            *((actor.run_id, actor.run_id, actor.name, actor.try_number) if actor else (None, None, None, None)),
        ),
    )  # fmt: skip
    if cursor.rowcount != len(made):
        kinds = ", ".join(one.kind for one in made)
        raise NotOwnerError(
            f"{recording.file_id} of job {recording.job_id} was taken over; its {kinds} stayed as they were."
        )


def keep_replaced(recording: Recording, artefact: Artefact) -> None:
    """Remember where a result was put that a new one is about to replace (append-only)."""
    with transaction() as cursor:
        cursor.execute(
            "INSERT INTO voiceman.artefact_history (job_id, file_id, kind, uri, sha256, settings_digest) "
            "VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (job_id, file_id, kind, sha256) DO NOTHING",
            (
                recording.job_id, recording.file_id, artefact.kind, artefact.ref.uri, artefact.ref.sha256,
                artefact.settings_digest,
            ),
        )  # fmt: skip


def replaced(job_id: str) -> dict[str, list[Artefact]]:
    """``file_id`` → results that newer ones replaced, oldest first."""
    with transaction() as cursor:
        cursor.execute(
            "SELECT file_id, kind, uri, sha256, settings_digest FROM voiceman.artefact_history WHERE job_id = %s "
            "ORDER BY id",
            (job_id,),
        )
        found: dict[str, list[Artefact]] = {}
        for file_id, kind, uri, sha256, digest in cursor.fetchall():
            found.setdefault(file_id, []).append(Artefact(kind, ArtefactRef(uri=uri, sha256=sha256), digest, False))
    return found


def artefacts(job_id: str, file_id: str | None = None) -> dict[str, dict[str, Artefact]]:
    """``file_id`` → kind → artefact."""
    named, values = ("", (job_id,)) if file_id is None else ("AND file_id = %s ", (job_id, file_id))
    with reading() as cursor:
        cursor.execute(
            "SELECT file_id, kind, uri, sha256, settings_digest, cache_hit, device_s, note FROM voiceman.artefact "  # noqa: S608 - constants
            f"WHERE job_id = %s {named}ORDER BY file_id, kind",
            values,
        )
        found: dict[str, dict[str, Artefact]] = {}
        for name, kind, uri, sha256, digest, *more in cursor.fetchall():
            ref = ArtefactRef(uri=uri, sha256=sha256)
            found.setdefault(name, {})[kind] = Artefact(kind, ref, digest, *more)
    return found
