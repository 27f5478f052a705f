"""Overlapping stages: every item comes out once, errors stay with their item, nothing is left behind."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from include.stt.overlap import Outcome, Stage, StageMeter, run_stages


def _threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("stage-")}


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    yield
    assert not _threads()


def one(_: object) -> float:
    return 1.0


@pytest.mark.parametrize("seed", range(20))
def test_every_item_comes_out_once_as_result_or_error(seed: int) -> None:
    drawn = random.Random(seed)
    count = drawn.randint(0, 60)
    bad = {index: drawn.randint(0, 3) for index in range(count) if drawn.random() < 0.3}  # item → where it fails

    def step(place: int, value: int) -> int:
        if bad.get(value % 1000) == place:
            raise ValueError(f"item {value % 1000}")
        return value + 1000

    def together(place: int, values: list[int]) -> list[int]:
        return [step(place, value) for value in values]

    def weigh(value: int) -> float:
        if bad.get(value) == 3:
            raise LookupError("no length")
        return drawn.uniform(0, 30)

    stages = [
        Stage("a", lambda value: step(0, value), workers=drawn.randint(1, 4)),
        Stage("b", lambda values: together(1, values), workers=drawn.randint(1, 3), together=drawn.randint(2, 8)),
        Stage("c", lambda value: step(2, value), workers=drawn.randint(1, 4)),
    ]
    outcomes = list(run_stages(range(count), stages, bound_s=drawn.uniform(1, 200), weigh=weigh))
    assert Counter(outcome.index for outcome in outcomes) == Counter(range(count))
    for outcome in outcomes:
        assert outcome.item == outcome.index
        failed_at = bad.get(outcome.index)
        if failed_at is None:
            assert (outcome.result, outcome.error) == (outcome.index + 3000, None)
        else:
            assert outcome.stage == ["a", "b", "c", "weigh"][failed_at]
            assert isinstance(outcome.error, LookupError if failed_at == 3 else ValueError)
            assert outcome.result is None


def test_the_seconds_in_flight_stay_under_the_bound_and_a_longer_item_goes_alone() -> None:
    lock, flying, most, alone = threading.Lock(), Counter[str](), [0.0], []
    lengths = [5.0, 1.0, 70.0, 5.0, 5.0, 5.0, 40.0, 1.0, 1.0] * 4

    def begin(length: float) -> float:
        with lock:
            flying["s"] += length  # type: ignore[assignment]
            flying["n"] += 1
            if length > 60:
                alone.append(flying["n"])
            else:
                most[0] = max(most[0], flying["s"])
        return length

    for outcome in run_stages(
        lengths, [Stage("a", begin, workers=8), Stage("b", lambda x: x)], bound_s=60.0, weigh=float
    ):
        with lock:
            flying["s"] -= outcome.item  # type: ignore[assignment]
            flying["n"] -= 1
    assert most[0] <= 60.0
    assert alone == [1] * 4


def test_stages_overlap() -> None:
    meeting = threading.Barrier(2, timeout=10)

    def left(value: int) -> int:
        if value == 1:
            meeting.wait()  # item 1 is in the first stage …
        return value

    def right(value: int) -> int:
        if value == 0:
            meeting.wait()  # … while item 0 is in the second
        return value

    outcomes = list(run_stages(range(2), [Stage("left", left), Stage("right", right)], bound_s=10, weigh=one))
    assert [outcome.error for outcome in outcomes] == [None, None]


def test_what_waits_goes_together_and_one_failure_takes_no_other_along() -> None:
    busy, full = threading.Event(), threading.Event()
    groups: list[list[int]] = []

    def gather(values: list[int]) -> list[int | Exception]:
        groups.append(values)
        if values == [0]:
            busy.set()
            assert full.wait(10)
        if len(values) > 1 and 2 in values:
            raise ValueError("2 is bad company")
        if values == [2]:
            raise ValueError("2 is bad alone")
        return [LookupError("5") if value == 5 else value * 10 for value in values]

    def feed() -> Iterator[int]:
        yield 0
        assert busy.wait(10)
        yield from range(1, 7)
        full.set()

    meter = StageMeter()
    outcomes = run_stages(feed(), [Stage("all", gather, together=4)], bound_s=100, weigh=one, meter=meter)
    found = {outcome.item: outcome for outcome in outcomes}
    assert groups == [[0], [1, 2, 3, 4], [1], [2], [3], [4], [5, 6]]
    assert {item: outcome.result for item, outcome in found.items()} == {
        0: 0, 1: 10, 2: None, 3: 30, 4: 40, 5: None, 6: 60,
    }  # fmt: skip
    assert isinstance(found[2].error, ValueError)
    assert str(found[2].error) == "2 is bad alone"
    assert isinstance(found[5].error, LookupError)
    assert meter.calls["all"] == 7
    assert meter.busy_s["all"] > 0


def test_too_few_results_are_an_error_of_these_items() -> None:
    outcomes = list(run_stages([1, 2], [Stage("short", lambda _: [], together=2)], bound_s=9, weigh=one))
    assert [str(outcome.error) for outcome in outcomes] == ["the stage short gave 0 results for 1 items"] * 2


def test_closing_the_generator_ends_all_threads_and_begins_nothing_new() -> None:
    begun: list[int] = []

    def work(value: int) -> int:
        begun.append(value)
        return value

    flow = run_stages(range(1000), [Stage("a", work, workers=3), Stage("b", work, workers=2)], bound_s=10, weigh=one)
    first: Outcome[int] = next(flow)
    assert _threads()
    flow.close()  # type: ignore[attr-defined]
    assert not _threads()
    assert first.error is None
    assert max(begun) < 30  # at most what was in flight, not the thousand
    count = len(begun)
    assert list(flow) == []
    assert len(begun) == count


def test_an_error_of_the_items_is_raised_after_the_threads_ended() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("the list broke off")

    flow = run_stages(items(), [Stage("a", lambda value: value, workers=2)], bound_s=10, weigh=one)
    with pytest.raises(OSError, match="broke off"):
        list(flow)


def test_an_interrupt_in_a_stage_reaches_the_caller() -> None:
    def work(value: int) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(run_stages([1], [Stage("a", work)], bound_s=10, weigh=one))


@pytest.mark.parametrize(("stages", "bound"), [([], 1.0), ([Stage("a", one)], 0.0)])
def test_senseless_arguments_are_refused(stages: list[Stage], bound: float) -> None:
    with pytest.raises(ValueError, match="needs a stage and a bound"):
        run_stages([1], stages, bound_s=bound, weigh=one)
