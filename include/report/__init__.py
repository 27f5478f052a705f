"""The report: Jinja2 → HTML → WeasyPrint PDF, in Korean and English.

Nothing is fetched while rendering, all text is escaped, and the same inputs give the same bytes.
"""

from include.report.facts import Language, ReportFacts
from include.report.page import render_page
from include.report.player import render_player, write_player
from include.report.redacted import RedactedReport, render_redacted, write_redacted
from include.report.render import RenderedReport, render_report, write_report
from include.report.settings_digest import report_settings_digest, report_versions
from include.report.working_audio import WorkingAudio, encode_audio

__all__ = [
    "Language",
    "RedactedReport",
    "RenderedReport",
    "ReportFacts",
    "WorkingAudio",
    "encode_audio",
    "render_page",
    "render_player",
    "render_redacted",
    "render_report",
    "report_settings_digest",
    "report_versions",
    "write_player",
    "write_redacted",
    "write_report",
]
