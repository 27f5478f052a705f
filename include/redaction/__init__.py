"""Redaction: names, numbers and addresses masked in copies of the documents, with a log that holds none of them.

Automatic: it can miss, and a person must review what it made before it leaves the house.
"""

from include.redaction.detect import find_all
from include.redaction.document import Redacted, redact
from include.redaction.hits import KINDS, Hit, Kind, compact
from include.redaction.log import RedactionLog
from include.redaction.rules import rules_digest
from include.redaction.terms import lab_terms

__all__ = [
    "KINDS",
    "Hit",
    "Kind",
    "Redacted",
    "RedactionLog",
    "compact",
    "find_all",
    "lab_terms",
    "redact",
    "rules_digest",
]
