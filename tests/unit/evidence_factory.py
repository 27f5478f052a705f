"""Ledgers and keys for the tests, made as the database makes them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from include import evidence
from include.evidence import Event, Link, PublicKey, Scope, Signer
from include.settings import Settings


def make_key(folder: Path, name: str = "lab.pem", *, demo: bool = False) -> tuple[Signer, dict[str, PublicKey]]:
    path = folder / name
    evidence.new_key(path, folder / "public", demo=demo)
    signer = evidence.load_signer(Settings(signing_key=str(path)))
    return signer, evidence.read_keys(folder / "public")


def make_events(case: str, about: Sequence[Scope], **more: Any) -> list[Event]:
    """One event after the other, each about the job and recording named."""
    events: list[Event] = []
    own: dict[Scope, Event] = {}
    counts: dict[Scope, int] = {}
    prev = evidence.FIRST_PREV
    for seq, (job, recording) in enumerate(about, 1):
        scope = (job, recording)
        before = own.get(scope)
        counts[scope] = counts.get(scope, 0) + 1
        body = json.dumps(
            {
                "action": "state", "actor": "test", "at": "2026-11-27T08:00:00.000000Z", "digests": {},
                "from_state": None, "job": job, "own_prev": before.hash if before else evidence.FIRST_PREV,
                "own_seq": counts[scope], "reason": None, "recording": recording, "run": "run", "to_state": "PENDING",
                "try": 1, **more,
            },
            ensure_ascii=False, separators=(",", ":"), sort_keys=True,
        )  # fmt: skip
        event = Event(case, seq, prev, body, evidence.event_hash(case, seq, prev, body))
        events.append(event)
        own[scope], prev = event, event.hash
    return events


def end_of(events: Sequence[Event]) -> Link:
    """The end of an own chain, or (all events) of the case's chain."""
    return Link(len(events), events[-1].seq, events[-1].hash)
