"""A Hangul font must be there: without one WeasyPrint prints empty boxes and says nothing."""

from __future__ import annotations

import subprocess
from functools import cache

from include.errors import ToolError

__all__ = ["require_hangul_font"]


@cache
def require_hangul_font() -> tuple[str, ...]:
    """Families of the installed fonts that cover Korean, asked of fontconfig once a process.

    Raises:
        ToolError: fontconfig is missing, broke, or knows no such font.
    """
    try:
        done = subprocess.run(
            ["fc-list", ":lang=ko", "family"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"fc-list can't be run ({error}); install fontconfig: apt-get install fontconfig.") from error
    if done.returncode != 0:
        raise ToolError(f"fc-list failed ({done.stderr.strip()[:200]}); repair fontconfig, then run fc-cache.")
    families = tuple(sorted(line for line in done.stdout.splitlines() if line.strip()))
    if not families:
        raise ToolError(
            "No installed font covers Korean, so the report would show empty boxes; "
            "install one: apt-get install fonts-nanum."
        )
    return families
