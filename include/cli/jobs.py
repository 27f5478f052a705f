"""Commands for jobs: submit, look, fetch, keep house."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from include.cli.console import LanguageOption, app, err, operator, out, use_stack

__all__ = ["drops", "fetch", "housekeeping", "jobs", "submit"]


@app.command()
def submit(
    *,
    job: Annotated[str, typer.Option("--job", help="Job id: letters, digits, '.', '_', '-'.")],
    language: LanguageOption = "auto",
    files: Annotated[list[Path] | None, typer.Argument(help="Recordings, or folders of them.")] = None,
    priority: Annotated[str, typer.Option(help="normal or urgent.")] = "normal",
    emotion: Annotated[str, typer.Option(help="An emotion model: default (as configured), on or off.")] = "default",
    redo: Annotated[
        str, typer.Option(help="Do again what of the job was done before: nothing, failed, outdated or all.")
    ] = "nothing",
    wait: Annotated[bool, typer.Option("--wait", help="Show progress until the job ends.")] = False,
) -> None:
    """Upload recordings to incoming/JOB/ and start the job; with --redo also without recordings."""
    use_stack()
    from include import submission

    submission.check(job, language, priority, redo, emotion)
    names = submission.collect(files) if files or redo == "nothing" else {}
    run_id, link = submission.submit(
        names, job, console=err, language=language, priority=priority, redo=redo, emotion=emotion
    )
    if not wait:
        out.print(f"Started {run_id}: {link}", soft_wrap=True)
        return
    if not submission.follow(job, run_id, link, names=names, console=err, result=out):
        raise typer.Exit(1)


@app.command()
def jobs() -> None:
    """List jobs and what became of their recordings."""
    use_stack()
    from include.state import list_jobs

    table = Table(Column("job", overflow="fold"), "language", "priority", "since (UTC)", "recordings")
    for job, states, created in list_jobs():
        told = ", ".join(f"{count} {state.value}" for state, count in sorted(states.items()))
        table.add_row(
            escape(job.job_id), job.language, job.priority, f"{created.astimezone(UTC):%Y-%m-%d %H:%M:%S}", told
        )
    out.print(table)


@app.command()
def drops() -> None:
    """List what lies under incoming/, and why it has not started."""
    use_stack()
    from include.state import known_drops, quarantined

    table = Table(Column("drop", overflow="fold"), "unchanged for", "told Airflow", "waits for")
    for drop in known_drops():
        seen = drop.seen
        waits = seen.problem or (
            "" if seen.quiet_s is not None else "an upload by ./voiceman submit (an hour at most), or that job's start"
        )
        if quarantined(seen.job_id) is not None:
            waits = f"a person's release: ./voiceman release {seen.job_id} --by NAME --reason TEXT"
        if drop.held:
            waits = "recordings of its job claimed before (until 500 wait, 5 minutes at most)"
        if not waits and drop.announced == 0:
            waits = f"{max(0.0, (seen.quiet_s or 0.0) - drop.unchanged_s):.0f} s without a change"
        told = f"{drop.announced} times" if drop.announced else ""
        table.add_row(escape(seen.job_id), f"{drop.unchanged_s:.0f} s", told, escape(waits or "its run to claim it"))
    out.print(table)


@app.command()
def fetch(
    job: Annotated[str, typer.Argument(help="Job id.")],
    folder: Annotated[Path, typer.Argument(help="Where to write the job's results.")],
) -> None:
    """Download what a job made: completed/JOB/ and failed/JOB/; digests are checked against the database."""
    use_stack()
    from include import submission

    for path in submission.fetch(job, folder, by=f"./voiceman fetch ({operator()})"):
        out.print(str(path), soft_wrap=True, markup=False, highlight=False)


@app.command()
def housekeeping(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Do what the DAG housekeeping does, now: retention, leftovers, Airflow's old runs."""
    use_stack()
    from include.pipeline import keep_house

    def say(line: str) -> None:
        out.print(("would go: " if dry_run else "gone: ") + line, soft_wrap=True, markup=False, highlight=False)

    counts, history = keep_house(f"./voiceman housekeeping ({operator()})", say, dry_run=dry_run)
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "nothing"
    out.print(f"{'Would remove' if dry_run else 'Removed'}: {told}.", markup=False, highlight=False)
    out.print(history, soft_wrap=True, markup=False, highlight=False)
