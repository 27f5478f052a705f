"""The S3 layout (DESIGN §4): where everything lies. Keys only; nothing here talks to S3."""

from __future__ import annotations

import hashlib

__all__ = [
    "CONTROL_NAMES",
    "INTAKE_NAME",
    "MARKERS",
    "cache_transcript_key",
    "case_report_key",
    "completed_key",
    "course_key",
    "failed_error_key",
    "failed_key",
    "head_key",
    "head_prefix",
    "incoming_key",
    "incoming_prefix",
    "is_control",
    "is_marker",
    "manifest_key",
    "original_key",
    "processing_key",
    "summary_key",
    "superseded_key",
]

MARKERS = frozenset({"_READY", "_HOLD"})
"""Empty markers: start now; don't start, somebody is still uploading and will start the job."""

INTAKE_NAME = "intake.json"
"""Intake facts of a drop."""

CONTROL_NAMES = MARKERS | {"manifest.json", INTAKE_NAME}
"""Files of a drop that say something about it and are not recordings."""


def is_control(name: str) -> bool:
    """True for a file that describes the drop."""
    return name in CONTROL_NAMES


def is_marker(name: str) -> bool:
    """True for an empty marker."""
    return name in MARKERS


def incoming_prefix(job_id: str) -> str:
    """``incoming/{job_id}/``."""
    return f"incoming/{job_id}/"


def incoming_key(job_id: str, name: str) -> str:
    """Where a recording is dropped."""
    return f"incoming/{job_id}/{name}"


def original_key(job_id: str, name: str) -> str:
    """The preservation copy: its bytes never change."""
    return f"originals/{job_id}/{name}"


def processing_key(job_id: str, name: str) -> str:
    """The working copy, and artefacts not yet complete."""
    return f"processing/{job_id}/{name}"


def completed_key(job_id: str, name: str) -> str:
    """What a finished recording leaves."""
    return f"completed/{job_id}/{name}"


def superseded_key(job_id: str, file_id: str, kind: str, sha256: str) -> str:
    """Where a result stays that a newer one replaces: its name, and the first digits of its digest."""
    stem, _, suffix = kind.rpartition(".")
    return f"completed/{job_id}/superseded/{file_id}_{stem}~{sha256[:12]}.{suffix}"


def failed_key(job_id: str, name: str) -> str:
    """The untouched original of a failed recording."""
    return f"failed/{job_id}/{name}"


def failed_error_key(job_id: str, file_id: str) -> str:
    """Why a recording failed."""
    return f"failed/{job_id}/{file_id}_error.json"


def summary_key(job_id: str) -> str:
    """The job's summary."""
    return f"completed/{job_id}/job_summary.json"


def course_key(job_id: str) -> str:
    """What the job's recordings show together."""
    return f"completed/{job_id}/case_course.json"


def case_report_key(job_id: str, name: str) -> str:
    """The report over the recordings of the job's case; ``name`` is ``ko.pdf``, ``en.html`` …"""
    return f"completed/{job_id}/case_report.{name}"


def head_key(job_id: str, sha256: str) -> str:
    """A copy of a signed head of the custody ledger, by the envelope's digest: none is ever overwritten."""
    return f"{head_prefix(job_id)}{sha256[:16]}.dsse.json"


def head_prefix(job_id: str) -> str:
    """How the keys of a job's copies of heads begin."""
    return f"completed/{job_id}/ledger_head_"


def manifest_key(job_id: str, run_id: str) -> str:
    """What one run claimed; a run id may hold characters that a key should not."""
    return f"processing/{job_id}/_manifest_{hashlib.sha256(run_id.encode()).hexdigest()[:16]}.json"


def cache_decodes_key(transcript_sha256: str, digest: str) -> str:
    """What decoding passages of a transcript again gave, by what it was made from."""
    return f"cache/second_decodes/{transcript_sha256[:2]}/{transcript_sha256}/{digest}.json"


def cache_transcript_key(recording_sha256: str, settings_digest: str) -> str:
    """A transcript by what it was made from: the same bytes under the same settings are transcribed once."""
    return f"cache/transcripts/{recording_sha256[:2]}/{recording_sha256}/{settings_digest}.json"
