"""``./voiceman verify``: the very file that every bundle carries, with the same options and exit codes."""

from __future__ import annotations

import typer

from include.cli.console import app

__all__ = ["verify"]


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
def verify(context: typer.Context) -> None:
    """Verify a bundle, a ledger export or a signed PDF: offline, exit code 0 only when intact (--help tells all)."""
    from include.evidence import verify_command

    raise typer.Exit(verify_command(context.args))
