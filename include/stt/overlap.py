"""Stages that overlap: while one recording is decoded by the device, others are read, searched for speech, or ended.

Each stage has its own threads; what lies between them is bounded by the seconds of audio in flight, from the moment a
recording is taken up to the moment its outcome is handed out. A recording that fails leaves with its error and the
others go on.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["NOTHING_YET", "Outcome", "Stage", "StageMeter", "run_stages"]

Item = TypeVar("Item")

NOTHING_YET: Final = object()
"""What a source gives that has no item now and may have one later; it should wait a moment before it does."""
_MOMENT_S = 0.02


@dataclass(frozen=True)
class Stage:
    """One step of the work."""

    name: str
    work: Callable[[Any], Any]
    """What the step before returned → what the next one gets. A stage with ``together`` > 1 gets a list and returns a
    list of the same length, in the same order; an exception in the place of a result is that item's error."""
    workers: int = 1
    together: int = 1
    """At most so many items at once, of those that wait; it never waits for more. When such a call raises, its items
    are tried one by one, so that one that fails doesn't take the others along."""


@dataclass(frozen=True)
class Outcome(Generic[Item]):
    """How one item ended: ``result``, or ``error`` and the stage that raised it."""

    index: int
    """Its place among the items; outcomes come in the order in which they are ready."""
    item: Item
    result: Any = None
    error: Exception | None = None
    stage: str = ""


@dataclass
class StageMeter:
    """Seconds of work by stage, added up over its workers; thread-safe."""

    busy_s: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, stage: str, seconds: float) -> None:
        """Count one call of a stage's work."""
        with self._lock:
            self.busy_s[stage] += seconds  # type: ignore[assignment]  # Counter is typed for int
            self.calls[stage] += 1


@dataclass
class _Ticket:
    index: int
    item: Any
    weight: float
    value: Any
    error: BaseException | None = None
    stage: str = ""


_END = _Ticket(-1, None, 0.0, None)


def run_stages(
    items: Iterable[Item],
    stages: list[Stage],
    *,
    bound_s: float,
    weigh: Callable[[Item], float],
    meter: StageMeter | None = None,
) -> Iterator[Outcome[Item]]:
    """Take every item through all stages, many at once.

    Args:
        items: taken up one by one, as there is room; ``NOTHING_YET`` among them keeps the place for later ones.
        stages: in order; threads do their work.
        bound_s: at most so many seconds of audio are in flight (taken up and not yet handed out). An item longer than
            that goes alone.
        weigh: an item → its seconds of audio, at least roughly. An exception of it is that item's error.
        meter: counts the seconds of work by stage.

    Yields:
        One outcome an item. Closing the generator, or an error of ``items``, ends the work that is under way (it isn't
        interrupted, but nothing new is begun) and all threads before it returns.

    Raises:
        ValueError: there is no stage, or the bound is not positive.
        BaseException: what ``items`` raises, and what a stage raises that is no ``Exception`` (KeyboardInterrupt).
    """
    if not stages or bound_s <= 0:
        raise ValueError("run_stages needs a stage and a bound above 0 s")
    return _Flow(stages, meter or StageMeter()).run(items, bound_s, weigh)


class _Flow:
    def __init__(self, stages: list[Stage], meter: StageMeter) -> None:
        self._stages, self._meter = stages, meter
        self._queues: list[queue.SimpleQueue[_Ticket]] = [queue.SimpleQueue() for _ in range(len(stages) + 1)]
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._serve, args=(place,), name=f"stage-{stage.name}-{number}", daemon=True)
            for place, stage in enumerate(stages)
            for number in range(stage.workers)
        ]

    def run(self, items: Iterable[Item], bound_s: float, weigh: Callable[[Item], float]) -> Iterator[Outcome[Item]]:
        source = iter(items)
        waiting: _Ticket | None = None
        flying, seconds, more, index = 0, 0.0, True, 0
        for thread in self._threads:
            thread.start()
        try:
            while True:
                if more and waiting is None:
                    given = next(source, _END)
                    more = given is not _END
                    if more and given is not NOTHING_YET:
                        waiting, index = _weighed(index, given, weigh), index + 1
                if waiting is not None and waiting.error is not None:
                    yield _outcome(waiting)
                    waiting = None
                elif waiting is not None and (not flying or seconds + waiting.weight <= bound_s):
                    flying, seconds = flying + 1, seconds + waiting.weight
                    self._queues[0].put(waiting)
                    waiting = None
                elif flying:
                    try:
                        ended = self._queues[-1].get(timeout=_MOMENT_S if more and waiting is None else None)
                    except queue.Empty:
                        continue
                    yield _outcome(ended)
                    flying, seconds = flying - 1, seconds - ended.weight
                elif not more:
                    return
        finally:
            self._end()

    def _end(self) -> None:
        self._stop.set()
        for place, stage in enumerate(self._stages):
            for _ in range(stage.workers):
                self._queues[place].put(_END)
        for thread in self._threads:
            thread.join()

    def _serve(self, place: int) -> None:
        stage, mine, following = self._stages[place], self._queues[place], self._queues[place + 1]
        while (first := mine.get()) is not _END:
            group = [first]
            while len(group) < stage.together:
                try:
                    one = mine.get_nowait()
                except queue.Empty:
                    break
                if one is _END:
                    mine.put(_END)  # for the next look of this thread
                    break
                group.append(one)
            if self._stop.is_set():
                continue
            self._work(stage, group)
            for ticket in group:
                (self._queues[-1] if ticket.error is not None else following).put(ticket)

    def _work(self, stage: Stage, group: list[_Ticket]) -> None:
        began = time.perf_counter()
        try:
            if stage.together == 1:
                group[0].value = stage.work(group[0].value)
            else:
                _settle(stage, group, stage.work([ticket.value for ticket in group]))
        except BaseException as error:  # noqa: BLE001 - no item may be lost: what is no Exception is raised to the caller
            if len(group) > 1 and isinstance(error, Exception):
                for ticket in group:
                    self._work(stage, [ticket])
            else:
                for ticket in group:
                    ticket.error, ticket.stage, ticket.value = error, stage.name, None
        finally:
            self._meter.add(stage.name, time.perf_counter() - began)


def _settle(stage: Stage, group: list[_Ticket], results: Any) -> None:
    if len(results) != len(group):
        raise RuntimeError(f"the stage {stage.name} gave {len(results)} results for {len(group)} items")
    for ticket, result in zip(group, results, strict=True):
        ticket.value = result
        if isinstance(result, Exception):
            ticket.error, ticket.stage, ticket.value = result, stage.name, None


def _weighed(index: int, item: Any, weigh: Callable[[Any], float]) -> _Ticket:
    try:
        return _Ticket(index, item, max(float(weigh(item)), 0.0), item)
    except Exception as error:  # noqa: BLE001 - an item that can't be weighed must not end its neighbours
        return _Ticket(index, item, 0.0, None, error, "weigh")


def _outcome(ticket: _Ticket) -> Outcome[Any]:
    if ticket.error is not None and not isinstance(ticket.error, Exception):
        raise ticket.error
    return Outcome(ticket.index, ticket.item, ticket.value, ticket.error, ticket.stage)
