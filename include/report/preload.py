"""What rendering loads late, for a process from which others are forked: importing this imports it."""

from contextlib import suppress

from include.report import case_render, redacted, render

__all__ = ["case_render", "redacted", "render"]

with suppress(ImportError, OSError):  # a library is missing: rendering names it
    import weasyprint  # noqa: F401
