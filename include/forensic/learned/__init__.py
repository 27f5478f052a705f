"""The learned detector: probabilities of category groups for stretches of a dialogue, and how it is made."""

from include.forensic.learned.combine import CONTEXT, MODEL_SEVERITY, combined, unmet, weighed
from include.forensic.learned.corpus import GROUPS, HARMLESS, Example, own_examples, read_examples
from include.forensic.learned.detector import LanguageModel, Prediction, Reading, default_model
from include.forensic.learned.modelfile import SHIPPED, Card, Source, read_model, write_model

__all__ = [
    "CONTEXT",
    "GROUPS",
    "HARMLESS",
    "MODEL_SEVERITY",
    "SHIPPED",
    "Card",
    "Example",
    "LanguageModel",
    "Prediction",
    "Reading",
    "Source",
    "combined",
    "default_model",
    "own_examples",
    "read_examples",
    "read_model",
    "unmet",
    "weighed",
    "write_model",
]
