"""Which recording of a job a dropped file is.

The same bytes under the same name are the recording that is there. Other bytes under its name are a new revision
(``call~r2.m4a``): a recording of its own, beside the first one, which stays as it is.
"""

from __future__ import annotations

import logging
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from include import state
from include.errors import AudioError, DeliveryError, DuplicateRecordingError
from include.manifest import Recording, check_file_name
from include.stt import probe

if TYPE_CHECKING:
    from pathlib import Path

    from include.pipeline.delivery import Delivery

__all__ = ["identify"]

log = logging.getLogger(__name__)


def identify(job_id: str, delivery: Delivery | None, name: str, digest: str, local: Path) -> Recording:
    """Which recording of the job a file is: one that is there, a revision of one, or a new one.

    Args:
        job_id: the job.
        delivery: what the drop's manifest.json lists.
        name: the file's name as dropped.
        digest: SHA-256 of its bytes, hex.
        local: its bytes.

    Raises:
        InputError: it can't be kept under its name, or isn't what the delivery's manifest.json says.
    """
    file_id = check_file_name(name)
    said = delivery.files.get(name) if delivery is not None else None
    if said is not None and said.sha256 != digest and not _has_come(job_id, name, said.sha256):
        raise DeliveryError(
            f"{name!r} has the SHA-256 {digest}, but manifest.json lists it with {said.sha256}; "
            "drop the right file again."
        )
    kept, revision = _revision(job_id, file_id, name, digest)
    return Recording(
        job_id=job_id,
        file_id=check_file_name(kept),
        name=kept,
        sha256=digest,
        size_bytes=local.stat().st_size,
        duration_s=_declared_duration(local, name),
        received_name=None if kept == name else name,
        revision=revision,
        language=None if said is None else said.language,
    )


def _has_come(job_id: str, name: str, sha256: str) -> bool:
    """Whether the job has the listed bytes already: then others under that name are a revision, as without a list."""
    recordings = (row.recording for row in state.recordings_of(job_id).values())
    return any((one.received_name or one.name, one.sha256) == (name, sha256) for one in recordings)


def _revision(job_id: str, file_id: str, name: str, digest: str) -> tuple[str, int]:
    """The name to keep a file under, and which revision it is.

    Raises:
        DuplicateRecordingError: another file of the job has this name but for its extension.
    """
    first = state.recordings_of(job_id, [file_id]).get(file_id)
    if first is None or (first.recording.sha256 == digest and first.recording.name == name):
        return name, 1
    if first.recording.name != name:
        raise DuplicateRecordingError(
            f"{name!r} and {first.recording.name!r} of job {job_id} share the name {file_id!r}; "
            "rename one and submit it again."
        )
    suffix = PurePosixPath(name).suffix
    number = 2
    while True:
        kept = f"{file_id}~r{number}"
        row = state.recordings_of(job_id, [kept]).get(kept)
        if row is None or (row.recording.received_name == name and row.recording.sha256 == digest):
            return kept + suffix, number
        number += 1


def _declared_duration(path: Path, name: str) -> float | None:
    try:
        return probe(path, name=name).duration_s
    except AudioError as error:
        # only the plan uses the duration; the transcription names this error and fails the recording
        log.warning("No duration for %s: %s", name, error)
        return None
