"""PostgreSQL: recording states, events, artefacts; SQL migrations."""

from include.state.database import migrate, transaction
from include.state.recordings import (
    Actor,
    Artefact,
    RecordingState,
    StageTime,
    add_recording,
    adopt,
    advance,
    artefacts,
    fail,
    job_lock,
    list_jobs,
    recordings_of,
    reopen,
    save_artefact,
    save_job,
    stage_times,
)

__all__ = [
    "Actor",
    "Artefact",
    "RecordingState",
    "StageTime",
    "add_recording",
    "adopt",
    "advance",
    "artefacts",
    "fail",
    "job_lock",
    "list_jobs",
    "migrate",
    "recordings_of",
    "reopen",
    "save_artefact",
    "save_job",
    "stage_times",
    "transaction",
]
