"""A recording's files in the bucket: the working copy, artefacts, the original looked at."""

from __future__ import annotations

import logging
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from include import state
from include.errors import DigestMismatchError, MissingObjectError, NotOwnerError
from include.manifest import ArtefactRef
from include.settings import TEMPORARY
from include.storage import layout
from include.stt import file_sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from include.manifest import Recording
    from include.state import Actor
    from include.storage import Store

__all__ = [
    "check_held",
    "check_original",
    "keep_results",
    "made_before",
    "made_for",
    "read_artefact",
    "save",
    "save_unread",
    "working_copy",
]

log = logging.getLogger(__name__)


@contextmanager
def working_copy(store: Store, recording: Recording) -> Iterator[Path]:
    """The recording as a local file, its digest verified before it is used and after.

    Raises:
        DigestMismatchError: it is not what was claimed, or what read it changed it.
    """
    with tempfile.TemporaryDirectory(prefix=TEMPORARY) as folder:
        path = Path(folder) / "recording"
        key = layout.processing_key(recording.job_id, recording.name)
        try:
            digest = store.download(key, path)
        except MissingObjectError:
            log.info("The working copy of %s is made again from the original.", recording.file_id)
            store.copy(layout.original_key(recording.job_id, recording.name), key, sha256=recording.sha256)
            digest = store.download(key, path)
        if digest != recording.sha256:
            raise DigestMismatchError(
                f"The working copy {store.uri(key)} is not the recording that was claimed (SHA-256 {digest}); "
                "its original lies untouched under originals/."
            )
        yield path
        after = file_sha256(path)
        if after != recording.sha256:
            raise DigestMismatchError(
                f"The local copy of {recording.file_id} was changed while it was worked on (SHA-256 {after}); its "
                "result is not kept. Find out which program wrote to it."
            )


def made_for(recording: Recording) -> dict[str, state.Artefact]:
    """Kind → what was made for a recording so far."""
    return state.artefacts(recording.job_id, recording.file_id).get(recording.file_id, {})


def made_before(store: Store, made: state.Artefact | None, digest: str) -> bool:
    """True when an artefact was made with these settings and still verifies."""
    if made is None or made.settings_digest != digest:
        return False
    key = store.key(made.ref.uri)
    return store.exists(key) and store.sha256(key) == made.ref.sha256


def check_held(recording: Recording, actor: Actor) -> None:
    """Before anything is written for a recording: this try must be the one that has it.

    Raises:
        NotOwnerError: another run, or a later try of this task, has it.
    """
    row = state.recordings_of(recording.job_id, [recording.file_id])[recording.file_id]
    if not row.held_by(actor):
        raise NotOwnerError(
            f"{recording.file_id} of job {recording.job_id} was taken over from {actor.name} (try {actor.try_number})."
        )


def check_original(store: Store, recording: Recording) -> None:
    """Before a report leaves the house: the original that it speaks of is still the one that was claimed.

    Raises:
        DigestMismatchError: its bytes were changed.
        MissingObjectError: it is gone.
    """
    key = layout.original_key(recording.job_id, recording.name)
    digest = store.sha256(key)
    if digest != recording.sha256:
        raise DigestMismatchError(
            f"The original {store.uri(key)} is not what was claimed any more (SHA-256 {digest}); no report is made "
            "of it: find out who changed it."
        )


def save(
    store: Store,
    recording: Recording,
    kind: str,
    data: bytes,
    digest: str,
    *,
    actor: Actor,
    hit: bool = False,
    device_s: float | None = None,
    note: str | None = None,
) -> str:
    """Write an artefact under ``processing/`` and remember it; see :class:`include.state.Artefact`.

    Returns:
        Its SHA-256.

    Raises:
        NotOwnerError: the actor doesn't have the recording any more.
    """
    check_held(recording, actor)
    key = layout.processing_key(recording.job_id, f"{recording.file_id}_{kind}")
    ref = store.write(key, data, content_type=_content_type(kind))
    state.save_artefacts(recording, [state.Artefact(kind, ref, digest, hit, device_s, note)], actor)
    return ref.sha256


def save_unread(
    store: Store, recording: Recording, files: Mapping[str, bytes], digests: Mapping[str, str], actor: Actor
) -> list[state.Artefact]:
    """As :func:`save` for several kinds, which are not read back here: they are when they are moved, at once.

    Args:
        store: the bucket.
        recording: the recording.
        files: kind → contents.
        digests: kind → digest of the settings.
        actor: who has it.

    Raises:
        NotOwnerError: the actor doesn't have the recording any more.
    """
    check_held(recording, actor)
    made = []
    for kind, data in files.items():
        key = layout.processing_key(recording.job_id, f"{recording.file_id}_{kind}")
        ref = store.put(key, data, content_type=_content_type(kind))
        made.append(state.Artefact(kind, ref, digests[kind], cache_hit=False))
    if made:
        state.save_artefacts(recording, made, actor)
    return made


def _content_type(kind: str) -> str:
    types = {"json": "application/json", "pdf": "application/pdf", "html": "text/html; charset=utf-8"}
    return types[kind.rsplit(".", 1)[-1]]


def read_artefact(
    store: Store, recording: Recording, kind: str, made: Mapping[str, state.Artefact]
) -> tuple[bytes, ArtefactRef]:
    """An artefact that an earlier stage made (``made``: by kind), verified, and where it lies.

    Raises:
        MissingObjectError: there is none.
        DigestMismatchError: it is not what was made.
    """
    if kind not in made:
        raise MissingObjectError(
            f"{recording.file_id} of job {recording.job_id} has no {kind} although its stage is done; drop it again."
        )
    ref = made[kind].ref
    return store.read(store.key(ref.uri), sha256=ref.sha256), ref


def keep_results(store: Store, recording: Recording) -> None:
    """Put a finished recording's results where newer ones don't replace them; they stay in ``completed/``, too."""
    for kind, made in made_for(recording).items():
        source = store.key(made.ref.uri)
        if not source.startswith("completed/"):
            continue
        target = layout.superseded_key(recording.job_id, recording.file_id, kind, made.ref.sha256)
        try:
            if not store.exists(target):
                store.copy(source, target, sha256=made.ref.sha256)
        except MissingObjectError:
            log.warning("%s is gone (retention?); there is nothing to put aside", store.uri(source))
            continue
        ref = ArtefactRef(uri=store.uri(target), sha256=made.ref.sha256)
        state.keep_replaced(recording, state.Artefact(kind, ref, made.settings_digest, made.cache_hit))
