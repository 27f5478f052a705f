"""The report: Jinja2 → HTML → WeasyPrint PDF, in Korean and English.

Nothing is fetched while rendering, all text is escaped, and the same inputs give the same bytes.
"""

from include.report.case_entry import case_entry, category_names
from include.report.case_facts import CaseEntry, CaseFacts, LeftOut
from include.report.case_render import render_case_report
from include.report.facts import Language, ReportFacts
from include.report.finding_sound import FindingSound, heard_findings
from include.report.page import render_page
from include.report.player import render_player, write_player
from include.report.record_facts import CustodyEvent, SigningKey, StatedFacts, VerifiedCopy
from include.report.redacted import RedactedReport, render_redacted, write_redacted
from include.report.render import RenderedReport, render_report, write_report
from include.report.settings_digest import case_report_digest, report_settings_digest, report_versions
from include.report.working_audio import WorkingAudio, encode_audio

__all__ = [
    "CaseEntry",
    "CaseFacts",
    "CustodyEvent",
    "FindingSound",
    "Language",
    "LeftOut",
    "RedactedReport",
    "RenderedReport",
    "ReportFacts",
    "SigningKey",
    "StatedFacts",
    "VerifiedCopy",
    "WorkingAudio",
    "case_entry",
    "case_report_digest",
    "category_names",
    "encode_audio",
    "heard_findings",
    "render_case_report",
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
