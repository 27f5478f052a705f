"""Reports on all cores: WeasyPrint is pure Python, so each core gets a process."""

from __future__ import annotations

import logging
import multiprocessing
import os
import tempfile
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING, Self

from include import forensic, report, stt
from include.settings import TEMPORARY, get_settings

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Renderer"]

log = logging.getLogger(__name__)

# never fork here: this process has threads (S3 transfers, OpenMP), and a lock one of them holds would stay locked
_SPAWN = multiprocessing.get_context("spawn")


def _end_with_parent() -> None:
    """A task that is killed can't end its workers: each waits for the parent's end in a thread of its own."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=wait, name="end-with-parent", daemon=True).start()


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, mp_context=_SPAWN, initializer=_end_with_parent)


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

    @property
    def kinds(self) -> tuple[str, ...]:
        """What :meth:`render` gives for each recording."""
        other = "en" if get_settings().report_language == "ko" else "ko"
        return ("report.pdf", "report.html", f"report.{other}.pdf", f"report.{other}.html")

    def render(self, transcript: bytes, analysis: bytes, facts: report.ReportFacts) -> dict[str, bytes]:
        """Kind (``report.pdf``, ``report.en.html`` …) to contents of a recording's reports.

        Raises:
            DocumentError: transcript and analysis are not what they should be.
            ToolError: a font or a library is missing.
        """
        primary = get_settings().report_language
        if self._pool is None:
            return _render(transcript, analysis, facts, primary)
        try:
            return self._pool.submit(_render, transcript, analysis, facts, primary).result()
        except BrokenProcessPool:
            # some worker was killed, perhaps over another recording
            log.warning("A report worker was killed; %s is rendered in a process of its own.", facts.file_id)
            with _pool(1) as alone:
                return alone.submit(_render, transcript, analysis, facts, primary).result()


def _render(
    transcript: bytes, analysis: bytes, facts: report.ReportFacts, primary: report.Language
) -> dict[str, bytes]:
    parsed = stt.load_transcript(transcript, name=f"{facts.file_id}_transcript.json")
    measured = forensic.load_analysis(analysis, name=f"{facts.file_id}_forensic.json")
    with tempfile.TemporaryDirectory(prefix=TEMPORARY) as folder:
        paths = report.write_report(parsed, measured, facts, Path(folder), primary=primary)
        return {path.name.removeprefix(f"{facts.file_id}_"): path.read_bytes() for path in paths}
