"""Finished recordings that a run does again: failed ones, those of older versions, or all.

What was completed before stays: its results are put aside (``completed/{job_id}/superseded/``) before new ones are
made, and the history of states goes on.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from include import state
from include.errors import DigestMismatchError
from include.manifest import Redo, State
from include.pipeline.kept import keep_results
from include.storage import layout

if TYPE_CHECKING:
    from include.pipeline.taskrun import TaskRun
    from include.state import Artefact, RecordingState
    from include.storage import Store

__all__ = ["NOTHING", "Redoing", "outdated", "take_again"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Redoing:
    """Which finished recordings are done again."""

    what: Redo = "nothing"
    received: tuple[datetime, datetime] | None = None
    """Only those received from the first moment on and before the second."""
    codes: frozenset[str] | None = None
    """Of failed ones only those with these reasons; None: all."""

    def covers(self, moment: datetime) -> bool:
        """True when what was received then is meant."""
        return self.received is None or self.received[0] <= moment < self.received[1]


NOTHING = Redoing()
"""No finished recording is done again."""


def take_again(store: Store, job_id: str, run: TaskRun, redo: Redoing) -> None:
    """Give the job's recordings that ``redo`` names to the run.

    A recording of a run that still goes on is left to it.
    """
    if redo.what == "nothing":
        return
    made = state.artefacts(job_id)
    for file_id, row in state.recordings_of(job_id).items():
        wanted = _entry(row, made.get(file_id, {}), redo)
        if wanted is None or row.run_id == run.run_id:
            continue
        if not run.run_is_over(row.run_id):
            log.warning("%s of job %s is left to the run %s, which goes on", file_id, job_id, row.run_id)
            continue
        if row.state is State.COMPLETED:
            try:
                keep_results(store, row.recording)
            except DigestMismatchError as error:
                log.error("%s of job %s is left as it is, a result of it was changed: %s", file_id, job_id, error)
                continue
        # copies only: the original and the history of states stay
        store.delete_all([layout.failed_error_key(job_id, file_id), layout.failed_key(job_id, row.recording.name)])
        state.reopen(row.recording, run.actor, wanted, reason=f"asked for again (redo: {redo.what})")
        log.info("%s of job %s is done again from %s (redo: %s)", file_id, job_id, wanted, redo.what)


def _entry(row: RecordingState, made: dict[str, Artefact], redo: Redoing) -> State | None:
    """The state from which a recording is done again; None when it isn't."""
    if not redo.covers(row.received_at):
        return None
    if row.state is State.FAILED:
        refused = row.recording.received_name is not None and row.recording.revision == 1
        wanted = redo.codes is None or row.error_code in redo.codes
        return State.PENDING if wanted and not refused else None  # what was refused by its name would be again
    if row.state is not State.COMPLETED:
        return None
    if redo.what == "all":
        return State.PENDING
    return State.FORENSIC_QUEUE if redo.what == "outdated" and outdated(made) else None


def outdated(made: dict[str, Artefact]) -> bool:
    """True when a recording's analysis or report was made by another version than today's.

    Args:
        made: the recording's artefacts by kind.
    """
    from include.pipeline.engines import get_engines  # the analysis comes with it: only where it is needed

    engines = get_engines()
    today = {"forensic.json": engines.analysis_digest(), "report.pdf": engines.report_digest()}
    return any(kind not in made or not made[kind].settings_digest.startswith(digest) for kind, digest in today.items())
