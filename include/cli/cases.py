"""Commands that make a report over the recordings of a case."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from include.cli.console import app, err, operator, out, use_stack, write_bytes

__all__ = ["case_report", "report_of_files"]


@app.command()
def case_report(
    jobs: Annotated[list[str], typer.Argument(help="A case number, or the ids of one or more jobs.")],
    to: Annotated[Path, typer.Option("--out", help="Folder for the case report (PDF and HTML).")],
    facts: Annotated[
        Path | None, typer.Option(help="An intake.json that goes before what was stated with the jobs.")
    ] = None,
) -> None:
    """Make the report over a case's completed recordings from the store; the custody ledger says who made it."""
    use_stack()
    from include import state
    from include.errors import InputError
    from include.evidence import parse_intake
    from include.pipeline import case_report_of
    from include.storage import open_store

    if any(to.glob("case_report.*.signed.pdf")):
        raise InputError(f"{to} holds a signed case report, which is never overwritten; name another folder.")
    stated = None
    if facts is not None:
        data = facts.read_bytes()
        stated = parse_intake(data, str(facts)), f"{facts.name} (SHA-256 {hashlib.sha256(data).hexdigest()})"
    named = dict.fromkeys(job for one in jobs for job in state.jobs_of(one) or [one])
    unknown = next((job for job in named if state.find_job(job) is None), None)
    if unknown is not None:
        raise InputError(f"Neither a case nor a job is called {unknown!r}; ./voiceman jobs lists the jobs.")
    with err.status("Rendering"):
        files = case_report_of(open_store(), list(named), by=f"./voiceman case-report ({operator()})", stated=stated)
    _write(to, files)
    for name, told in json.loads(files["case_report.signatures.json"]).items():
        who = (
            f"signed by {told['signer']}{' (DEMONSTRATION CERTIFICATE)' if told['demo'] else ''}"
            if told["signed"]
            else ""
        )
        err.print(f"{name}: {who or 'not signed: ' + told['reason']}", markup=False, highlight=False, soft_wrap=True)


def report_of_files(analyses: list[Path], folder: Path, facts: Path | None) -> None:
    """Write the case report over analysis files.

    Raises:
        DocumentError: the files are no analyses of one case, or have no transcripts beside them.
    """
    from include import plain, report
    from include.settings import get_settings

    now = datetime.now(UTC).isoformat(timespec="seconds")
    settings = get_settings()
    both: list[report.Language] = ["ko", "en"]
    languages = both if settings.report_languages == "both" else [settings.report_language]
    by = f"./voiceman case ({operator()})"
    with err.status("Rendering"):
        made, course = plain.case_report_files(analyses, stated=facts, by=by, generated_at=now)
        for language in languages:
            rendered = report.render_case_report(made, course, language=language)
            name = f"case_report.{language}"
            _write(folder, {f"{name}.pdf": rendered.pdf, f"{name}.html": rendered.html.encode()})


def _write(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        write_bytes(folder / name, data)
        out.print(str(folder / name), soft_wrap=True, markup=False, highlight=False)
