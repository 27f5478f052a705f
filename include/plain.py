"""Analyse, report and describe in a plain process: the same code the tasks run, on local files."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from include import __version__, forensic, redaction, report, stt
from include.errors import DeviceMemoryError, DocumentError, ModelError
from include.evidence import IntakeFacts
from include.job_summary import JobSummary
from include.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydantic import BaseModel

__all__ = ["analyze_file", "course_files", "report_file", "schema_files"]

_NO_AUDIO = stt.NotMeasured(reason="The audio was not at hand, so no passage was decoded again.")
_NOT_WANTED = stt.NotMeasured(reason="A second decode was not asked for.")


def analyze_file(transcript: Path, audio: Path | None, *, confirm: bool = True) -> forensic.Analysis:
    """Analyse a transcript file; with its recording the voice is measured, and findings are decoded again.

    Args:
        transcript: a transcript JSON.
        audio: the recording; None when it is not at hand.
        confirm: decode the findings' passages again, which loads the speech model where there are any; with
            ``VOICEMAN_STT_URL`` the service does it.

    Raises:
        DocumentError: not a transcript, or the recording is not the one that was transcribed.
        AudioError: the recording can't be decoded.
        ServiceError: the speech service failed.
    """
    parsed = stt.load_transcript(transcript)
    if audio is not None and stt.file_sha256(audio) != parsed.recording.sha256:
        raise DocumentError(f"{audio} is not the recording that {transcript} was made of; give that one.")
    channels = stt.load_channels(audio) if audio is not None else None
    words = forensic.located(parsed)
    decodes: forensic.SecondDecodes | stt.NotMeasured = _NO_AUDIO
    if audio is not None:
        decodes = _decoded_again(parsed, words, audio) if confirm else _NOT_WANTED
    return forensic.analyze_transcript(
        parsed,
        transcript_name=transcript.name,
        transcript_sha256=hashlib.sha256(transcript.read_bytes()).hexdigest(),
        channels=channels,
        sample_rate=stt.SAMPLE_RATE,
        words=words,
        second_decodes=decodes,
    )


def _decoded_again(
    transcript: stt.Transcript, words: forensic.Language, audio: Path
) -> forensic.SecondDecodes | stt.NotMeasured:
    passages = forensic.wanted_passages(transcript, words.findings)
    heard: list[stt.Confirmation] | stt.NotMeasured = []
    try:
        if passages:
            heard = _confirmed(audio, passages)
    except (ModelError, DeviceMemoryError) as error:
        return stt.NotMeasured(reason=f"The second decode failed: {error}")
    return forensic.SecondDecodes.of(passages, heard)


def _confirmed(audio: Path, passages: list[stt.Passage]) -> list[stt.Confirmation] | stt.NotMeasured:
    """By the resident speech service where ``VOICEMAN_STT_URL`` names one, as tasks do it."""
    if not get_settings().stt_url:
        return stt.Transcriber().confirm(audio, passages)
    service = stt.RemoteTranscriber(1)
    try:
        return service.confirm(audio, passages)
    finally:
        service.close()


def report_file(
    analysis: Path, folder: Path, *, transcript: Path | None, generated_at: str, redacted: bool = False,
    audio: Path | None = None,
) -> list[Path]:  # fmt: skip
    """Render the reports of an analysis file.

    Args:
        analysis: the analysis; its transcript is looked for beside it by name.
        folder: where to write; made when missing.
        transcript: the transcript, when it lies elsewhere.
        generated_at: UTC, ISO 8601.
        redacted: write the redacted twin and its log as well.
        audio: the recording; with it the player is written as well.

    Raises:
        AudioError: the recording can't be decoded.
        DocumentError: not an analysis, or transcript or recording are not those that were analysed.
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
    settings = get_settings()
    both = settings.report_languages == "both"
    language = settings.report_language
    if audio is not None and stt.file_sha256(audio) != recording.recording.sha256:
        raise DocumentError(f"{audio} is not the recording that {source} was made of; give that one.")
    paths = report.write_report(recording, parsed, facts, folder, primary=language, both=both)
    if redacted:
        terms = redaction.lab_terms(settings.redaction_terms)
        paths += report.write_redacted(recording, parsed, facts, folder, language=language, terms=terms)
    if audio is not None:
        sound = report.encode_audio(stt.load_channels(audio), stt.SAMPLE_RATE)
        paths.append(report.write_player(recording, parsed, facts, sound, folder, language=language))
    return paths


def course_files(analyses: Sequence[Path]) -> forensic.CaseCourse | stt.NotMeasured:
    """Set the recordings of a case side by side; each analysis' transcript is looked for beside it by name.

    When a recording was made is read from its file's name, as call recorders write it (``…_251119_142233``,
    ``…_20251119``); one without such a date is left out of trends.

    Raises:
        DocumentError: one is not an analysis, or its transcript is not there or not the one that was analysed.
    """
    return forensic.case_course([_of_case(path) for path in analyses])


def _of_case(path: Path) -> forensic.CaseRecording:
    analysis = forensic.load_analysis(path)
    source = path.with_name(analysis.transcript.name)
    transcript = stt.load_transcript(source)
    if stt.file_sha256(source) != analysis.transcript.sha256:
        raise DocumentError(f"{source} is not the transcript that {path} was made of (its SHA-256 differs).")
    name = path.name.removesuffix(".json").removesuffix("_forensic")
    return forensic.case_recording(analysis, transcript, name)


def schema_files() -> dict[str, str]:
    """File name → JSON Schema of what the pipeline writes."""
    models: dict[str, type[BaseModel]] = {
        "voiceman.transcript.1.json": stt.Transcript,
        "voiceman.analysis.1.json": forensic.Analysis,
        "voiceman.job_summary.1.json": JobSummary,
        "voiceman.case_course.1.json": forensic.CaseCourse,
        "voiceman.intake.1.json": IntakeFacts,
        "voiceman.redaction.1.json": redaction.RedactionLog,
    }
    return {
        name: json.dumps(model.model_json_schema(), ensure_ascii=False, indent=2) + "\n"
        for name, model in models.items()
    }
