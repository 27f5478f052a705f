"""Analyse, report and describe in a plain process: the same code the tasks run, on local files."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from include import __version__, forensic, report, stt
from include.errors import DocumentError
from include.settings import get_settings

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel

__all__ = ["analyze_file", "report_file", "schema_files"]


def analyze_file(transcript: Path, audio: Path | None) -> forensic.Analysis:
    """Analyse a transcript file; with its recording the voice is measured too.

    Raises:
        DocumentError: not a transcript, or the recording is not the one that was transcribed.
        AudioError: the recording can't be decoded.
    """
    parsed = stt.load_transcript(transcript)
    channels = None
    if audio is not None:
        if stt.file_sha256(audio) != parsed.recording.sha256:
            raise DocumentError(f"{audio} is not the recording that {transcript} was made of; give that one.")
        channels = stt.load_channels(audio)
    return forensic.analyze_transcript(
        parsed,
        transcript_name=transcript.name,
        transcript_sha256=hashlib.sha256(transcript.read_bytes()).hexdigest(),
        channels=channels,
        sample_rate=stt.SAMPLE_RATE,
    )


def report_file(analysis: Path, folder: Path, *, transcript: Path | None, generated_at: str) -> list[Path]:
    """Render the reports of an analysis file.

    Args:
        analysis: the analysis; its transcript is looked for beside it by name.
        folder: where to write; made when missing.
        transcript: the transcript, when it lies elsewhere.
        generated_at: UTC, ISO 8601.

    Raises:
        DocumentError: not an analysis, or the transcript is not the one that was analysed.
    """
    parsed = forensic.load_analysis(analysis)
    source = transcript or analysis.with_name(parsed.transcript.name)
    if not source.is_file():
        raise DocumentError(
            f"The transcript {parsed.transcript.name} does not lie beside {analysis}; give it with --transcript."
        )
    data = source.read_bytes()
    if hashlib.sha256(data).hexdigest() != parsed.transcript.sha256:
        raise DocumentError(
            f"{source} is not the transcript that {analysis} was made of (its SHA-256 differs); give that one."
        )
    recording = stt.load_transcript(data, name=str(source))
    file_id = source.name.removesuffix(".json").removesuffix("_transcript")
    facts = report.ReportFacts(
        job_id="-",
        file_id=file_id,
        file_name=file_id,
        sha256=recording.recording.sha256,
        size_bytes=recording.recording.size_bytes,
        received_at=None,
        run_id=None,
        software_version=__version__,
        generated_at=generated_at,
    )
    return report.write_report(recording, parsed, facts, folder, primary=get_settings().report_language)


def schema_files() -> dict[str, str]:
    """File name → JSON Schema of what the pipeline writes."""
    models: dict[str, type[BaseModel]] = {
        "voiceman.transcript.1.json": stt.Transcript,
        "voiceman.analysis.1.json": forensic.Analysis,
    }
    return {
        name: json.dumps(model.model_json_schema(), ensure_ascii=False, indent=2) + "\n"
        for name, model in models.items()
    }
