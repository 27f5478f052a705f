"""The redacted twin of a report: the same pages from redacted copies, and the log of what was masked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from include.forensic import Analysis
from include.redaction import redact
from include.report.facts import Language, ReportFacts
from include.report.render import render_report, write_whole
from include.stt import Transcript

__all__ = ["RedactedReport", "render_redacted", "write_redacted"]


@dataclass(frozen=True)
class RedactedReport:
    """A redacted report in one language."""

    html: str
    pdf: bytes
    """Attached are the redacted transcript and analysis, and the log; nothing else of the recording's."""
    log: bytes
    """``voiceman.redaction/1``, JSON; the bytes that are attached."""


def render_redacted(
    transcript: Transcript, analysis: Analysis, facts: ReportFacts, *, language: Language, terms: Sequence[str] = ()
) -> RedactedReport:
    """Redact the three and render them; nothing that was masked is in the result, what no rule found still is.

    Args:
        transcript, analysis, facts: as for the full report.
        language: of the report and of its masks.
        terms: what the laboratory wants masked besides.

    Raises:
        DocumentError, InvalidNameError, ToolError: as :func:`include.report.render.render_report`.
    """
    copies = redact(transcript, analysis, facts, language=language, terms=terms)
    made = render_report(copies.transcript, copies.analysis, copies.facts, language=language, log=copies.log)
    return RedactedReport(made.html, made.pdf, copies.log.to_json().encode())


def write_redacted(
    transcript: Transcript, analysis: Analysis, facts: ReportFacts, out_dir: Path, *, language: Language,
    terms: Sequence[str] = (),
) -> list[Path]:  # fmt: skip
    """Write ``{file_id}_report.redacted.pdf`` and ``{file_id}_redaction.json``.

    The names of the files hold the recording's own name, as all of its artefacts do: rename them before handing out.

    Raises:
        DocumentError, InvalidNameError, ToolError: as :func:`render_redacted`; ToolError also when the directory
            can't be written.
    """
    made = render_redacted(transcript, analysis, facts, language=language, terms=terms)
    report, log = out_dir / f"{facts.file_id}_report.redacted.pdf", out_dir / f"{facts.file_id}_redaction.json"
    write_whole(report, made.pdf)
    write_whole(log, made.log)
    return [report, log]
