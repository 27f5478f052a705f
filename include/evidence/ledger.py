"""The custody ledger's chains, checked without a database: events, heads, and what they prove (docs/evidence.md).

An edited, missing, added or moved event is noticed by its hash, its number or its link; a cut end by the signed head.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from include.errors import LedgerError, SignatureError
from include.evidence import dsse
from include.evidence.canonical import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from include.evidence.keys import PublicKey

__all__ = [
    "FIRST_PREV",
    "Event",
    "Link",
    "Scope",
    "check_chain",
    "check_extract",
    "event_hash",
    "parse_lines",
]

SCHEMA: Final = "voiceman.event/1"

FIRST_PREV: Final = "0" * 64
"""``prev`` of a chain's first event."""

Scope = tuple[str, str | None]
"""A job and a recording (None: what concerns the whole job): whose own chain."""


def event_hash(case: str, seq: int, prev: str, body: str) -> str:
    """Hex SHA-256 that links an event to the one before."""
    return hashlib.sha256(f"{SCHEMA}\n{case}\n{seq}\n{prev}\n{body}".encode()).hexdigest()


@dataclass(frozen=True)
class Event:
    """One event, as exported."""

    case: str
    seq: int
    prev: str
    body: str
    hash: str

    def line(self) -> bytes:
        """One line of ``ledger.jsonl``, with its line end."""
        made: dict[str, Any] = {
            "schema": SCHEMA, "case": self.case, "seq": self.seq, "prev": self.prev, "body": self.body,
            "hash": self.hash,
        }  # fmt: skip
        return canonical(made) + b"\n"

    @cached_property
    def facts(self) -> dict[str, Any]:
        """The body, parsed.

        Raises:
            LedgerError: it is no JSON object.
        """
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise LedgerError(f"Event {self.seq} of case {self.case} holds no JSON; it was changed.") from error
        if not isinstance(found, dict):
            raise LedgerError(f"Event {self.seq} of case {self.case} holds no JSON object; it was changed.")
        return found

    @property
    def scope(self) -> Scope:
        """Whose own chain it is in."""
        return str(self.facts.get("job")), self.facts.get("recording")

    def check(self) -> None:
        """Check the hash.

        Raises:
            LedgerError: it does not fit.
        """
        if event_hash(self.case, self.seq, self.prev, self.body) != self.hash:
            raise LedgerError(f"Event {self.seq} of case {self.case} was edited: its hash does not fit its contents.")


@dataclass(frozen=True)
class Link:
    """The end of a chain: how many events, and the last one's number in the case and hash."""

    count: int
    seq: int
    hash: str


def parse_lines(data: bytes) -> list[Event]:
    """``ledger.jsonl``, strictly as it was written.

    Raises:
        LedgerError: a line is not one of ours.
    """
    events = []
    lines = data.split(b"\n")
    if lines.pop() != b"":
        raise LedgerError("The ledger's last line has no end; it was cut.")
    for number, line in enumerate(lines, 1):
        try:
            found = json.loads(line)
            event = Event(found["case"], found["seq"], found["prev"], found["body"], found["hash"])
            same = type(event.seq) is int and event.line() == line + b"\n"
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise LedgerError(f"Line {number} of the ledger is no event; it was damaged or changed.") from error
        if not same:
            raise LedgerError(f"Line {number} of the ledger is not written as it was made; it was changed.")
        events.append(event)
    return events


def check_chain(events: Iterable[Event], case: str) -> Link:
    """Check a case's whole chain: every event from the first on, and each own chain within it.

    Returns:
        Its end; ``Link(0, 0, FIRST_PREV)`` when there are no events.

    Raises:
        LedgerError: an event was edited, is missing, was added or moved; the sentence names the first one.
    """
    seq, prev = 0, FIRST_PREV
    own: dict[Scope, Link] = {}
    for event in events:
        if event.case != case:
            raise LedgerError(f"An event of case {event.case} stands in the ledger of case {case}.")
        if event.seq != seq + 1:
            raise LedgerError(
                f"The ledger of case {case} has event {event.seq} after {seq}: events are missing, were added or moved."
            )
        if event.prev != prev:
            raise LedgerError(f"Event {event.seq} of case {case} does not follow the one before it.")
        event.check()
        own[event.scope] = _next_own(event, own.get(event.scope))
        seq, prev = event.seq, event.hash
    return Link(seq, seq, prev)


def _next_own(event: Event, last: Link | None) -> Link:
    before = last or Link(0, 0, FIRST_PREV)
    if event.facts.get("own_seq") != before.count + 1 or event.facts.get("own_prev") != before.hash:
        raise LedgerError(
            f"Event {event.seq} of case {event.case} is not the next one of {event.scope[1] or event.scope[0]}: events "
            "are missing, were added or moved."
        )
    if event.seq <= before.seq:
        raise LedgerError(f"Event {event.seq} of case {event.case} stands after event {before.seq}.")
    return Link(before.count + 1, event.seq, event.hash)


def check_extract(
    events: Sequence[Event],
    heads: Sequence[bytes],
    keys: Mapping[str, PublicKey],
    *,
    case: str,
    job: str,
    recording: str,
) -> dict[Scope, Link]:
    """Check a bundle's extract: the recording's own chain and the job's, each whole and up to its signed head.

    Args:
        events: the lines of ``ledger.jsonl``.
        heads: the lines of ``heads.jsonl``.
        keys: trusted public keys.
        case: whose ledger it says it is.
        job: the job.
        recording: the recording's ``file_id``.

    Returns:
        The end of each own chain.

    Raises:
        LedgerError: an event was edited, is missing, was added or moved, or the end was cut off.
        SignatureError: a head's signature does not hold.
    """
    from include.evidence.heads import check_heads  # it needs this module's types

    own: dict[Scope, Link] = {}
    for event in events:
        if event.case != case or event.scope not in ((job, recording), (job, None)):
            raise LedgerError(f"Event {event.seq} is of another case or recording than {recording} of {case}.")
        event.check()
        own[event.scope] = _next_own(event, own.get(event.scope))
    if (job, recording) not in own:
        raise LedgerError(f"The extract holds no event of {recording}.")
    signed = {head.scope: head for head in check_heads(heads, keys, case)}
    if None in signed:
        raise LedgerError("A head of the case's whole chain stands in an extract, which can't be checked against it.")
    for scope in own.keys() | signed.keys():
        end, head = own.get(scope or ("", None)), signed.get(scope)
        if head is None or end is None or head.link != end:
            raise LedgerError(
                f"The events of {(scope or ('', None))[1] or job} are not those that the signed head counts: events "
                "were cut off, or added after it."
            )
    return own


def verified_payload(envelope: bytes, keys: Mapping[str, PublicKey], payload_type: str) -> dict[str, Any]:
    """The signed JSON object of an envelope.

    Raises:
        SignatureError: its signature does not hold, or it holds no JSON object.
    """
    try:
        found = json.loads(dsse.verify(envelope, keys, payload_type))
    except (ValueError, RecursionError) as error:
        raise SignatureError(f"A signed {payload_type} holds no JSON.") from error
    if not isinstance(found, dict):
        raise SignatureError(f"A signed {payload_type} holds no JSON object.")
    return found
