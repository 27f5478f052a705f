"""PDF signatures (PAdES baseline B-B, with a time-stamp B-T) with the lab's certificate, made by pyHanko.

The report's own bytes stay as they are: the signature is an incremental update behind them. It is a certification that
still allows further signatures, because an examiner may countersign. What leaves here was verified by the bundle's own
verifier. Without a configured certificate a PDF stays unsigned, and the result says so.
"""

from __future__ import annotations

import asyncio
import io
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from include.errors import EvidenceError, SignatureError
from include.evidence import verifier

if TYPE_CHECKING:
    from asn1crypto import tsp

    from include.evidence.certificate import PdfCertificate
    from include.evidence.timestamp import Authority

__all__ = ["SignedPdf", "sign_pdf"]

log = logging.getLogger(__name__)

FIELD = "VoiceMan"
"""Name of the signature field."""
_RESERVED = 64 << 10
"""Hexadecimal digits reserved for the signature: 32 KiB of certificates and time-stamp."""
UNSIGNED = "No certificate is configured (VOICEMAN_PDF_CERTIFICATE), so the PDF carries no signature."


@dataclass(frozen=True)
class SignedPdf:
    """A PDF, and what became of its signature."""

    data: bytes
    signed: bool
    reason: str | None = None
    """Why it is not signed; None when it is."""
    signer: str | None = None
    """Subject of the certificate."""
    certificate_sha256: str | None = None
    demo: bool = False
    """True when the certificate identifies nobody."""
    stamped_at: datetime | None = None
    """The time-stamp authority's time, UTC; None when there is no time-stamp."""
    stamp_reason: str | None = None
    """Why there is no time-stamp."""

    def facts(self) -> dict[str, object]:
        """What a report and a manifest show."""
        if not self.signed:
            return {"signed": False, "reason": self.reason}
        stamp: dict[str, object] = {"obtained": False, "reason": self.stamp_reason}
        if self.stamped_at is not None:
            stamp = {"obtained": True, "at": self.stamped_at.isoformat().replace("+00:00", "Z")}
        return {
            "signed": True,
            "signer": self.signer,
            "certificate_sha256": self.certificate_sha256,
            "demo": self.demo,
            "time_stamp": stamp,
        }


def sign_pdf(pdf: bytes, certificate: PdfCertificate | None, authority: Authority | None) -> SignedPdf:
    """Sign a PDF.

    Args:
        pdf: an unsigned PDF.
        certificate: whose signature; None leaves it unsigned.
        authority: who stamps the signature; None for no time-stamp. When it fails, the PDF is signed without one and
            the result says why.

    Raises:
        SignatureError: the PDF can't be read or signed, or the verifier refuses what was made.
    """
    if certificate is None:
        return SignedPdf(pdf, signed=False, reason=UNSIGNED)
    from include.evidence.timestamp import NOT_CONFIGURED

    why, stamped_at, made = NOT_CONFIGURED, None, None
    if authority is not None:
        try:
            made, stamped_at = _signed(pdf, certificate, authority)
        except EvidenceError as error:
            if isinstance(error, SignatureError):
                raise
            log.warning("The PDF is signed without a time-stamp: %s", error)
            why = str(error)
    if made is None:
        made, _ = _signed(pdf, certificate, None)
    checked = verifier.check_pdf("report.pdf", made)
    # an incomplete chain is the lab's choice; whoever verifies then needs its root
    faults = [line for line in checked.lines if line.status.value and line.code != "certificate_open"]
    if faults or not made.startswith(pdf):
        told = faults[0].text("en") if faults else "its own bytes were changed"
        raise SignatureError(f"The signed PDF does not pass its own verification ({told}); it was not written.")
    return SignedPdf(
        made,
        signed=True,
        signer=certificate.subject,
        certificate_sha256=certificate.fingerprint,
        demo=certificate.demo,
        stamped_at=stamped_at,
        stamp_reason=None if stamped_at else why,
    )


def _signed(
    pdf: bytes, certificate: PdfCertificate, authority: Authority | None, *, field: str = FIELD, certify: bool = True
) -> tuple[bytes, datetime | None]:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.pdf_utils.misc import PdfError
    from pyhanko.sign import PdfSignatureMetadata, PdfSigner
    from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
    from pyhanko.sign.general import SigningError

    told = PdfSignatureMetadata(
        field_name=field,
        # Ed25519 in CMS goes with SHA-512 only (RFC 8419)
        md_algorithm="sha512" if isinstance(certificate.key, Ed25519PrivateKey) else "sha256",
        subfilter=SigSeedSubFilter.PADES,
        certify=certify,
        docmdp_permissions=MDPPerm.FILL_FORMS,  # which lets others sign, too
    )
    stamper = _stamper(authority) if authority is not None else None
    signer = PdfSigner(told, _hand(certificate), timestamper=stamper)
    try:
        writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
        out = signer.sign_pdf(writer, bytes_reserved=_RESERVED)
    except (PdfError, SigningError, ValueError, KeyError) as error:
        raise SignatureError(f"The PDF can't be signed ({error}); render the report again.") from error
    return out.getvalue(), stamper.at if stamper is not None else None


def _hand(certificate: PdfCertificate) -> Any:
    """The certificate as pyHanko's signer."""
    from pyhanko.keys.internal import (
        translate_pyca_cryptography_cert_to_asn1,
        translate_pyca_cryptography_key_to_asn1,
    )
    from pyhanko.sign.signers import SimpleSigner
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    store = SimpleCertificateStore()  # type: ignore[no-untyped-call]
    store.register_multiple(translate_pyca_cryptography_cert_to_asn1(one) for one in certificate.chain)
    return SimpleSigner(
        signing_cert=translate_pyca_cryptography_cert_to_asn1(certificate.certificate),
        signing_key=translate_pyca_cryptography_key_to_asn1(certificate.key),
        cert_registry=store,
    )


def _stamper(authority: Authority) -> Any:
    """A time-stamper that hands on only what was verified; pyHanko's own looks at nonce and status alone."""
    from asn1crypto import tsp
    from pyhanko.sign.timestamps import TimeStamper

    class Verified(TimeStamper):
        at: datetime | None = None

        async def async_request_tsa_response(self, req: tsp.TimeStampReq) -> tsp.TimeStampResp:
            answer = await asyncio.to_thread(authority.ask, req.dump())
            digest = bytes(req["message_imprint"]["hashed_message"].native)
            self.at = authority.check(answer, digest, req["nonce"].native).at
            return tsp.TimeStampResp.load(answer)

    return Verified()  # type: ignore[no-untyped-call]
