"""Every error VoiceMan raises on purpose, in one tree.

::

    VoiceManError
    ├── SettingsError               a setting is missing or out of range
    ├── InputError                  what was handed in can't be used; a retry can't heal it
    │   ├── InvalidJobError         the job id, or what a job asks for
    │   ├── InvalidNameError        a file name that can't be kept safely
    │   ├── DuplicateRecordingError two recordings claim one name
    │   ├── DeliveryError           a drop and its manifest.json do not fit, or that isn't one
    │   ├── IntakeFactsError        intake.json can't be read, or lacks facts that the lab demands
    │   ├── QuarantineError         recordings that a person has to release before they are worked on
    │   ├── EmptyJobError           nothing lies under the job's prefix
    │   ├── AudioError              not audio, empty, or cut off
    │   ├── LanguageError           a language that isn't offered
    │   └── DocumentError           a transcript or analysis file that isn't one
    ├── ModelError                  weights missing or not the expected bytes
    ├── DeviceBusyError             no device of this host became free in time (a retry may heal it)
    ├── DeviceMemoryError           the device has no room even for the smallest piece (a retry may heal it)
    ├── ServiceError                the resident speech service can't be used or failed (a retry may heal it)
    ├── ToolError                   a program VoiceMan needs is missing or broke (ffmpeg, pango …)
    ├── StorageError                S3 can't be reached or answered wrongly (a retry may heal it)
    │   ├── MissingObjectError      an object that must be there is not
    │   └── DigestMismatchError     bytes changed on the way: never retried silently
    ├── StateError                  PostgreSQL can't be reached (a retry may heal it)
    │   ├── NotOwnerError           another run has taken the recording over
    │   └── IllegalTransitionError  a recording may not go from this state to that one
    ├── EvidenceError               what proves something is missing, was changed, or can't be made
    │   ├── MissingKeyError         no key that may sign: nothing is signed with another one
    │   │   └── ClockError          the clock is behind the time from which a key may sign (a retry may heal it)
    │   ├── SignatureError          an envelope that no known key signed, or that was changed
    │   └── LedgerError             a custody ledger that was cut, reordered, added to or edited
    ├── StackError                  the local stack can't start, stop or be found
    └── JobFailedError              raised by the gate: at least one recording failed

Each message is one sentence that says what, which file, and what to do. ``code`` is stable
and goes into ``{file_id}_error.json``; ``retryable`` tells the task whether to try again.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "AudioError",
    "ClockError",
    "DeliveryError",
    "DeviceBusyError",
    "DeviceMemoryError",
    "DigestMismatchError",
    "DocumentError",
    "DuplicateRecordingError",
    "EmptyJobError",
    "EvidenceError",
    "IllegalTransitionError",
    "InputError",
    "IntakeFactsError",
    "InvalidJobError",
    "InvalidNameError",
    "JobFailedError",
    "LanguageError",
    "LedgerError",
    "MissingKeyError",
    "MissingObjectError",
    "ModelError",
    "NotOwnerError",
    "QuarantineError",
    "ServiceError",
    "SettingsError",
    "SignatureError",
    "StackError",
    "StateError",
    "StorageError",
    "ToolError",
    "VoiceManError",
]


class VoiceManError(Exception):
    """The root: catch this to catch everything VoiceMan raises on purpose."""

    code: ClassVar[str] = "voiceman"
    retryable: ClassVar[bool] = False


class SettingsError(VoiceManError):
    """A setting is missing or out of range."""

    code = "settings"


class InputError(VoiceManError):
    """What was handed in can't be used; trying again gives the same result."""

    code = "input"


class InvalidJobError(InputError):
    """The job id or one of the job's options is not acceptable."""

    code = "invalid_job"


class InvalidNameError(InputError):
    """The file's name can't be kept safely (path parts, control characters, too long)."""

    code = "invalid_name"


class DuplicateRecordingError(InputError):
    """Two files of one job claim the same ``file_id``."""

    code = "duplicate_recording"


class DeliveryError(InputError):
    """A file is not the one that the drop's manifest.json lists, or that file can't be read."""

    code = "delivery"


class IntakeFactsError(InputError):
    """The drop's intake.json can't be read, or lacks facts that the lab demands."""

    code = "intake_facts"


class QuarantineError(InputError):
    """Recordings of others' conversations without a stated basis: a person has to release them."""

    code = "quarantine"


class EmptyJobError(InputError):
    """Nothing lies under ``incoming/{job_id}/`` and the job has no recordings."""

    code = "empty_job"


class AudioError(InputError):
    """The file is empty, not audio, or its audio is cut off."""

    code = "audio"


class LanguageError(InputError):
    """A language was asked for that isn't offered."""

    code = "language"


class DocumentError(InputError):
    """A JSON document isn't what its schema says, or isn't the one its digest names."""

    code = "document"


class ModelError(VoiceManError):
    """Model weights are missing, are not the bytes they should be, or training did not find them."""

    code = "model"


class DeviceBusyError(VoiceManError):
    """Every device of this host is held by another process, longer than a task waits."""

    code = "device_busy"
    retryable = True


class DeviceMemoryError(VoiceManError):
    """The device ran out of memory with a single piece of audio, or in training."""

    code = "device_memory"
    retryable = True


class ServiceError(VoiceManError):
    """The resident speech service can't be reached, refuses, serves another engine, or failed on a recording."""

    code = "service"
    retryable = True


class ToolError(VoiceManError):
    """A program or library VoiceMan needs is missing or broke."""

    code = "tool"
    retryable = True


class StorageError(VoiceManError):
    """S3 can't be reached or answered with an error."""

    code = "storage"
    retryable = True


class MissingObjectError(StorageError):
    """An object that must be there is not: a retry finds the same."""

    code = "missing_object"
    retryable = False


class DigestMismatchError(StorageError):
    """A copy's SHA-256 differs from its source's: the source was kept, the copy removed."""

    code = "digest_mismatch"
    retryable = False


class StateError(VoiceManError):
    """PostgreSQL can't be reached or refused a statement."""

    code = "state"
    retryable = True


class NotOwnerError(StateError):
    """Another run has taken the recording over; this one must leave it alone."""

    code = "not_owner"
    retryable = False


class IllegalTransitionError(StateError):
    """The database refused a change of state."""

    code = "illegal_transition"
    retryable = False


class EvidenceError(VoiceManError):
    """What proves something is missing, was changed, or can't be made."""

    code = "evidence"


class MissingKeyError(EvidenceError):
    """There is no key that may sign, and nothing is signed with another one."""

    code = "missing_key"


class ClockError(MissingKeyError):
    """This machine's clock is behind the time from which a key or certificate may sign: most often the clock is wrong,
    for a moment."""

    code = "clock"
    retryable = True


class SignatureError(EvidenceError):
    """A signed envelope can't be trusted: an unknown key, or changed bytes."""

    code = "signature"


class LedgerError(EvidenceError):
    """A custody ledger was cut, reordered, added to or edited."""

    code = "ledger"


class StackError(VoiceManError):
    """The local stack can't be started, stopped or found."""

    code = "stack"


class JobFailedError(VoiceManError):
    """The gate's verdict: at least one recording of the job failed or is missing."""

    code = "job_failed"
