"""Analyse, report and describe in a plain process: the same code the tasks run, on local files."""

from __future__ import annotations

import glob
import hashlib
import json
import unicodedata
from typing import TYPE_CHECKING

from include import __version__, forensic, redaction, report, stt
from include.container import ContainerExamination, load_examination
from include.errors import DeviceMemoryError, DocumentError, IntakeFactsError, ModelError
from include.evidence import IntakeFacts, RecordingFacts, parse_intake
from include.job_summary import JobSummary
from include.settings import get_settings
from include.stated import stated_facts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydantic import BaseModel

__all__ = ["analyze_file", "case_report_files", "course_files", "report_file", "schema_files"]

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
    analysis: Path, folder: Path, *, transcript: Path | None, generated_at: str, audio: Path | None = None,
    intake: Path | None = None, redacted: bool = False, player: bool = False,
) -> list[Path]:  # fmt: skip
    """Render the reports of an analysis file.

    Args:
        analysis: the analysis; its transcript is looked for beside it by name.
        folder: where to write; made when missing.
        transcript: the transcript, when it lies elsewhere.
        generated_at: UTC, ISO 8601.
        audio: the recording, for the findings' spectrograms; None: the report says that it was not at hand.
        intake: an intake.json; None: nothing is stated.
        redacted: write the redacted twin and its log as well.
        player: write the page with the sound as well; it needs ``audio``.

    Raises:
        DocumentError: not an analysis, or transcript or recording are not the ones that were analysed;
            a player without the recording.
        IntakeFactsError: ``intake`` holds no intake facts.
        AudioError: the recording can't be decoded.
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
    if audio is not None and stt.file_sha256(audio) != recording.recording.sha256:
        raise DocumentError(f"{audio} is not the recording that {source} was made of; give that one.")
    file_id = source.name.removesuffix(".json").removesuffix("_transcript")
    file_name = file_id if audio is None else audio.name
    facts = report.ReportFacts(
        job_id="-",
        file_id=file_id,
        file_name=file_name,
        sha256=recording.recording.sha256,
        size_bytes=recording.recording.size_bytes,
        received_at=None,
        run_id=None,
        container=_examined(source.with_name(f"{file_id}_container.json"), recording.recording.sha256),
        software_version=__version__,
        generated_at=generated_at,
        stated=None if intake is None else _stated_in(intake, file_name),
    )
    if player and audio is None:
        raise DocumentError(f"A page that plays {file_id} needs its recording; give it with --audio.")
    sounds = None
    if audio is not None:
        sounds = report.heard_findings(recording, parsed, lambda: stt.load_pcm(audio), stt.SAMPLE_RATE)
    settings = get_settings()
    both = settings.report_languages == "both"
    language = settings.report_language
    paths = report.write_report(recording, parsed, facts, folder, primary=language, both=both, sounds=sounds)
    if redacted:
        terms = redaction.lab_terms(settings.redaction_terms)
        paths += report.write_redacted(recording, parsed, facts, folder, language=language, terms=terms)
    if player and audio is not None:
        sound = report.encode_audio(stt.load_channels(audio), stt.SAMPLE_RATE)
        paths.append(report.write_player(recording, parsed, facts, sound, folder, language=language))
    return paths


def _stated_in(intake: Path, name: str) -> report.StatedFacts:
    try:
        document = intake.read_bytes()
    except OSError as error:
        raise IntakeFactsError(
            f"{intake} can't be read ({error.strerror}); give the path of an intake.json."
        ) from error
    return stated_facts(parse_intake(document, str(intake)), hashlib.sha256(document).hexdigest(), name)


def _examined(path: Path, sha256: str) -> ContainerExamination | None:
    """The container examination that lies beside a transcript, when it is of the same recording."""
    if not path.is_file():
        return None
    found = load_examination(path.read_bytes(), name=path.name)
    if found.sha256 != sha256:
        raise DocumentError(f"{path} is about another recording than the transcript beside it; remove or replace it.")
    return found


def course_files(analyses: Sequence[Path], *, stated: Path | None = None) -> forensic.CaseCourse | stt.NotMeasured:
    """Set the recordings of a case side by side; each analysis' transcript is looked for beside it by name.

    When a recording was made is read from its file's name, as call recorders write it (``…_251119_142233``,
    ``…_20251119``), unless ``stated``, an intake.json, tells it; one without a date is left out of trends.

    Raises:
        DocumentError: one is not an analysis, or its transcript is not there or not the one that was analysed.
    """
    facts = IntakeFacts() if stated is None else parse_intake(stated.read_bytes(), str(stated))
    return forensic.case_course(
        [
            forensic.case_recording(*_documents(path), _name(path), stated=_stated(facts, _name(path)).recorded_at)
            for path in analyses
        ]
    )


def _stated(facts: IntakeFacts, name: str) -> RecordingFacts:
    """What is said of a recording, by its file's name with or without extension."""
    name = unicodedata.normalize("NFC", name)  # as the facts' own names are
    return facts.of(next((one for one in facts.recordings if name in {one, one.rpartition(".")[0]}), name))


def _documents(path: Path) -> tuple[forensic.Analysis, stt.Transcript]:
    analysis = forensic.load_analysis(path)
    source = path.with_name(analysis.transcript.name)
    transcript = stt.load_transcript(source)
    if stt.file_sha256(source) != analysis.transcript.sha256:
        raise DocumentError(f"{source} is not the transcript that {path} was made of (its SHA-256 differs).")
    return analysis, transcript


def _name(path: Path) -> str:
    return path.name.removesuffix(".json").removesuffix("_forensic")


def case_report_files(
    analyses: Sequence[Path], *, stated: Path | None, by: str, generated_at: str
) -> tuple[report.CaseFacts, forensic.CaseCourse]:
    """What a case report over analysis files is made of; transcripts and reports are looked for beside them by name.

    Args:
        analyses: two or more.
        stated: an intake.json with the case number, times and speakers; its ``recordings`` are found by file name,
            with or without extension.
        by: who makes it.
        generated_at: UTC, ISO 8601.

    Raises:
        DocumentError: as :func:`course_files`; fewer than two recordings, or two of one name.
        IntakeFactsError: ``stated`` holds no intake facts.
    """
    names = [_name(path) for path in analyses]
    if len(set(names)) < max(len(names), 2):
        raise DocumentError("A case report needs two analyses or more, and each must have a name of its own.")
    data = None if stated is None else stated.read_bytes()
    facts = IntakeFacts() if data is None else parse_intake(data, str(stated))
    read = [_case_file(path, facts) for path in analyses]
    course = forensic.case_course([recording for recording, _, _ in read])
    if isinstance(course, stt.NotMeasured):
        raise DocumentError(course.reason)
    digest = None if data is None else hashlib.sha256(data).hexdigest()
    return report.CaseFacts(
        case_number=facts.case_number,
        jobs=[],
        requester=facts.requester,
        questions=list(facts.questions or ()),
        stated_in=[] if stated is None else [f"{stated.name} (SHA-256 {digest})"],
        made_by=by,
        generated_at=generated_at,
        software_version=__version__,
        entries=[entry for _, entry, _ in read],
        categories={key: value for _, _, categories in read for key, value in categories.items()},
    ), course


def _case_file(
    path: Path, facts: IntakeFacts
) -> tuple[forensic.CaseRecording, report.CaseEntry, dict[str, dict[str, str]]]:
    analysis, transcript = _documents(path)
    name = _name(path)
    said = _stated(facts, name)
    recording = forensic.case_recording(analysis, transcript, name, stated=said.recorded_at)
    digests = {"transcript.json": analysis.transcript.sha256, "forensic.json": stt.file_sha256(path)}
    for beside in sorted(path.parent.glob(f"{glob.escape(name)}_report*.pdf")):
        digests[beside.name.removeprefix(f"{name}_")] = stt.file_sha256(beside)
    entry = report.case_entry(
        analysis, transcript, recording, job_id="-", file_id=name, received=name, written=name,
        stated_at=said.recorded_at, persons=said.speakers, digests=digests,
    )  # fmt: skip
    return recording, entry, report.category_names(analysis)


def schema_files() -> dict[str, str]:
    """File name → JSON Schema of what the pipeline writes."""
    models: dict[str, type[BaseModel]] = {
        "voiceman.transcript.1.json": stt.Transcript,
        "voiceman.analysis.1.json": forensic.Analysis,
        "voiceman.job_summary.1.json": JobSummary,
        "voiceman.case_course.1.json": forensic.CaseCourse,
        "voiceman.intake.1.json": IntakeFacts,
        "voiceman.container.1.json": ContainerExamination,
        "voiceman.redaction.1.json": redaction.RedactionLog,
    }
    return {
        name: json.dumps(model.model_json_schema(), ensure_ascii=False, indent=2) + "\n"
        for name, model in models.items()
    }
