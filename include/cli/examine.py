"""The command that examines a recording's container."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from include.cli.console import app, out

__all__ = ["examine"]


@app.command()
def examine(
    file: Annotated[Path, typer.Argument(help="A recording (the original's bytes).")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the document voiceman.container/1.")] = False,
    language: Annotated[str, typer.Option(help="Of the table: en or ko.")] = "en",
) -> None:
    """Tell what a recording's container shows: structure, tags, times, its name. Observations, no verdict."""
    from include import container, stt

    if language not in ("en", "ko"):
        raise typer.BadParameter("use en or ko")
    found = container.examine_file(file, sha256=stt.file_sha256(file), name=file.name)
    if as_json:
        print(found.to_json(), end="")
        return
    table = Table("observation", "values", "meaning and limits", title=Text(f"{file.name} ({found.container})"))
    for one in found.observations:
        words = container.text_of(one.id, language) or one
        values = "\n".join(f"{container.label(name, language)}: {value}" for name, value in one.values.items())
        table.add_row(
            Text(f"{words.what}\n{one.id}\n{one.where}"), Text(values), Text(f"{words.meaning}\n{words.limits}"),
            end_section=True,
        )  # fmt: skip
    out.print(table)
