"""Job logic and the task bodies that the DAGs wire (``tasks``); the planner.

``tasks``, ``drop`` (the trigger) and ``client`` (REST) are modules of their own: Airflow and the command line load
them by name. What stands below is loaded when it is first asked for (PEP 562): each task's process would else pay a
second of imports for stages that it doesn't run.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from include.pipeline.bundling import recording_bundle
    from include.pipeline.case_report import case_report_of
    from include.pipeline.claim import claim_job, load_manifest
    from include.pipeline.closing import judge, reconcile
    from include.pipeline.custody import LedgerReport, check_ledger, export_ledger, recording_extract, signed_export
    from include.pipeline.devices import held_slots, hold, register_host, slots
    from include.pipeline.failing import fail_recording
    from include.pipeline.housekeeping import keep_house
    from include.pipeline.intake_facts import read_facts
    from include.pipeline.notifying import notify_end
    from include.pipeline.planner import batch_size, plan_batches, plan_run
    from include.pipeline.redo import Redoing
    from include.pipeline.scaling import record_scaling, scaling_for
    from include.pipeline.stages import analyze_batch, report_batch, transcribe_batch
    from include.pipeline.summary import summarize_job
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
    "load_manifest",
    "notify_end",
    "plan_batches",
    "plan_run",
    "read_facts",
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

_HOME = {
    "LedgerReport": "custody",
    "Redoing": "redo",
    "TaskRun": "taskrun",
    "analyze_batch": "stages",
    "batch_size": "planner",
    "case_report_of": "case_report",
    "check_ledger": "custody",
    "claim_job": "claim",
    "export_ledger": "custody",
    "fail_recording": "failing",
    "gpu_pool": "watch",
    "held_slots": "devices",
    "hold": "devices",
    "judge": "closing",
    "keep_house": "housekeeping",
    "load_manifest": "claim",
    "notify_end": "notifying",
    "plan_batches": "planner",
    "plan_run": "planner",
    "read_facts": "intake_facts",
    "reconcile": "closing",
    "record_scaling": "scaling",
    "recording_bundle": "bundling",
    "recording_extract": "custody",
    "register_host": "devices",
    "report_batch": "stages",
    "scaling_for": "scaling",
    "signed_export": "custody",
    "slots": "devices",
    "summarize_job": "summary",
    "task_run": "taskrun",
    "transcribe_batch": "stages",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
