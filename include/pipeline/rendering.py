"""Reports on all cores: WeasyPrint is pure Python, so each core gets a process."""

from __future__ import annotations

import logging
import multiprocessing
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from typing import TYPE_CHECKING, Self

from include import forensic, redaction, report, stt
from include.pipeline.kinds import PLAYER, REDACTED
from include.processes import end_with_parent
from include.settings import TEMPORARY, get_settings

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from types import TracebackType

__all__ = [
    "PLAYER",
    "REDACTED",
    "Renderer",
    "case_report_languages",
    "prepare",
    "redaction_digest",
    "render_case",
    "report_kinds",
]

log = logging.getLogger(__name__)

# never fork this process: it has threads (S3 transfers, OpenMP), and a lock one of them holds would stay locked.
# A process without any imports once what all workers need, and they are forked from that.
_FORKSERVER = multiprocessing.get_context("forkserver")
_FORKSERVER.set_forkserver_preload([__name__, "include.report.preload"])


def _begin(environment: dict[str, str]) -> None:
    """In a worker: the settings of who asks for it, not of when the server was started; and an end with the task."""
    os.environ.clear()
    os.environ.update(environment)
    get_settings.cache_clear()
    tempfile.tempdir = None
    end_with_parent()


def prepare() -> None:
    """Start the server that workers are forked from: its imports take 2 s, in which others can be at work."""
    with suppress(OSError):  # no process, no memory: whoever renders will say so
        forkserver.ensure_running()


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, mp_context=_FORKSERVER, initializer=_begin, initargs=(dict(os.environ),))


def report_kinds(before: Collection[str] = ()) -> tuple[str, ...]:
    """The reports to be made of a recording: ``report.pdf``, ``report.html``, ``report.en.pdf`` …, and its twins.

    Args:
        before: kinds of its artefacts so far. A report in the other language and twins are made anew, whatever the
            settings say now: they would contradict the new one.
    """
    settings = get_settings()
    other = "en" if settings.report_language == "ko" else "ko"
    first, second = ("report.pdf", "report.html"), (f"report.{other}.pdf", f"report.{other}.html")
    kinds: tuple[str, ...] = first
    if settings.report_languages == "both" or set(second) & set(before):
        kinds += second
    if settings.report_redacted or set(REDACTED) & set(before):
        kinds += REDACTED
    return (*kinds, PLAYER) if settings.report_player or PLAYER in before else kinds


def redaction_digest() -> str:
    """What, besides the report's own digest, decides how a redacted twin looks: the rules and the lab's own terms.

    Raises:
        SettingsError: the lab's terms can't be read.
    """
    return redaction.rules_digest(redaction.lab_terms(get_settings().redaction_terms))


def case_report_languages() -> tuple[report.Language, ...]:
    """In which languages case reports are made."""
    settings = get_settings()
    other: report.Language = "en" if settings.report_language == "ko" else "ko"
    return (settings.report_language, other) if settings.report_languages == "both" else (settings.report_language,)


def render_case(
    facts: report.CaseFacts, course: forensic.CaseCourse, languages: Sequence[report.Language]
) -> dict[str, bytes]:
    """``ko.pdf``, ``ko.html`` … of a case report: each language in a process of its own, whose memory goes with it.

    Raises:
        DocumentError, ToolError: as :func:`include.report.render_case_report`.
        BrokenProcessPool: a process was killed.
    """
    with _pool(len(languages)) as pool:
        waiting = [pool.submit(_render_case, facts, course, language) for language in languages]
        return {name: data for one in waiting for name, data in one.result().items()}


def _render_case(facts: report.CaseFacts, course: forensic.CaseCourse, language: report.Language) -> dict[str, bytes]:
    rendered = report.render_case_report(facts, course, language=language)
    return {f"{language}.pdf": rendered.pdf, f"{language}.html": rendered.html.encode()}


class Renderer:
    """Renders in ``workers`` processes, or in this one when there is one; thread-safe."""

    def __init__(self, workers: int) -> None:
        self._pool: ProcessPoolExecutor | None = None
        if workers > 1:
            self._pool = _pool(workers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def render(
        self,
        transcript: bytes,
        analysis: bytes,
        facts: report.ReportFacts,
        *,
        both: bool = True,
        audio: Path | None = None,
        redacted: bool = False,
        player: bool = False,
    ) -> dict[str, bytes]:
        """Kind (``report.pdf``, ``report.en.html`` …) to contents of a recording's reports.

        Args:
            transcript, analysis, facts: the documents.
            both: whether in both languages.
            audio: the recording, its digest verified; None: findings get no spectrogram, and there is no player.
            redacted: the redacted twin as well.
            player: the page with the sound as well.

        Raises:
            AudioError: the recording can't be decoded.
            DocumentError: transcript and analysis are not what they should be.
            ToolError: a font or a library is missing.
        """
        settings = get_settings()
        terms = settings.redaction_terms if redacted else None
        how = _How(settings.report_language, both, audio, terms, player=player)
        if self._pool is None:
            return _render(transcript, analysis, facts, how)
        try:
            return self._pool.submit(_render, transcript, analysis, facts, how).result()
        except BrokenProcessPool:
            # some worker was killed, perhaps over another recording
            log.warning("A report worker was killed; %s is rendered in a process of its own.", facts.file_id)
            with _pool(1) as alone:
                return alone.submit(_render, transcript, analysis, facts, how).result()


@dataclass(frozen=True)
class _How:
    primary: report.Language
    both: bool
    audio: Path | None
    terms: str | None
    """The file of the lab's own terms for the redacted twin; None: it is not wanted."""
    player: bool


def _render(transcript: bytes, analysis: bytes, facts: report.ReportFacts, how: _How) -> dict[str, bytes]:
    parsed = stt.load_transcript(transcript, name=f"{facts.file_id}_transcript.json")
    measured = forensic.load_analysis(analysis, name=f"{facts.file_id}_forensic.json")
    sounds, audio = None, how.audio
    if audio is not None:
        # before the layout: the samples of a long call are gone when that needs the memory
        sounds = report.heard_findings(
            parsed, measured, lambda: stt.load_pcm(audio, name=facts.file_name), stt.SAMPLE_RATE
        )
    with tempfile.TemporaryDirectory(prefix=TEMPORARY) as folder:
        out, language = Path(folder), how.primary
        paths = report.write_report(parsed, measured, facts, out, primary=language, both=how.both, sounds=sounds)
        if how.terms is not None:
            terms = redaction.lab_terms(how.terms)
            paths += report.write_redacted(parsed, measured, facts, out, language=language, terms=terms)
        if how.player and audio is not None:
            channels = stt.load_channels(audio, name=facts.file_name)
            sound = report.encode_audio(channels, stt.SAMPLE_RATE)
            paths.append(report.write_player(parsed, measured, facts, sound, out, language=language))
        return {path.name.removeprefix(f"{facts.file_id}_"): path.read_bytes() for path in paths}
