"""Which jobs a night, or a backfill over past dates, does again: the body of the DAG ``nightly``.

A night sweeps everything that was received before its end: what an ended run left, what a retry may heal, what an
older version analysed. A backfill takes exactly the recordings received within its own interval.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, get_args
from zoneinfo import ZoneInfo

from include import state
from include.errors import InvalidJobError, ModelError, VoiceManError
from include.manifest import Redo, safe_name
from include.pipeline.listing import look
from include.pipeline.taskrun import task_run
from include.settings import get_settings
from include.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Context

    from include.storage import Store

__all__ = ["RETRIES", "RUN_PREFIX", "Again", "backfill", "find", "parse_interval", "sweep", "transient_codes"]

log = logging.getLogger(__name__)

RUN_PREFIX = "nightly__"
"""How the ids of the runs begin that a night starts; those of a backfill begin ``backfill__``."""

RETRIES = 3
"""So often a night takes up one failed recording by itself."""

_ROOT = "incoming/"
_GRACE = timedelta(hours=1)  # a drop younger than this is the watcher's
_MOST_JOBS = 1000  # Airflow's max_map_length is 1024
_TICK = timedelta(microseconds=1)  # the finest step that PostgreSQL stores


@dataclass(frozen=True)
class Again:
    """A job that is done again."""

    job_id: str
    redo: Redo
    first: datetime
    """When the first of its recordings that are meant was received."""
    last: datetime
    """When the last of them was received."""

    def joined(self, other: Again) -> Again:
        """What does both."""
        order: tuple[Redo, ...] = get_args(Redo)
        redo = max(self.redo, other.redo, key=order.index)
        return Again(self.job_id, redo, min(self.first, other.first), max(self.last, other.last))


def parse_interval(value: str) -> tuple[datetime, datetime]:
    """``start/end``: two moments in ISO 8601, each with its zone. The interval holds the first, not the second.

    Raises:
        InvalidJobError: it isn't that, or it ends before it begins.
    """
    try:
        start, end = (datetime.fromisoformat(part) for part in value.split("/"))
    except ValueError:
        start = end = datetime.min
    if start.tzinfo is None or end.tzinfo is None or not start < end:
        raise InvalidJobError(
            f"The interval {safe_name(value)!r} is not acceptable; write two moments with their zones and a slash "
            "between, the earlier first, such as 2026-01-31T02:00:00+09:00/2026-02-01T02:00:00+09:00."
        )
    return start, end


def transient_codes() -> frozenset[str]:
    """Reasons of failure that another try on another day may heal: never bad input, never bytes that changed.

    Beside the errors that call themselves retryable: work that a dead run left (``unfinished``), a process that was
    killed, most often for want of memory (``killed``), missing weights that somebody may have brought since
    (``model``), and what the code did not foresee and an upgrade may have mended (``unexpected``).
    """
    codes, classes = {"unfinished", "killed", "unexpected", ModelError.code}, [VoiceManError]
    while classes:
        one = classes.pop()
        classes += one.__subclasses__()
        if one.retryable:
            codes.add(one.code)
    return frozenset(codes)


def sweep(store: Store, before: datetime, run_is_over: Callable[[str], bool]) -> list[Again]:
    """What a night does again of everything received before its end: stragglers first, then the newest.

    Args:
        store: the bucket.
        before: the end of the night's interval.
        run_is_over: whether a run of our DAGs has ended or never was.

    Raises:
        StorageError, StateError: S3 or PostgreSQL can't be reached.
    """
    drops = _stale_drops(store, before - _GRACE, run_is_over)
    left = [one for one in state.list_unfinished(None, before) if run_is_over(one.run_id)]
    broken = state.list_failed(None, before, codes=transient_codes(), retries=RETRIES, prefix=RUN_PREFIX)
    old = _outdated(None, before, get_settings().nightly_max_recordings)
    for what, found in (("left", left), ("failed", broken), ("outdated", old)):
        log.info("%d recordings %s", sum(one.count for one in found), what)
    log.info("%d drops that nobody claims", len(drops))
    return _merged([*drops, *_again(left, "nothing"), *_again(broken, "failed"), *_again(old, "outdated")])


def backfill(since: datetime, before: datetime, redo: Redo, run_is_over: Callable[[str], bool]) -> list[Again]:
    """The jobs with recordings received in the interval for which ``redo`` means work; nothing outside of it.

    Args:
        since: the interval's start.
        before: its end.
        redo: what is done again.
        run_is_over: whether a run of our DAGs has ended or never was.

    Raises:
        StateError: PostgreSQL can't be reached.
    """
    left = [one for one in state.list_unfinished(since, before) if run_is_over(one.run_id)]
    found = state.list_finished(since, before) if redo == "all" else state.list_failed(since, before)
    if redo == "outdated":
        found += _outdated(since, before)
    return _merged(_again([*left, *found], redo))


def _outdated(since: datetime | None, before: datetime, most: int | None = None) -> list[state.Found]:
    from include.pipeline.engines import get_engines  # the analysis comes with it: only where it is needed

    engines = get_engines()
    return state.list_outdated(
        since, before, analysis=engines.analysis_digest(), report=engines.report_digest(), most=most
    )


def _again(found: list[state.Found], redo: Redo) -> list[Again]:
    return [Again(one.job_id, redo, one.first, one.last) for one in found]


def _merged(jobs: list[Again]) -> list[Again]:
    """One entry a job, in the order in which each was named first."""
    merged: dict[str, Again] = {}
    for one in jobs:
        known = merged.get(one.job_id)
        merged[one.job_id] = one if known is None else known.joined(one)
    return list(merged.values())


def _stale_drops(store: Store, before: datetime, run_is_over: Callable[[str], bool]) -> list[Again]:
    """Drops that lie unchanged since before a moment although no run goes on that could claim them."""
    times: dict[str, tuple[datetime, datetime]] = {}
    for item in store.list(_ROOT):
        job_id, slash, _ = item.key.removeprefix(_ROOT).partition("/")
        if slash:
            first, last = times.get(job_id, (item.modified, item.modified))
            times[job_id] = min(first, item.modified), max(last, item.modified)
    old = [job_id for job_id, (_, last) in times.items() if last < before]
    stale = []
    for drop in look(store, settle_s=0.0, jobs=old) if old else []:
        if drop.quiet_s is None:  # it can't be a job, or is held
            continue
        told = state.Announced(drop.job_id, drop.fingerprint, 0).run_id
        rows = state.recordings_of(drop.job_id).values()
        if all(map(run_is_over, {told, *(row.run_id for row in rows)})):
            stale.append(Again(drop.job_id, "nothing", *times[drop.job_id]))
    return stale


def find(context: Context) -> list[dict[str, Any]]:
    """The runs of ``reprocess`` to start: ``trigger_run_id`` and ``conf`` of each.

    A run id tells the job, the interval and when this was asked: asking again starts new runs.

    Raises:
        StorageError, StateError: S3 or PostgreSQL can't be reached.
        InvalidJobError: a backfill's date holds more jobs than one task can start.
    """
    dag_run, run = context["dag_run"], task_run(context)
    before = dag_run.data_interval_end or dag_run.run_after  # a run by hand without a date: up to now
    since = dag_run.data_interval_start or before - timedelta(days=1)
    dated = dag_run.run_type == "backfill"
    named = since.astimezone(ZoneInfo(get_settings().nightly_timezone))
    suffix = f"__{named:%Y%m%dT%H%M}__{context['ti'].start_date:%Y%m%dT%H%M%S}"
    if dated:
        jobs = backfill(since, before, context["params"]["redo"], run.run_is_over)
    else:
        jobs = sweep(open_store(), before, run.run_is_over)
    if len(jobs) > _MOST_JOBS:
        if dated:
            raise InvalidJobError(
                f"{len(jobs)} jobs were received between {since} and {before}, more than the {_MOST_JOBS} that one "
                "date can start; trigger reprocess for them one by one."
            )
        log.warning("%d jobs are left for the next night", len(jobs) - _MOST_JOBS)
    log.info("%d jobs are done again", len(jobs))
    return [
        {
            "trigger_run_id": ("backfill__" if dated else RUN_PREFIX) + one.job_id + suffix,
            "conf": {
                "job_id": one.job_id,
                "redo": one.redo,
                "received": _received(one, (since, before) if dated else None),
                "failures": "all" if dated else "transient",
            },
        }
        for one in jobs[:_MOST_JOBS]
    ]


def _received(one: Again, interval: tuple[datetime, datetime] | None) -> str | None:
    """What ``reprocess`` may touch: a backfill its interval, a night the recordings that it found."""
    if interval is None and one.redo == "nothing":
        return None
    start, end = interval or (one.first, one.last + _TICK)
    return f"{start.isoformat()}/{end.isoformat()}"
