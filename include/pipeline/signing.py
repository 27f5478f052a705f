"""Signatures in the pipeline: the key, attestations at the end of a stage, heads of the custody ledger."""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from include import evidence, state
from include.errors import StateError
from include.settings import get_settings
from include.storage import layout

if TYPE_CHECKING:
    from include.evidence import Link, Scope, Signer, StageFacts
    from include.manifest import Recording
    from include.pipeline.taskrun import TaskRun
    from include.storage import Store

__all__ = [
    "ATTESTATIONS",
    "attested",
    "open_signer",
    "publish_attestations",
    "sign_gate",
    "sign_head",
    "sign_open_heads",
]

log = logging.getLogger(__name__)

_TRIES = 5

ATTESTATIONS = "attestations.jsonl"
"""Kind of the artefact that holds a completed recording's attestations, one envelope a line."""


def open_signer() -> Signer | None:
    """The configured signer; None when ``VOICEMAN_SIGNING`` is off.

    Raises:
        MissingKeyError: there is none that may sign.
    """
    settings = get_settings()
    return None if settings.signing == "off" else evidence.load_signer(settings)


def attested(
    recording: Recording, run: TaskRun, facts: StageFacts, signer: Signer | None, *, stage: str, started: datetime
) -> state.Attested | None:
    """The signed statement about a stage that has just been done; None without a signer."""
    if signer is None:
        return None
    envelope = evidence.attest(
        facts,
        stage=stage,
        job=recording.job_id,
        recording=recording.file_id,
        run=run.run_id,
        try_number=run.actor.try_number,
        actor=run.actor.name,
        started=started,
        ended=datetime.now(UTC),
        signer=signer,
    )
    return state.Attested(stage, hashlib.sha256(envelope).hexdigest(), envelope)


def publish_attestations(store: Store, recording: Recording, last: state.Attested) -> state.Artefact:
    """Write a recording's attestations beside its results, in the order of the stages; to be remembered by the caller.

    Args:
        store: the bucket.
        recording: about to be COMPLETED.
        last: the newest one, which the database gets with the change of state.
    """
    known = state.attestations(recording.job_id, recording.file_id)
    lines = [envelope for stage, envelope in known.items() if stage != last.stage] + [last.envelope]
    data = b"".join(line + b"\n" for line in lines)
    key = layout.completed_key(recording.job_id, f"{recording.file_id}_{ATTESTATIONS}")
    ref = store.write(key, data, content_type="application/jsonl")
    return state.Artefact(ATTESTATIONS, ref, ref.sha256, cache_hit=False)


def sign_head(case: str, scope: Scope | None, signer: Signer) -> bytes | None:
    """Sign the end of a case's chain, or of an own chain; the newest head, or None when there is no event.

    Raises:
        StateError: others signed this chain at the same moments all the time, or PostgreSQL can't be reached.
    """

    def sign(end: Link, previous: str | None) -> tuple[bytes, str]:
        return evidence.sign_head(case, scope, end, previous, signer)

    for tries_left in range(_TRIES, 0, -1):
        try:
            return state.add_head(case, scope, sign)
        except StateError as error:  # mostly the other one's head says the same: then the next try takes it
            if "signed meanwhile" not in str(error) or tries_left == 1:
                raise
    return None


def sign_gate(store: Store, job_id: str) -> None:
    """At the end of a run: sign the head of the job's case, and keep a copy outside of the database.

    Raises:
        MissingKeyError: there is no key that may sign.
    """
    signer, case = open_signer(), state.case_of(job_id)
    head = None if signer is None or case is None else sign_head(case, None, signer)
    if head is not None:
        store.write(layout.head_key(job_id, hashlib.sha256(head).hexdigest()), head)


def sign_open_heads() -> int:
    """Sign the head of every case that has events after its last one; how many."""
    signer = open_signer()
    if signer is None:
        log.info("VOICEMAN_SIGNING is off: no head is signed.")
        return 0
    cases = state.cases_without_head()
    for case in cases:
        sign_head(case, None, signer)
    return len(cases)
