"""The command line as a whole, and its errors: one sentence each."""

from __future__ import annotations

import logging
import sys

from include.cli import cases, evidence, examine, files, jobs, serve, stack, verify
from include.cli.console import app, err
from include.errors import VoiceManError

__all__ = ["app", "cases", "evidence", "examine", "files", "jobs", "main", "serve", "stack", "verify"]


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
