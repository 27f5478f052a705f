"""Keys: who signs, and whose signatures count.

The private key is an Ed25519 key in a PEM file (PKCS#8), or whatever a lab's own :class:`Signer` reaches (PKCS#11, a
KMS: ``VOICEMAN_SIGNER``). The public halves lie in a directory (``VOICEMAN_KEYS_DIR``) that holds one
``{keyid}.pem`` a key and ``keys.json``: for each key id the time from which and until which it signs, its purpose,
and whether it is a demo key. Rotation: a new key is added, the old one gets an ``until``; what it signed stays valid.

Nothing is ever signed with a key made on the way: without a usable key, :class:`include.errors.MissingKeyError`.
"""

from __future__ import annotations

import hashlib
import importlib
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict

from include.errors import ClockError, MissingKeyError, SignatureError

if TYPE_CHECKING:
    from include.settings import Settings

__all__ = [
    "DEMO_MARK",
    "FileSigner",
    "PublicKey",
    "Signer",
    "key_id",
    "load_signer",
    "open_signer",
    "private_pem",
]

DEMO_MARK = b"VoiceMan DEMO KEY: it proves nothing; whoever has this stack has it."
"""First line of a demo key's PEM file (text before the armour is allowed by RFC 7468, section 2)."""


@runtime_checkable
class Signer(Protocol):
    """What signs: a file here, a token or a KMS elsewhere. Only these four are ever used."""

    @property
    def keyid(self) -> str:
        """Hex SHA-256 of the public key's DER SubjectPublicKeyInfo."""
        ...

    @property
    def demo(self) -> bool:
        """True for a key that proves nothing; everything signed with it says so."""
        ...

    @property
    def public_pem(self) -> bytes:
        """The public key, PEM SubjectPublicKeyInfo."""
        ...

    def sign(self, data: bytes) -> bytes:
        """The 64 bytes of an Ed25519 signature (RFC 8032) over ``data``."""
        ...


class PublicKey(BaseModel):
    """A public key and when it signs."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    keyid: str
    pem: bytes
    since: datetime
    until: datetime | None = None
    purpose: str = "signing"
    demo: bool = False

    @cached_property
    def _key(self) -> Ed25519PublicKey:
        return read_public(self.pem, self.keyid)

    def check(self, signature: bytes, data: bytes) -> None:
        """Check a signature.

        Raises:
            SignatureError: it does not fit, or this is no Ed25519 key.
        """
        try:
            self._key.verify(signature, data)
        except InvalidSignature as error:
            raise SignatureError(
                f"The signature by the key {self.keyid[:16]}… does not fit: it, or what was signed, was changed."
            ) from error

    def signs_at(self, at: datetime) -> bool:
        """True when the key was in use at that time."""
        return self.since <= at and (self.until is None or at <= self.until)


def key_id(key: Ed25519PublicKey) -> str:
    """Hex SHA-256 of the DER SubjectPublicKeyInfo."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def public_pem(key: Ed25519PublicKey) -> bytes:
    """The key as PEM SubjectPublicKeyInfo."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def read_public(pem: bytes, keyid: str) -> Ed25519PublicKey:
    """A public key from its PEM text.

    Raises:
        SignatureError: it is no Ed25519 key, or not the one of that id.
    """
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignatureError(f"The public key {keyid[:16]}… is no PEM public key.") from error
    if not isinstance(key, Ed25519PublicKey) or key_id(key) != keyid:
        raise SignatureError(f"The public key filed as {keyid[:16]}… is another key, or no Ed25519 key.")
    return key


def private_pem(key: Ed25519PrivateKey, *, demo: bool) -> bytes:
    """A private key's PEM file: PKCS#8, not encrypted (its directory's permissions protect it)."""
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return DEMO_MARK + b"\n" + pem if demo else pem


class FileSigner:
    """Signs with an Ed25519 key from a PEM file that only its owner may read."""

    def __init__(self, path: Path) -> None:
        """Read the key.

        Raises:
            MissingKeyError: there is none, others may read it, or it is no Ed25519 key.
        """
        try:
            open_to_others = path.stat().st_mode & 0o077
            data = b"" if open_to_others else path.read_bytes()
        except OSError as error:
            raise MissingKeyError(
                f"The signing key {path} can't be read ({error.strerror}); nothing is signed without it; "
                "restore it, or make another with `./voiceman key new`."
            ) from error
        if open_to_others:
            raise MissingKeyError(
                f"The signing key {path} can be read by other users; run `chmod 600 {path}`, and if others may have "
                "read it, replace it with `./voiceman key new`."
            )
        try:
            key = serialization.load_pem_private_key(data, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise MissingKeyError(
                f"The signing key {path} is no unencrypted PEM private key; make one with `./voiceman key new`."
            ) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise MissingKeyError(f"The signing key {path} is no Ed25519 key; make one with `./voiceman key new`.")
        self._key = key
        self.demo = data.startswith(DEMO_MARK)
        self.public_pem = public_pem(key.public_key())
        self.keyid = key_id(key.public_key())

    def __repr__(self) -> str:
        return f"FileSigner(keyid={self.keyid!r}, demo={self.demo})"

    def sign(self, data: bytes) -> bytes:
        """See :class:`Signer`."""
        return self._key.sign(data)


def open_signer(settings: Settings) -> Signer:
    """The configured signer, whether it is registered or not.

    Raises:
        MissingKeyError: none is configured, or it can't be used.
    """
    if not settings.signing_key:
        raise MissingKeyError(
            "No signing key is configured; set VOICEMAN_SIGNING_KEY to an Ed25519 key in a PEM file (make one with "
            "`./voiceman key new`), or VOICEMAN_SIGNING=off to work without signatures."
        )
    return _opened(settings.signer, settings.signing_key)


def load_signer(settings: Settings) -> Signer:
    """The configured signer: it is in the register of public keys and in its time.

    Args:
        settings: ``signing_key`` (a path, or what the lab's own signer makes of it), ``signer``, ``keys_dir``.

    Raises:
        ClockError: by the clock here it may not sign yet.
        MissingKeyError: none is configured, it can't be used, or it may not sign any more.
    """
    signer, folder = open_signer(settings), settings.public_keys
    from include.evidence.register import read_keys  # it needs this module's types

    known = read_keys(folder).get(signer.keyid)
    if known is None:
        raise MissingKeyError(
            f"The signing key's public half {signer.keyid[:16]}… is not registered in {folder}; run "
            "`./voiceman key register`, so that others can check what it signs."
        )
    now = datetime.now(UTC)
    if now < known.since:
        raise ClockError(
            f"The signing key {signer.keyid[:16]}… may sign from {known.since.isoformat()} on, and the clock here says "
            f"{now.isoformat(timespec='seconds')}; set the clock, or VOICEMAN_SIGNING_KEY to the lab's present key."
        )
    if not known.signs_at(now):
        raise MissingKeyError(
            f"The signing key {signer.keyid[:16]}… is not in use now (from {known.since.isoformat()} until "
            f"{known.until and known.until.isoformat()}); set VOICEMAN_SIGNING_KEY to the lab's present key."
        )
    if known.demo != signer.demo:
        raise MissingKeyError(
            f"The signing key {signer.keyid[:16]}… and its entry in {folder} disagree about being a demo key; make a "
            "new key with `./voiceman key new`."
        )
    return signer


@lru_cache(maxsize=4)
def _opened(factory: str, key: str) -> Signer:
    """Opened once a process: a token's session is dear."""
    if not factory:
        return FileSigner(Path(key).expanduser())
    module, _, name = factory.partition(":")
    try:
        made = getattr(importlib.import_module(module), name)(key)
    except (ImportError, AttributeError) as error:
        raise MissingKeyError(f"VOICEMAN_SIGNER names {factory!r}, which can't be imported ({error}).") from error
    if not isinstance(made, Signer):
        raise MissingKeyError(
            f"VOICEMAN_SIGNER names {factory!r}, which makes no signer (see include/evidence/keys.py)."
        )
    return made
