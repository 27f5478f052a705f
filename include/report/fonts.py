"""No silent empty boxes: a Hangul font must be there, and what no font can draw is written out as its code point."""

from __future__ import annotations

import subprocess
from functools import cache

from include.errors import ToolError

__all__ = ["require_hangul_font", "write_out_undrawable"]


def _fc_list(*arguments: str) -> list[str]:
    """The lines ``fc-list`` prints.

    Raises:
        ToolError: fontconfig is missing or broke.
    """
    try:
        done = subprocess.run(["fc-list", *arguments], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"fc-list can't be run ({error}); install fontconfig: apt-get install fontconfig.") from error
    if done.returncode != 0:
        raise ToolError(f"fc-list failed ({done.stderr.strip()[:200]}); repair fontconfig, then run fc-cache.")
    return [line for line in done.stdout.splitlines() if line.strip()]


@cache
def require_hangul_font() -> tuple[str, ...]:
    """Families of the installed fonts that cover Korean, asked of fontconfig once a process.

    Raises:
        ToolError: fontconfig is missing, broke, or knows no such font.
    """
    families = tuple(sorted(_fc_list(":lang=ko", "family")))
    if not families:
        raise ToolError(
            "No installed font covers Korean, so the report would show empty boxes; "
            "install one: apt-get install fonts-nanum."
        )
    return families


@cache
def _drawable() -> frozenset[int]:
    """Code points that some installed font covers, asked of fontconfig once a process."""
    points: set[int] = set()
    for line in set(_fc_list("--format=%{charset}\\n")):
        for part in line.split():
            first, _, last = part.partition("-")
            points.update(range(int(first, 16), int(last or first, 16) + 1))
    return frozenset(points)


def write_out_undrawable(text: str) -> str:
    """The text with each character that no installed font covers as ``[U+1F600]``.

    Line ends and zero-width joiners, which have no shape of their own, stay.

    Raises:
        ToolError: fontconfig is missing or broke.
    """
    known = _drawable()
    unknown = {point for char in set(text) if (point := ord(char)) not in known and char not in "\n\t\u200c\u200d"}
    return text.translate({point: f"[U+{point:04X}]" for point in unknown})
