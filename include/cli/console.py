"""What the commands share: the consoles, the local stack's environment, careful writing."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from include.errors import DocumentError, ToolError

__all__ = [
    "LanguageOption",
    "app",
    "check_target",
    "err",
    "operator",
    "out",
    "set_settings",
    "use_stack",
    "write",
    "write_bytes",
]

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
err = Console(stderr=True)
out = Console()

LanguageOption = Annotated[str, typer.Option(help="Spoken language: auto, ko or en.")]


def use_stack() -> None:
    """Talk to the local stack, unless the environment names connections of its own."""
    os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "ERROR")  # its hooks tell of every connection
    if "AIRFLOW_CONN_VOICEMAN_DB" in os.environ and "AIRFLOW_CONN_VOICEMAN_S3" in os.environ:
        return
    from include.local import load_stack_env
    from include.settings import get_settings

    os.environ.update(load_stack_env())
    get_settings.cache_clear()


def operator() -> str:
    """The account that runs this command, as the system knows it: LOGNAME and USER are whatever somebody typed."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user need not have a name
        return f"uid {os.getuid()}"


def set_settings(values: dict[str, str]) -> None:
    """Work with these settings (by the names of their variables) from now on, whatever the environment says."""
    from include.settings import get_settings

    os.environ.update(values)
    get_settings.cache_clear()


def check_target(to: Path, *inputs: Path | None) -> None:
    """Refuse, before any work, a result's path that is no file's, or that is what was handed in: evidence.

    Raises:
        ToolError: it is a folder.
        DocumentError: it is one of the inputs.
    """
    if not to.name or to.is_dir():
        raise ToolError(f"{to} is not a file's path; give the path of the file to write.")
    for given in inputs:
        if given is not None and to.exists() and given.exists() and to.samefile(given):
            raise DocumentError(f"{to} is the file that was handed in; choose another path for the result.")


def write(path: Path, text: str) -> None:
    """Write a text file whole or not at all.

    Raises:
        ToolError: it can't be written.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        ToolError: it can't be written.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        raise ToolError(f"{path} can't be written ({error.strerror}); free space or choose another path.") from error
