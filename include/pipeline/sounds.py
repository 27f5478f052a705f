"""What a transcript is kept under besides its file's bytes: the sound itself, exactly and by likeness.

The same decoded audio in another container takes the transcript that is there (``cache/pcm/…``) and says so. A copy
that was encoded anew only sounds alike: it is transcribed by itself, and the two are named as related.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from include import state, stt
from include.errors import DigestMismatchError

if TYPE_CHECKING:
    from include.manifest import Recording
    from include.storage import Store

__all__ = ["PcmStore", "relate"]

log = logging.getLogger(__name__)


class PcmStore:
    """The bucket's ``cache/`` as the second level of the transcript cache."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, key: str) -> bytes | None:
        """What another recording with this sound left.

        Raises:
            StorageError: S3 can't be reached, or it is not what was written.
        """
        name = f"cache/{key}"
        return self._store.read_written(name) if self._store.exists(name) else None

    def put(self, key: str, data: bytes) -> None:
        """Keep a transcript; what another task wrote there at the same moment is as good.

        Raises:
            StorageError: S3 can't be reached.
        """
        try:
            self._store.write(f"cache/{key}", data)
        except DigestMismatchError:
            log.info("cache/%s was written by another task at the same moment", key)


def relate(recording: Recording, transcript: stt.Transcript) -> int:
    """Compare a recording's fingerprint with those of about the same length, and remember which sound alike.

    Returns:
        How many related recordings with other bytes were found.
    """
    printed = transcript.recording.fingerprint
    if not isinstance(printed, str):
        return 0
    duration = transcript.recording.duration_s
    mine = stt.Fingerprint.parse(printed, duration)
    found = []
    for other in state.similar_length(recording, duration):
        likeness = stt.similarity(mine, stt.Fingerprint.parse(other.fingerprint, duration))
        if likeness >= stt.RELATED_FROM:
            found.append(state.Related(other.job_id, other.file_id, round(likeness, 3)))
    state.save_sound(recording, duration, printed)
    if found:
        state.save_related(recording, found)
        log.info("Recording %s sounds like %d others; the summary names them", recording.file_id, len(found))
    return len(found)
