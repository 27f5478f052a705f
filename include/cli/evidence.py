"""Commands about evidence: the custody ledger, and the keys that sign."""

from __future__ import annotations

import sys
from datetime import UTC
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track
from rich.table import Table

from include.cli.console import app, err, operator, out, set_settings, use_stack, write, write_bytes
from include.errors import EvidenceError, LedgerError

__all__ = ["bundle", "key_list", "key_new", "key_register", "ledger", "ledger_verify", "release", "reproduce"]

key = typer.Typer(no_args_is_help=True, help="The keys that sign, and the register of their public halves.")
app.add_typer(key, name="key")


@app.command()
def ledger(
    case: Annotated[str, typer.Argument(help="A case number, or a job id.")],
    to: Annotated[Path | None, typer.Option("--out", help="A folder, or NAME.zip for a signed export.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Check it, instead of printing it.")] = False,
) -> None:
    """Print a case's custody ledger as JSON lines, write it with its signed heads, or check it."""
    use_stack()
    from include.pipeline import check_ledger, export_ledger, signed_export
    from include.storage import open_store

    if to is not None and to.suffix == ".zip" and not check:
        write_bytes(to, signed_export(case))
        out.print(str(to), soft_wrap=True, markup=False, highlight=False)
        return
    if not check:
        files = export_ledger(case)
        if to is None:
            sys.stdout.buffer.write(files["ledger.jsonl"])
            return
        for name, data in files.items():
            write(to / name, data.decode())
            out.print(str(to / name), soft_wrap=True, markup=False, highlight=False)
        return
    found = check_ledger(open_store(), case)
    told = [
        f"Case {found.case}: {found.events} events, {found.signed} of them before a signed head of the whole chain "
        f"({found.heads} heads, {found.copies} copies outside of the database)."
    ]
    if found.demo:
        told.append("Signed with a DEMO key: it proves nothing to others.")
    if not found.sealed:
        told.append(
            "The pipeline's own database role could change the ledger: let a superuser run "
            "include/state/seal_ledger.sql."
        )
    for line in told:
        out.print(line, soft_wrap=True, markup=False, highlight=False)
    for line in found.problems:
        err.print(f"TAMPERED: {line}", soft_wrap=True, markup=False, highlight=False)
    if found.problems:
        raise typer.Exit(1)
    out.print("Whole: no event was edited, removed, added or moved.", highlight=False)


@app.command()
def bundle(
    job: Annotated[str, typer.Argument(help="Job id.")],
    recordings: Annotated[list[str] | None, typer.Argument(help="Recordings; all completed ones when none.")] = None,
    to: Annotated[Path, typer.Option("--out", help="Where the zips go.")] = Path(),
) -> None:
    """Write the evidence bundle of each completed recording: FILE_ID.zip, to be checked with `./voiceman verify`."""
    use_stack()
    from include import state
    from include.manifest import State
    from include.pipeline import recording_bundle
    from include.storage import open_store

    wanted = recordings or [
        file_id for file_id, row in state.recordings_of(job).items() if row.state is State.COMPLETED
    ]
    if not wanted:
        raise EvidenceError(f"The job {job} has no completed recording; see ./voiceman jobs.")
    store, by = open_store(), f"./voiceman bundle ({operator()})"
    for file_id in track(wanted, description="Bundles", console=err, transient=True):
        path = to / f"{file_id}.zip"
        write_bytes(path, recording_bundle(store, job, file_id, by=by))
        out.print(str(path), soft_wrap=True, markup=False, highlight=False)


@app.command()
def ledger_verify(
    folder: Annotated[Path, typer.Argument(help="What `./voiceman ledger CASE --out FOLDER` wrote.")],
    keys: Annotated[
        Path | None, typer.Option(help="Directory of public keys that you trust; else those in the folder.")
    ] = None,
) -> None:
    """Check an exported custody ledger: needs no database, no network and no Airflow."""
    from include import evidence

    trusted = evidence.read_keys(keys or folder / "keys")
    end, heads = evidence.check_export(
        (folder / "ledger.jsonl").read_bytes(), (folder / "heads.jsonl").read_bytes(), trusted
    )
    (head,) = [one for one in heads if one.scope is None]
    out.print(
        f"Whole: case {head.case}, {end.count} events, signed up to event {head.link.seq} at {head.at.isoformat()} "
        f"with the key {head.keyid}{' (a DEMO key: it proves nothing)' if head.demo else ''}.",
        soft_wrap=True, markup=False, highlight=False,
    )  # fmt: skip
    if end.seq > head.link.seq:
        out.print(f"{end.seq - head.link.seq} events came after that and are not signed yet.", highlight=False)
    if keys is None:
        out.print("The keys came with the ledger: compare the key's id with the one that the lab has published.")


@key.command("new")
def key_new(
    path: Annotated[Path, typer.Argument(help="The private key's file; it must not be there yet.")],
    register: Annotated[Path | None, typer.Option(help="Directory of public keys; default: public beside it.")] = None,
) -> None:
    """Make an Ed25519 key and register its public half; the key in use before is ended."""
    from include import evidence

    folder = register or path.parent / "public"
    made = evidence.new_key(path.expanduser().absolute(), folder)
    out.print(f"Made the key {made.keyid}.", soft_wrap=True, highlight=False)
    out.print(
        f"Set VOICEMAN_SIGNING_KEY={path.expanduser().absolute()} and VOICEMAN_KEYS_DIR={folder.absolute()}, keep the "
        "private file to yourself (no backup of it: no further signature), and publish the key's id where it can't be "
        "taken back.", soft_wrap=True, markup=False, highlight=False,
    )  # fmt: skip


@key.command("register")
def key_register() -> None:
    """Register the public half of the configured signer (a key made elsewhere, a token, a KMS)."""
    from include import evidence
    from include.settings import get_settings

    settings = get_settings()
    made = evidence.register_key(settings.public_keys, evidence.open_signer(settings))
    out.print(f"Registered the key {made.keyid} in {settings.public_keys}.", soft_wrap=True, highlight=False)


@key.command("list")
def key_list(
    register: Annotated[
        Path | None, typer.Option(help="Directory of public keys; default: the configured one.")
    ] = None,
) -> None:
    """List the registered public keys and when each signs."""
    from include import evidence
    from include.settings import get_settings

    if register is None and not get_settings().signing_key:
        use_stack()
    folder = register or get_settings().public_keys
    found = evidence.read_keys(folder)
    if not found:
        raise LedgerError(f"No public keys are registered in {folder}; make a key with ./voiceman key new.")
    table = Table("key", "from (UTC)", "until (UTC)", "purpose")
    for one in sorted(found.values(), key=lambda one: one.since):
        until = "in use" if one.until is None else f"{one.until.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        purpose = f"{one.purpose}, DEMO" if one.demo else one.purpose
        table.add_row(one.keyid, f"{one.since.astimezone(UTC):%Y-%m-%d %H:%M:%S}", until, purpose)
    out.print(table)


@app.command()
def release(
    job: Annotated[str, typer.Argument(help="Job id.")],
    by: Annotated[str, typer.Option(help="Who decides: the person's name.")],
    reason: Annotated[str, typer.Option(help="Why: it goes into the custody ledger.")],
    sha256: Annotated[
        str | None, typer.Option(help="Of the intake.json that you read; any other is not released.")
    ] = None,
) -> None:
    """Release what of a job is in quarantine: recordings of others' conversations without a stated basis."""
    use_stack()
    from include import state
    from include.storage import layout, open_store

    if not by.strip() or not reason.strip():
        raise typer.BadParameter("name the person and the reason")
    held = state.quarantined(job)
    if held is None:
        raise LedgerError(f"Nothing of a job {job!r} is in quarantine; there is nothing to release.")
    if sha256 is not None and sha256.lower() != held.sha256:
        raise LedgerError(f"The job {job} is held by another intake.json (SHA-256 {held.sha256}); read that one first.")
    actor = state.Actor("", 0, f"./voiceman release ({operator()})")
    state.release_job(job, held.sha256, by.strip(), reason.strip(), actor, names=held.names)
    for name in held.names:
        out.print(f"released: {name}", soft_wrap=True, markup=False, highlight=False)
    # the watcher leaves what `submit` uploads alone for an hour: it would start the job with other options
    waits = "." if open_store().exists(layout.incoming_key(job, "_HOLD")) else ", or wait."
    told = (
        f"intake.json: SHA-256 {held.sha256}. Released by {by.strip()}. Start the job again: ./voiceman submit "
        f"--job {job} --redo failed{waits}"
    )
    out.print(told, soft_wrap=True, markup=False, highlight=False)


@app.command()
def reproduce(
    source: Annotated[Path, typer.Argument(help="A bundle, or a folder made by `./voiceman fetch`.")],
    audio: Annotated[Path, typer.Option(help="The recording (the original's bytes).")],
    recording: Annotated[str | None, typer.Option(help="Which one, when there are several.")] = None,
    keys: Annotated[Path | None, typer.Option(help="Directory of public keys that you trust.")] = None,
) -> None:
    """Transcribe and analyse a recording again as it was attested; say what of it differs."""
    from include import reproduce as again

    recorded = again.read_recorded(source, keys, recording, audio)
    set_settings(again.overrides(recorded))
    with err.status("Transcribing and analysing again"):
        found = again.reproduce(recorded, audio)

    def say(line: str) -> None:
        out.print(line, soft_wrap=True, markup=False, highlight=False)

    if recorded.demo:
        say("Attested with a DEMO key: it proves nothing to others.")
    for line in found.environment:
        say(f"not as it was: {line}")
    for one in found.made:
        if one.same:
            say(f"{one.name}: the same, byte for byte (SHA-256 {one.made_sha256})")
        else:
            say(f"{one.name}: DIFFERENT (SHA-256 {one.recorded_sha256} then, {one.made_sha256} here)")
            for line in one.differs:
                say(f"  {line}")
    if not found.same:
        raise typer.Exit(1)
