"""Device memory: what is measured, and what happens when it runs out. The CUDA side ran on an H100."""

import mmap
from collections.abc import Callable, Sequence

import pytest

from include.errors import DeviceMemoryError
from include.stt.engine import SpeechModel
from include.stt.memory import MemoryMeter

OOM = "CUDA failed with error out of memory"
ECHO = "parallel_for failed: cudaErrorInvalidDevice: invalid device ordinal"  # CTranslate2, the call after an OOM


Work = Callable[[list[int]], list[int]]


def model(fits: Callable[[int], str | None], size: int = 32) -> tuple[Work, SpeechModel, list[int]]:
    """A SpeechModel whose device answers each group as ``fits`` says: None, or the text of its error."""
    one = SpeechModel.__new__(SpeechModel)
    one.batch_size, one.device, one.name = size, "cuda", "base"
    one._echo_due = False
    one.meter = MemoryMeter("cpu", "int8")
    tried: list[int] = []

    def act(group: Sequence[int]) -> list[int]:
        tried.append(len(group))
        if (message := fits(len(group))) is not None:
            raise RuntimeError(message)
        return [one * 10 for one in group]

    return lambda works: one.in_groups(works, act), one, tried


def test_out_of_memory_halves_the_group_and_keeps_what_is_done() -> None:
    work, one, tried = model(lambda size: OOM if size > 8 else None)
    assert work(list(range(40))) == [number * 10 for number in range(40)]
    assert tried == [32, 16, 8, 8, 8, 8, 8]
    assert one.batch_size == 8


def test_the_error_that_ctranslate2_repeats_after_it_is_no_second_one() -> None:
    answers = iter([OOM, ECHO])
    work, _, tried = model(lambda _: next(answers, None), size=8)
    assert len(work(list(range(8)))) == 8
    assert tried == [8, 4, 4, 4]


def test_no_room_for_one_chunk_is_named() -> None:
    work, _, _ = model(lambda _: OOM, size=4)
    with pytest.raises(DeviceMemoryError, match="no room for one 30-s chunk"):
        work(list(range(40)))


@pytest.mark.parametrize("message", ["something else", ECHO])
def test_other_errors_go_on_up(message: str) -> None:
    work, _, tried = model(lambda _: message)
    with pytest.raises(RuntimeError, match=message[:10]):
        work(list(range(40)))
    assert len(tried) == 1


def fresh_pages(size: int) -> mmap.mmap:
    """Memory that the process did not have before, whatever other tests gave back."""
    pages = mmap.mmap(-1, size)
    pages.write(b"x" * size)
    return pages


def test_the_largest_group_counts() -> None:
    meter = MemoryMeter("cpu", "int8")
    assert meter.use() is None
    meter.loaded()
    kept = []
    with meter.group(2):
        kept.append(fresh_pages(128 << 20))
    with meter.group(1):  # smaller: not counted, whatever it takes
        kept.append(fresh_pages(256 << 20))
    used = meter.use()
    for pages in kept:
        pages.close()
    assert used is not None
    assert 48 << 20 < used.bytes_per_chunk < 140 << 20  # the text that is written there may be counted, too
