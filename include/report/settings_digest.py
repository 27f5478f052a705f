"""What, besides its inputs, decides how a report looks."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

from include import __version__
from include.container import examination_digest

__all__ = ["PACKAGE", "case_report_digest", "report_settings_digest", "report_versions"]

PACKAGE = Path(__file__).resolve().parent
_SUFFIXES = (".py", ".j2", ".css", ".js", ".toml")


def report_versions() -> dict[str, str]:
    """Versions of VoiceMan and of the packages that lay the report out."""
    return {"voiceman": __version__} | {name: version(name) for name in ("jinja2", "weasyprint", "pydyf")}


@cache
def report_settings_digest() -> str:
    """SHA-256 (hex) over the templates, style sheet, strings, code and versions of the report.

    What only the case report has is not in it: a change of that makes no recording's own report outdated.
    """
    return _digest(case=False)


@cache
def case_report_digest() -> str:
    """The same of the case report, which adds files to those of the single one."""
    return _digest(case=True)


def _digest(*, case: bool) -> str:
    digest = hashlib.sha256()
    for name, number in sorted(report_versions().items()):
        digest.update(f"{name}={number}\n".encode())
    for path in sorted(
        path for path in PACKAGE.rglob("*") if path.suffix in _SUFFIXES and (case or not _of_case(path))
    ):
        digest.update(f"{path.relative_to(PACKAGE).as_posix()} ".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    digest.update(examination_digest().encode())  # its words are printed
    return digest.hexdigest()


def _of_case(path: Path) -> bool:
    return path.name.startswith("case_") or path.parent.name == "case"
