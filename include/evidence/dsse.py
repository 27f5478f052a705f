"""Signed envelopes: DSSE 1.0 (https://github.com/secure-systems-lab/dsse) with Ed25519.

What is signed is not the JSON but ``DSSEv1 SP len(type) SP type SP len(payload) SP payload`` (PAE): the payload's
bytes are kept as they are and never written anew, so nothing depends on how somebody serialises JSON.

An envelope has exactly one spelling here (:meth:`Envelope.to_json`), and another spelling is refused: else a byte
of the file could be changed (a base64 text has spare bits, JSON has spare blanks) and the signature would still hold.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.errors import SignatureError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.evidence.keys import PublicKey, Signer

__all__ = ["Envelope", "Signature", "pae", "parse", "sign", "verify"]

_MAX_BYTES = 64 << 20
"""Envelopes are small; a larger one is refused before it is parsed."""


@dataclass(frozen=True)
class Signature:
    """One signature of an envelope."""

    keyid: str
    sig: bytes


@dataclass(frozen=True)
class Envelope:
    """A payload with its type and signatures."""

    payload: bytes
    payload_type: str
    signatures: tuple[Signature, ...]

    def to_json(self) -> bytes:
        """The envelope as JSON by RFC 8785 (keys sorted, no blanks, ASCII only), without a line end."""
        made = {
            "payload": base64.b64encode(self.payload).decode("ascii"),
            "payloadType": self.payload_type,
            "signatures": [
                {"keyid": one.keyid, "sig": base64.b64encode(one.sig).decode("ascii")} for one in self.signatures
            ],
        }
        return json.dumps(made, separators=(",", ":"), sort_keys=True).encode("ascii")


def pae(payload_type: str, payload: bytes) -> bytes:
    """The bytes that are signed ("pre-authentication encoding" of DSSE 1.0)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def sign(payload: bytes, payload_type: str, signer: Signer) -> Envelope:
    """Sign a payload.

    Args:
        payload: the bytes; they are stored as they are.
        payload_type: what they are, such as ``application/vnd.in-toto+json``.
        signer: whose signature.
    """
    return Envelope(payload, payload_type, (Signature(signer.keyid, signer.sign(pae(payload_type, payload))),))


def parse(data: bytes) -> Envelope:
    """Read an envelope; nothing of its payload is looked at.

    Raises:
        SignatureError: it is not an envelope as :meth:`Envelope.to_json` writes it.
    """
    if len(data) > _MAX_BYTES:
        raise SignatureError(f"A signed envelope of {len(data)} bytes is not one of ours; its limit is {_MAX_BYTES}.")
    try:
        found = json.loads(data)
        signatures = tuple(
            Signature(str(one["keyid"]), base64.b64decode(one["sig"], validate=True)) for one in found["signatures"]
        )
        made = Envelope(base64.b64decode(found["payload"], validate=True), str(found["payloadType"]), signatures)
        same = made.to_json() == data
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error) as error:
        raise SignatureError(
            f"This is no signed envelope ({type(error).__name__}); it was damaged or changed."
        ) from error
    if not same:
        raise SignatureError("This signed envelope is not written as it was made; it was changed after signing.")
    return made


def verify(envelope: Envelope | bytes, keys: Mapping[str, PublicKey], payload_type: str | None = None) -> bytes:
    """The payload, after its signature was checked: parse it only then.

    Args:
        envelope: the envelope, or its bytes as stored.
        keys: key id → public key that is trusted. A key that merely lies beside the envelope proves nothing.
        payload_type: the type that it must have.

    Raises:
        SignatureError: it has no signature, one by a key that is not among ``keys``, or one that does not fit; every
            signature of the envelope must hold.
    """
    one = parse(envelope) if isinstance(envelope, bytes) else envelope
    if payload_type is not None and one.payload_type != payload_type:
        raise SignatureError(f"The signed envelope holds {one.payload_type!r}, not {payload_type!r}.")
    if not one.signatures:
        raise SignatureError("The envelope carries no signature.")
    signed = pae(one.payload_type, one.payload)
    for signature in one.signatures:
        key = keys.get(signature.keyid)
        if key is None:
            raise SignatureError(f"No known public key has the id {signature.keyid!r}; name the lab's keys.")
        key.check(signature.sig, signed)
    return one.payload
