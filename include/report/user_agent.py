"""WeasyPrint's own style sheet without rules for things that no report holds, which cost a third of the rendering.

WeasyPrint computes a style for every element *and* every pseudo-element that a rule names. Its default sheet names five
of them for all elements (``::marker`` and four kinds of notes), though only list items have markers and nobody writes
notes: six computed styles an element instead of one. The pages are the same byte for byte (tested).
"""

from __future__ import annotations

from functools import cache
from typing import Any

__all__ = ["page_class"]

_NOTES = ("::footnote-call", "::footnote-marker", "::note-call", "::note-marker", "::note-callback")


def _lean(sheet: str) -> str:
    """The sheet without the rules for notes, and with markers for list items alone."""
    kept = [line for line in sheet.split("\n") if not line.startswith(_NOTES)]
    return "\n".join("li" + line if line.startswith("::marker") else line for line in kept)


@cache
def page_class() -> Any:
    """WeasyPrint's ``HTML`` with the lean sheet. Another version that asks for its sheet otherwise is only slower."""
    from weasyprint import CSS, HTML
    from weasyprint.css.counters import CounterStyle
    from weasyprint.html import UA

    # its counter styles are those that WeasyPrint read from the whole sheet
    sheet = CSS(string=_lean(UA), counter_style=CounterStyle())

    class LeanHTML(HTML):  # type: ignore[misc]  # weasyprint has no types
        def _ua_stylesheets(self, forms: bool = False) -> list[Any]:
            return super()._ua_stylesheets(forms) if forms else [sheet]

    return LeanHTML
