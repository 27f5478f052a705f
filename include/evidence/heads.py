"""Signed heads: how many events a chain had at a time, and the hash of the last. They make a cut end visible."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from include.errors import LedgerError, SignatureError
from include.evidence import dsse
from include.evidence.canonical import canonical
from include.evidence.ledger import Link, Scope, check_chain, parse_lines, verified_payload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from include.evidence.keys import PublicKey, Signer

__all__ = ["HEAD_TYPE", "Head", "check_against", "check_copy", "check_export", "check_heads", "sign_head"]

HEAD_TYPE: Final = "application/vnd.voiceman.head+json"
SCHEMA: Final = "voiceman.head/1"


@dataclass(frozen=True)
class Head:
    """A signed statement about a chain's end."""

    case: str
    scope: Scope | None
    """Whose own chain; None: the case's whole chain."""
    link: Link
    at: datetime
    previous: str | None
    """SHA-256 of the payload of the head before, of the same case and scope."""
    demo: bool
    payload_sha256: str
    keyid: str


def sign_head(case: str, scope: Scope | None, link: Link, previous: str | None, signer: Signer) -> tuple[bytes, str]:
    """Sign the end of a chain.

    Returns:
        The envelope, and its payload's SHA-256 (the next head's ``previous``).
    """
    made: dict[str, Any] = {
        "schema": SCHEMA,
        "case": case,
        "scope": None if scope is None else {"job": scope[0], "recording": scope[1]},
        "count": link.count,
        "seq": link.seq,
        "hash": link.hash,
        "at": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "previous_head": previous,
        "demo_key": signer.demo,
    }
    payload = canonical(made)
    return dsse.sign(payload, HEAD_TYPE, signer).to_json(), hashlib.sha256(payload).hexdigest()


def read_head(envelope: bytes, keys: Mapping[str, PublicKey]) -> Head:
    """One head, its signature checked.

    Raises:
        SignatureError: it does not hold, the key was not in use at that time, or it is no head.
    """
    found = verified_payload(envelope, keys, HEAD_TYPE)
    one = dsse.parse(envelope)
    try:
        if found["schema"] != SCHEMA:
            raise SignatureError(f"A signed head has the schema {found['schema']!r}, which is not known.")
        scope = found["scope"]
        head = Head(
            case=str(found["case"]),
            scope=None if scope is None else (str(scope["job"]), scope["recording"]),
            link=Link(int(found["count"]), int(found["seq"]), str(found["hash"])),
            at=datetime.fromisoformat(found["at"]),
            previous=found["previous_head"],
            demo=bool(found["demo_key"]),
            payload_sha256=hashlib.sha256(one.payload).hexdigest(),
            keyid=one.signatures[0].keyid,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SignatureError("A signed head lacks what a head holds.") from error
    key = keys[head.keyid]
    if not key.signs_at(head.at):
        raise SignatureError(
            f"The head of case {head.case} from {head.at.isoformat()} is signed with the key {head.keyid[:16]}…, which "
            "was not in use at that time."
        )
    if key.demo and not head.demo:
        raise SignatureError("A head signed with a demo key does not say so.")
    return head


def check_heads(envelopes: Sequence[bytes], keys: Mapping[str, PublicKey], case: str) -> list[Head]:
    """Check heads: signatures, and that each follows the one before of its scope.

    Returns:
        The newest head of each scope.

    Raises:
        SignatureError: a signature does not hold.
        LedgerError: a head is missing, was moved, belongs to another case or goes back.
    """
    last: dict[Scope | None, Head] = {}
    for envelope in envelopes:
        head = read_head(envelope, keys)
        before = last.get(head.scope)
        if head.case != case:
            raise LedgerError(f"A head of case {head.case} stands among those of case {case}.")
        if head.previous != (None if before is None else before.payload_sha256):
            raise LedgerError(f"The heads of case {case} do not follow each other: one is missing or was moved.")
        if before is not None and (head.link.count < before.link.count or head.link.seq < before.link.seq):
            raise LedgerError(f"A later head of case {case} counts fewer events than an earlier one.")
        last[head.scope] = head
    return list(last.values())


def check_against(
    heads: Sequence[bytes], hashes: Mapping[int, str], keys: Mapping[str, PublicKey], case: str
) -> list[Head]:
    """Check every head ever signed against a case's whole chain, which was checked before.

    Args:
        heads: all heads of the case, in order.
        hashes: the chain's hash by number.
        keys: trusted public keys.
        case: the case.

    Returns:
        The newest head of each scope.

    Raises:
        SignatureError: a signature does not hold.
        LedgerError: the chain lacks an event that was signed, or has another one there.
    """
    newest = check_heads(heads, keys, case)
    for envelope in heads:
        check_copy(envelope, hashes, keys, case)
    return newest


def check_copy(envelope: bytes, hashes: Mapping[int, str], keys: Mapping[str, PublicKey], case: str) -> Head:
    """Check one head by itself, such as a copy kept elsewhere, against a case's chain; as :func:`check_against`."""
    head = read_head(envelope, keys)
    if head.case != case:
        raise LedgerError(f"A head of case {head.case} stands among those of case {case}.")
    found = hashes.get(head.link.seq)
    if found is None:
        raise LedgerError(
            f"The ledger of case {case} was cut: a head signed at {head.at.isoformat()} counts event "
            f"{head.link.seq}, which is not there."
        )
    if found != head.link.hash or (head.scope is None and head.link.count != head.link.seq):
        raise LedgerError(
            f"The ledger of case {case} was rewritten: event {head.link.seq} is not the one that was signed at "
            f"{head.at.isoformat()}."
        )
    return head


def check_export(
    ledger: bytes, heads: bytes, keys: Mapping[str, PublicKey], case: str | None = None
) -> tuple[Link, list[Head]]:
    """Check a case's exported ledger: ``ledger.jsonl`` and ``heads.jsonl``, whole.

    Args:
        ledger: all events, one a line.
        heads: all signed heads, one a line.
        keys: trusted public keys.
        case: whose ledger it must be; None: whose it says it is.

    Returns:
        The chain's end, and the newest head of each scope.

    Raises:
        LedgerError, SignatureError: what was tampered with, or that nothing is signed.
    """
    events = parse_lines(ledger)
    if not events:
        raise LedgerError("The ledger holds no event.")
    name = case or events[0].case
    end = check_chain(events, name)
    lines = heads.split(b"\n")
    if lines.pop() != b"":
        raise LedgerError("The last line of the heads has no end; it was cut.")
    newest = check_against(lines, {one.seq: one.hash for one in events}, keys, name)
    if not any(head.scope is None for head in newest):
        raise LedgerError(f"The ledger of case {name} has no signed head: it could have been made by anybody.")
    return end, newest
