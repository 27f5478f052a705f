"""What the pipeline knows of a recording besides its transcript and analysis, for its report."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from include import __version__, report, state
from include.pipeline.signing import open_signer
from include.stated import stated_facts
from include.storage import layout

if TYPE_CHECKING:
    from include.evidence import Event, IntakeFacts, Scope
    from include.manifest import Recording
    from include.pipeline.taskrun import TaskRun
    from include.storage import Store

__all__ = ["now", "report_facts"]

_TOOL = f"VoiceMan {__version__} (Python hashlib)"


def report_facts(
    store: Store, row: state.RecordingState, run: TaskRun, found: tuple[IntakeFacts, str] | None, original_at: str
) -> report.ReportFacts:
    """The facts of a report that is about to be made.

    Args:
        store: the bucket.
        row: the recording; its preservation copy has been read and verified by the caller, and just now its working
            copy.
        run: who makes the report.
        found: the job's newest intake facts and the SHA-256 of their document.
        original_at: when the preservation copy had been read (see :func:`now`).

    Raises:
        MissingKeyError: there is no key that may sign.
        StateError: PostgreSQL can't be reached.
    """
    recording = row.recording
    name = recording.received_name or recording.name
    case, signer = state.case_of(recording.job_id), open_signer()
    return report.ReportFacts(
        job_id=recording.job_id,
        file_id=recording.file_id,
        file_name=name,
        sha256=recording.sha256,
        size_bytes=recording.size_bytes,
        received_at=row.received_at.astimezone(UTC).isoformat(timespec="seconds"),
        run_id=run.run_id,
        software_version=__version__,
        generated_at=now(),
        stated=None if found is None else stated_facts(*found, name),
        case=case,
        custody=None if case is None else _events(case, recording),
        signing=None if signer is None else report.SigningKey(keyid=signer.keyid, demo=signer.demo),
        copies=(
            _copy("preservation", store.uri(layout.original_key(recording.job_id, recording.name)), original_at),
            _copy("working", store.uri(layout.processing_key(recording.job_id, recording.name)), now()),
        ),
    )


def now() -> str:
    """The time in UTC, to the second, as reports write it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _copy(role: str, place: str, at: str) -> report.VerifiedCopy:
    return report.VerifiedCopy.model_validate({"role": role, "place": place, "verified_at": at, "tool": _TOOL})


def _events(case: str, recording: Recording) -> tuple[report.CustodyEvent, ...]:
    """The recording's own chain and its job's, in the ledger's order."""
    scopes: list[Scope] = [(recording.job_id, recording.file_id), (recording.job_id, None)]
    found = []
    for scope in scopes:
        with state.events_of(case, scope) as events:
            found += [_event(event) for event in events]
    return tuple(sorted(found, key=lambda one: one.seq))


def _event(event: Event) -> report.CustodyEvent:
    facts = event.facts
    return report.CustodyEvent(
        seq=event.seq,
        at=facts["at"],
        actor=facts["actor"] or "–",
        run=facts["run"],
        attempt=facts["try"],
        action=facts["action"],
        from_state=facts["from_state"],
        to_state=facts["to_state"],
        reason=facts["reason"],
        digests=facts["digests"],
        hash=event.hash,
    )
