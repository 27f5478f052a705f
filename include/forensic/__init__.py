"""Forensic analysis: located passages that match described categories, voice measures, a review order.

The taxonomy is data (``taxonomy/*.yaml``); what nothing measured says so (DESIGN §6).
"""

from include.forensic.analysis import (
    SCHEMA,
    Analysis,
    Confirmation,
    Context,
    CounterEvidence,
    Finding,
    Measure,
    Measurement,
    Scores,
    Span,
    TaxonomyInfo,
    TranscriptRef,
    VoiceMeasures,
    Waveform,
    load_analysis,
)
from include.forensic.analyze import analyze_transcript, settings_digest
from include.forensic.dialogue import TextAnalysis, TextFinding, Turn, analyze_text, analyze_text_lines
from include.forensic.rulebook import Category, Taxonomy, load_taxonomy, taxonomy_digest

__all__ = [
    "SCHEMA",
    "Analysis",
    "Category",
    "Confirmation",
    "Context",
    "CounterEvidence",
    "Finding",
    "Measure",
    "Measurement",
    "Scores",
    "Span",
    "Taxonomy",
    "TaxonomyInfo",
    "TextAnalysis",
    "TextFinding",
    "TranscriptRef",
    "Turn",
    "VoiceMeasures",
    "Waveform",
    "analyze_text",
    "analyze_text_lines",
    "analyze_transcript",
    "load_analysis",
    "load_taxonomy",
    "settings_digest",
    "taxonomy_digest",
]
