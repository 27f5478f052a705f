"""Made-up cases for the tampering harness and the tests: a ledger, heads, attestations and a bundle, signed by a key
that lives in this process only. The formats are those of docs/evidence.md; nothing of a database is needed."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import rfc8785
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from include.evidence import PublicKey, dsse, key_id, keys_json
from include.evidence.bundle import BundleFacts, Part, make_bundle, make_export

START = datetime(2026, 11, 27, 3, 0, 0, 123456, tzinfo=UTC)
HEAD = "application/vnd.voiceman.head+json"
STATEMENT = "application/vnd.in-toto+json"
STAGES = ("transcribe", "analyze", "report")


class MemorySigner:
    """A key of this process."""

    def __init__(self, seed: bytes | None = None, *, demo: bool = False) -> None:
        key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed).digest()) if seed else None
        self._key = key or Ed25519PrivateKey.generate()
        self.demo = demo
        public = self._key.public_key()
        self.keyid = key_id(public)
        self.public_pem = public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)

    def public(self, *, since: datetime = START - timedelta(days=1), until: datetime | None = None) -> PublicKey:
        return PublicKey(keyid=self.keyid, pem=self.public_pem, since=since, until=until, demo=self.demo)


def stamp(at: datetime) -> str:
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass
class Ledger:
    """A case's chain, and its heads."""

    case: str
    signer: MemorySigner
    events: list[dict[str, object]] = field(default_factory=list)
    scopes: list[tuple[str, str | None]] = field(default_factory=list)
    heads: list[tuple[tuple[str, str | None] | None, bytes]] = field(default_factory=list)
    at: datetime = START

    def append(self, job: str, recording: str | None, action: str, **told: object) -> None:
        """One more event, as the database writes it."""
        self.at += timedelta(seconds=1)
        own = [event for event, scope in zip(self.events, self.scopes, strict=True) if scope == (job, recording)]
        prev = str(self.events[-1]["hash"]) if self.events else "0" * 64
        seq = len(self.events) + 1
        body = json.dumps(
            {
                "action": action, "actor": "process.batch.transcribe[0]", "at": stamp(self.at), "job": job,
                "own_prev": own[-1]["hash"] if own else "0" * 64, "own_seq": len(own) + 1, "recording": recording,
                "run": "manual__1", "try": 1,
            } | told, ensure_ascii=False,
        )  # fmt: skip
        text = f"voiceman.event/1\n{self.case}\n{seq}\n{prev}\n{body}"
        self.events.append(
            {"schema": "voiceman.event/1", "case": self.case, "seq": seq, "prev": prev, "body": body,
             "hash": hashlib.sha256(text.encode()).hexdigest()}
        )  # fmt: skip
        self.scopes.append((job, recording))

    def sign_head(self, scope: tuple[str, str | None] | None = None) -> None:
        """A signed head over the case's chain, or over one recording's own."""
        own = [e for e, s in zip(self.events, self.scopes, strict=True) if scope in (None, s)]
        before = [envelope for s, envelope in self.heads if s == scope]
        payload = {
            "at": stamp(self.at), "case": self.case, "count": len(own), "demo_key": self.signer.demo,
            "hash": own[-1]["hash"], "schema": "voiceman.head/1", "seq": own[-1]["seq"],
            "previous_head": hashlib.sha256(dsse.parse(before[-1]).payload).hexdigest() if before else None,
            "scope": None if scope is None else {"job": scope[0], "recording": scope[1]},
        }  # fmt: skip
        self.heads.append((scope, dsse.sign(rfc8785.dumps(payload), HEAD, self.signer).to_json()))

    def lines(self, *scopes: tuple[str, str | None]) -> bytes:
        """``ledger.jsonl``: the whole chain, or the chains of these scopes one after the other."""
        wanted = scopes or (None,)
        chosen = [
            event
            for wish in wanted
            for event, scope in zip(self.events, self.scopes, strict=True)
            if wish in (None, scope)
        ]
        return b"".join(rfc8785.dumps(event) + b"\n" for event in chosen)

    def head_lines(self, *scopes: tuple[str, str | None]) -> bytes:
        """``heads.jsonl``: all heads, or those of these scopes."""
        return b"".join(envelope + b"\n" for scope, envelope in self.heads if not scopes or scope in scopes)


def sample_ledger(signer: MemorySigner, *, recordings: int = 3, case: str = "2026-형제-1234") -> Ledger:
    """A case of some recordings, with a head in the middle and at the end of every scope."""
    ledger = Ledger(case, signer)
    names = [f"통화 {n}" for n in range(1, recordings + 1)]
    ledger.append("job-1", None, "ledger began")
    for name in names:
        ledger.append("job-1", name, "claimed", digests={"recording": hashlib.sha256(name.encode()).hexdigest()})
    ledger.sign_head()
    for state in ("STT_PROCESSING", "FORENSIC_PROCESSING", "REPORT_GENERATING", "COMPLETED"):
        for name in names:
            ledger.append("job-1", name, "state", to_state=state)
    ledger.append("job-1", None, "gate")
    ledger.sign_head()
    for name in (*names, None):
        ledger.sign_head(("job-1", name))
    return ledger


def statement(stage: str, recording: str, outputs: dict[str, bytes], signer: MemorySigner) -> bytes:
    """A signed statement of a stage."""
    made = {
        "_type": "https://in-toto.io/Statement/v1",
        "predicateType": "https://voiceman.invalid/attestation/stage/v1",
        "subject": [{"name": n, "digest": {"sha256": hashlib.sha256(d).hexdigest()}} for n, d in outputs.items()],
        "predicate": {"stage": stage, "recording": recording, "inputs": {}, "seed": None, "try": 1},
    }
    return dsse.sign(rfc8785.dumps(made), STATEMENT, signer).to_json()


def documents(chance: random.Random, pdfs: dict[str, bytes]) -> list[Part]:
    """What a bundle carries, of random sizes."""
    text = json.dumps(
        {"segments": [{"text": "여보세요", "n": chance.random()} for _ in range(chance.randrange(1, 40))]}
    )
    return [
        Part("documents/transcript.json", text.encode(), "transcript"),
        Part("documents/analysis.json", chance.randbytes(chance.randrange(1, 3000)), "analysis"),
        Part("documents/turns.rttm", b"SPEAKER x 1 0.0 1.0\n", "turns"),
        Part("documents/report.ko.html", "<h1>보고서</h1>".encode(), "report"),
        *(Part(f"documents/{name}", data, "report") for name, data in pdfs.items()),
    ]


def sample_bundle(
    seed: int, signer: MemorySigner, pdfs: dict[str, bytes] | None = None, *, more: tuple[Part, ...] = (),
    stamps: tuple[Part, ...] = (), ledger: Ledger | None = None, keys: tuple[PublicKey, ...] = (),
) -> bytes:  # fmt: skip
    """A whole bundle of the case's first recording."""
    chance = random.Random(seed)
    ledger = ledger or sample_ledger(signer, recordings=chance.randrange(1, 5))
    name = "통화 1"
    scopes = ("job-1", name), ("job-1", None)
    parts = documents(chance, pdfs or {})
    last = next(e for e, s in reversed(list(zip(ledger.events, ledger.scopes, strict=True))) if s == scopes[0])
    facts = BundleFacts(
        case=ledger.case, job="job-1", file_id=name, recording_name=f"{name}.m4a",
        recording_sha256=hashlib.sha256(name.encode()).hexdigest(), recording_size=len(name.encode()),
        made_at=ledger.at, ledger_seq=int(str(last["seq"])), ledger_hash=str(last["hash"]),
    )  # fmt: skip
    return make_bundle(
        facts,
        [*parts, *more],
        ledger=[
            Part("ledger.jsonl", ledger.lines(*scopes), "ledger"),
            Part("heads.jsonl", ledger.head_lines(*scopes), "heads"),
        ],
        attestations={
            stage: statement(stage, name, {part.path: part.data}, signer)
            for stage, part in zip(STAGES, parts, strict=False)
        },
        keys=keys or [signer.public()],
        signer=signer,
        stamps=stamps,
    )


def signed_export(ledger: Ledger) -> bytes:
    """A signed export of the whole ledger, as zip."""
    last = ledger.events[-1]
    return make_export(
        ledger.case, ledger.lines(), ledger.head_lines(), end=(len(ledger.events), str(last["hash"])),
        keys=[ledger.signer.public()], signer=ledger.signer, made_at=ledger.at,
    )  # fmt: skip


def sample_export(signer: MemorySigner, *, recordings: int = 3) -> dict[str, bytes]:
    """A ledger export as loose files: path → contents."""
    ledger = sample_ledger(signer, recordings=recordings)
    return {
        "ledger.jsonl": ledger.lines(),
        "heads.jsonl": ledger.head_lines(),
        f"keys/{signer.keyid}.pem": signer.public_pem,
        "keys/keys.json": keys_json([signer.public()]),
    }
