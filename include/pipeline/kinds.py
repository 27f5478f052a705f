"""The kinds of files that are made as reports; nothing else, for what a DAG's reading imports."""

from __future__ import annotations

__all__ = ["ALL_REPORTS", "PLAYER", "REDACTED"]

REDACTED = ("report.redacted.pdf", "redaction.json")
"""The redacted report, in the job's own language, and the log of what was masked."""

PLAYER = "player.html"
"""The page with the sound."""

ALL_REPORTS = (
    "report.pdf", "report.html", "report.ko.pdf", "report.ko.html", "report.en.pdf", "report.en.html", *REDACTED, PLAYER
)  # fmt: skip
"""Every kind of report that there can be."""
