"""The register of public keys: ``keys.json`` and one ``{keyid}.pem`` a key, with the time in which each signs."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from include.errors import MissingKeyError, SignatureError
from include.evidence.keys import FileSigner, PublicKey, private_pem, read_public

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from include.evidence.keys import Signer

__all__ = ["keys_json", "new_key", "read_keys", "register_key"]

_NAME = "keys.json"


def keys_json(keys: Iterable[PublicKey]) -> bytes:
    """``keys.json``: what the directory of public keys, and a bundle, hold beside the PEM files."""
    entries = [
        {
            "keyid": key.keyid,
            "from": key.since.astimezone(UTC).isoformat(),
            "until": key.until and key.until.astimezone(UTC).isoformat(),
            "purpose": key.purpose,
            "demo": key.demo,
        }
        for key in sorted(keys, key=lambda key: (key.since, key.keyid))
    ]
    return json.dumps(entries, indent=2).encode() + b"\n"


def read_keys(folder: Path) -> dict[str, PublicKey]:
    """The registered public keys by id; none when there is no register.

    Raises:
        SignatureError: the register can't be used.
    """
    register = folder / _NAME
    if not register.exists():
        return {}
    try:
        entries = json.loads(register.read_bytes())
        keys = [
            PublicKey(
                keyid=one["keyid"],
                pem=(folder / f"{_hex(one['keyid'])}.pem").read_bytes(),
                since=one["from"],
                until=one["until"],
                purpose=one["purpose"],
                demo=one["demo"],
            )
            for one in entries
        ]
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise SignatureError(
            f"The register of public keys {register} can't be used ({type(error).__name__}); restore it from a backup."
        ) from error
    for key in keys:
        read_public(key.pem, key.keyid)
        if key.since.tzinfo is None or (key.until is not None and key.until.tzinfo is None):
            raise SignatureError(f"The register of public keys {register} has a time without an offset from UTC.")
    return {key.keyid: key for key in keys}


def _hex(keyid: str) -> str:
    if len(keyid) != 64 or not set(keyid) <= set("0123456789abcdef"):
        raise ValueError("a key id is 64 hex digits")  # it names a file
    return keyid


def register_key(folder: Path, signer: Signer, *, purpose: str = "signing", at: datetime | None = None) -> PublicKey:
    """Enter a signer's public half; the keys of the same purpose that were in use are ended at that time.

    Args:
        folder: the register's directory, made when it is not there.
        signer: whose key.
        purpose: what it is for.
        at: from when it signs; now by default.

    Raises:
        MissingKeyError: the register can't be written.
        SignatureError: the register can't be read.
    """
    keys, now = read_keys(folder), at or datetime.now(UTC)
    if signer.keyid in keys:
        return keys[signer.keyid]
    for keyid, key in keys.items():
        if key.until is None and key.purpose == purpose:
            keys[keyid] = key.model_copy(update={"until": now})
    made = PublicKey(keyid=signer.keyid, pem=signer.public_pem, since=now, purpose=purpose, demo=signer.demo)
    keys[made.keyid] = made
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{made.keyid}.pem").write_bytes(made.pem)
        temporary = folder / f".{_NAME}.{os.getpid()}"
        temporary.write_bytes(keys_json(keys.values()))
        temporary.replace(folder / _NAME)
    except OSError as error:
        raise MissingKeyError(f"The register {folder} can't be written ({error.strerror}); check it.") from error
    return made


def new_key(path: Path, folder: Path, *, demo: bool = False) -> PublicKey:
    """Make an Ed25519 key, write it (mode 0600; never over another file) and register its public half.

    Raises:
        MissingKeyError: a file is there already, or it can't be written.
    """
    pem = private_pem(Ed25519PrivateKey.generate(), demo=demo)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise MissingKeyError(f"{path} is there already; keys are never overwritten: name another file.") from error
    except OSError as error:
        raise MissingKeyError(f"The key {path} can't be written ({error.strerror}); name another place.") from error
    return register_key(folder, FileSigner(path))
