"""Which recordings go into one batch: a pure function, and its use on a run's manifest."""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING

from include import state
from include.manifest import ArtefactRef, Batch, State
from include.pipeline.claim import load_manifest
from include.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.manifest import Recording
    from include.pipeline.taskrun import TaskRun
    from include.storage import Store

__all__ = ["batch_size", "plan_batches", "plan_run"]

_LARGEST = 32
_MAX_BATCH_S = 3 * 3600.0  # a batch must end within the task's time-out also on a slow CPU
_BYTES_PER_S = 6_000  # a phone recorder's AAC at 48 kbit/s: only to weigh files whose length is unknown


def batch_size(queue_depth: int) -> int:
    """Recordings per batch by queue depth: the users' table (above 100 → 32, 50 → 16, 10 → 8, else 4)."""
    for above, size in ((100, _LARGEST), (50, 16), (10, 8)):
        if queue_depth > above:
            return size
    return 4


def _seconds(recording: Recording) -> float:
    # longer ones are refused by the transcription: what a header claims must not split the others' batches
    return min(recording.duration_s or recording.size_bytes / _BYTES_PER_S, get_settings().max_audio_s)


def plan_batches(
    recordings: Sequence[Recording],
    *,
    queue_depth: int | None = None,
    room: int | None = None,
    language: str = "auto",
    model: str = "base",
    fresh: bool = False,
    emotion: bool | None = None,
) -> list[Batch]:
    """Pack recordings into batches that take about equal time: longest first, each into the lightest batch with room.

    Deterministic: the same recordings in any order give the same batches. Every recording is in exactly one
    batch; a batch has one language, holds 1 to ``batch_size(queue_depth)`` recordings and never more than ``room``,
    and about 3 h of audio unless one recording is longer.

    Args:
        recordings: of one job.
        queue_depth: recordings that wait, of all jobs; these alone when None.
        room: how many 30-s chunks of speech the device can decode at once with this model (one of each recording
            fills a decode group); None when that is not measured yet.
        language: of recordings that ask for none of their own.
        model: passed on to the batches.
        fresh: passed on to the batches.
        emotion: passed on to the batches.
    """
    size = batch_size(max(queue_depth or 0, len(recordings)))
    if room is not None:
        size = max(min(size, room), 1)
    groups: dict[str, list[Recording]] = {}
    for recording in recordings:
        groups.setdefault(recording.language or language, []).append(recording)
    packed = [(spoken, members) for spoken in sorted(groups) for members in _pack(groups[spoken], size)]
    return [
        Batch(
            batch_id=f"batch-{number:04d}",
            job_id=members[0].job_id,
            file_ids=tuple(recording.file_id for recording in members),
            language=spoken,
            model=model,
            fresh=fresh,
            emotion=emotion,
        )
        for number, (spoken, members) in enumerate(packed, start=1)
    ]


def _pack(recordings: list[Recording], size: int) -> list[list[Recording]]:
    total = sum(map(_seconds, recordings))
    count = min(max(-(-len(recordings) // size), math.ceil(total / _MAX_BATCH_S)), len(recordings))
    loads: list[tuple[float, int]] = [(0.0, index) for index in range(count)]
    members: list[list[Recording]] = [[] for _ in range(count)]
    for recording in sorted(recordings, key=lambda r: (-_seconds(r), r.file_id)):
        load, index = heapq.heappop(loads)
        members[index].append(recording)
        if len(members[index]) < size:
            heapq.heappush(loads, (load + _seconds(recording), index))
    return [group for group in members if group]


def plan_run(store: Store, manifest_ref: ArtefactRef, run: TaskRun, *, fresh: bool = False) -> list[Batch]:
    """Batches of a run's recordings, each of which is queued for transcription unless it keeps its transcript.

    Args:
        store: the bucket.
        manifest_ref: what the run claimed.
        run: the acting task.
        fresh: nothing made before is taken again.
    """
    manifest = load_manifest(store, manifest_ref)
    model = manifest.job.model or get_settings().whisper_model
    rows = state.recordings_of(manifest.job.job_id, [recording.file_id for recording in manifest.recordings])
    state.advance_all(manifest.job.job_id, State.PENDING, State.STT_QUEUE, run.actor)
    return plan_batches(
        [row.recording for row in rows.values() if not row.state.terminal],
        queue_depth=state.queue_depth().depth,
        room=state.decode_room(model),
        language=manifest.job.language,
        model=model,
        fresh=fresh,
        emotion=manifest.job.emotion,
    )
