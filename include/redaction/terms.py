"""A lab's own list of what to mask besides: nicknames, firms, places that no rule can know."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from include.errors import SettingsError

__all__ = ["lab_terms"]

_MOST_BYTES: Final = 1 << 20


def lab_terms(path: str) -> tuple[str, ...]:
    """The terms of a file, one a line; ``#`` begins a remark, empty lines are nothing.

    Args:
        path: the file; empty: no terms.

    Raises:
        SettingsError: it can't be read, is larger than 1 MiB or is not UTF-8. The message names no term.
    """
    if not path:
        return ()
    file = Path(path).expanduser()
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise SettingsError(f"VOICEMAN_REDACTION_TERMS: {file} is larger than 1 MiB; shorten it.")
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"VOICEMAN_REDACTION_TERMS: {file} can't be read; name a UTF-8 text file.") from error
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return tuple(dict.fromkeys(line for line in lines if line))
