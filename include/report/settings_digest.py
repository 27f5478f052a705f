"""What, besides its inputs, decides how a report looks."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

from include import __version__

__all__ = ["PACKAGE", "report_settings_digest", "report_versions"]

PACKAGE = Path(__file__).resolve().parent
_SUFFIXES = (".py", ".j2", ".css", ".js", ".toml")


def report_versions() -> dict[str, str]:
    """Versions of VoiceMan and of the packages that lay the report out."""
    return {"voiceman": __version__} | {name: version(name) for name in ("jinja2", "weasyprint", "pydyf")}


@cache
def report_settings_digest() -> str:
    """SHA-256 (hex) over the templates, style sheet, strings, code and versions of the report."""
    digest = hashlib.sha256()
    for name, number in sorted(report_versions().items()):
        digest.update(f"{name}={number}\n".encode())
    for path in sorted(path for path in PACKAGE.rglob("*") if path.suffix in _SUFFIXES):
        digest.update(f"{path.relative_to(PACKAGE).as_posix()} ".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
