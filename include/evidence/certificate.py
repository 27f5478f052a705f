"""The lab's certificate for PDF signatures: read and checked; and the demo's, which identifies nobody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from include.errors import ClockError, MissingKeyError

if TYPE_CHECKING:
    from include.settings import Settings

__all__ = ["DEMO_WORD", "PdfCertificate", "load_pdf_certificate", "make_demo_certificate"]

DEMO_WORD = "DEMO"
"""Stands in the subject of every demo certificate; the verifier looks for it."""

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True)
class PdfCertificate:
    """A certificate with its key; the key is never printed."""

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    """The certificates above it, as far as they were given, in order."""
    key: PrivateKey

    def __repr__(self) -> str:
        return f"PdfCertificate({self.subject!r})"

    @property
    def subject(self) -> str:
        """Whom it names."""
        return self.certificate.subject.rfc4514_string()

    @property
    def demo(self) -> bool:
        """True when it identifies nobody."""
        return DEMO_WORD in self.subject

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, hex."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()


def load_pdf_certificate(settings: Settings) -> PdfCertificate | None:
    """The configured certificate; None when there is none.

    Args:
        settings: ``pdf_certificate``, ``pdf_key``, ``pdf_password``.

    Raises:
        ClockError: by the clock here it is not valid yet.
        MissingKeyError: it or its key can't be read, others may read the key, they don't fit, or it is valid no more.
    """
    if not settings.pdf_certificate:
        return None
    path = Path(settings.pdf_certificate).expanduser()
    password = settings.pdf_password.get_secret_value().encode() or None
    if path.suffix.lower() in {".p12", ".pfx"}:
        key, certificates = _from_pkcs12(_secret(path), password, path)
    else:
        key_path = Path(settings.pdf_key).expanduser() if settings.pdf_key else path
        key, certificates = _from_pem(_read(path), _secret(key_path), password, path)
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise MissingKeyError(f"The key of the certificate {path} is neither RSA, ECDSA nor Ed25519; use such a one.")
    own = [one for one in certificates if one.public_key() == key.public_key()]
    if not own:
        raise MissingKeyError(f"No certificate in {path} belongs to the configured key; set both of one pair.")
    now = datetime.now(UTC)
    if now < own[0].not_valid_before_utc:
        raise ClockError(
            f"The certificate {path} is valid from {own[0].not_valid_before_utc.isoformat()} on, and the clock here "
            f"says {now.isoformat(timespec='seconds')}; set the clock, or VOICEMAN_PDF_CERTIFICATE to the present one."
        )
    if now > own[0].not_valid_after_utc:
        raise MissingKeyError(
            f"The certificate {path} is not valid now (until {own[0].not_valid_after_utc.isoformat()}); "
            "set VOICEMAN_PDF_CERTIFICATE to the lab's present one."
        )
    return PdfCertificate(own[0], _above(own[0], certificates), key)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MissingKeyError(f"{path} can't be read ({error.strerror}); check VOICEMAN_PDF_CERTIFICATE.") from error


def _secret(path: Path) -> bytes:
    """A file that holds a private key.

    Raises:
        MissingKeyError: it can't be read, or others may read it.
    """
    data = _read(path)
    if path.stat().st_mode & 0o077:
        raise MissingKeyError(f"The key file {path} can be read by other users; run `chmod 600 {path}`.")
    return data


def _from_pkcs12(data: bytes, password: bytes | None, path: Path) -> tuple[object, list[x509.Certificate]]:
    try:
        key, certificate, others = pkcs12.load_key_and_certificates(data, password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise MissingKeyError(f"{path} is no PKCS#12 file, or VOICEMAN_PDF_PASSWORD does not open it.") from error
    return key, [one for one in (certificate, *others) if one is not None]


def _from_pem(data: bytes, secret: bytes, password: bytes | None, path: Path) -> tuple[object, list[x509.Certificate]]:
    try:
        return serialization.load_pem_private_key(secret, password), x509.load_pem_x509_certificates(data)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise MissingKeyError(
            f"{path} and its key are no PEM certificate and key, or VOICEMAN_PDF_PASSWORD does not open the key."
        ) from error


def _above(certificate: x509.Certificate, others: list[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """The way up from a certificate, as far as it is there; strangers are left out."""
    chain: list[x509.Certificate] = []
    below = certificate
    while below.issuer != below.subject:
        above = next((one for one in others if one not in chain and _issued(below, one)), None)
        if above is None:
            break
        chain.append(above)
        below = above
    return tuple(chain)


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def make_demo_certificate(folder: Path) -> Path:
    """Make a certificate for trials, once: ``demo-pdf.pem`` (key, certificate, root; mode 0600), ``demo-root.pem``.

    Its subject says what it is, so every viewer shows it. Valid for ten years.

    Args:
        folder: where; made when missing (mode 0700).

    Returns:
        The path for ``VOICEMAN_PDF_CERTIFICATE``.

    Raises:
        MissingKeyError: it can't be written.
    """
    path = folder / "demo-pdf.pem"
    if path.is_file():
        return path
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _signed("root", root_key, "root", root_key)
    leaf = _signed("report signature", key, "root", root_key)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "demo-root.pem").write_bytes(root.public_bytes(pem))
        partial = folder / ".demo-pdf.pem.partial"
        partial.touch(mode=0o600)
        partial.chmod(0o600)
        partial.write_bytes(private + leaf.public_bytes(pem) + root.public_bytes(pem))
        partial.replace(path)
    except OSError as error:
        raise MissingKeyError(f"The demo certificate can't be written to {folder} ({error.strerror}).") from error
    return path


def _name(role: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, f"VoiceMan {DEMO_WORD}"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{DEMO_WORD} {role}: identifies nobody"),
        ]
    )


def _signed(
    role: str, key: ec.EllipticCurvePrivateKey, issuer: str, issuer_key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    is_root = role == issuer
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=not is_root, content_commitment=not is_root, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=is_root, crl_sign=is_root,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    return (
        x509.CertificateBuilder()
        .subject_name(_name(role))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=0 if is_root else None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
