"""The report: Jinja2 → HTML → WeasyPrint PDF, in Korean and English.

Nothing is fetched while rendering, all text is escaped, and the same inputs give the same bytes.
"""

from include.report.case_facts import CustodyEvent, SigningKey, StatedFacts, VerifiedCopy
from include.report.facts import Language, ReportFacts
from include.report.finding_sound import FindingSound, heard_findings
from include.report.page import render_page
from include.report.render import RenderedReport, render_report, write_report
from include.report.settings_digest import report_settings_digest, report_versions

__all__ = [
    "CustodyEvent",
    "FindingSound",
    "Language",
    "RenderedReport",
    "ReportFacts",
    "SigningKey",
    "StatedFacts",
    "VerifiedCopy",
    "heard_findings",
    "render_page",
    "render_report",
    "report_settings_digest",
    "report_versions",
    "write_report",
]
