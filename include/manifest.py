"""The typed values that flow between tasks: JSON in, JSON out.

A *job* is one drop (``incoming/{job_id}/``), a *recording* one audio file in it, a *batch* the
recordings that one GPU task takes. A :class:`Manifest` lists what a run claimed: the gate
reconciles against it, never against XCom.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Literal

from pydantic import BaseModel, ConfigDict

from include.described import DESCRIBED
from include.errors import InvalidJobError, InvalidNameError, LanguageError
from include.settings import LANGUAGES

__all__ = [
    "JOB_ID_PATTERN",
    "PREFIX_PATTERN",
    "ArtefactRef",
    "Batch",
    "Job",
    "Manifest",
    "Priority",
    "Recording",
    "Redo",
    "State",
    "check_file_name",
    "check_job_id",
    "check_language",
    "check_prefix",
    "safe_name",
]

JOB_ID_PATTERN = r"^(?!.*\.\.)[0-9A-Za-z가-힣][0-9A-Za-z가-힣._-]{0,99}$"
"""A job id: letters (Latin or Hangul), digits, ``.``, ``_``, ``-``; 1–100 characters, no ``..``."""

MAX_NAME_BYTES = 200
"""Longest file name, UTF-8 bytes: with our suffixes it still fits a file system's 255."""

_OWN_NAMES = re.compile(
    r"~[0-9a-f]{12}(\.|$)|(_transcript\.json|_forensic\.json|_report(\.\w+)?\.(pdf|html)|_attestations\.jsonl|_error\.json)$"
    r"|(_redaction\.json|_player\.html)$"
    r"|^(job_summary|case_course)\.json$|^_manifest_|^ledger_head_"
)

Priority = Literal["normal", "urgent"]
Redo = Literal["nothing", "failed", "outdated", "all"]
"""What a run does again of its job: each includes those before it. ``outdated`` makes the analysis and report anew
where another version than today's made them, from the transcript as it is; ``all`` transcribes again, too."""

PREFIX_PATTERN = r"^incoming/(?!.*(\.\.|//))[^/\x00-\x1f\x7f\\]+/[^\x00-\x1f\x7f\\]*$"
"""A prefix under which recordings are dropped: a folder under ``incoming/``, and how their names begin."""


class State(StrEnum):
    """A recording's state (DESIGN §4)."""

    PENDING = "PENDING"
    STT_QUEUE = "STT_QUEUE"
    STT_PROCESSING = "STT_PROCESSING"
    FORENSIC_QUEUE = "FORENSIC_QUEUE"
    FORENSIC_PROCESSING = "FORENSIC_PROCESSING"
    REPORT_QUEUE = "REPORT_QUEUE"
    REPORT_GENERATING = "REPORT_GENERATING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"

    @property
    def terminal(self) -> bool:
        """True for COMPLETED and FAILED."""
        return self in (State.COMPLETED, State.FAILED)


class _Value(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=DESCRIBED, hide_input_in_errors=True
    )


class Job(_Value):
    """What was asked for."""

    job_id: str
    language: str = "auto"
    priority: Priority = "normal"
    model: str | None = None
    """Whisper weights by name; None: the setting's."""
    emotion: bool | None = None
    """Whether an emotion model is applied; None: as configured (``VOICEMAN_EMOTION``)."""


class Recording(_Value):
    """One audio file of a job."""

    job_id: str
    file_id: str
    """The file's name without its extension."""
    name: str
    """The file's name as received."""
    sha256: str
    """Of the original's bytes, hex."""
    size_bytes: int
    duration_s: float | None = None
    """As the container declares it; None when it declares none."""
    received_name: str | None = None
    """The name as dropped, when it is kept under another (a revision, a name that can't be kept)."""
    revision: int = 1
    """2 and more: other bytes were dropped under the same name before."""
    language: str | None = None
    """Asked for this recording by the drop's manifest.json; None: the job's."""


class Batch(_Value):
    """The recordings that one task takes, in order."""

    batch_id: str
    job_id: str
    file_ids: tuple[str, ...]
    language: str = "auto"
    """Asked for all of them: a decode group has one language."""
    model: str
    """Whisper weights by name."""
    fresh: bool = False
    """Nothing made before is taken again, not even from the cache."""
    emotion: bool | None = None
    """Whether an emotion model is applied; None: as configured."""

    @property
    def label(self) -> str:
        """A short name for the UI: the first recordings, then how many more."""
        shown = ", ".join(self.file_ids[:3])
        more = len(self.file_ids) - 3
        return f"{self.batch_id}: {shown}" + (f" +{more}" if more > 0 else "")


class Manifest(_Value):
    """What one run claimed."""

    job: Job
    run_id: str
    recordings: tuple[Recording, ...] = ()
    """All that the run owns; those refused at the door are FAILED already."""
    missing: tuple[str, ...] = ()
    """Names that the drop's manifest.json lists and that never came."""
    problem: str | None = None
    """Why the drop's manifest.json could not be used: its recordings were claimed unchecked."""


class ArtefactRef(_Value):
    """A file in S3, by what it holds."""

    uri: str
    sha256: str


def check_job_id(job_id: str) -> str:
    """The job id, if it is acceptable.

    Raises:
        InvalidJobError: it isn't; the message says what is.
    """
    if not re.fullmatch(JOB_ID_PATTERN, job_id):
        shown = job_id if len(job_id) <= 60 else job_id[:57] + "..."
        raise InvalidJobError(
            f"The job id {shown!r} is not acceptable; use 1 to 100 letters, digits, '.', '_' or '-', "
            "beginning with a letter or digit and without '..' or '/'."
        )
    return job_id


def check_prefix(prefix: str) -> str:
    """The prefix, if recordings may be taken from there.

    Raises:
        InvalidJobError: it isn't under ``incoming/``, or can't be a prefix.
    """
    if not re.fullmatch(PREFIX_PATTERN, prefix):
        raise InvalidJobError(
            f"The prefix {safe_name(prefix)!r} is not acceptable; name a folder, such as incoming/case-7/."
        )
    return prefix


def check_language(language: str) -> str:
    """The language, if it is offered.

    Raises:
        LanguageError: it isn't; the message lists those that are.
    """
    if language not in LANGUAGES:
        raise LanguageError(f"The language {language!r} is not offered; use one of {', '.join(LANGUAGES)}.")
    return language


def check_file_name(name: str) -> str:
    """``file_id`` of an acceptable file name: the name without its extension.

    Spaces, quotes and any script are kept as they are; they are escaped where they are shown.

    Raises:
        InvalidNameError: path parts, control characters, nothing before the extension, or too long.
    """
    shown = safe_name(name)
    if "/" in name or "\\" in name or name in ("", ".", ".."):
        raise InvalidNameError(f"The file name {shown!r} holds a path; drop files directly under incoming/(job id)/.")
    if any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") or _is_noncharacter(char) for char in name):
        raise InvalidNameError(f"The file name {shown!r} holds control characters; rename the file.")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise InvalidNameError(f"The file name {shown!r} is longer than {MAX_NAME_BYTES} bytes; shorten it.")
    if _OWN_NAMES.search(name):
        raise InvalidNameError(f"The file name {shown!r} is one of the pipeline's own; rename the file.")
    file_id = PurePosixPath(name).stem
    if not file_id.strip(". "):
        raise InvalidNameError(f"The file name {shown!r} has nothing before its extension; rename the file.")
    return file_id


def _is_noncharacter(char: str) -> bool:
    """U+FFFE and its like: no XML may hold them, so S3 could not be asked about such a key together with others."""
    return ord(char) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(char) <= 0xFDEF


def safe_name(name: str) -> str:
    """A name that any store and log line can take: the name itself, or its readable part and a digest."""
    cleaned = re.sub(r"[^\w.\- ()\[\]'\"&+,@=~]", "_", name).strip(". ") or "unnamed"
    if cleaned == name and len(name.encode()) <= MAX_NAME_BYTES:
        return name
    return f"{cleaned[:40]}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"
