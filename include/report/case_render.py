"""The case report: facts and course in, HTML and PDF out; as strict as the single report, by the same code."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from typing import TYPE_CHECKING

from include.errors import DocumentError
from include.report.case_view import build_case_view, sum_lines
from include.report.fonts import require_hangul_font, write_out_undrawable
from include.report.render import RenderedReport, html_to_pdf, refusing_fetcher, template_environment
from include.report.settings_digest import PACKAGE, case_report_digest, report_versions
from include.report.strings import load_strings
from include.report.text import clean

if TYPE_CHECKING:
    from include.forensic import CaseCourse
    from include.report.case_facts import CaseFacts
    from include.report.facts import Language

__all__ = ["case_attachments", "case_html", "render_case_report"]


def render_case_report(facts: CaseFacts, course: CaseCourse, *, language: Language) -> RenderedReport:
    """Render a case report in one language. The PDF carries what it was made of: entries, course, SHA256SUMS.

    Args:
        facts: the recordings; at least two.
        course: what they show together; of the same recordings.
        language: ``ko`` or ``en``.

    Raises:
        DocumentError: facts and course are not about the same recordings.
        ToolError: no Hangul font is installed.
    """
    require_hangul_font()
    html = case_html(facts, course, language)
    return RenderedReport(html, _pdf(write_out_undrawable(html), facts, case_attachments(facts, course)))


def case_attachments(facts: CaseFacts, course: CaseCourse) -> dict[str, bytes]:
    """Name → contents of what the PDF carries."""
    return {
        "SHA256SUMS.txt": sum_lines(facts),
        "case_course.json": (course.model_dump_json(indent=2) + "\n").encode(),
        "case_recordings.json": facts.to_json().encode("utf-8", "backslashreplace"),
    }


def case_html(facts: CaseFacts, course: CaseCourse, language: Language) -> str:
    """The HTML of a case report.

    Raises:
        DocumentError: see :func:`render_case_report`.
    """
    if sorted(one.key for one in facts.entries) != sorted(one.name for one in course.recordings):
        raise DocumentError("Case report and course are not about the same recordings; make both of the same analyses.")
    strings = load_strings(language, "case")
    folder = PACKAGE / "templates"
    style = "".join((folder / name).read_text(encoding="utf-8") for name in ("report.css", "case/case.css"))
    html = (
        template_environment()
        .get_template("case/report.html.j2")
        .render(
            t=lambda key, /, **values: strings.say(key, **{name: _shown(value) for name, value in values.items()}),
            plain=strings,
            language=language,
            style=style,
            style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
            facts=facts,
            view=build_case_view(facts, course, strings),
            attached=[
                (name, len(data), hashlib.sha256(data).hexdigest())
                for name, data in case_attachments(facts, course).items()
            ],
            report_digest=case_report_digest(),
            report_versions=report_versions(),
        )
    )
    # a second lock, as in the single report
    return "\n".join(clean(line) for line in html.split("\n"))


def _shown(value: object) -> object:
    return clean(value) if isinstance(value, str) else value


def _pdf(html: str, facts: CaseFacts, attached: dict[str, bytes]) -> bytes:
    from weasyprint import Attachment

    made = datetime.fromisoformat(facts.generated_at)
    fetcher = refusing_fetcher()
    return html_to_pdf(
        html,
        what="case report",
        attachments=[
            Attachment(
                string=data,
                url_fetcher=fetcher,
                name=name,
                created=made,
                modified=made,
                description=hashlib.sha256(data).hexdigest(),
                relationship="Source",
            )
            for name, data in attached.items()
        ],
    )
