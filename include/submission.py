"""Submit recordings, follow a job, fetch its results: what the command line does with a running pipeline."""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from include import state
from include.errors import (
    DigestMismatchError,
    DuplicateRecordingError,
    EmptyJobError,
    InputError,
    IntakeFactsError,
    InvalidJobError,
    InvalidNameError,
    SettingsError,
)
from include.evidence import parse_intake
from include.manifest import Redo, State, check_file_name, check_job_id, check_language, safe_name
from include.pipeline import read_facts
from include.pipeline.client import AirflowClient
from include.settings import get_settings
from include.storage import Store, layout, open_store
from include.stt import file_sha256

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from rich.console import Console

__all__ = ["check", "client", "collect", "fetch", "follow", "submit"]

_LISTED = 50  # files named one by one in a custody event
_STEPS = [State.PENDING, State.STT_PROCESSING, State.FORENSIC_PROCESSING, State.REPORT_GENERATING, State.COMPLETED]


def client() -> AirflowClient:
    """A session with the configured Airflow: the local stack, or ``VOICEMAN_UI_URL`` with its user and password.

    Raises:
        SettingsError: another Airflow is configured without user or password.
    """
    settings = get_settings()
    if settings.api_user is not None and settings.api_password is not None:
        return AirflowClient(settings.ui_url, settings.api_user, settings.api_password.get_secret_value())
    if settings.api_user is not None or settings.api_password is not None:
        raise SettingsError("Set both VOICEMAN_API_USER and VOICEMAN_API_PASSWORD, or neither for the local stack.")
    from include.local import admin_credentials

    login = admin_credentials()
    return AirflowClient(settings.ui_url, login.user, login.password)


def collect(paths: Sequence[Path] | None) -> dict[str, Path]:
    """Name → file of everything to submit; folders give the files directly in them, hidden ones left out.

    Raises:
        InputError: a path is missing, or there is nothing to submit.
        DuplicateRecordingError: two files have the same name.
    """
    files: list[Path] = []
    for path in paths or ():
        if path.is_dir():
            files += sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith("."))
        elif path.is_file():
            files.append(path)
        else:
            raise InputError(f"{path} is not a file or folder; check the path.")
    if not files:
        where = f"in {', '.join(map(str, paths))}" if paths else "to submit"
        raise EmptyJobError(f"There are no files {where}; give recordings.")
    names: dict[str, Path] = {}
    for file in files:
        if not file.name.isprintable():
            raise InvalidNameError(f"The file name {file.name!a} holds control characters; rename the file.")
        if file.name in names and not file.samefile(names[file.name]):
            raise DuplicateRecordingError(f"{names[file.name]} and {file} have the same name; rename one of them.")
        names[file.name] = file
    return names


def check(job_id: str, language: str, priority: str, redo: str, emotion: str = "default") -> None:
    """Refuse a wrong job before anything is uploaded.

    Raises:
        InvalidJobError, LanguageError: one sentence that says what is offered.
    """
    check_job_id(job_id)
    check_language(language)
    if priority not in ("normal", "urgent"):
        raise InvalidJobError(f"The priority {priority!r} is not offered; use normal or urgent.")
    if emotion not in ("default", "on", "off"):
        raise InvalidJobError(f"The choice {emotion!r} for --emotion is not offered; use default, on or off.")
    if redo not in get_args(Redo):
        raise InvalidJobError(f"The choice {redo!r} for --redo is not offered; use one of {', '.join(get_args(Redo))}.")


def submit(files: dict[str, Path], job_id: str, *, console: Console, **options: str) -> tuple[str, str]:
    """Upload and start; returns the run's id and its page in the UI.

    Names that can't be kept are uploaded all the same: the pipeline refuses each with its reason and keeps it. A
    ``_HOLD`` marker keeps the intake from starting the job with other options before the upload is whole.

    Args:
        files: name → file; none when a job's recordings are only done again.
        job_id: the job.
        console: where progress is shown.
        options: the trigger form's other fields (language, priority, models, redo, emotion).

    Raises:
        DuplicateRecordingError: another file of this name waits under ``incoming/`` already.
        IntakeFactsError: the intake.json among the files is none; nothing was uploaded.
        StorageError, StackError: S3 or Airflow can't be reached.
    """
    if stated := files.get(layout.INTAKE_NAME):
        parse_intake(stated.read_bytes(), str(stated))
    store = open_store()
    with client() as airflow:
        airflow.wait_for_dag()
        for name, file in files.items():
            _refuse_other_waiting(store, file, layout.incoming_key(job_id, name))
        if files:
            store.write(layout.incoming_key(job_id, "_HOLD"), b"")  # the claim removes it
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
        with Progress(*columns, console=console) as progress:
            for name, file in progress.track(files.items(), total=len(files), description="Uploading"):
                store.upload(file, layout.incoming_key(job_id, name))
        run_id = f"submit__{job_id}__{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
        airflow.start(job_id, run_id, **options)
        return run_id, airflow.link(run_id)


def _refuse_other_waiting(store: Store, file: Path, key: str) -> None:
    if store.exists(key) and store.sha256(key) != file_sha256(file):
        raise DuplicateRecordingError(
            f"Another file waits as {store.uri(key)}; rename {file.name}, or wait until the job has claimed it."
        )


def follow(job_id: str, run_id: str, link: str, *, names: Collection[str], console: Console, result: Console) -> bool:
    """Show each recording's stage until the run ends, then what came of it.

    Returns:
        True when the run is green and every file of ``names`` is COMPLETED.
    """
    started = time.monotonic()
    with client() as airflow, Live(console=console, refresh_per_second=4, transient=True) as live:
        while (
            (run := airflow.state(run_id)) not in ("success", "failed")
            or _taken_elsewhere(airflow, job_id)
            or _more_to_come(job_id, run_id)
        ):
            live.update(_progress(job_id, f"{job_id}: {time.monotonic() - started:.0f} s, run {run}"))
            time.sleep(1)
    store, rows, made = open_store(), state.recordings_of(job_id), state.artefacts(job_id)
    table = Table("recording", "state", title=f"{job_id}: {time.monotonic() - started:.0f} s")
    table.add_column("report, or what went wrong", overflow="fold")
    for key, row in rows.items():
        table.add_row(_plain(key), row.state.value, _plain(_outcome(row, made.get(key, {}))))
    result.print(table)
    summary = layout.summary_key(job_id)
    if store.exists(summary):
        result.print(f"Summary: {store.uri(summary)}", soft_wrap=True)
    result.print(f"Airflow: {link}", soft_wrap=True)
    if waits := _why_waiting(store, job_id):
        result.print(_plain(waits), soft_wrap=True)
    if rows:
        result.print(f"Download: ./voiceman fetch {job_id} DIR", soft_wrap=True)
    done = [row.recording for row in rows.values() if row.state is State.COMPLETED]
    completed = {one.received_name or one.name for one in done}
    return run == "success" and set(names) <= completed


def _why_waiting(store: Store, job_id: str) -> str | None:
    """Why files still lie there after the run; None when none does."""
    prefix = layout.incoming_prefix(job_id)
    if not any(store.list(prefix)):
        return None
    if held := state.quarantined(job_id):
        named = f"{', '.join(held.names[:5])}{' …' if len(held.names) > 5 else ''}"
        return (
            f"Held: {named}: declared in intake.json to be of a conversation between others, and no basis is stated; "
            "nothing is transcribed until the facts are completed "
            f"or a person decides: ./voiceman release {job_id} --by NAME --reason TEXT."
        )
    try:
        read_facts(store, prefix)
    except IntakeFactsError as error:
        return str(error)
    return f"Files still lie under {prefix}; ./voiceman drops and the run's log say why."


def _taken_elsewhere(airflow: AirflowClient, job_id: str) -> bool:
    """True while another run that goes on owns a recording of the job (a drop was claimed by it)."""
    owners = {row.run_id for row in state.recordings_of(job_id).values() if not row.state.terminal}
    return any(airflow.state(owner) in ("queued", "running") for owner in owners)


def _more_to_come(job_id: str, run_id: str) -> bool:
    """True while files lie there that the run left for the next one: a run claims 1,000 at most."""
    claimed = any(row.run_id == run_id for row in state.recordings_of(job_id).values())
    return claimed and any(open_store().list(layout.incoming_prefix(job_id)))


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _outcome(row: state.RecordingState, made: dict[str, state.Artefact]) -> str:
    if row.state is State.FAILED:
        return row.error_message or ""
    report = made.get("report.pdf")
    return report.ref.uri if report else ""


def _progress(job_id: str, title: str) -> Table:
    table = Table("recording", *[step.value.split("_")[0].lower() for step in _STEPS[1:]], title=title)
    for key, row in state.recordings_of(job_id).items():
        if row.state is State.FAILED:
            cells = ["[red]failed[/]", "", "", ""]
        else:
            cells = [
                "[green]done[/]" if row.reached(_next(step)) else "…" if row.reached(step) else ""
                for step in _STEPS[1:]
            ]
        table.add_row(_plain(key), *cells)
    return table


def _next(step: State) -> State:
    after = {
        State.STT_PROCESSING: State.FORENSIC_QUEUE,
        State.FORENSIC_PROCESSING: State.REPORT_QUEUE,
        State.REPORT_GENERATING: State.COMPLETED,
    }
    return after.get(step, State.COMPLETED)


def fetch(job_id: str, folder: Path, *, by: str) -> list[Path]:
    """Download a job's results and failures; returns what was written.

    Reports, transcripts, analyses and originals are checked against the digests in the database; error files and the
    summary have none there. That somebody took them is a custody event of the job.

    Raises:
        InvalidJobError: the job id can't be one.
        EmptyJobError: the job has no results (yet).
        DigestMismatchError: a file is not the one the pipeline made.
    """
    check_job_id(job_id)
    store = open_store()
    made = [one for kinds in state.artefacts(job_id).values() for one in kinds.values()]
    made += [one for replaced in state.replaced(job_id).values() for one in replaced]
    digests = {store.key(one.ref.uri): one.ref.sha256 for one in made}
    for row in state.recordings_of(job_id).values():
        digests[layout.failed_key(job_id, row.recording.name)] = row.recording.sha256
    written: list[Path] = []
    taken: dict[str, str] = {}
    for prefix in (layout.completed_key(job_id, ""), layout.failed_key(job_id, "")):
        for item in store.list(prefix):
            parts = item.key.removeprefix(prefix).split("/")
            target = folder.joinpath(prefix.split("/")[0], *map(_local_name, parts))
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f".{hashlib.sha256(target.name.encode()).hexdigest()[:16]}.partial")
            data_digest = store.download(item.key, partial)
            if digests.get(item.key, data_digest) != data_digest:
                partial.unlink()
                raise DigestMismatchError(f"{store.uri(item.key)} is not the file the pipeline made; it was changed.")
            partial.replace(target)
            written.append(target)
            taken[item.key] = data_digest
    if not written:
        raise EmptyJobError(f"The job {job_id} has no results; ./voiceman jobs and ./voiceman drops say why.")
    _note_fetched(job_id, taken, by)
    return written


def _note_fetched(job_id: str, taken: dict[str, str], by: str) -> None:
    """Each file's digest, or (an event of a large job must stay small) the digest of `sha256sum`'s list of them."""
    if len(taken) > _LISTED:
        lines = "".join(f"{digest}  {key}\n" for key, digest in sorted(taken.items()))
        listed = {"SHA256SUMS": hashlib.sha256(lines.encode()).hexdigest()}
    else:
        listed = taken
    state.note(job_id, None, state.Note("fetched", f"{len(taken)} files", listed), state.Actor("", 0, by))


def _local_name(name: str) -> str:
    """A key's last part as a file name: whoever wrote the store, nothing is written outside the folder."""
    try:
        check_file_name(name)
    except InputError:
        return safe_name(name)
    return name
