"""What killed tasks and broken uploads leave: keys under ``processing/``, markers, parts of uploads, local folders."""

from __future__ import annotations

import logging
import os
import re
import shutil
import stat
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include import state
from include.pipeline.sweeping import job_of, locked
from include.settings import TEMPORARY, get_settings
from include.storage import abort_upload, unfinished_uploads

if TYPE_CHECKING:
    from include.pipeline.sweeping import Sweep
    from include.storage import Listed

__all__ = ["remove_folders", "remove_leftovers"]

log = logging.getLogger(__name__)

_DAYS = 1.0

_FOLDER = re.compile(re.escape(TEMPORARY) + r"[a-z0-9_]{8}")
"""The names that ``tempfile`` gives the tasks' folders."""


def remove_leftovers(sweep: Sweep) -> None:
    """Remove what nobody works on any more and is older than a day.

    Raises:
        StateError, StorageError: PostgreSQL or S3 can't be reached; the rest goes with the next pass.
    """
    _working_keys(sweep)
    _markers(sweep)
    _uploads(sweep)


def _working_keys(sweep: Sweep) -> None:
    """Working copies and half-made results of recordings that are finished, or that nobody knows."""
    jobs: dict[str, list[Listed]] = {}
    for item in sweep.store.list("processing/"):
        name = item.key.split("/", 2)[-1]
        if item.modified < sweep.older_than(_DAYS) and not name.startswith("_manifest_"):
            jobs.setdefault(job_of(item.key), []).append(item)
    for job_id, items in jobs.items():
        with locked(job_id) as free:
            if not free:
                log.info("%d old keys of job %s stay: it is being claimed.", len(items), job_id)
                sweep.counts["kept"] += len(items)
                continue
            names, ids = set(), set()
            for recording in state.open_recordings(job_id):
                names.add(recording.name)
                ids.add(recording.file_id)
            left = [item for item in items if not _belongs(item.key.split("/", 2)[-1], names, ids)]
            sweep.counts["kept"] += len(items) - len(left)
            sweep.remove(left, "leftover: no unfinished recording has it", "leftovers")


def _belongs(name: str, names: set[str], ids: set[str]) -> bool:
    """True when a file under processing/ is the working copy or a result (``{file_id}_{kind}``) of one of these."""
    return name in names or any(name[: match.start()] in ids for match in re.finditer("_", name))


def _markers(sweep: Sweep) -> None:
    old = [
        item
        for item in sweep.store.list("incoming/")
        if item.key.endswith("/_HOLD") and item.size == 0 and item.modified < sweep.older_than(_DAYS)
    ]
    sweep.remove(old, "leftover: a submit that never ended", "markers")


def _uploads(sweep: Sweep) -> None:
    for upload in list(unfinished_uploads(sweep.store)):
        if upload.begun >= sweep.older_than(_DAYS):
            continue
        policy = "leftover: an upload that was never finished"
        if not sweep.dry_run:
            record = state.Deletion(upload.key, 0, upload.begun, policy, sweep.actor)
            state.record_deletions([record])
            abort_upload(sweep.store, upload)
        sweep.counts["uploads"] += 1
        sweep.say(f"{upload.key} (parts, begun {upload.begun:%Y-%m-%d %H:%M}): {policy}")


def remove_folders(sweep: Sweep, root: Path | None = None) -> None:
    """Remove this host's temporary folders that killed tasks left: ours, private, and untouched for a day.

    Args:
        sweep: the pass.
        root: where they lie; the system's temporary directory by default.
    """
    settings = get_settings()
    kept = [path.resolve() for path in (settings.home, settings.models, settings.leases, Path.cwd())]
    limit = sweep.older_than(_DAYS).timestamp()
    for folder in sorted((root or Path(tempfile.gettempdir())).iterdir()):
        if not _FOLDER.fullmatch(folder.name) or not _ours(folder) or _touched(folder) >= limit:
            continue
        if any(path.is_relative_to(folder.resolve()) for path in kept):
            continue  # somebody keeps the local stack there
        if not sweep.dry_run:
            shutil.rmtree(folder, onerror=_complain)
        sweep.counts["folders"] += 1
        sweep.say(f"{folder}: leftover: a task that was killed")


def _complain(_: object, path: str, error: Any) -> None:
    log.warning("%s stays: %s", path, error[1])


def _ours(folder: Path) -> bool:
    try:
        about = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid() and stat.S_IMODE(about.st_mode) == 0o700


def _touched(folder: Path) -> float:
    """When anything in a folder changed last, seconds since the epoch; now for one that is just going."""
    newest = 0.0
    try:
        for base, _, files in os.walk(folder):
            newest = max(newest, Path(base).lstat().st_mtime, *(Path(base, name).lstat().st_mtime for name in files))
    except FileNotFoundError:
        return time.time()
    return newest
