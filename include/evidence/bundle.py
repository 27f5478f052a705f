"""The evidence bundle ``{file_id}.zip``: everything about one recording that an outsider needs to check it.

A deterministic zip (stored, sorted, without times): the same parts give the same bytes. ``manifest.json`` lists every
other file with its SHA-256, ``manifest.dsse.json`` signs the exact bytes of that list. ``verify.py`` in the bundle is
the very file that ``./voiceman verify`` runs. No bundle leaves that its own verifier does not accept.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rfc8785

from include.errors import EvidenceError
from include.evidence import dsse, verifier
from include.evidence.register import keys_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from include.evidence.keys import PublicKey, Signer

__all__ = ["BundleFacts", "Part", "make_bundle", "make_export", "verifier_source"]

BUNDLE_TYPE = verifier.BUNDLE_TYPE
_TEXT = Path(__file__).resolve().parent / "templates" / "VERIFY.md"


@dataclass(frozen=True)
class Part:
    """One file of a bundle."""

    path: str
    """Where it lies in the bundle, such as ``documents/report.ko.pdf``; ASCII is safest on other systems."""
    data: bytes
    role: str
    """What it is: ``report``, ``report_redacted``, ``transcript``, ``analysis``, ``certificate_draft`` …"""


@dataclass(frozen=True)
class BundleFacts:
    """What the bundle is about."""

    case: str
    job: str
    file_id: str
    recording_name: str
    """The recording's file name as received."""
    recording_sha256: str
    recording_size: int
    """Bytes."""
    made_at: datetime
    """When the bundle was made, with a zone; the only clock of the bundle."""
    ledger_seq: int
    """The last event that the signed head names."""
    ledger_hash: str
    """That event's hash."""


def verifier_source() -> bytes:
    """``verify.py``: the verifier as it stands in this repository."""
    return Path(verifier.__file__).read_bytes()


def make_bundle(
    facts: BundleFacts,
    documents: Iterable[Part],
    *,
    ledger: Sequence[Part],
    attestations: Mapping[str, bytes],
    keys: Iterable[PublicKey],
    signer: Signer,
    stamps: Iterable[Part] = (),
) -> bytes:
    """Make and sign a bundle.

    Args:
        facts: what it is about.
        documents: what goes under ``documents/``, paths included.
        ledger: ``ledger.jsonl`` and ``heads.jsonl``, and proofs where there are any.
        attestations: stage → signed envelope, as stored.
        keys: the public keys that signed anything in it; the signer's own must be among them.
        signer: who signs the list of files.
        stamps: ``timestamps/…``.

    Raises:
        EvidenceError: a path that is unsafe or named twice, or parts that do not fit together: the verifier refuses
            the bundle, so it is not handed out.
    """
    known = sorted(keys, key=lambda key: key.keyid)
    parts = [
        *documents,
        *ledger,
        *stamps,
        *(Part(f"attestations/{stage}.dsse.json", data, "attestation") for stage, data in attestations.items()),
    ]
    told = {
        "schema": "voiceman.bundle/1",
        "case": facts.case,
        "job": facts.job,
        "file_id": facts.file_id,
        "recording": {"name": facts.recording_name, "sha256": facts.recording_sha256, "size": facts.recording_size},
        "ledger": {"seq": facts.ledger_seq, "hash": facts.ledger_hash},
    }
    return _packed(told, parts, keys=known, signer=signer, made_at=facts.made_at, what=f"The bundle of {facts.file_id}")


def make_export(
    case: str,
    ledger: bytes,
    heads: bytes,
    *,
    end: tuple[int, str],
    keys: Iterable[PublicKey],
    signer: Signer,
    made_at: datetime,
) -> bytes:
    """Make and sign the export of a case's whole ledger: a zip like a bundle, without any recording's documents.

    Loose files would do for the events, which the newest head proves; but only a signed list says how many heads there
    were.

    Args:
        case: the case.
        ledger: ``ledger.jsonl``, every event from the first on.
        heads: ``heads.jsonl``, every head.
        end: number and hash of the last event that a head of the whole case names.
        keys: the public keys that signed anything in it.
        signer: who signs the list of files.
        made_at: when, with a zone.

    Raises:
        EvidenceError: the verifier refuses it: ledger and heads do not fit together.
    """
    parts = [Part("ledger.jsonl", ledger, "ledger"), Part("heads.jsonl", heads, "heads")]
    told = {"schema": "voiceman.export/1", "case": case, "ledger": {"seq": end[0], "hash": end[1]}}
    known = sorted(keys, key=lambda key: key.keyid)
    return _packed(told, parts, keys=known, signer=signer, made_at=made_at, what=f"The ledger export of case {case}")


def _packed(
    told: dict[str, Any], parts: list[Part], *, keys: Sequence[PublicKey], signer: Signer, made_at: datetime, what: str
) -> bytes:
    """The signed zip of these parts, the keys, the verifier and its instructions."""
    parts = [
        *parts,
        *(Part(f"keys/{key.keyid}.pem", key.pem, "key") for key in keys),
        Part("keys/keys.json", keys_json(keys), "keys"),
        Part("verify.py", verifier_source(), "verifier"),
        Part("VERIFY.md", _instructions(signer), "instructions"),
    ]
    contents = {part.path: part.data for part in parts}
    if len(contents) < len(parts) or {"manifest.json", "manifest.dsse.json"} & set(contents):
        raise EvidenceError(f"{what} has two parts of the same path; give each its own.")
    told = told | {
        "made_at": made_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "files": [
            {
                "path": part.path,
                "sha256": hashlib.sha256(part.data).hexdigest(),
                "size": len(part.data),
                "role": part.role,
            }
            for part in sorted(parts, key=lambda part: part.path.encode())
        ],
        "demo_key": signer.demo,
    }
    manifest: bytes = rfc8785.dumps(told)
    contents["manifest.json"] = manifest
    contents["manifest.dsse.json"] = dsse.sign(manifest, BUNDLE_TYPE, signer).to_json()
    made = b"".join(verifier.packed_zip(contents.items()))
    report = verifier.verify_bytes(made, verifier.Options(trusted=frozenset({signer.keyid})))
    if report.verdict is not verifier.Status.OK:
        worst = next(line for line in report.lines if line.status is report.verdict)
        raise EvidenceError(f"{what} fails its own verification ({worst.text('en')}) and was not written.")
    return made


def _instructions(signer: Signer) -> bytes:
    """``VERIFY.md`` in Korean and English; nothing from outside is in it."""
    text = _TEXT.read_text(encoding="utf-8")
    text = text.replace("{keyid}", signer.keyid)
    text = text.replace("{verifier}", hashlib.sha256(verifier_source()).hexdigest())
    demo_ko = "\n**시연용 키로 서명되었습니다. 증거로 쓸 수 없습니다.**\n" if signer.demo else ""
    demo_en = "\n**Signed with a demonstration key: this is no evidence.**\n" if signer.demo else ""
    return text.replace("{demo_ko}", demo_ko).replace("{demo_en}", demo_en).encode()
