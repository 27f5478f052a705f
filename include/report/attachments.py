"""The documents a report prints, embedded in its PDF so that its source travels with it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from include.forensic import Analysis
from include.redaction import RedactionLog
from include.report.facts import ReportFacts
from include.stt import Transcript

__all__ = ["Attached", "attachments_of"]


@dataclass(frozen=True)
class Attached:
    """One embedded file."""

    name: str
    data: bytes
    sha256: str
    role: str
    """``transcript``, ``analysis`` or ``redaction_log``: key of its description in the strings."""
    differs_from: str | None
    """Digest of the file that was analysed, when its bytes were not these."""


def attachments_of(
    transcript: Transcript, analysis: Analysis, facts: ReportFacts, log: RedactionLog | None = None
) -> list[Attached]:
    """Transcript and analysis as JSON; of a redacted report its log, too."""
    texts = transcript.to_json().encode(), analysis.to_json().encode()
    digests = [hashlib.sha256(data).hexdigest() for data in texts]
    analysed = analysis.transcript.sha256
    attached = [
        Attached(
            f"{facts.file_id}_transcript.json",
            texts[0],
            digests[0],
            "transcript",
            None if analysed == digests[0] else analysed,
        ),
        Attached(f"{facts.file_id}_forensic.json", texts[1], digests[1], "analysis", None),
    ]
    if log is not None:
        data = log.to_json().encode()
        name = f"{facts.file_id}_redaction.json"
        attached.append(Attached(name, data, hashlib.sha256(data).hexdigest(), "redaction_log", None))
    return attached
