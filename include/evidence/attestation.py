"""Attestations: what one stage consumed, ran and produced for one recording, as a signed in-toto Statement v1.

Statement: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md. The predicate's type is our own
(docs/evidence.md). What is not known is null, never a guess.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import rfc8785

from include import __version__
from include.errors import EvidenceError, SignatureError
from include.evidence import dsse
from include.evidence.canonical import canonical
from include.evidence.ledger import verified_payload
from include.settings import ROOT, get_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from include.evidence.keys import PublicKey, Signer

__all__ = ["PREDICATE_TYPE", "STATEMENT_TYPE", "StageFacts", "attest", "code_facts", "read_attestation"]

STATEMENT_TYPE: Final = "application/vnd.in-toto+json"
PREDICATE_TYPE: Final = "https://voiceman.invalid/attestation/stage/v1"

_LOCKS = ("requirements.txt", "requirements-core.txt")  # an image has the one that it was made from
_CODE = (".py", ".sql", ".toml", ".j2")  # rules and weights are in the settings digests


@dataclass(frozen=True)
class StageFacts:
    """What a stage did for one recording. Digests are hex SHA-256."""

    inputs: Mapping[str, str]
    """Name → digest of what was read."""
    outputs: Mapping[str, str]
    """Artefact's kind → digest of what was made."""
    settings_digest: str
    """Of everything but the inputs that decides what the outputs hold."""
    models: Mapping[str, str] = field(default_factory=dict)
    """Weights' file → digest."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Every parameter that can change the outputs, and the versions of what made them."""
    seed: int | None = None
    """None: nothing was drawn at random, or the seed can't be set."""
    device: str | None = None
    cache_hit: bool = False
    """The output was made before, by another task, from the same input with the same settings."""
    verified: Mapping[str, str] = field(default_factory=dict)
    """What was read and found to be what it should be, for the custody event: ``working copy``,
    ``working copy after``, ``original before``, ``original``."""


def attest(
    facts: StageFacts,
    *,
    stage: str,
    job: str,
    recording: str,
    run: str,
    try_number: int,
    actor: str,
    started: datetime,
    ended: datetime,
    signer: Signer,
) -> bytes:
    """Sign what a stage did; the envelope's bytes.

    Raises:
        EvidenceError: a parameter can't be written as canonical JSON (not a number, beyond 2⁵³).
    """
    statement: dict[str, Any] = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": f"{recording}_{kind}", "digest": {"sha256": digest}}
            for kind, digest in sorted(facts.outputs.items())
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "stage": stage,
            "job": job,
            "recording": recording,
            "inputs": dict(facts.inputs),
            "code": {**code_facts(), "settings_digest": facts.settings_digest},
            "models": dict(facts.models),
            "parameters": dict(facts.parameters),
            "seed": facts.seed,
            "device": facts.device,
            "cache_hit": facts.cache_hit,
            "run": run,
            "try": try_number,
            "actor": actor,
            "started": _iso(started),
            "ended": _iso(ended),
            "demo_key": signer.demo,
        },
    }
    try:
        payload = canonical(statement)
    except rfc8785.CanonicalizationError as error:
        raise EvidenceError(
            f"What {stage} did for {recording} can't be attested: {error}; report it to the developers."
        ) from error
    return dsse.sign(payload, STATEMENT_TYPE, signer).to_json()


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def read_attestation(envelope: bytes, keys: Mapping[str, PublicKey]) -> dict[str, Any]:
    """The statement of an attestation, its signature checked.

    Raises:
        SignatureError: it does not hold, or this is no statement about a stage.
    """
    found = verified_payload(envelope, keys, STATEMENT_TYPE)
    if found.get("predicateType") != PREDICATE_TYPE or not isinstance(found.get("predicate"), dict):
        raise SignatureError("A signed statement is not one about a stage.")
    return found


@cache
def code_facts() -> dict[str, str | None]:
    """Which code this is: version, commit, SHA-256 over its files, SHA-256 of the lock; read once a process.

    The commit alone would not tell of files that were changed after it; the digest over the files does.
    """
    digest = hashlib.sha256()
    folder = ROOT / "include"
    for path in sorted(path for path in folder.rglob("*") if path.suffix in _CODE and path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()} ".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    locks = (ROOT / name for name in _LOCKS)
    lock = next((path for path in locks if path.is_file()), None)
    return {
        "version": __version__,
        "commit": get_settings().commit or _commit(ROOT),
        "files_sha256": digest.hexdigest(),
        "lock_sha256": None if lock is None else hashlib.sha256(lock.read_bytes()).hexdigest(),
    }


def _commit(root: Path) -> str | None:
    """The commit that is checked out, read without git: an image has neither git nor its folder."""
    try:
        git = root / ".git"
        if git.is_file():  # a worktree: the folder is elsewhere
            git = (root / git.read_text().removeprefix("gitdir:").strip()).resolve()
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        shared = git / "commondir"
        common = (git / shared.read_text().strip()).resolve() if shared.is_file() else git
        for place in (git / name, common / name):
            if place.is_file():
                return place.read_text().strip()
        packed = (common / "packed-refs").read_text().splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {name}")), None)
    except (OSError, UnicodeError):
        return None
