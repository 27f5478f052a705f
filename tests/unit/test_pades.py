"""PDF signatures: accepted by pyHanko's validator, OpenSSL and poppler; every change found by our verifier."""

import io
import random
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pypdf
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from bench.local_tsa import LocalTsa
from include.errors import MissingKeyError, SignatureError
from include.evidence.certificate import PdfCertificate, load_pdf_certificate, make_demo_certificate
from include.evidence.pades import sign_pdf
from include.evidence.timestamp import Authority
from include.evidence.verifier import Options, Status, check_pdf, verify_path
from include.settings import Settings
from tests.archival import archival_faults


@pytest.fixture(scope="module")
def pdf() -> bytes:
    from weasyprint import HTML

    html = (
        "<html lang=ko><title>감정 보고서</title><meta name=author content=lab><h1>통화 녹음 보고서</h1><p>여보세요</p>"
    )
    data: bytes = HTML(string=html).write_pdf(pdf_variant="pdf/a-3a")
    return data


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def demo(folder: Path) -> PdfCertificate:
    found = load_pdf_certificate(Settings(pdf_certificate=str(make_demo_certificate(folder))))
    assert found is not None
    return found


@pytest.fixture(scope="module")
def tsa(tmp_path_factory: pytest.TempPathFactory) -> LocalTsa:
    return LocalTsa(tmp_path_factory.mktemp("tsa"))


@pytest.fixture(scope="module")
def stamped(pdf: bytes, demo: PdfCertificate, tsa: LocalTsa) -> bytes:
    with tsa.serving() as url:
        made = sign_pdf(pdf, demo, authority(tsa, url))
    assert made.stamped_at is not None
    return made.data


def authority(tsa: LocalTsa, url: str) -> Authority:
    return Authority(url, tuple(x509.load_pem_x509_certificates(tsa.root.read_bytes())), 10.0)


def codes(data: bytes, options: Options | None = None) -> dict[Status, set[str]]:
    found: dict[Status, set[str]] = {}
    for line in check_pdf("report.pdf", data, options).lines:
        found.setdefault(line.status, set()).add(line.code)
    return found


def split(data: bytes) -> tuple[bytes, bytes]:
    """The CMS and the bytes that it signs."""
    match = re.search(rb"/ByteRange \[0 (\d+) (\d+) \d+\]", data)
    assert match
    first, second = int(match[1]), int(match[2])
    padded = bytes.fromhex(data[first + 1 : second - 1].decode())
    # by its own length: a signature may end in a zero byte, so zeros cannot be cut off as padding
    length = int.from_bytes(padded[2 : 2 + (padded[1] & 0x7F)], "big") + 2 + (padded[1] & 0x7F)
    return padded[:length], data[:first] + data[second:]


def openssl_accepts(tmp_path: Path, data: bytes, root: Path) -> bool:
    cms, covered = split(data)
    (tmp_path / "s.der").write_bytes(cms)
    (tmp_path / "s.bin").write_bytes(covered)
    done = subprocess.run(
        ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "s.der", "-content", "s.bin",
         "-CAfile", str(root), "-purpose", "any", "-out", "/dev/null"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return done.returncode == 0


def pyhanko_says(data: bytes, *roots: Path) -> tuple[bool, bool, str]:
    """pyHanko's own validator: valid and intact, bottom line, coverage."""
    from asn1crypto import pem
    from asn1crypto import x509 as asn1
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation import validate_pdf_signature
    from pyhanko_certvalidator import ValidationContext

    trusted = [asn1.Certificate.load(pem.unarmor(root.read_bytes())[2]) for root in roots]
    signature = PdfFileReader(io.BytesIO(data)).embedded_signatures[0]
    context = ValidationContext(trust_roots=trusted)
    status = validate_pdf_signature(signature, context, ts_validation_context=context)
    return status.valid and status.intact, status.bottom_line, status.coverage.name


def test_without_a_certificate_it_stays_unsigned_and_says_so(pdf: bytes) -> None:
    assert load_pdf_certificate(Settings()) is None
    made = sign_pdf(pdf, None, None)
    assert (made.data, made.signed) == (pdf, False)
    assert "VOICEMAN_PDF_CERTIFICATE" in str(made.facts()["reason"])
    assert codes(pdf) == {Status.UNVERIFIABLE: {"pdf_unsigned"}}


def test_public_tools_accept_the_signature(pdf: bytes, demo: PdfCertificate, folder: Path, tmp_path: Path) -> None:
    made = sign_pdf(pdf, demo, None)
    assert made.signed
    assert made.demo
    assert made.facts()["time_stamp"] == {"obtained": False, "reason": made.stamp_reason}
    assert made.data.startswith(pdf)  # an update behind the report's own bytes
    assert archival_faults(made.data, tmp_path) == []  # and it stays what it was
    assert openssl_accepts(tmp_path, made.data, folder / "demo-root.pem")
    assert pyhanko_says(made.data, folder / "demo-root.pem") == (True, True, "ENTIRE_FILE")
    if shutil.which("pdfsig"):
        (tmp_path / "r.pdf").write_bytes(made.data)
        told = subprocess.run(["pdfsig", "r.pdf"], cwd=tmp_path, capture_output=True, text=True, timeout=60).stdout
        assert "Signature is Valid" in told
        assert "Total document signed" in told


def test_a_changed_pdf_is_refused_by_all_of_them(
    pdf: bytes, demo: PdfCertificate, folder: Path, tmp_path: Path
) -> None:
    made = bytearray(sign_pdf(pdf, demo, None).data)
    made[len(pdf) // 2] ^= 1
    changed = bytes(made)
    assert not openssl_accepts(tmp_path, changed, folder / "demo-root.pem")
    assert codes(changed) == {Status.ALTERED: {"pdf_bad"}}


def test_the_time_stamp_is_accepted_and_shown(stamped: bytes, folder: Path, tsa: LocalTsa, tmp_path: Path) -> None:
    found = codes(stamped)
    assert {"pdf_ok", "stamp_ok"} <= found[Status.OK]
    assert pyhanko_says(stamped, folder / "demo-root.pem", tsa.root) == (True, True, "ENTIRE_FILE")
    assert openssl_accepts(tmp_path, stamped, folder / "demo-root.pem")
    roots = tuple(
        certificate
        for path in (folder / "demo-root.pem", tsa.root)
        for certificate in x509.load_pem_x509_certificates(path.read_bytes())
    )
    assert check_pdf("r.pdf", stamped, Options(roots=roots)).exit_code == 0
    assert check_pdf("r.pdf", stamped, Options(roots=roots[:1])).exit_code == 3


def test_a_failing_authority_leaves_the_signature_and_says_why(pdf: bytes, demo: PdfCertificate, tsa: LocalTsa) -> None:
    with tsa.serving(lambda request: (503, b"")) as url:
        made = sign_pdf(pdf, demo, authority(tsa, url))
    assert made.signed
    assert made.stamped_at is None
    assert "503" in str(made.stamp_reason)


def test_the_report_stays_what_it_was(pdf: bytes, stamped: bytes) -> None:
    before, after = (pypdf.PdfReader(io.BytesIO(data)) for data in (pdf, stamped))
    assert [page.extract_text() for page in before.pages] == [page.extract_text() for page in after.pages]
    assert "통화 녹음 보고서" in after.pages[0].extract_text()
    metadata = after.trailer["/Root"]["/Metadata"].get_object().get_data().decode()
    assert 'pdfaid:part="3"' in metadata or "<pdfaid:part>3<" in metadata
    assert "감정 보고서" in metadata
    assert after.trailer["/Root"]["/Lang"] == before.trailer["/Root"]["/Lang"]
    import getpass
    import socket

    for private in (getpass.getuser(), socket.gethostname()):
        assert private not in metadata


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda data: data + b"\n", Status.ALTERED),
        (lambda data: data + b"1 0 obj\n<<>>\nendobj\nstartxref\n0\n%%EOF\n", Status.ALTERED),
        (lambda data: data[:-1], Status.ALTERED),
        (lambda data: data.replace(b"/ByteRange", b"/BxteRange"), Status.ALTERED),
        (lambda data: data[: data.index(b"%%EOF") + 6], Status.UNVERIFIABLE),  # back to before it was signed
        (lambda data: re.sub(rb"<[0-9A-F]{40000,}>", lambda m: m[0].lower(), data), None),
        (lambda data: re.sub(rb"0>\n/ByteRange", b"1>\n/ByteRange", data), Status.ALTERED),  # the spare zeros
        (lambda data: re.sub(rb"<3082", b"<308a", data), Status.ALTERED),
    ],
)
def test_what_was_done_to_a_signed_pdf_is_found(stamped: bytes, change: object, status: Status | None) -> None:
    assert callable(change)
    changed = change(stamped)
    assert changed != stamped
    report = check_pdf("report.pdf", changed)
    # the hexadecimal digits of the container, all of them in the other case, are the only other spelling
    assert report.verdict is (status or Status.OK)


def test_every_byte_of_the_signature_counts(stamped: bytes) -> None:
    cms, _ = split(stamped)
    start = stamped.index(b"<30") + 1
    chance = random.Random(6)
    unnoticed = []
    for _ in range(400):
        at = start + chance.randrange(2 * len(cms))
        changed = bytearray(stamped)
        changed[at] = ord(chance.choice("0123456789ABCDEF".replace(chr(changed[at]), "")))
        if check_pdf("report.pdf", bytes(changed)).exit_code == 0:
            unnoticed.append(at - start)
    assert unnoticed == []


def test_a_chain_without_its_root_needs_the_root(pdf: bytes, demo: PdfCertificate, tmp_path: Path) -> None:
    """What nobody's signature covers must not pass for verified."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    middle_key = ec.generate_private_key(ec.SECP256R1())
    root = issued(root_key, name="Root")
    middle = issued(middle_key, name="Middle", by=(root, root_key))
    leaf = issued(key, name="Leaf", by=(middle, middle_key))
    made = sign_pdf(pdf, PdfCertificate(leaf, (middle,), key), None)
    report = check_pdf("r.pdf", made.data)
    assert report.verdict is Status.UNVERIFIABLE
    assert "certificate_open" in {line.code for line in report.lines}
    assert check_pdf("r.pdf", made.data, Options(roots=(root,))).exit_code == 0
    whole = sign_pdf(pdf, PdfCertificate(leaf, (middle, root), key), None)
    assert check_pdf("r.pdf", whole.data).exit_code == 0


def test_somebody_elses_signature_behind_ours_is_told(pdf: bytes, demo: PdfCertificate, tmp_path: Path) -> None:
    from include.evidence import pades

    other = load_pdf_certificate(Settings(pdf_certificate=str(make_demo_certificate(tmp_path / "other"))))
    assert other is not None
    twice = pades._signed(sign_pdf(pdf, demo, None).data, other, None, field="Second", certify=False)[0]
    report = check_pdf("report.pdf", twice)
    assert report.verdict is Status.UNVERIFIABLE
    assert "pdf_several" in {line.code for line in report.lines}


# ---- certificates --------------------------------------------------------------------------------------------------


def issued(
    key: object,
    *,
    days: int = 30,
    since_days: int = -60,
    name: str = "Lab",
    by: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None,
) -> x509.Certificate:
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder().subject_name(subject).issuer_name(by[0].subject if by else subject)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=since_days)).not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(True, True, False, False, False, True, False, False, False), critical=True
        )
        .sign(by[1] if by else key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    )  # fmt: skip


def pem_of(key: object, password: bytes | None = None) -> bytes:
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey)
    secret = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)


def test_rsa_in_two_files_ed25519_in_one_and_pkcs12(pdf: bytes, tmp_path: Path) -> None:
    big = rsa.generate_private_key(65537, 2048)
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes(issued(big).public_bytes(serialization.Encoding.PEM))
    key.write_bytes(pem_of(big, b"secret"))
    key.chmod(0o600)
    by_rsa = load_pdf_certificate(Settings(pdf_certificate=str(cert), pdf_key=str(key), pdf_password="secret"))

    small = ed25519.Ed25519PrivateKey.generate()
    both = tmp_path / "both.pem"
    both.write_bytes(pem_of(small) + issued(small).public_bytes(serialization.Encoding.PEM))
    both.chmod(0o600)
    by_ed = load_pdf_certificate(Settings(pdf_certificate=str(both)))

    curve = ec.generate_private_key(ec.SECP384R1())
    p12 = tmp_path / "lab.p12"
    p12.write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"lab", curve, issued(curve), [issued(small, name="Stranger")], serialization.BestAvailableEncryption(b"pw")
        )
    )
    p12.chmod(0o600)
    by_p12 = load_pdf_certificate(Settings(pdf_certificate=str(p12), pdf_password="pw"))

    for one in (by_rsa, by_ed, by_p12):
        assert one is not None
        assert not one.demo
        made = sign_pdf(pdf, one, None)
        assert check_pdf("report.pdf", made.data).exit_code == 0
        assert check_pdf("report.pdf", made.data, Options(roots=(one.certificate,))).exit_code == 0
        assert check_pdf("report.pdf", made.data, Options(trusted=frozenset({one.fingerprint}))).exit_code == 0
        (tmp_path / "root.pem").write_bytes(one.certificate.public_bytes(serialization.Encoding.PEM))
        assert pyhanko_says(made.data, tmp_path / "root.pem")[1]


def test_a_certificate_that_can_not_sign_is_refused(tmp_path: Path) -> None:
    key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    path = tmp_path / "c.pem"

    def load(data: bytes, mode: int = 0o600) -> None:
        path.write_bytes(data)
        path.chmod(mode)
        load_pdf_certificate(Settings(pdf_certificate=str(path)))

    good = issued(key).public_bytes(serialization.Encoding.PEM)
    load(pem_of(key) + good)
    for data, mode, told in [
        (pem_of(key) + good, 0o644, "chmod 600"),
        (pem_of(other) + good, 0o600, "No certificate"),
        (pem_of(key) + issued(key, days=-1).public_bytes(serialization.Encoding.PEM), 0o600, "not valid now"),
        (
            pem_of(key) + issued(key, since_days=1).public_bytes(serialization.Encoding.PEM),
            0o600,
            "the clock here says",
        ),
        (good, 0o600, "no PEM certificate and key"),
        (pem_of(key, b"x") + good, 0o600, "does not open"),
    ]:
        with pytest.raises(MissingKeyError, match=told) as caught:
            load(data, mode)
        assert "PRIVATE" not in str(caught.value)
    with pytest.raises(MissingKeyError, match="can't be read"):
        load_pdf_certificate(Settings(pdf_certificate=str(tmp_path / "none.pem")))


def test_keys_and_passwords_are_not_shown(demo: PdfCertificate) -> None:
    assert "PRIVATE" not in repr(demo)
    assert repr(demo) == f"PdfCertificate({demo.subject!r})"
    assert "hunter2" not in repr(Settings(pdf_password="hunter2"))


def test_the_demo_certificate_is_made_once_and_says_what_it_is(tmp_path: Path, pdf: bytes) -> None:
    first = make_demo_certificate(tmp_path / "d")
    content = first.read_bytes()
    assert make_demo_certificate(tmp_path / "d").read_bytes() == content
    assert first.stat().st_mode & 0o777 == 0o600
    one = load_pdf_certificate(Settings(pdf_certificate=str(first)))
    assert one is not None
    assert one.demo
    path = tmp_path / "r.pdf"
    path.write_bytes(sign_pdf(pdf, one, None).data)
    assert "DEMONSTRATION CERTIFICATE" in verify_path(path).render("en")


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7\n", b"hello"])
def test_what_is_no_pdf_is_not_signed(demo: PdfCertificate, data: bytes) -> None:
    with pytest.raises(SignatureError, match="can't be signed"):
        sign_pdf(data, demo, None)
