"""Documents in, HTML and PDF out. Nothing is fetched, all text is escaped, the same inputs give the same bytes."""

from __future__ import annotations

import base64
import gc
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.errors import ToolError
from include.forensic import Analysis
from include.redaction import RedactionLog
from include.report.attachments import attachments_of
from include.report.container_view import container_view
from include.report.facts import Language, ReportFacts, check_agreement
from include.report.finding_strip import picture_address
from include.report.fonts import require_hangul_font, write_out_undrawable
from include.report.settings_digest import PACKAGE, report_settings_digest, report_versions
from include.report.strings import keep_words, load_strings
from include.report.text import clean, clock, instant, isolate, number
from include.report.user_agent import page_class
from include.report.view import build_view
from include.stt import Transcript

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import jinja2

    from include.report.finding_sound import FindingSound

__all__ = [
    "RenderedReport",
    "html_to_pdf",
    "refusing_fetcher",
    "render_report",
    "template_environment",
    "write_report",
    "write_whole",
]

PDF_VARIANT = "pdf/a-3a"
"""PDF/A-3a: tagged, fonts embedded, made for keeping, may carry the JSON files. WeasyPrint can't claim UA-1 with it."""


@dataclass(frozen=True)
class RenderedReport:
    """One report in one language."""

    html: str
    """Self-contained, with a content policy that forbids loading and running anything."""
    pdf: bytes


@cache
def template_environment() -> jinja2.Environment:
    """The reports' Jinja2: everything printed is cleaned and escaped."""
    import jinja2

    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PACKAGE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Every printed text passes here once, then through the escaper: no template can forget it.
        finalize=lambda value: clean(value) if type(value) is str else value,
    )
    env.filters |= {
        "clock": clock,
        "instant": instant,
        "isolate": isolate,
        "number": number,
        "prose": lambda text: keep_words(clean(text)),
        "words": lambda text: keep_words(clean(text), narrow=True),
        "compact": lambda value: json.dumps(value, ensure_ascii=False, sort_keys=True, default=str),
    }
    return env


def render_html(
    transcript: Transcript,
    analysis: Analysis,
    facts: ReportFacts,
    language: Language,
    *,
    sounds: Mapping[int, FindingSound] | None = None,
    log: RedactionLog | None = None,
) -> str:
    """The HTML of a report; with the log of a redaction it is marked as redacted.

    Raises:
        DocumentError, InvalidNameError: see :func:`render_report`.
    """
    check_agreement(transcript, analysis, facts)
    strings = load_strings(language)
    style = (PACKAGE / "templates" / "report.css").read_text(encoding="utf-8")
    page = template_environment().get_template("report.html.j2")
    html = page.render(
        t=lambda key, /, **values: strings.say(key, **{name: _shown(value) for name, value in values.items()}),
        plain=strings,
        plain_list=", ".join,
        language=language,
        style=style,
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        transcript=transcript,
        analysis=analysis,
        facts=facts,
        view=build_view(transcript, analysis, facts, strings, sounds=sounds, log=log),
        container=container_view(facts.container, language),
        redaction=log,
        report_digest=report_settings_digest(),
        report_versions=report_versions(),
    )
    # A second lock: markup that a filter made past ``finalize`` could still carry such a sign.
    return "\n".join(clean(line) for line in html.split("\n"))


def _shown(value: object) -> object:
    return clean(value) if isinstance(value, str) else value


def refusing_fetcher(pictures: Mapping[str, bytes] | None = None) -> Any:
    """A WeasyPrint fetcher that fetches nothing, and stops the rendering when asked to.

    Args:
        pictures: the PNGs that this program drew itself, by their ``data:`` address; no other address is answered.
    """
    from weasyprint.urls import URLFetcher, URLFetcherResponse

    drawn = pictures or {}

    class Refusing(URLFetcher):  # type: ignore[misc]  # weasyprint has no types
        def __init__(self) -> None:
            super().__init__(allowed_protocols=(), fail_on_errors=True)

        def fetch(self, url: str, headers: dict[str, str] | None = None) -> Any:  # noqa: ARG002
            if url in drawn:
                return URLFetcherResponse(url, drawn[url], {"Content-Type": "image/png"})
            raise PermissionError(f"the report loads nothing, but {url[:80]!r} was asked for")

    return Refusing()


def _pdf(
    html: str,
    transcript: Transcript,
    analysis: Analysis,
    facts: ReportFacts,
    *,
    sounds: Mapping[int, FindingSound] | None = None,
    log: RedactionLog | None = None,
) -> bytes:
    from weasyprint import Attachment

    made = datetime.fromisoformat(facts.generated_at)
    fetcher = refusing_fetcher()
    attached = [
        Attachment(
            string=one.data,
            url_fetcher=fetcher,
            name=clean(one.name),
            created=made,
            modified=made,
            description=one.sha256,
            relationship="Source",
        )
        for one in attachments_of(transcript, analysis, facts, log)
    ]
    pictures = {picture_address(one.png): one.png for one in (sounds or {}).values() if one.png is not None}
    return html_to_pdf(html, what=f"report of {facts.file_id}", attachments=attached, pictures=pictures)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """A layout is a million objects that all stay until it is written: looking through them is a tenth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def html_to_pdf(
    html: str, *, what: str, attachments: Sequence[object] = (), pictures: Mapping[str, bytes] | None = None
) -> bytes:
    """A PDF/A-3a of a page that loads nothing.

    Args:
        html: the page.
        what: its name, for the error.
        attachments: WeasyPrint's.
        pictures: PNGs in the page, by their ``data:`` address.

    Raises:
        ToolError: the page tried to load something.
    """
    from weasyprint.urls import FatalURLFetchingError

    logging.getLogger("weasyprint.progress").setLevel(logging.WARNING)  # a line for each page otherwise
    try:
        with _collector_paused():
            pdf: bytes = page_class()(string=html, url_fetcher=refusing_fetcher(pictures)).write_pdf(
                pdf_variant=PDF_VARIANT, attachments=list(attachments)
            )
    except FatalURLFetchingError as error:
        raise ToolError(
            f"The {what} tried to load something ({error}); this is a fault in its templates, report it."
        ) from error
    return pdf


def render_report(
    transcript: Transcript,
    analysis: Analysis,
    facts: ReportFacts,
    *,
    language: Language,
    sounds: Mapping[int, FindingSound] | None = None,
    log: RedactionLog | None = None,
) -> RenderedReport:
    """Render a report in one language.

    Args:
        transcript, analysis, facts: what it prints.
        language: of the report.
        sounds: the sound around each finding (:func:`heard_findings`); None: the audio is not at hand, and the report
            says so.
        log: of the redaction, when the three are redacted copies; every page is marked then.

    Raises:
        DocumentError: transcript, analysis and facts are not about the same bytes.
        InvalidNameError: ``facts.file_id`` can't name a file.
        ToolError: no Hangul font is installed.
    """
    require_hangul_font()
    html = render_html(transcript, analysis, facts, language, sounds=sounds, log=log)
    return RenderedReport(html, _pdf(write_out_undrawable(html), transcript, analysis, facts, sounds=sounds, log=log))


def write_report(
    transcript: Transcript, analysis: Analysis, facts: ReportFacts, out_dir: Path, *, primary: Language,
    both: bool = True, sounds: Mapping[int, FindingSound] | None = None,
) -> list[Path]:  # fmt: skip
    """Write the report in both languages, or only in the primary one.

    Returns:
        ``{file_id}_report.pdf`` and ``.html`` in the primary language, then ``{file_id}_report.{other}.pdf`` and
        ``.html``. Each file appears whole or not at all.

    Raises:
        DocumentError, InvalidNameError, ToolError: as :func:`render_report`; ToolError also when the directory
            can't be written.
    """
    other: Language = "en" if primary == "ko" else "ko"
    written = []
    for language, infix in ((primary, ""), (other, f".{other}"))[: 2 if both else 1]:
        report = render_report(transcript, analysis, facts, language=language, sounds=sounds)
        for suffix, data in ((".pdf", report.pdf), (".html", report.html.encode())):
            path = out_dir / f"{facts.file_id}_report{infix}{suffix}"
            write_whole(path, data)
            written.append(path)
    return written


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it appears whole or not at all.

    Raises:
        ToolError: the directory can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A short name of its own: the report's name may already use up the file system's 255 bytes.
        handle, temporary = tempfile.mkstemp(prefix=".report-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        raise ToolError(
            f"The report {path} can't be written ({error.strerror}); free space or choose another directory."
        ) from error
