"""Transcripts that were made before: in this process (L1), and in a store under it (L2).

The key is what the decoder heard and how it was set: the SHA-256 of the decoded PCM, the settings' digest and the
language asked for. So the same sound in another container (a remuxed file, a WAV of an ALAC file) hits, and the hit
says which file's transcript it was: :func:`of_this_file` puts the asking file's own facts in and names the other
file. A copy that was encoded anew (an mp3 of an m4a) has other PCM and never hits: it is only related
(:mod:`include.stt.fingerprint`).
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from include.errors import DigestMismatchError, DocumentError
from include.stt.transcript import Transcript, load_transcript

if TYPE_CHECKING:
    from include.stt.transcript import RecordingInfo

__all__ = ["ByteStore", "CacheCounts", "CacheHit", "CacheKey", "MemoryCache", "TranscriptCache", "of_this_file"]


@dataclass(frozen=True)
class CacheKey:
    """What a transcript depends on."""

    pcm_sha256: str
    """Of the decoded audio, as :class:`RecordingInfo` records it."""
    settings_digest: str
    """The engine's."""
    language: str
    """As asked for: a code, or ``auto``."""

    @property
    def path(self) -> str:
        """A name for a store, the same length for every key: ``pcm/ab/{pcm digest}/{digest of the rest}.json``."""
        rest = hashlib.sha256(f"{self.settings_digest}\n{self.language}".encode()).hexdigest()
        return f"pcm/{self.pcm_sha256[:2]}/{self.pcm_sha256}/{rest}.json"


class ByteStore(Protocol):
    """What the second level needs: the pipeline puts the bucket's ``cache/`` under it."""

    def get(self, key: str) -> bytes | None:
        """The bytes under a key; None when there are none."""

    def put(self, key: str, data: bytes) -> None:
        """Keep bytes under a key; what another process put there at the same moment may stay."""


class MemoryCache:
    """A :class:`ByteStore` in memory: what was used longest ago goes first. Thread-safe."""

    def __init__(self, limit_bytes: int) -> None:
        """Keep at most so many bytes; 0 keeps nothing."""
        self._limit, self._size = limit_bytes, 0
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes kept now."""
        with self._lock:
            return self._size

    def get(self, key: str) -> bytes | None:
        """The bytes under a key, which are the latest used now; None when there are none."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key]

    def put(self, key: str, data: bytes) -> None:
        """Keep bytes, and let go of the oldest until they fit; more than the limit is not kept at all."""
        with self._lock:
            self._size -= len(self._kept.pop(key, b""))
            if len(data) > self._limit:
                return
            self._kept[key] = data
            self._size += len(data)
            while self._size > self._limit:
                _, gone = self._kept.popitem(last=False)
                self._size -= len(gone)


@dataclass(frozen=True)
class CacheCounts:
    """How often what was found, since the cache was made."""

    memory: int
    store: int
    missed: int


@dataclass(frozen=True)
class CacheHit:
    """A transcript that was there."""

    transcript: Transcript
    level: Literal["memory", "store"]


class TranscriptCache:
    """Both levels. Thread-safe, if the store is."""

    def __init__(self, limit_bytes: int, store: ByteStore | None = None) -> None:
        """Make one.

        Args:
            limit_bytes: of the level in memory.
            store: the level under it; none: memory only.
        """
        self._memory, self._store = MemoryCache(limit_bytes), store
        self._counts = {"memory": 0, "store": 0, "missed": 0}
        self._lock = threading.Lock()

    @property
    def counts(self) -> CacheCounts:
        """Hits and misses so far."""
        with self._lock:
            return CacheCounts(**self._counts)

    def get(self, key: CacheKey) -> CacheHit | None:
        """What was made for a key.

        Raises:
            DocumentError: what lies there is no transcript.
            DigestMismatchError: it is a transcript of other audio or of other settings.
        """
        data, level = self._memory.get(key.path), "memory"
        if data is None and self._store is not None:
            data, level = self._store.get(key.path), "store"
        if data is None:
            self._count("missed")
            return None
        transcript = _checked(key, data)
        self._memory.put(key.path, data)
        self._count(level)
        return CacheHit(transcript, "memory" if level == "memory" else "store")

    def put(self, key: CacheKey, transcript: Transcript) -> None:
        """Keep a transcript in both levels.

        Raises:
            DigestMismatchError: it isn't one of this key.
        """
        data = transcript.to_json().encode()
        _checked(key, data)
        if self._store is not None:
            self._store.put(key.path, data)
        self._memory.put(key.path, data)

    def _count(self, level: str) -> None:
        with self._lock:
            self._counts[level] += 1


def _checked(key: CacheKey, data: bytes) -> Transcript:
    try:
        transcript = load_transcript(data, name=f"cache {key.path}")
    except DocumentError as error:
        raise DocumentError(f"{error} Delete it there and try again.") from error
    found = (transcript.recording.pcm_sha256, transcript.engine.settings_digest)
    asked = transcript.language_source == ("detected" if key.language == "auto" else "requested")
    if found != (key.pcm_sha256, key.settings_digest) or not asked or key.language not in ("auto", transcript.language):
        raise DigestMismatchError(f"cache {key.path} is a transcript of something else; delete it and try again.")
    return transcript


def of_this_file(hit: Transcript, recording: RecordingInfo) -> Transcript:
    """A cached transcript as that of another file with the same sound.

    Args:
        hit: the transcript, of whatever file was transcribed first.
        recording: the facts of the file that is asked for now.

    Returns:
        The transcript with this file's facts; ``engine.transcribed_as`` is the SHA-256 of the file that was
        transcribed, when it is another one.

    Raises:
        DigestMismatchError: the two do not hold the same audio.
    """
    if hit.recording.pcm_sha256 != recording.pcm_sha256:
        raise DigestMismatchError(
            f"Recording {recording.sha256[:12]} does not hold the audio of the cached transcript; transcribe it anew."
        )
    if hit.recording.sha256 == recording.sha256:
        return hit
    engine = hit.engine.model_copy(update={"transcribed_as": hit.engine.transcribed_as or hit.recording.sha256})
    return hit.model_copy(update={"recording": recording, "engine": engine})
