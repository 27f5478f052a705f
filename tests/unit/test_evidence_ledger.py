"""The chains: an untouched ledger is accepted, and every way to tamper with one is noticed."""

import dataclasses
import random
from pathlib import Path

import pytest

from include import evidence
from include.errors import LedgerError, SignatureError
from include.evidence import Event, Link, PublicKey, Signer
from tests.unit.evidence_factory import end_of, make_events, make_key

CASE = "2026-형제-1"
ABOUT = [("job", "a"), ("job", "b"), ("job", None), ("job", "a"), ("job-2", "a"), ("job", "b"), ("job", "a")]


@pytest.fixture
def key(tmp_path: Path) -> tuple[Signer, dict[str, PublicKey]]:
    return make_key(tmp_path)


def head(events: list[Event], scope: evidence.Scope | None, key: tuple[Signer, dict[str, PublicKey]]) -> bytes:
    own = [one for one in events if scope is None or one.scope == scope]
    return evidence.sign_head(CASE, scope, end_of(own), None, key[0])[0]


def test_an_untouched_chain_is_accepted() -> None:
    events = make_events(CASE, ABOUT)
    assert evidence.check_chain(events, CASE) == Link(7, 7, events[-1].hash)
    lines = b"".join(one.line() for one in events)
    assert evidence.parse_lines(lines) == events
    assert evidence.check_chain([], CASE) == Link(0, 0, evidence.FIRST_PREV)


def rehash(event: Event, **changes: object) -> Event:
    """As somebody would who knows the format and has no key."""
    made = dataclasses.replace(event, **changes)  # type: ignore[arg-type]
    return dataclasses.replace(made, hash=evidence.event_hash(made.case, made.seq, made.prev, made.body))


@pytest.mark.parametrize("at", range(7))
def test_an_edited_event_is_noticed_with_its_hash_made_anew_too(at: int) -> None:
    events = make_events(CASE, ABOUT)
    edited = dataclasses.replace(events[at], body=events[at].body.replace("PENDING", "COMPLETED"))
    with pytest.raises(LedgerError):
        evidence.check_chain([*events[:at], edited, *events[at + 1 :]], CASE)
    if at < 6:  # the last one's new hash is caught by the signed head alone: below
        with pytest.raises(LedgerError):
            evidence.check_chain([*events[:at], rehash(edited), *events[at + 1 :]], CASE)


@pytest.mark.parametrize("at", range(7))
def test_a_missing_a_doubled_and_a_moved_event_are_noticed(at: int) -> None:
    events = make_events(CASE, ABOUT)
    without, doubled = events[:at] + events[at + 1 :], [*events[: at + 1], events[at], *events[at + 1 :]]
    moved = [*without[: at - 1], events[at], *without[at - 1 :]] if at else [*events[1:], events[0]]
    for changed in ([without] if at < 6 else []) + [doubled, moved]:
        with pytest.raises(LedgerError):
            evidence.check_chain(changed, CASE)


def test_an_event_put_in_with_all_hashes_made_anew_is_noticed_by_the_head(key: tuple) -> None:
    events = make_events(CASE, ABOUT)
    signed = head(events, None, key)
    forged = make_events(CASE, [ABOUT[0], *ABOUT])
    evidence.check_chain(forged, CASE)  # the chain alone can't tell: hence the heads
    with pytest.raises(LedgerError, match="was rewritten"):
        evidence.check_against([signed], {one.seq: one.hash for one in forged}, key[1], CASE)


def test_a_cut_end_is_noticed_by_the_head(key: tuple) -> None:
    events = make_events(CASE, ABOUT)
    signed = head(events, None, key)
    evidence.check_against([signed], {one.seq: one.hash for one in events}, key[1], CASE)
    with pytest.raises(LedgerError, match="was cut"):
        evidence.check_against([signed], {one.seq: one.hash for one in events[:-1]}, key[1], CASE)


def test_heads_follow_each_other(key: tuple) -> None:
    events = make_events(CASE, ABOUT)
    first, digest = evidence.sign_head(CASE, None, end_of(events[:3]), None, key[0])
    second, _ = evidence.sign_head(CASE, None, end_of(events), digest, key[0])
    (newest,) = evidence.check_heads([first, second], key[1], CASE)
    assert newest.link.seq == 7
    for wrong in ([second], [second, first], [first, first]):
        with pytest.raises(LedgerError, match="do not follow each other"):
            evidence.check_heads(wrong, key[1], CASE)
    back, _ = evidence.sign_head(CASE, None, end_of(events[:2]), digest, key[0])
    with pytest.raises(LedgerError, match="counts fewer events"):
        evidence.check_heads([first, back], key[1], CASE)
    with pytest.raises(LedgerError, match="A head of case"):
        evidence.check_heads([first], key[1], "other")


def test_a_head_by_another_key_or_out_of_its_time_is_refused(key: tuple, tmp_path: Path) -> None:
    events = make_events(CASE, ABOUT)
    stranger, _ = make_key(tmp_path / "stranger")
    forged, _ = evidence.sign_head(CASE, None, end_of(events), None, stranger)
    with pytest.raises(SignatureError, match="No known public key"):
        evidence.check_heads([forged], key[1], CASE)
    signed = head(events, None, key)
    (keyid,) = key[1]
    ended = key[1][keyid].model_copy(update={"until": key[1][keyid].since})
    with pytest.raises(SignatureError, match="not in use at that time"):
        evidence.check_heads([signed], {keyid: ended}, CASE)


def test_a_demo_key_shows_in_its_heads(tmp_path: Path) -> None:
    demo = make_key(tmp_path, "demo.pem", demo=True)
    (one,) = evidence.check_heads([head(make_events(CASE, ABOUT), None, demo)], demo[1], CASE)
    assert one.demo


def extract(events: list[Event]) -> list[Event]:
    return [one for one in events if one.scope == ("job", "a")] + [one for one in events if one.scope == ("job", None)]


def check(events: list[Event], heads: list[bytes], keys: dict[str, PublicKey]) -> None:
    evidence.check_extract(events, heads, keys, case=CASE, job="job", recording="a")


def test_an_extract_is_checked_without_the_other_recordings(key: tuple) -> None:
    events = make_events(CASE, ABOUT)
    heads = [head(events, ("job", "a"), key), head(events, ("job", None), key)]
    lines = extract(events)
    assert [one.seq for one in lines] == [1, 4, 7, 3]
    check(lines, heads, key[1])


def test_every_change_of_an_extract_is_noticed(key: tuple) -> None:
    events = make_events(CASE, ABOUT)
    heads = [head(events, ("job", "a"), key), head(events, ("job", None), key)]
    lines = extract(events)
    foreign = next(one for one in events if one.scope == ("job", "b"))
    changed = [lines[:at] + lines[at + 1 :] for at in range(4)]
    changed += [[lines[1], lines[0], *lines[2:]], [*lines, lines[-1]], [*lines, foreign], lines[3:], []]
    edited = rehash(lines[2], body=lines[2].body.replace("PENDING", "COMPLETED"))
    changed += [[*lines[:2], edited, lines[3]]]
    changed += [[*lines[:3], rehash(lines[3], prev="1" * 64)], [*lines[:3], rehash(lines[3], seq=2)]]
    for one in changed:
        with pytest.raises(LedgerError):
            check(one, heads, key[1])
    for wrong in ([], heads[:1], [*heads, head(events, None, key)]):
        with pytest.raises(LedgerError):
            check(lines, wrong, key[1])


def test_a_thousand_random_changes_of_an_exports_bytes_are_noticed(key: tuple) -> None:
    events = make_events(CASE, ABOUT)
    signed, data = head(events, None, key), b"".join(one.line() for one in events)
    source = random.Random(6)
    for _ in range(1000):
        at, kind = source.randrange(len(data)), source.choice(("flip", "delete", "insert", "cut", "lines"))
        if kind == "flip":
            changed = data[:at] + bytes([data[at] ^ (1 << source.randrange(8))]) + data[at + 1 :]
        elif kind == "delete":
            changed = data[:at] + data[at + source.randrange(1, 40) :]
        elif kind == "insert":
            changed = data[:at] + source.randbytes(source.randrange(1, 9)) + data[at:]
        elif kind == "cut":
            changed = data[:at]
        else:
            lines = data.splitlines(keepends=True)
            source.shuffle(lines)
            changed = b"".join(lines[source.randrange(2) :])
        if changed == data:
            continue
        with pytest.raises((LedgerError, SignatureError)):
            found = evidence.parse_lines(changed)
            evidence.check_chain(found, CASE)
            evidence.check_against([signed], {one.seq: one.hash for one in found}, key[1], CASE)


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b"nonsense", b'"x"', b"[" * 10_000, b"\xff"])
def test_what_is_no_event_is_said_so(line: bytes) -> None:
    with pytest.raises(LedgerError):
        evidence.parse_lines(line + b"\n")
