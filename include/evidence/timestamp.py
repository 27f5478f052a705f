"""Time-stamps of an outside authority (RFC 3161): proof that bytes existed at a time that the lab's clock didn't set.

Asked for over HTTP when ``VOICEMAN_TSA_URL`` is set. An answer counts only after rfc3161-client has verified the chain
up to the configured roots, the signature, the nonce and the imprint, and after the bundle's own verifier has accepted
it, too: what the lab writes must be what an outsider can check. Everything else is "not obtained", with the reason; no
job fails for want of a time-stamp.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from include.errors import EvidenceError, SettingsError
from include.evidence import verifier

if TYPE_CHECKING:
    from include.settings import Settings

__all__ = ["Authority", "TimeStamp", "obtain", "time_stamp_authority"]

log = logging.getLogger(__name__)

_MAX_ANSWER = 1 << 20
"""Largest answer read, bytes; a token with its chain has some thousand."""
NOT_CONFIGURED = "No time-stamp authority is configured (VOICEMAN_TSA_URL)."


@dataclass(frozen=True)
class TimeStamp:
    """A time-stamp, or why there is none."""

    obtained: bool
    reason: str | None = None
    """Why not; None when obtained."""
    response: bytes | None = None
    """The DER TimeStampResp as received: what ``timestamps/*.tsr`` holds and ``openssl ts -verify -in`` reads."""
    sha256: str | None = None
    """Of the bytes that were stamped."""
    at: datetime | None = None
    """The authority's time, UTC."""
    policy: str | None = None
    """Object identifier of the authority's policy."""
    serial: int | None = None
    nonce: int | None = None
    """The number that was asked with and came back."""
    authority: str | None = None
    """Subject of the authority's certificate."""

    def facts(self) -> dict[str, object]:
        """What a report and ``timestamps/*.json`` show: ``{"obtained": false, "reason": …}`` when there is none."""
        if not self.obtained:
            return {"obtained": False, "reason": self.reason}
        return {
            "obtained": True,
            "sha256": self.sha256,
            "at": self.at.isoformat().replace("+00:00", "Z") if self.at else None,
            "policy": self.policy,
            # as texts: JSON numbers end at 2^53
            "serial": str(self.serial),
            "nonce": str(self.nonce),
            "authority": self.authority,
        }


@dataclass(frozen=True)
class Authority:
    """Where to ask, and whose answers count."""

    url: str
    roots: tuple[x509.Certificate, ...]
    timeout_s: float

    def ask(self, request: bytes) -> bytes:
        """Send a DER TimeStampReq; the answer is not verified yet.

        Raises:
            EvidenceError: no answer, or not one of a time-stamp authority.
        """
        import httpx

        headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
        try:
            with (
                httpx.Client(timeout=self.timeout_s, follow_redirects=False) as client,
                client.stream("POST", self.url, content=request, headers=headers) as answer,
            ):
                data = b""
                for piece in answer.iter_bytes():
                    data += piece
                    if len(data) > _MAX_ANSWER:
                        raise EvidenceError(f"The time-stamp authority answered with more than {_MAX_ANSWER} bytes.")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise EvidenceError(f"The time-stamp authority gave no answer ({type(error).__name__}).") from error
        if answer.status_code != 200:
            raise EvidenceError(f"The time-stamp authority answered with HTTP status {answer.status_code}.")
        return data

    def check(self, response: bytes, digest: bytes, nonce: int | None) -> TimeStamp:
        """Verify an answer: chain, signature, nonce, imprint.

        Args:
            response: the DER TimeStampResp.
            digest: SHA-256 of what was to be stamped.
            nonce: what was asked with.

        Raises:
            EvidenceError: one of them does not hold.
        """
        from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

        try:
            decoded = decode_timestamp_response(response)
            builder = VerifierBuilder(nonce=nonce)
            for root in dict.fromkeys(self.roots):
                builder = builder.add_root_certificate(root)
            builder.build().verify(decoded, digest)
            stamp = verifier.read_time_stamp(response)
        except (VerificationError, InvalidSignature, ValueError, *verifier.PARSING) as error:
            raise EvidenceError(f"The answer of the time-stamp authority does not hold ({error}).") from error
        # the library compares the imprint's bytes, not which digest they are of
        if (stamp.imprint, stamp.digest, stamp.nonce) != (digest, verifier.SHA256, nonce):
            raise EvidenceError("The answer of the time-stamp authority is about something else than was asked.")
        return TimeStamp(
            obtained=True,
            response=response,
            sha256=digest.hex(),
            at=stamp.at,
            policy=stamp.policy,
            serial=decoded.tst_info.serial_number,
            nonce=stamp.nonce,
            authority=stamp.chain[0].subject.rfc4514_string(),
        )


def time_stamp_authority(settings: Settings) -> Authority | None:
    """The configured authority; None when there is none.

    Raises:
        SettingsError: its root certificates can't be read.
    """
    if not settings.tsa_url:
        return None
    path = Path(settings.tsa_roots).expanduser()
    try:
        roots = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"VOICEMAN_TSA_ROOTS: {path} holds no PEM certificates ({error}); put the authority's roots there."
        ) from error
    return Authority(settings.tsa_url, tuple(roots), settings.tsa_timeout_s)


def obtain(data: bytes, authority: Authority | None) -> TimeStamp:
    """Have bytes stamped.

    Args:
        data: the bytes; only their SHA-256 is sent.
        authority: whom to ask.

    Returns:
        A verified time-stamp, or why there is none.
    """
    if authority is None:
        return TimeStamp(obtained=False, reason=NOT_CONFIGURED)
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

    request = (
        TimestampRequestBuilder()
        .data(data)
        .hash_algorithm(HashAlgorithm.SHA256)
        .nonce(nonce=True)
        .cert_request(cert_request=True)
        .build()
    )
    asked_at = datetime.now(UTC)
    try:
        stamp = authority.check(authority.ask(request.as_bytes()), hashlib.sha256(data).digest(), request.nonce)
    except EvidenceError as error:
        log.warning("No time-stamp: %s", error)
        return TimeStamp(obtained=False, reason=str(error))
    log.info("Time-stamp of %s obtained, asked for at %s", stamp.at, asked_at.isoformat())
    return stamp
