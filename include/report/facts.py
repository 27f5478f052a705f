"""What the report prints that is in neither the transcript nor the analysis, and how the three must agree."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from include.container import ContainerExamination
from include.errors import DocumentError, InvalidNameError
from include.forensic import Analysis
from include.report.record_facts import CustodyEvent, SigningKey, StatedFacts, UtcTime, VerifiedCopy
from include.stt import Transcript

__all__ = ["Language", "ReportFacts", "check_agreement"]

Language = Literal["ko", "en"]
"""Languages a report can be written in."""


class ReportFacts(BaseModel):
    """Facts of the job and of the file as received."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    job_id: str
    file_id: str = Field(min_length=1)
    """The file's name without its extension; names the report's files."""
    file_name: str
    """The file's name as received."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the original file, hex."""
    size_bytes: int = Field(ge=0)
    received_at: UtcTime | None = None
    """When the original came in, ISO 8601 with a zone; None prints "not stated"."""
    run_id: str | None = None
    """The run that made the artefacts; None when there was none (command line)."""
    software_version: str
    """VoiceMan's version."""
    container: ContainerExamination | None = None
    """What the file's structure and tags show; None prints that it was not examined."""
    generated_at: UtcTime
    """When the report was made, ISO 8601 with a zone: the only clock the report knows."""
    stated: StatedFacts | None = None
    """Intake facts; None: nothing was stated."""
    case: str | None = None
    """The case whose custody ledger holds the recording's events; None: there is none."""
    custody: tuple[CustodyEvent, ...] | None = None
    """The recording's events up to the making of the report, and those of its whole job; None: not obtained."""
    signing: SigningKey | None = None
    """None: nothing is signed, or the report was made outside the pipeline."""
    copies: tuple[VerifiedCopy, ...] = ()
    """Copies of the original that were read again for this report."""


def check_agreement(transcript: Transcript, analysis: Analysis, facts: ReportFacts) -> None:
    """Refuse to print a report over documents that are about different bytes.

    Raises:
        DocumentError: digests or sizes differ, or a finding points outside the transcript or taxonomy.
        InvalidNameError: ``file_id`` can't name a file.
    """
    if any(char in facts.file_id for char in "/\\\0") or facts.file_id in (".", ".."):
        raise InvalidNameError(f"The file id {facts.file_id!r} holds a path; use the file's name without extension.")
    recording = transcript.recording
    if (recording.sha256, recording.size_bytes) != (facts.sha256, facts.size_bytes):
        raise DocumentError(
            f"The transcript of {facts.file_id} is about other bytes ({recording.sha256[:12]}, "
            f"{recording.size_bytes} bytes) than the original ({facts.sha256[:12]}, {facts.size_bytes} bytes); "
            "transcribe the original again."
        )
    if analysis.transcript.recording_sha256 != facts.sha256:
        raise DocumentError(
            f"The analysis of {facts.file_id} is about the recording {analysis.transcript.recording_sha256[:12]}, "
            f"not {facts.sha256[:12]}; analyse its own transcript."
        )
    for finding in analysis.findings if isinstance(analysis.findings, list) else []:
        if not 0 <= finding.span.segment < len(transcript.segments):
            raise DocumentError(
                f"Finding {finding.id} of {facts.file_id} points at segment {finding.span.segment}, but the transcript "
                f"has {len(transcript.segments)}; analyse this transcript again."
            )
        if finding.category not in analysis.taxonomy.categories:
            raise DocumentError(
                f"Finding {finding.id} of {facts.file_id} has the category {finding.category!r}, which the analysis' "
                "taxonomy doesn't hold; analyse the transcript again."
            )
