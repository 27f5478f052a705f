"""Asset events turned into starts of the DAG ``process``: those of the watcher, and messages of a queue.

A message of the store's queue (S3 → SQS ``ObjectCreated``) says only that something under a job changed. It makes the
task look at that job with the watcher's own eyes and memory: a drop with a ``_READY`` marker or a complete
``manifest.json`` starts at once; any other is remembered, and the watcher starts it when it has settled. A message
that is lost, late or comes twice changes nothing.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from include.errors import InvalidJobError
from include.manifest import check_job_id
from include.pipeline.drop import Watch
from include.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["jobs_named", "starts"]

log = logging.getLogger(__name__)

_ROOT = "incoming/"
_MOST = 1000  # Airflow's max_map_length is 1024; what is left out is told again after a minute


def starts(payloads: Iterable[Any], has_failed: Callable[[str], bool]) -> list[dict[str, str]]:
    """The runs to start, ``{"job_id", "run_id"}`` each, without repetitions; 1,000 at most.

    A drop that still lies there although its run has failed (S3 or PostgreSQL was away for longer than the claim
    tried) gets another run, at the pace at which the watcher repeats itself.

    Args:
        payloads: of the asset events: what :class:`IncomingTrigger` fired, a batch of queue messages, or anything else
            (an event that somebody made by hand), which makes it look at all of ``incoming/``.
        has_failed: whether a run of ``process`` has failed.

    Raises:
        StorageError, StateError: S3 or PostgreSQL can't be reached for a look.
    """
    runs: dict[str, str] = {}
    jobs: set[str] = set()
    everything = False
    for payload in payloads:
        if _is_start(payload):
            run_id = payload["run_id"]
            if has_failed(run_id):
                run_id += f"__{payload.get('times', 1)}"
            runs[run_id] = payload["job_id"]
            continue
        named = jobs_named(payload)
        everything = everything or named is None
        jobs |= named or set()
    if everything or jobs:
        ready = Watch(get_settings().settle_s).once(None if everything else jobs)
        runs.update({drop.run_id: drop.job_id for drop in ready})
    if len(runs) > _MOST:
        log.warning("%d runs are to be started; %d now, the others when the watcher tells again.", len(runs), _MOST)
    return [{"job_id": job_id, "run_id": run_id} for run_id, job_id in sorted(runs.items())][:_MOST]


def _is_start(payload: Any) -> bool:
    return isinstance(payload, dict) and all(isinstance(payload.get(key), str) for key in ("run_id", "job_id"))


def _is_job(job_id: str) -> bool:
    try:
        check_job_id(job_id)
    except InvalidJobError:
        return False
    return True


def jobs_named(payload: Any) -> set[str] | None:
    """The jobs that a batch of queue messages names; None when one can't be read: then look at all.

    S3's own messages, those that came through SNS or EventBridge, and S3's test message are understood.
    """
    if not isinstance(payload, dict) or not isinstance(payload.get("message_batch"), list):
        return None
    jobs: set[str] = set()
    for message in payload["message_batch"]:
        try:
            keys = list(_keys(json.loads(message["Body"])))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            log.warning("A queue message can't be read (%s); all of incoming/ is looked at.", type(error).__name__)
            return None
        for key in keys:
            job_id, slash, _ = key.removeprefix(_ROOT).partition("/")
            if key.startswith(_ROOT) and slash and _is_job(job_id):
                jobs.add(job_id)
    return jobs


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a key is text")
    return value


def _keys(body: Any) -> Iterator[str]:
    if "Records" in body:
        for record in body["Records"]:
            yield unquote_plus(_text(record["s3"]["object"]["key"]))
    elif "Message" in body:  # through SNS
        yield from _keys(json.loads(body["Message"]))
    elif "detail" in body:  # through EventBridge, which does not encode keys
        yield _text(body["detail"]["object"]["key"])
    elif body.get("Event") != "s3:TestEvent":
        raise ValueError("not a message of S3")
