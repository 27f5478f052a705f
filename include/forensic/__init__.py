"""Forensic analysis: located passages that match described categories, voice measures, a review order.

The taxonomy is data (``taxonomy/*.yaml``); what nothing measured says so (DESIGN §6).
"""

from include.forensic.analysis import (
    Confirmation,
    Context,
    CounterEvidence,
    Finding,
    Measure,
    Measurement,
    NotAnalysed,
    RatedCount,
    Scores,
    SetAsidePassage,
    Span,
    TaxonomyInfo,
    TranscriptRef,
    Waveform,
)
from include.forensic.analyze import analyze_transcript, settings_digest
from include.forensic.case_change import CallRate, SeverityCourse
from include.forensic.case_course import CaseCourse, case_course
from include.forensic.case_phrases import RepeatedPhrase
from include.forensic.case_recording import CaseRecording, case_recording, clock_in, date_in
from include.forensic.case_stalking import CaseFinding, CasePassage, PartyCourse
from include.forensic.crosscheck import CrossChecks
from include.forensic.dialogue import TextAnalysis, TextFinding, Turn, analyze_text, analyze_text_lines
from include.forensic.document import SCHEMA, Analysis, load_analysis
from include.forensic.emotion import EmotionReport
from include.forensic.findings import Language, located
from include.forensic.rates import Rate, Trend, rate_per_hour
from include.forensic.rulebook import Category, Taxonomy, load_taxonomy, taxonomy_digest
from include.forensic.scores import is_confirmed
from include.forensic.second_decode import SecondDecodes, second_decode_digest, wanted_passages
from include.forensic.stress import VoiceDepartures
from include.forensic.tokens import Morpheme, morphemes
from include.forensic.voice_models import SpeakerVoice, VoiceTurns

__all__ = [
    "SCHEMA",
    "Analysis",
    "CallRate",
    "CaseCourse",
    "CaseFinding",
    "CasePassage",
    "CaseRecording",
    "Category",
    "Confirmation",
    "Context",
    "CounterEvidence",
    "CrossChecks",
    "EmotionReport",
    "Finding",
    "Language",
    "Measure",
    "Measurement",
    "Morpheme",
    "NotAnalysed",
    "PartyCourse",
    "Rate",
    "RatedCount",
    "RepeatedPhrase",
    "Scores",
    "SecondDecodes",
    "SetAsidePassage",
    "SeverityCourse",
    "Span",
    "SpeakerVoice",
    "Taxonomy",
    "TaxonomyInfo",
    "TextAnalysis",
    "TextFinding",
    "TranscriptRef",
    "Trend",
    "Turn",
    "VoiceDepartures",
    "VoiceTurns",
    "Waveform",
    "analyze_text",
    "analyze_text_lines",
    "analyze_transcript",
    "case_course",
    "case_recording",
    "clock_in",
    "date_in",
    "is_confirmed",
    "load_analysis",
    "load_taxonomy",
    "located",
    "morphemes",
    "rate_per_hour",
    "second_decode_digest",
    "settings_digest",
    "taxonomy_digest",
    "wanted_passages",
]
