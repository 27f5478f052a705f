"""How many workers the queue asks for: a table, and its use on the queue as it is now."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from include import state

__all__ = ["Scaling", "record_scaling", "scaling_for"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scaling:
    """What the policy recommends. It is advice: nothing here starts or ends a machine."""

    action: str
    """``shrink``: end workers above these numbers; ``hold``: keep what there is, at least these; ``grow``: start
    workers up to these."""
    stt_workers: int
    """Devices that transcribe."""
    forensic_workers: int
    """Workers of the queue ``default``: analysis and reports."""
    alert: bool
    """Tell people: so long a queue is not what the lab was planned for."""


_TABLE = (
    (5, Scaling("shrink", 2, 2, alert=False)),
    (20, Scaling("hold", 2, 2, alert=False)),
    (50, Scaling("grow", 4, 4, alert=False)),
    (100, Scaling("grow", 8, 6, alert=False)),
)
_ABOVE = Scaling("grow", 10, 8, alert=True)


def scaling_for(queue_depth: int) -> Scaling:
    """The users' table: up to 5 waiting recordings shrink to 2 + 2, to 20 hold 2 + 2, to 50 grow to 4 + 4, to 100 to
    8 + 6, above that to 10 + 8 and an alert (the 8 is ours: the users gave none; about the ratio of the row before).

    Args:
        queue_depth: recordings that wait for transcription, of all jobs.

    Raises:
        ValueError: a negative depth.
    """
    if queue_depth < 0:
        raise ValueError(f"a queue can't hold {queue_depth} recordings")
    return next((scaling for most, scaling in _TABLE if queue_depth <= most), _ABOVE)


def record_scaling() -> Scaling:
    """Look at the queue and write a recommendation to ``voiceman.scaling_recommendation``.

    Cheap (three statements): called every minute by the DAG ``watch`` and free to be called where the queue changes.

    Raises:
        StateError: PostgreSQL can't be reached.
    """
    now = state.queue_depth()
    advice = scaling_for(now.depth)
    state.save_recommendation(
        state.ScalingRow(
            now.depth, now.oldest_age_s, advice.action, advice.stt_workers, advice.forensic_workers, advice.alert
        )
    )
    if advice.alert:
        log.warning(
            "%d recordings wait, the oldest for %.0f s: %d devices and %d default workers are recommended.",
            now.depth, now.oldest_age_s or 0.0, advice.stt_workers, advice.forensic_workers,
        )  # fmt: skip
    return advice
