"""Random changes for the tampering harness: each returns bytes (or parts) that differ from the original."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

from bench.sample_evidence import Ledger, MemorySigner

OPERATIONS = ("edit", "delete", "insert", "reorder", "truncate")


def _edit(chance: random.Random, data: bytearray) -> None:
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        at = chance.randrange(len(data))
        if chance.random() < 0.5:
            data[at] ^= 1 << chance.randrange(8)
        else:  # a digit for a digit, a letter for a letter: what somebody who wants to stay unseen does
            kin = next((k for k in (b"0123456789", b"abcdef", b"ABCDEF") if data[at] in k), bytes(range(256)))
            data[at] = chance.choice(kin)


def _span(chance: random.Random, data: bytearray, longest: int = 64) -> tuple[int, int]:
    size = min(chance.randrange(1, longest + 1), len(data))
    at = chance.randrange(len(data) - size + 1)
    return at, at + size


def _delete(chance: random.Random, data: bytearray) -> None:
    first, last = _span(chance, data)
    del data[first:last]


def _insert(chance: random.Random, data: bytearray) -> None:
    first, last = _span(chance, data)
    added = bytes(data[first:last]) if chance.random() < 0.5 else chance.randbytes(last - first)
    at = chance.choice((chance.randrange(len(data) + 1), len(data)))
    data[at:at] = added


def _reorder(chance: random.Random, data: bytearray) -> None:
    if len(data) < 4:
        data.reverse()
        return
    a, b, c, d = sorted(chance.sample(range(len(data) + 1), 4))
    data[a:d] = data[c:d] + data[b:c] + data[a:b]


def _truncate(chance: random.Random, data: bytearray) -> None:
    most = chance.choice((1, 16, 1024, len(data)))
    del data[len(data) - chance.randrange(1, min(most, len(data)) + 1) :]


_BYTES: dict[str, Callable[[random.Random, bytearray], None]] = {
    "edit": _edit, "delete": _delete, "insert": _insert, "reorder": _reorder, "truncate": _truncate,
}  # fmt: skip


def change_bytes(chance: random.Random, operation: str, data: bytes) -> bytes:
    """Some bytes changed somewhere."""
    while True:
        made = bytearray(data)
        _BYTES[operation](chance, made)
        if made != data:
            return bytes(made)


def change_lines(chance: random.Random, operation: str, data: bytes) -> bytes:
    """Whole lines changed; an edit is one inside a line."""
    if operation == "edit":
        return change_bytes(chance, operation, data)
    while True:
        lines = data.splitlines(keepends=True)
        at = chance.randrange(len(lines))
        if operation == "delete":
            del lines[at]
        elif operation == "insert":
            lines.insert(chance.randrange(len(lines) + 1), lines[at])
        elif operation == "reorder":
            other = chance.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        else:
            del lines[at:]
        if b"".join(lines) != data:
            return b"".join(lines)


def change_parts(chance: random.Random, operation: str, parts: dict[str, bytes], names: list[str]) -> dict[str, bytes]:
    """One of the named files changed, removed, added, swapped with another or cut."""
    made = dict(parts)
    name = chance.choice(names)
    if operation in {"edit", "truncate"}:
        made[name] = change_bytes(chance, operation, parts[name])
    elif operation == "delete":
        del made[name]
    elif operation == "insert":
        if chance.random() < 0.5:
            made[name] = change_bytes(chance, operation, parts[name])
        else:
            made[f"{name.rpartition('/')[0] or 'documents'}/added-{chance.randrange(99)}.json"] = parts[name]
    else:
        other = chance.choice([one for one in parts if parts[one] != parts[name]])
        made[name], made[other] = parts[other], parts[name]
    return made


def rewrite_ledger(chance: random.Random, operation: str, ledger: Ledger) -> bytes:
    """A case's events changed and the whole chain computed anew, every hash and link right: what a superuser of the
    database can do. Only the signing key is beyond his reach."""
    told = [json.loads(str(event["body"])) for event in ledger.events]
    original = ledger.lines()
    while True:
        rows = [dict(row) for row in told]
        at = chance.randrange(len(rows))
        if operation == "edit":
            rows[at]["action"] = rows[at]["action"] + chance.choice((" ", "x", "였다"))
        elif operation == "delete":
            del rows[at]
        elif operation == "insert":
            rows.insert(at, rows[chance.randrange(len(rows))])
        elif operation == "reorder":
            other = chance.randrange(len(rows))
            rows[at], rows[other] = rows[other], rows[at]
        else:
            del rows[max(at, 1) :]
        fresh = Ledger(ledger.case, MemorySigner(b"nobody"))
        for row in rows:
            kept = {key: row[key] for key in ("digests", "to_state") if key in row}
            fresh.append(row["job"], row["recording"], row["action"], **kept)
        if fresh.lines() != original:
            return fresh.lines()
