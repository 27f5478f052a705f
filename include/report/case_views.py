"""What was stated and recorded about the case, ready to print: intake facts, custody events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from include.report.facts import ReportFacts
from include.report.record_facts import CustodyEvent, StatedFacts
from include.report.strings import Strings
from include.report.text import KST, clean

__all__ = ["MOST_EVENTS", "CustodyRow", "StatedRow", "custody_rows", "stated_rows"]

MOST_EVENTS = 300
"""Rows of the custody table; the first of a longer ledger are left to its extract in the bundle."""

_SHORT = 12
"""Hex digits of a digest in the custody table: enough to tell apart, whole in the extract."""


@dataclass(frozen=True)
class StatedRow:
    """One intake fact."""

    name: str
    lines: list[str]
    """Empty: not stated."""


@dataclass(frozen=True)
class CustodyRow:
    """One event of the ledger."""

    seq: int
    utc: str
    local: str
    who: str
    under: str
    """Run and try; empty for a person."""
    event: str
    states: str
    reason: str
    digests: list[tuple[str, str]]


def stated_rows(stated: StatedFacts | None, t: Strings) -> list[StatedRow]:
    """Every fact a reader may ask for, in the order of an intake form; each is there, stated or not."""
    facts = stated or StatedFacts()
    rows = []
    for field in (
        "case_number", "evidence_number", "requester", "questions", "legal_basis", "recorded_at", "recorded_by",
        "conversation",
        "consent_or_warrant", "device", "submitter", "copies", "speakers",
    ):  # fmt: skip
        value = getattr(facts, field)
        if field == "conversation" and value is not None:
            value = t(f"intake.conversation_{value}")
        if field == "copies" and value == ():
            value = t("intake.copies_none")
        if field == "speakers" and value is not None:
            value = [f"{label}: {name}" for label, name in value.items()]
        lines = [] if value is None else [value] if isinstance(value, str) else list(value)
        rows.append(StatedRow(t(f"intake.{field}"), [clean(line) for line in lines]))
    return rows


def _row(event: CustodyEvent, t: Strings) -> CustodyRow:
    moment = datetime.fromisoformat(event.at)
    under = [event.run] if event.run else []
    under += [t("custody.attempt", n=event.attempt)] if event.attempt else []
    states = " → ".join(one for one in (event.from_state, event.to_state) if one)
    return CustodyRow(
        seq=event.seq,
        utc=f"{moment:%Y-%m-%d %H:%M:%S}",
        local=f"{moment.astimezone(KST):%Y-%m-%d %H:%M:%S}",
        who=clean(event.actor),
        under=clean(" · ".join(under)),
        event=t.get(f"custody.action.{event.action}") or clean(event.action),
        states=clean(states),
        reason=clean(t.recorded(event.reason or "")),
        digests=[(clean(name), clean(value)[:_SHORT]) for name, value in event.digests.items()],
    )


def custody_rows(facts: ReportFacts, t: Strings) -> tuple[list[CustodyRow], int]:
    """The newest events in order, and how many older ones are not printed."""
    events = facts.custody or ()
    return [_row(event, t) for event in events[-MOST_EVENTS:]], max(len(events) - MOST_EVENTS, 0)
