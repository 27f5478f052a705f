"""What is known of the methods' errors, and whether it was measured with what this recording was worked on with.

A figure is printed with the data that it was measured on; one that was measured with another model, language or way of
telling speakers apart is marked as not applying here.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from include.forensic import Analysis
from include.report.labels import Labels
from include.report.text import clean
from include.stt import Transcript

__all__ = ["AccuracyRow", "accuracy_rows"]


@dataclass(frozen=True)
class AccuracyRow:
    """One figure."""

    what: str
    value: str
    data: str
    """On what it was measured, and when."""
    applies: bool
    why: str
    """Why it applies here, or does not."""


@cache
def _figures() -> list[dict[str, str]]:
    path = Path(__file__).resolve().parent / "accuracy.toml"
    figures: list[dict[str, str]] = tomllib.loads(path.read_text(encoding="utf-8"))["figure"]
    return figures


def accuracy_rows(transcript: Transcript, analysis: Analysis, labels: Labels) -> list[AccuracyRow]:
    """Every figure of ``accuracy.toml``, held against how this recording was worked on."""
    t = labels.t
    here: dict[str, Any] = {
        "model": transcript.engine.model,
        "language": transcript.language,
        "speakers": transcript.speakers.method,
        "language_model": analysis.language_model if isinstance(analysis.language_model, str) else "",
    }
    rows = []
    for figure in _figures():
        others = [name for name in here if name in figure and figure[name] != here[name]]
        why = (
            t("accuracy.differs", what=", ".join(t(f"accuracy.by_{name}") for name in others))
            if others
            else t("accuracy.same", what=", ".join(t(f"accuracy.by_{name}") for name in here if name in figure))
        )
        rows.append(
            AccuracyRow(
                t(f"accuracy.{figure['id']}"),
                clean(figure["value"]),
                t("accuracy.measured", data=t(f"accuracy.{figure['id']}_data"), date=figure["date"]),
                not others,
                why,
            )
        )
    return rows
