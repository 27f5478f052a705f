"""Intake facts at the claim: read, kept, and held against what must not be transcribed without a person's decision."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from include import state
from include.errors import IntakeFactsError, QuarantineError
from include.evidence import MAX_INTAKE_BYTES, parse_intake
from include.settings import get_settings
from include.storage import layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.evidence import IntakeFacts
    from include.manifest import Job
    from include.state import Actor
    from include.storage import Store

__all__ = ["Stated", "check_facts", "read_facts"]

log = logging.getLogger(__name__)

Stated = tuple["IntakeFacts", bytes]
"""Facts, and the document that states them."""


def read_facts(store: Store, prefix: str) -> Stated | None:
    """The drop's intake.json; None when there is none.

    Args:
        store: the bucket.
        prefix: of the drop (``incoming/…``); what follows its last slash is not part of names.

    Raises:
        IntakeFactsError: it can't be read; the drop stays as it is.
    """
    key = prefix[: prefix.rindex("/") + 1] + layout.INTAKE_NAME
    item = next((one for one in store.list(key) if one.key == key), None)
    if item is None:
        return None
    if item.size > MAX_INTAKE_BYTES:
        raise IntakeFactsError(f"{store.uri(key)} is larger than {MAX_INTAKE_BYTES >> 20} MiB; shorten it.")
    data = store.read(key)
    return parse_intake(data, store.uri(key)), data


def check_facts(job: Job, stated: Stated | None, names: Sequence[str], actor: Actor) -> None:
    """Keep the facts of a drop; before anything of it is moved, decide whether it may be worked on.

    Args:
        job: known to the database.
        stated: of this drop; None: what an earlier drop of the job stated holds.
        names: the recordings in the drop.
        actor: who claims.

    Raises:
        QuarantineError: recordings are declared to be of others' conversations without a basis, and nobody released
            them; the drop stays as it is.
        IntakeFactsError: the lab demands complete facts, and some are missing.
    """
    settings = get_settings()
    if stated is not None:
        state.save_intake(job.job_id, stated[1], actor)
    known = state.intake_of(job.job_id)
    rows = state.recordings_of(job.job_id).values()
    names = [*names, *(row.recording.received_name or row.recording.name for row in rows)]
    if settings.intake_facts == "required" and names:
        missing = ["all: there is no intake.json"] if known is None else known[0].not_stated(names)
        if missing:
            raise IntakeFactsError(
                f"This lab demands intake facts, and of {job.job_id} are not stated: {', '.join(missing[:8])}"
                f"{' …' if len(missing) > 8 else ''}; complete incoming/{job.job_id}/{layout.INTAKE_NAME}."
            )
    if known is None:
        log.info("No intake facts are stated for job %s.", job.job_id)
        return
    facts, sha256 = known
    unknown = facts.unknown(names)
    if unknown:
        log.warning(
            "intake.json of job %s states facts of %d recordings that are not there, such as %s; look at the names.",
            job.job_id, len(unknown), unknown[0],
        )  # fmt: skip
    declared = facts.needs_release(names) if settings.quarantine else []
    held = state.unreleased(job.job_id, sha256, declared) if declared else []
    if not held:
        return
    named = f"{', '.join(held[:5])}{' …' if len(held) > 5 else ''}"
    state.note_quarantine(
        job.job_id, sha256, f"declared to be of others' conversations, no basis stated: {named}", actor, held
    )
    raise QuarantineError(
        f"{len(held)} recordings of job {job.job_id} are declared to be of a conversation between others, and no legal "
        f"basis, consent or warrant is stated ({named}); nothing is transcribed until the facts are completed or a "
        f"person releases them: in Airflow under Required Actions, or by ./voiceman release {job.job_id} --by NAME "
        "--reason TEXT and starting the job again."
    )
