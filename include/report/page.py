"""A page set as the reports are: the same escaping, cleaning, fonts and refusal to load, another template."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.report.fonts import require_hangul_font, write_out_undrawable
from include.report.render import html_to_pdf, template_environment
from include.report.text import clean

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["render_page"]


def render_page(template: Path, /, **values: object) -> bytes:
    """A PDF/A-3a of a Jinja2 template.

    Args:
        template: its file; includes are looked for beside it. It gets the reports' filters (``clock``, ``instant``,
            ``number``, ``words``, ``compact``), and every text it prints is cleaned and escaped.
        values: what it prints.

    Raises:
        ToolError: no Hangul font is installed, or the template tried to load something.
    """
    import jinja2

    require_hangul_font()
    environment = template_environment().overlay(loader=jinja2.FileSystemLoader(template.parent))
    html = environment.get_template(template.name).render(**values)
    # A second lock, as in the reports: markup that a filter made past ``finalize`` could still carry such a sign.
    html = "\n".join(clean(line) for line in html.split("\n"))
    return html_to_pdf(write_out_undrawable(html), what=template.name)
