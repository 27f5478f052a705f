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
from typing import TYPE_CHECKING

import rfc8785

from include.errors import EvidenceError
from include.evidence import dsse, verifier
from include.evidence.register import keys_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from include.evidence.keys import PublicKey, Signer

__all__ = ["BundleFacts", "Part", "make_bundle", "verifier_source"]

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
        *(Part(f"keys/{key.keyid}.pem", key.pem, "key") for key in known),
        Part("keys/keys.json", keys_json(known), "keys"),
        Part("verify.py", verifier_source(), "verifier"),
        Part("VERIFY.md", _instructions(signer), "instructions"),
    ]
    contents = {part.path: part.data for part in parts}
    if len(contents) < len(parts) or {"manifest.json", "manifest.dsse.json"} & set(contents):
        raise EvidenceError(f"Two parts of the bundle of {facts.file_id} have the same path; give each its own.")
    manifest = _manifest(facts, parts, demo=signer.demo)
    contents["manifest.json"] = manifest
    contents["manifest.dsse.json"] = dsse.sign(manifest, BUNDLE_TYPE, signer).to_json()
    made = b"".join(verifier.packed_zip(contents.items()))
    report = verifier.verify_bytes(made, verifier.Options(trusted=frozenset({signer.keyid})))
    if report.verdict is not verifier.Status.OK:
        worst = next(line for line in report.lines if line.status is report.verdict)
        raise EvidenceError(
            f"The bundle of {facts.file_id} fails its own verification ({worst.text('en')}) and was not written."
        )
    return made


def _manifest(facts: BundleFacts, parts: Iterable[Part], *, demo: bool) -> bytes:
    made: bytes = rfc8785.dumps(
        {
            "schema": "voiceman.bundle/1",
            "case": facts.case,
            "job": facts.job,
            "file_id": facts.file_id,
            "recording": {
                "name": facts.recording_name,
                "sha256": facts.recording_sha256,
                "size": facts.recording_size,
            },
            "made_at": facts.made_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "files": [
                {
                    "path": part.path,
                    "sha256": hashlib.sha256(part.data).hexdigest(),
                    "size": len(part.data),
                    "role": part.role,
                }
                for part in sorted(parts, key=lambda part: part.path.encode())
            ],
            "ledger": {"seq": facts.ledger_seq, "hash": facts.ledger_hash},
            "demo_key": demo,
        }
    )
    return made


def _instructions(signer: Signer) -> bytes:
    """``VERIFY.md`` in Korean and English; nothing from outside is in it."""
    text = _TEXT.read_text(encoding="utf-8")
    text = text.replace("{keyid}", signer.keyid)
    text = text.replace("{verifier}", hashlib.sha256(verifier_source()).hexdigest())
    demo_ko = "\n**시연용 키로 서명되었습니다. 증거로 쓸 수 없습니다.**\n" if signer.demo else ""
    demo_en = "\n**Signed with a demonstration key: this is no evidence.**\n" if signer.demo else ""
    return text.replace("{demo_ko}", demo_ko).replace("{demo_en}", demo_en).encode()
