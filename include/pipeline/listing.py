"""One look at ``incoming/``: which drops lie there, and what each waits for.

One pass over the listing, page by page: memory grows with the number of jobs, not of keys, and the store may list in
any order. A job whose drop holds a ``manifest.json`` is listed once more when something under it changed.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from include.errors import DeliveryError, InvalidJobError
from include.manifest import check_job_id
from include.pipeline.delivery import read_delivery
from include.state import SeenDrop
from include.storage import layout

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from include.storage import Listed, Store

__all__ = ["MANIFEST_WAIT_S", "Deliveries", "look"]

MANIFEST_WAIT_S = 3600.0
"""A drop whose manifest.json is broken, or lists files that don't come, starts this long after its last change."""

_K = TypeVar("_K")
_V = TypeVar("_V")

_ROOT = "incoming/"
_HOLD_FOR = timedelta(hours=1)  # a `submit` that died must not hold a job for ever
_LISTS = 16  # manifests whose names are kept in memory
_ANSWERS = 10_000  # jobs whose last answer is kept


@dataclass(slots=True)
class _Found:
    """What was found of one job so far."""

    digests: int = 0
    files: int = 0
    marked: bool = False
    held: bool = False
    manifest: str | None = None
    """ETag of its manifest.json."""

    def add(self, item: Listed, name: str) -> None:
        empty = item.size == 0  # a marker that holds bytes is taken for a recording
        self.files += not (layout.is_marker(name) and empty)
        if name == "_READY" and empty:
            self.marked = True
        elif name == "_HOLD" and empty:
            self.held = datetime.now(UTC) - item.modified < _HOLD_FOR
        elif name == "manifest.json":
            self.manifest = item.etag
        line = f"{item.key}\0{item.size}\0{item.etag}\0{item.modified.isoformat()}"
        # a sum of digests: the same in whatever order the store lists
        self.digests += int.from_bytes(hashlib.sha256(line.encode()).digest(), "big")

    @property
    def fingerprint(self) -> str:
        return f"{self.digests % 2**256:064x}"


class Deliveries:
    """What manifests said before: one is read again only when its ETag changed, and the job listed again only when
    something under it changed. Bounded; what falls out is read again."""

    def __init__(self) -> None:
        self._names: OrderedDict[tuple[str, str], frozenset[str] | str] = OrderedDict()
        self._answers: OrderedDict[str, tuple[str, str | None]] = OrderedDict()

    def waits_for(self, store: Store, job_id: str, etag: str, fingerprint: str) -> str | None:
        """Why a job with a manifest isn't complete, as a sentence; None: all listed files are there.

        Raises:
            StorageError: S3 can't be reached.
        """
        known = self._answers.get(job_id)
        if known is None or known[0] != fingerprint:
            known = (fingerprint, self._compare(store, job_id, etag))
            _keep(self._answers, job_id, known, _ANSWERS)
        return known[1]

    def _compare(self, store: Store, job_id: str, etag: str) -> str | None:
        names = self._names.get((job_id, etag))
        if names is None:
            names = _read_names(store, job_id)
            _keep(self._names, (job_id, etag), names, _LISTS)
        if isinstance(names, str):
            return names
        prefix, left = layout.incoming_prefix(job_id), set(names)
        for item in store.list(prefix):
            left.discard(item.key.removeprefix(prefix))
        if not left:
            return None
        return (
            f"{len(left)} of the {len(names)} files that manifest.json lists are not there, {min(left)!r} among them; "
            "upload them."
        )


def _read_names(store: Store, job_id: str) -> frozenset[str] | str:
    """The names that a manifest lists, or what is wrong with it."""
    try:
        delivery = read_delivery(store, layout.incoming_prefix(job_id))
    except DeliveryError as error:
        return str(error)
    return frozenset(delivery.files if delivery else ())


def _keep(memory: OrderedDict[_K, _V], key: _K, value: _V, most: int) -> None:
    memory[key] = value
    memory.move_to_end(key)
    while len(memory) > most:
        memory.popitem(last=False)


def look(
    store: Store, *, settle_s: float, deliveries: Deliveries | None = None, jobs: Collection[str] | None = None
) -> list[SeenDrop]:
    """Everything under ``incoming/`` that is, or could be, a job. Markers alone are no drop.

    Args:
        store: the bucket.
        settle_s: seconds without a change after which a drop is ready that nothing else declares ready.
        deliveries: what manifests said at earlier looks.
        jobs: look at these only; None: at all.

    Raises:
        StorageError: S3 can't be reached.
    """
    deliveries = deliveries or Deliveries()
    found: dict[str, _Found] = {}
    for item in _listed(store, jobs):
        job_id, slash, name = item.key.removeprefix(_ROOT).partition("/")
        if not slash:  # it lies beside the jobs' folders; no folder's name holds a slash
            job_id, name = _ROOT, job_id
        one = found.get(job_id)
        if one is None:
            one = found[job_id] = _Found()
        one.add(item, name)
    return [_judge(store, job_id, one, settle_s, deliveries) for job_id, one in found.items() if one.files]


def _listed(store: Store, jobs: Collection[str] | None) -> Iterator[Listed]:
    if jobs is None:
        yield from store.list(_ROOT)
        return
    for job_id in jobs:
        yield from store.list(layout.incoming_prefix(job_id))


def _judge(store: Store, job_id: str, found: _Found, settle_s: float, deliveries: Deliveries) -> SeenDrop:
    shown, fingerprint = "".join(c if c.isprintable() else "�" for c in job_id), found.fingerprint
    if job_id == _ROOT:
        told = (
            f"{found.files} files lie directly under {store.uri(_ROOT)}; put them into a folder named like their job."
        )
        return SeenDrop(shown, fingerprint, None, told)
    try:
        check_job_id(job_id)
    except InvalidJobError as error:
        return SeenDrop(shown, fingerprint, None, f"The drop {shown!r} is left where it is: {error}")
    if found.held:
        return SeenDrop(job_id, fingerprint, None)
    if found.marked:
        return SeenDrop(job_id, fingerprint, 0.0)
    if found.manifest is None:
        return SeenDrop(job_id, fingerprint, settle_s)
    problem = deliveries.waits_for(store, job_id, found.manifest, fingerprint)
    return SeenDrop(job_id, fingerprint, MANIFEST_WAIT_S if problem else 0.0, problem)
