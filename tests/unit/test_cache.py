import threading

import pytest

from include.errors import DigestMismatchError, DocumentError
from include.stt import CacheCounts, CacheKey, TranscriptCache, of_this_file
from include.stt.cache import MemoryCache
from tests.unit.transcript_factory import segment, transcript, word

KEY = CacheKey("1" * 64, "2" * 64, "en")


class Folder:
    """A store as the pipeline's will be."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def get(self, key: str) -> bytes | None:
        return self.kept.get(key)

    def put(self, key: str, data: bytes) -> None:
        self.kept.setdefault(key, data)


def test_what_was_used_longest_ago_goes_first() -> None:
    cache = MemoryCache(10)
    cache.put("a", b"1234")
    cache.put("b", b"1234")
    assert cache.get("a") == b"1234"
    cache.put("c", b"12345")
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (b"1234", None, b"12345")
    assert cache.size == 9
    cache.put("c", b"1")
    assert cache.size == 5
    cache.put("a", b"x" * 11)  # too large for all of it: and what was there before is not what was put
    assert (cache.get("a"), cache.size) == (None, 1)


def test_memory_stays_bounded_under_threads() -> None:
    cache = MemoryCache(1000)

    def work(seed: int) -> None:
        for n in range(400):
            key = str((seed * 31 + n * 7) % 60)
            cache.put(key, key.encode() * ((n % 50) + 1))
            found = cache.get(key)
            assert found is None or set(found.decode()) <= set(key)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0 < cache.size <= 1000
    assert cache.size == sum(len(data) for data in cache._kept.values())


def test_a_hit_says_where_it_came_from_and_is_counted() -> None:
    store, one = Folder(), transcript([segment([word("hello", 0.0, 0.5)])])
    first = TranscriptCache(1 << 20, store)
    assert first.get(KEY) is None
    first.put(KEY, one)
    hit = first.get(KEY)
    assert hit is not None and (hit.level, hit.transcript) == ("memory", one)
    assert first.counts == CacheCounts(memory=1, store=0, missed=1)
    other = TranscriptCache(1 << 20, store)  # another process with the same store
    levels = [found.level for found in (other.get(KEY), other.get(KEY)) if found]
    assert levels == ["store", "memory"]
    assert TranscriptCache(0, store).get(KEY).level == "store"  # type: ignore[union-attr]


def test_other_settings_language_or_audio_never_hit() -> None:
    cache = TranscriptCache(1 << 20, Folder())
    cache.put(KEY, transcript([]))
    assert cache.get(CacheKey("1" * 64, "2" * 64, "auto")) is None
    assert cache.get(CacheKey("1" * 64, "3" * 64, "en")) is None
    assert cache.get(CacheKey("3" * 64, "2" * 64, "en")) is None
    with pytest.raises(DigestMismatchError, match="something else"):
        cache.put(CacheKey("1" * 64, "3" * 64, "en"), transcript([]))
    with pytest.raises(DigestMismatchError, match="something else"):
        cache.put(CacheKey("1" * 64, "2" * 64, "auto"), transcript([]))  # it was requested, not detected


def test_what_is_no_transcript_in_the_store_is_named() -> None:
    store = Folder()
    store.kept[KEY.path] = b"{}"
    with pytest.raises(DocumentError, match="Delete it there"):
        TranscriptCache(1 << 20, store).get(KEY)


def test_the_same_sound_in_another_container_keeps_its_own_facts_and_says_so() -> None:
    one = transcript([segment([word("hello", 0.0, 0.5)])])
    assert of_this_file(one, one.recording) is one
    remuxed = one.recording.model_copy(update={"sha256": "a" * 64, "container": "matroska"})
    again = of_this_file(one, remuxed)
    assert again.recording == remuxed
    assert again.segments == one.segments
    assert again.engine.transcribed_as == "0" * 64
    third = of_this_file(again, one.recording.model_copy(update={"sha256": "b" * 64}))
    assert third.engine.transcribed_as == "0" * 64  # who was transcribed, not who hit before
    assert again.engine.settings_digest == one.engine.settings_digest
    with pytest.raises(DigestMismatchError, match="does not hold the audio"):
        of_this_file(one, one.recording.model_copy(update={"pcm_sha256": "c" * 64}))
