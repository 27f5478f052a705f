"""Task bodies: Airflow's context and JSON in, JSON out. The DAG ``process`` wires them.

Each loads what it needs itself: whoever reads the DAG (its processor, each task's process) needs none of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from include import state
from include.errors import InvalidJobError, JobFailedError
from include.manifest import ArtefactRef, Batch, Job, check_job_id, check_language, check_prefix
from include.pipeline.taskrun import task_run
from include.settings import get_settings
from include.storage import open_store

if TYPE_CHECKING:
    from airflow.sdk import Context

__all__ = ["analyze", "claim", "gate", "notify", "plan", "report", "summarize", "transcribe"]

Json = dict[str, Any]


def claim(context: Context) -> Json:
    """Claim the job's drop; returns the manifest's place and digest."""
    from include.pipeline.claim import claim_job
    from include.pipeline.redo import Redoing
    from include.pipeline.sweep import parse_interval, transient_codes

    params = context["params"]
    # again: JSON Schema's `$` lets a trailing newline pass
    job_id, language = check_job_id(params["job_id"]), check_language(params["language"])
    wishes = {"default": None, "on": True, "off": False}
    job = Job(
        job_id=job_id, language=language, priority=params["priority"], model=params["models"],
        emotion=wishes[params.get("emotion", "default")],
    )  # fmt: skip
    run = task_run(context)
    again = context["dag"].dag_id == "reprocess"
    other = "process" if again else "reprocess"
    if context["ti"].get_dr_count(dag_id=other, run_ids=[run.run_id]):
        raise InvalidJobError(f"The DAG {other} has a run {run.run_id} already; start this one under another id.")
    if again or run.run_id.startswith(("drop__", "released__")):
        job = state.find_job(job_id) or job  # nobody chose options here: a known job keeps its own
    prefix = check_prefix(params["prefix"]) if params["prefix"] else None
    received = parse_interval(params["received"]) if params.get("received") else None
    codes = transient_codes() if params.get("failures") == "transient" else None
    redo = Redoing(params["redo"], received, codes)
    return claim_job(open_store(), job, run, prefix=prefix, redo=redo, claim_held=not again).model_dump()


def plan(context: Context, manifest: Json) -> list[Json]:
    """The run's batches."""
    from include.pipeline.planner import plan_run

    params = context["params"]
    batches = plan_run(open_store(), ArtefactRef(**manifest), task_run(context), fresh=params["redo"] == "all")
    return [batch.model_dump(mode="json") for batch in batches]


def _labelled(context: Context, batch: Json) -> Batch:
    one = Batch.model_validate(batch)
    context["batch_label"] = one.label  # type: ignore[typeddict-unknown-key]  # for map_index_template
    return one


def transcribe(context: Context, batch: Json) -> int:
    """Transcribe one batch; returns how many recordings have a transcript."""
    from include.pipeline.devices import lease, register_host
    from include.pipeline.stages import transcribe_batch

    one, run = _labelled(context, batch), task_run(context)
    if get_settings().stt_url:  # the service holds the devices; falling back takes a lease of its own (RealEngines)
        register_host()
        return transcribe_batch(open_store(), one, run)
    with lease(run.actor) as held:
        run = replace(run, inherit=(held.fd,), device=held.slot.name)
        return transcribe_batch(open_store(), one, run)


def analyze(context: Context, batch: Json) -> int:
    """Analyse one batch; returns how many recordings have an analysis."""
    from include.pipeline.stages import analyze_batch

    return analyze_batch(open_store(), _labelled(context, batch), task_run(context))


def report(context: Context, batch: Json) -> int:
    """Report on one batch; returns how many recordings are completed."""
    from include.pipeline.stages import report_batch

    return report_batch(open_store(), _labelled(context, batch), task_run(context))


def summarize(context: Context, manifest: Json | None) -> Json:
    """Reconcile with the manifest and write the summary; returns its place and digest.

    Raises:
        JobFailedError: there is no manifest, because the claim did not finish.
    """
    from include.pipeline.closing import reconcile
    from include.pipeline.summary import summarize_job

    if manifest is None:
        raise JobFailedError("There is no manifest: the task claim did not finish; see its log.")
    store, run = open_store(), task_run(context)
    return summarize_job(store, reconcile(store, ArtefactRef(**manifest), run), run).model_dump()


def notify(context: Context) -> str:
    """Tell the configured endpoint that the job ended."""
    from include.pipeline.notifying import notify_end

    return notify_end(context, check_job_id(context["params"]["job_id"]))


def gate(manifest: Json | None, summary: Json | None) -> str:
    """Sign the head of the case's custody ledger; green only when every recording of the manifest is COMPLETED.

    Raises:
        JobFailedError: one is not; the message names them.
    """
    from include.pipeline.claim import load_manifest
    from include.pipeline.closing import judge
    from include.pipeline.signing import sign_gate

    claimed, summarized = (None if ref is None else ArtefactRef(**ref) for ref in (manifest, summary))
    store = open_store()
    if claimed is not None:
        sign_gate(store, load_manifest(store, claimed).job.job_id)
    return judge(store, claimed, summarized)
