"""Job logic and the task bodies that the DAGs wire (``tasks``); the planner.

``tasks``, ``drop`` (the trigger) and ``client`` (REST) are modules of their own: Airflow and the command line load
them by name.
"""

from include.pipeline.bundling import recording_bundle
from include.pipeline.case_report import case_report_of
from include.pipeline.claim import claim_job, load_manifest
from include.pipeline.closing import judge, notify_end, reconcile, summarize_job
from include.pipeline.custody import LedgerReport, check_ledger, export_ledger, recording_extract, signed_export
from include.pipeline.devices import held_slots, hold, lease, register_host, slots
from include.pipeline.failing import fail_recording
from include.pipeline.housekeeping import keep_house
from include.pipeline.planner import batch_size, plan_batches, plan_run
from include.pipeline.redo import Redoing
from include.pipeline.scaling import record_scaling, scaling_for
from include.pipeline.stages import analyze_batch, report_batch, transcribe_batch
from include.pipeline.taskrun import TaskRun, task_run
from include.pipeline.watch import gpu_pool

__all__ = [
    "LedgerReport",
    "Redoing",
    "TaskRun",
    "analyze_batch",
    "batch_size",
    "case_report_of",
    "check_ledger",
    "claim_job",
    "export_ledger",
    "fail_recording",
    "gpu_pool",
    "held_slots",
    "hold",
    "judge",
    "keep_house",
    "lease",
    "load_manifest",
    "notify_end",
    "plan_batches",
    "plan_run",
    "reconcile",
    "record_scaling",
    "recording_bundle",
    "recording_extract",
    "register_host",
    "report_batch",
    "scaling_for",
    "signed_export",
    "slots",
    "summarize_job",
    "task_run",
    "transcribe_batch",
]
