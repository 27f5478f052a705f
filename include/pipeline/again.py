"""The second decode of findings, where the speech model is: in the task that holds the device.

The task that transcribes looks for findings in its transcripts (on the CPU, with the analysis' own rules and model)
and decodes their passages again while its model is loaded. What came of it lies in the cache by the transcript's
digest; the analysis, which needs no device, reads it there.
"""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING

from include import forensic, stt
from include.errors import DeviceMemoryError, DigestMismatchError, DocumentError, ModelError
from include.pipeline.engines import get_engines
from include.storage import layout

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from include.manifest import Batch, Recording
    from include.pipeline.engines import Transcribes
    from include.storage import Store

__all__ = ["decode_again", "decoded_again"]

log = logging.getLogger(__name__)


def decode_again(  # noqa: PLR0917
    store: Store,
    batch: Batch,
    recording: Recording,
    transcript: stt.Transcript,
    transcript_sha256: str,
    transcribers: Transcribes,
    local: Callable[[], Path],
) -> str | None:
    """Decode the passages that findings rest on again; those that were before are left out.

    A model or device that can't do it fails no recording: the reason stands with each finding.

    Args:
        store: the bucket.
        batch: which the recording belongs to.
        recording: whose passages they are.
        transcript: what was said.
        transcript_sha256: of its bytes.
        transcribers: with the model.
        local: gives the recording as a local file; asked only when it is needed.

    Returns:
        SHA-256 of what is kept of it; None: there is nothing to decode again.
    """
    passages = get_engines().passages(transcript)
    if not passages:
        return None
    before, digest = (None, None) if batch.fresh else decoded_again(store, batch, transcript_sha256)
    wanted = before.lacks(passages) if before else passages
    if not wanted:
        return digest
    path = local()
    try:
        heard = transcribers.confirm(path, wanted, name=recording.name)
    except (ModelError, DeviceMemoryError) as error:
        log.warning("No second decode of %s: %s", recording.file_id, error)
        heard = stt.NotMeasured(reason=f"The second decode failed: {error}")
    made = forensic.SecondDecodes.of(wanted, heard)
    both = before.with_more(made) if before else made
    try:
        return store.write(_key(batch, transcript_sha256), both.to_json().encode()).sha256
    except DigestMismatchError:
        log.info("The second decode of %s was written by another task at the same moment", recording.file_id)
        return decoded_again(store, batch, transcript_sha256)[1]


def decoded_again(
    store: Store, batch: Batch, transcript_sha256: str
) -> tuple[forensic.SecondDecodes | None, str | None]:
    """What decoding passages of a transcript again gave (None: nothing was), and its SHA-256."""
    key = _key(batch, transcript_sha256)
    if not store.exists(key):
        return None, None
    data = store.read_written(key)
    try:
        return forensic.SecondDecodes.load(data, name=store.uri(key)), hashlib.sha256(data).hexdigest()
    except DocumentError as error:
        log.warning("%s", error)
        return None, None


def _key(batch: Batch, transcript_sha256: str) -> str:
    return layout.cache_decodes_key(transcript_sha256, forensic.second_decode_digest(batch.model))
