"""Which recordings go into one batch: a pure function, and its use on a run's manifest."""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING

from include import state
from include.manifest import ArtefactRef, Batch, State
from include.pipeline.claim import load_manifest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.manifest import Recording
    from include.pipeline.taskrun import TaskRun
    from include.storage import Store

__all__ = ["batch_size", "plan_batches", "plan_run"]

_MAX_BATCH_S = 3 * 3600.0  # a batch must end within the task's time-out also on a slow CPU
_BYTES_PER_S = 6_000  # a phone recorder's AAC at 48 kbit/s: only to weigh files whose length is unknown


def batch_size(queue_depth: int) -> int:
    """Recordings per batch by queue depth: the users' table (above 100 → 32, 50 → 16, 10 → 8, else 4)."""
    for above, size in ((100, 32), (50, 16), (10, 8)):
        if queue_depth > above:
            return size
    return 4


def _seconds(recording: Recording) -> float:
    return recording.duration_s if recording.duration_s else recording.size_bytes / _BYTES_PER_S


def plan_batches(recordings: Sequence[Recording]) -> list[Batch]:
    """Pack recordings into batches that take about equal time: longest first, each into the lightest batch with room.

    Deterministic: the same recordings in any order give the same batches. Every recording is in exactly one
    batch; a batch holds 1 to ``batch_size(len(recordings))``, and about 3 h of audio unless one recording is longer.
    """
    if not recordings:
        return []
    size = batch_size(len(recordings))
    total = sum(map(_seconds, recordings))
    count = min(max(-(-len(recordings) // size), math.ceil(total / _MAX_BATCH_S)), len(recordings))
    loads: list[tuple[float, int]] = [(0.0, index) for index in range(count)]
    members: list[list[Recording]] = [[] for _ in range(count)]
    for recording in sorted(recordings, key=lambda r: (-_seconds(r), r.file_id)):
        load, index = heapq.heappop(loads)
        members[index].append(recording)
        if len(members[index]) < size:
            heapq.heappush(loads, (load + _seconds(recording), index))
    return [
        Batch(
            batch_id=f"batch-{number:04d}",
            job_id=group[0].job_id,
            file_ids=tuple(recording.file_id for recording in group),
        )
        for number, group in enumerate((group for group in members if group), start=1)
    ]


def plan_run(store: Store, manifest_ref: ArtefactRef, run: TaskRun) -> list[Batch]:
    """Batches of a run's recordings, each of which is queued for transcription."""
    manifest = load_manifest(store, manifest_ref)
    rows = state.recordings_of(manifest.job.job_id, [recording.file_id for recording in manifest.recordings])
    for row in rows.values():
        if row.state is State.PENDING and row.run_id == run.run_id:
            state.advance(row.recording, State.STT_QUEUE, run.actor)
    return plan_batches([row.recording for row in rows.values() if not row.state.terminal])
