"""
### watch: the pool `gpu` follows the devices, the recommendation follows the queue

Every minute: writes how many workers the queue asks for (table `voiceman.scaling_recommendation`, newest row;
`./voiceman devices` shows it), and gives the pool `gpu` one slot a device that workers reported lately (table
`voiceman.device`). Workers report their host's devices when they start, every 10 minutes, and with each transcription;
on the local stack this DAG reports this machine's.

Slots that you set by hand (to pause transcription, say) stay until another number of devices is found.

**When it is red.** PostgreSQL is away, `nvidia-smi` hangs, or `airflow pools set` failed: the log says which. Jobs go
on meanwhile, with the pool as it was; the next run repairs it, nothing has to be cleared. A driver's trouble: mend it,
or set `VOICEMAN_DEVICE=cpu` there.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import dag, task

from include.pipeline import watch as bodies


@dag(
    schedule="* * * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["voiceman", "operations"],
    doc_md=__doc__,
    is_paused_upon_creation=False,
    default_args={
        "owner": "voiceman",
        "retries": 1,
        "retry_delay": timedelta(seconds=10),
        "execution_timeout": timedelta(minutes=5),
    },
)
def watch() -> None:
    """Wire the minute's look: one task, for a second would cost as much again."""

    @task
    def look() -> str:
        advice = bodies.recommend()  # first: it must be written even when a driver hangs or the pool can't be set
        bodies.register_here()
        bodies.resize_pool()
        return advice

    look()


watch()
