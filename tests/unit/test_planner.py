import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.manifest import Recording
from include.pipeline import batch_size, plan_batches


def recording(number: int, seconds: float | None) -> Recording:
    return Recording(
        job_id="j",
        file_id=f"r{number:05d}",
        name=f"r{number:05d}.m4a",
        sha256="0" * 64,
        size_bytes=100_000,
        duration_s=seconds,
    )


@pytest.mark.parametrize(
    ("depth", "size"), [(1, 4), (10, 4), (11, 8), (50, 8), (51, 16), (100, 16), (101, 32), (9999, 32)]
)
def test_the_users_table(depth: int, size: int) -> None:
    assert batch_size(depth) == size


@given(st.lists(st.one_of(st.none(), st.floats(0.1, 5000)), max_size=300), st.randoms())
def test_every_recording_in_exactly_one_batch(durations: list[float | None], rng: random.Random) -> None:
    recordings = [recording(number, seconds) for number, seconds in enumerate(durations)]
    batches = plan_batches(recordings)
    planned = [file_id for batch in batches for file_id in batch.file_ids]
    assert sorted(planned) == [one.file_id for one in recordings]
    assert all(1 <= len(batch.file_ids) <= batch_size(len(recordings)) for batch in batches)
    shuffled = rng.sample(recordings, len(recordings))
    assert plan_batches(shuffled) == batches


@given(
    st.lists(st.tuples(st.floats(0.1, 5000), st.sampled_from([None, "ko", "en"])), max_size=200),
    st.integers(0, 500),
    st.one_of(st.none(), st.integers(0, 40)),
)
def test_language_room_and_queue(asked: list[tuple[float, str | None]], depth: int, room: int | None) -> None:
    recordings = [
        recording(number, seconds).model_copy(update={"language": language})
        for number, (seconds, language) in enumerate(asked)
    ]
    by_id = {one.file_id: one.language or "auto" for one in recordings}
    batches = plan_batches(recordings, queue_depth=depth, room=room)
    assert sorted(key for one in batches for key in one.file_ids) == sorted(by_id)
    assert len({one.batch_id for one in batches}) == len(batches)
    size = batch_size(max(depth, len(recordings)))
    for one in batches:
        assert {by_id[key] for key in one.file_ids} == {one.language}
        assert 1 <= len(one.file_ids) <= min(size, 32, max(room, 1) if room is not None else 32)
    assert plan_batches(recordings[::-1], queue_depth=depth, room=room) == batches


def test_batches_take_about_equal_time() -> None:
    recordings = [recording(number, seconds) for number, seconds in enumerate([600, 500, 400, 300, 30, 20, 10, 5])]
    by_id = {one.file_id: one.duration_s or 0 for one in recordings}
    loads = [sum(by_id[file_id] for file_id in batch.file_ids) for batch in plan_batches(recordings)]
    assert len(loads) == 2
    assert max(loads) - min(loads) <= 50


def test_nothing_to_plan() -> None:
    assert plan_batches([]) == []
