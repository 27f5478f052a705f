"""A signing key that never leaves a token (PKCS#11): ``VOICEMAN_SIGNER=include.evidence.token:open_token``.

``VOICEMAN_SIGNING_KEY`` is then a PKCS#11 URI (RFC 7512) that names the token, the key and the library::

    pkcs11:token=lab;object=voiceman?module-path=/usr/lib/softhsm/libsofthsm2.so

The PIN comes from ``VOICEMAN_PKCS11_PIN``; a URI that holds one is refused, because settings are shown and logged.
Calls go through python-pkcs11. The key is Ed25519 (CKK_EC_EDWARDS, signed with CKM_EDDSA: PKCS#11 v3.0, 2.3.14).
"""

from __future__ import annotations

import re
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

import pkcs11
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import (
    DeviceRemoved,
    ObjectHandleInvalid,
    PKCS11Error,
    SessionClosed,
    SessionHandleInvalid,
    TokenNotPresent,
    UserAlreadyLoggedIn,
    UserNotLoggedIn,
)

from include.errors import MissingKeyError
from include.evidence.keys import key_id, public_pem
from include.settings import get_settings

__all__ = ["TokenSigner", "open_token"]

_KEY_BYTES = 32
_PIN = re.compile(r"pin-(value|source)", re.IGNORECASE)
_PATH = {"token", "object", "id", "serial", "type"}


_TOKENS = threading.RLock()
"""Everything with a token, one at a time: loading a library, opening and closing sessions and signing are not safe
beside each other (python-pkcs11 0.10.1 with SoftHSM ended the process), and a login holds for all of its sessions."""

_GONE = (SessionHandleInvalid, SessionClosed, DeviceRemoved, TokenNotPresent, UserNotLoggedIn, ObjectHandleInvalid)
"""After these a new session may help; after a wrong PIN it would only count as another wrong try."""


@dataclass(frozen=True)
class TokenSigner:
    """Signs with a token's key; a session that the token has closed is opened anew, once. Thread-safe."""

    uri: str
    public: Ed25519PublicKey
    _sessions: list[Any] = field(default_factory=list, repr=False, compare=False)

    @property
    def keyid(self) -> str:
        """Hex SHA-256 of the public key's DER SubjectPublicKeyInfo."""
        return key_id(self.public)

    @property
    def demo(self) -> bool:
        """Never: a demo key is a file that `./voiceman up` makes."""
        return False

    @property
    def public_pem(self) -> bytes:
        """The public key, PEM SubjectPublicKeyInfo."""
        return public_pem(self.public)

    def sign(self, data: bytes) -> bytes:
        """The 64 bytes of an Ed25519 signature over ``data``, checked with the public key.

        Raises:
            MissingKeyError: the token is gone or refuses, or its private key is not the public one's.
        """
        with _TOKENS:
            try:
                signature = self._signed(data, again=True)
            except PKCS11Error as error:
                self._sessions.clear()
                raise MissingKeyError(_refused(self.uri, error)) from error
        try:
            self.public.verify(signature, data)
        except InvalidSignature as error:
            raise MissingKeyError(
                f"The two halves of the key where {self.uri!r} points are not of one pair."
            ) from error
        return signature

    def close(self) -> None:
        """End the session; the next signature opens another."""
        with _TOKENS:
            while self._sessions:
                with suppress(PKCS11Error):  # the token has ended it itself
                    self._sessions.pop().close()

    def _signed(self, data: bytes, *, again: bool) -> bytes:
        if not self._sessions:
            self._sessions.append(_session(self.uri))
            again = False
        try:
            key = _key(self._sessions[0], ObjectClass.PRIVATE_KEY, self.uri)
            return bytes(key.sign(data, mechanism=Mechanism.EDDSA))
        except (*_GONE, MissingKeyError):  # logged out by another session's end, a private key is not seen any more
            if not again:
                raise
            self._sessions.clear()
            return self._signed(data, again=False)


def open_token(uri: str) -> TokenSigner:
    """The signer of a PKCS#11 URI; it has signed once when it is given back.

    Raises:
        MissingKeyError: the URI, the library, the token, the PIN, the key or the directory of public keys is wrong or
            missing.
    """
    if get_settings().keys_dir is None:
        raise MissingKeyError("With a token there is no directory beside the key; set VOICEMAN_KEYS_DIR.")
    with _TOKENS:
        try:
            with _session(uri) as session:
                point = bytes(_key(session, ObjectClass.PUBLIC_KEY, uri)[Attribute.EC_POINT])
        except PKCS11Error as error:
            raise MissingKeyError(_refused(uri, error)) from error
    if len(point) not in (_KEY_BYTES, _KEY_BYTES + 2):  # as it is, or in a DER OCTET STRING (04 20)
        raise MissingKeyError(f"The key where {uri!r} points is no Ed25519 key ({len(point)} bytes).")
    signer = TokenSigner(uri, Ed25519PublicKey.from_public_bytes(point[-_KEY_BYTES:]))
    try:
        signer.sign(b"VoiceMan: do the two halves of this key belong together?")
    except MissingKeyError:
        signer.close()
        raise
    return signer


def _parts(uri: str) -> tuple[dict[str, str], str]:
    """A PKCS#11 URI's attributes (``id`` still percent-encoded: it is bytes) and the library's path."""
    if _PIN.search(unquote(uri)):
        raise MissingKeyError("VOICEMAN_SIGNING_KEY must hold no PIN; set VOICEMAN_PKCS11_PIN.")
    scheme, _, rest = uri.partition(":")
    path, _, query = rest.partition("?")
    pairs = [part.partition("=") for part in path.split(";") if part]
    named = {name: value if name == "id" else unquote(value) for name, equals, value in pairs if equals}
    asked = dict(part.partition("=")[::2] for part in query.split("&") if part)
    library = unquote(asked.pop("module-path", ""))
    if (
        scheme != "pkcs11"
        or not named.get("token")
        or not ({"object", "id"} & set(named))
        or set(named) - _PATH
        or asked
    ):
        raise MissingKeyError(
            f"VOICEMAN_SIGNING_KEY is {uri!r}; with a token it must read "
            "pkcs11:token=LABEL;object=KEY?module-path=/path/of/the/library.so."
        )
    if not library:
        raise MissingKeyError(f"{uri!r} names no module-path, the library of the token's maker.")
    return named, library


def _key(session: Any, half: ObjectClass, uri: str) -> Any:
    """One half of the key that the URI names."""
    named, _ = _parts(uri)
    wanted: dict[Attribute, Any] = {Attribute.CLASS: half, Attribute.KEY_TYPE: KeyType.EC_EDWARDS}
    if "object" in named:
        wanted[Attribute.LABEL] = named["object"]
    if "id" in named:
        wanted[Attribute.ID] = unquote_to_bytes(named["id"])
    found = list(session.get_objects(wanted))
    if not found:
        raise MissingKeyError(f"No Ed25519 key is where {uri!r} points (both halves are needed).")
    if len(found) > 1:
        raise MissingKeyError(f"Several keys are where {uri!r} points; name one by object= and id=.")
    return found[0]


def _session(uri: str) -> Any:
    named, library = _parts(uri)
    pin = get_settings().pkcs11_pin.get_secret_value()
    if not pin:
        raise MissingKeyError("VOICEMAN_PKCS11_PIN is not set; the token signs for nobody without its PIN.")
    try:
        opened = pkcs11.lib(library)
    except PKCS11Error as error:
        raise MissingKeyError(f"The PKCS#11 library {library} can't be loaded: {error}.") from error
    serial = named.get("serial")
    token = opened.get_token(token_label=named["token"], token_serial=serial.encode() if serial else None)
    try:
        return token.open(user_pin=pin)
    except UserAlreadyLoggedIn:  # by another session of this process: PKCS#11 knows one login for all of them
        return token.open()


def _refused(uri: str, error: PKCS11Error) -> str:
    return f"The token of {uri!r} can't be used: {type(error).__name__} {error}".rstrip() + "; look at it and its PIN."
