"""Time-stamps: against an authority made with OpenSSL, honest and not."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from bench.local_tsa import LocalTsa
from bench.sample_evidence import MemorySigner, sample_bundle, sample_ledger
from include.errors import EvidenceError, SettingsError
from include.evidence.bundle import Part
from include.evidence.timestamp import Authority, obtain, time_stamp_authority
from include.evidence.verifier import PARSING, Options, read_time_stamp, verify_bytes
from include.settings import Settings

DATA = b"a signed head"


@pytest.fixture(scope="module")
def tsa(tmp_path_factory: pytest.TempPathFactory) -> LocalTsa:
    return LocalTsa(tmp_path_factory.mktemp("tsa"))


def authority(tsa: LocalTsa, url: str, root: Path | None = None, timeout_s: float = 10.0) -> Authority:
    roots = x509.load_pem_x509_certificates((root or tsa.root).read_bytes())
    return Authority(url, tuple(roots), timeout_s)


def test_without_an_authority_it_says_so() -> None:
    assert time_stamp_authority(Settings()) is None
    facts = obtain(DATA, None).facts()
    assert facts["obtained"] is False
    assert "VOICEMAN_TSA_URL" in str(facts["reason"])


def test_a_time_stamp_is_obtained_verified_and_accepted_by_openssl(tsa: LocalTsa) -> None:
    with tsa.serving() as url:
        found = time_stamp_authority(Settings(tsa_url=url, tsa_roots=str(tsa.root)))
        stamp = obtain(DATA, found)
    facts = stamp.facts()
    assert facts["obtained"], facts
    assert facts["policy"] == "1.2.3.4.5.6"
    assert facts["sha256"] == hashlib.sha256(DATA).hexdigest()
    assert str(facts["at"]).endswith("Z")
    assert "Test time-stamps" in str(facts["authority"])
    assert stamp.nonce
    assert stamp.response is not None
    assert tsa.accepts(stamp.response, DATA)
    assert not tsa.accepts(stamp.response, DATA + b"x")
    assert read_time_stamp(stamp.response).nonce == stamp.nonce


def swapped(data: bytes) -> Callable[[LocalTsa], Callable[[bytes], tuple[int, bytes]]]:
    """Answers to another question than was asked: same length, other imprint or nonce."""

    def of(tsa: LocalTsa) -> Callable[[bytes], tuple[int, bytes]]:
        imprint = hashlib.sha256(DATA).digest()

        def answer(request: bytes) -> tuple[int, bytes]:
            at = request.index(imprint)
            nonce = at + len(imprint) + 3  # INTEGER, length, first octet
            if data:
                other = request.replace(imprint, hashlib.sha256(data).digest())
            else:
                other = request[: nonce + 1] + bytes([request[nonce + 1] ^ 1]) + request[nonce + 2 :]
            return 200, tsa.answer(other)

        return answer

    return of


def bitten(at: int) -> Callable[[LocalTsa], Callable[[bytes], tuple[int, bytes]]]:
    """A good answer with one bit changed."""

    def of(tsa: LocalTsa) -> Callable[[bytes], tuple[int, bytes]]:
        def answer(request: bytes) -> tuple[int, bytes]:
            good = bytearray(tsa.answer(request))
            good[at] ^= 1
            return 200, bytes(good)

        return answer

    return of


@pytest.mark.parametrize(
    "how",
    [
        swapped(b"something else"),
        swapped(b""),
        bitten(-5),
        bitten(-40),
        lambda tsa: lambda request: (200, b""),
        lambda tsa: lambda request: (200, b"<html>"),
        lambda tsa: lambda request: (500, b""),
        lambda tsa: lambda request: (200, bytes(2 << 20)),
        lambda tsa: lambda request: (200, tsa.answer(request)[:-1]),
        lambda tsa: lambda request: (200, tsa.answer(request) + b"\0"),
    ],
    ids=["imprint", "nonce", "signature", "certificate", "empty", "page", "error", "flood", "cut", "longer"],
)
def test_a_wrong_answer_is_not_obtained(
    tsa: LocalTsa, how: Callable[[LocalTsa], Callable[[bytes], tuple[int, bytes]]]
) -> None:
    with tsa.serving(how(tsa)) as url:
        stamp = obtain(DATA, authority(tsa, url))
    assert not stamp.obtained
    assert stamp.reason
    assert stamp.response is None


def test_an_authority_of_another_root_is_not_believed(tsa: LocalTsa, tmp_path: Path) -> None:
    other = LocalTsa(tmp_path / "other")
    with other.serving() as url:
        stamp = obtain(DATA, authority(tsa, url))
    assert not stamp.obtained


def test_a_certificate_without_that_purpose_is_not_believed(tmp_path: Path) -> None:
    own = LocalTsa(tmp_path / "own")
    with own.serving() as url:
        good = obtain(DATA, authority(own, url))
        assert good.obtained
        own.certify("plain")
        stamp = obtain(DATA, authority(own, url))  # OpenSSL itself refuses to answer then: an empty page
    assert not stamp.obtained


def test_nobody_answers(tsa: LocalTsa) -> None:
    stamp = obtain(DATA, authority(tsa, "http://127.0.0.1:9/tsr", timeout_s=2))
    assert not stamp.obtained
    assert "no answer" in str(stamp.reason)


def test_settings_want_roots_and_roots_that_can_be_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="VOICEMAN_TSA_URL"):
        Settings(tsa_url="http://127.0.0.1/")
    with pytest.raises(ValueError, match="tsa_url"):
        Settings(tsa_url="file:///etc/passwd", tsa_roots="x")
    (tmp_path / "none.pem").write_text("hello")
    for name in ("none.pem", "missing.pem"):
        with pytest.raises(SettingsError, match="holds no PEM certificates"):
            time_stamp_authority(Settings(tsa_url="http://127.0.0.1/", tsa_roots=str(tmp_path / name)))


def test_a_bundle_carries_its_time_stamp_and_the_verifier_checks_what_it_is_of(tsa: LocalTsa) -> None:
    signer = MemorySigner(b"lab")
    ledger = sample_ledger(signer)
    head = ledger.head_lines(("job-1", "통화 1")).rstrip(b"\n")
    with tsa.serving() as url:
        right, wrong = (obtain(data, authority(tsa, url)).response for data in (head, b"something else"))
    assert right is not None
    assert wrong is not None
    made = sample_bundle(1, signer, ledger=ledger, stamps=(Part("timestamps/head.tsr", right, "timestamp"),))
    report = verify_bytes(made)
    assert report.exit_code == 0
    assert [line.values["what"] for line in report.lines if line.code == "stamp_ok"] == ["heads.jsonl:1"]
    roots = tuple(x509.load_pem_x509_certificates(tsa.root.read_bytes()))
    trusted = verify_bytes(made, Options(roots=roots))
    assert "certificate_trusted" in {line.code for line in trusted.lines}
    with pytest.raises(EvidenceError, match="not in this bundle"):
        sample_bundle(1, signer, ledger=ledger, stamps=(Part("timestamps/head.tsr", wrong, "timestamp"),))
    with pytest.raises(EvidenceError, match="not valid"):
        sample_bundle(1, signer, ledger=ledger, stamps=(Part("timestamps/head.tsr", right[:-1], "timestamp"),))


def test_every_byte_of_a_time_stamp_counts(tsa: LocalTsa) -> None:
    with tsa.serving() as url:
        response = obtain(DATA, authority(tsa, url)).response
    assert response is not None
    good = read_time_stamp(response)
    unnoticed = []
    for at in range(0, len(response), 7):
        changed = bytearray(response)
        changed[at] ^= 1 << (at % 8)
        try:
            stamp = read_time_stamp(bytes(changed))
        except (InvalidSignature, *PARSING):
            continue
        if (stamp.imprint, stamp.at) == (good.imprint, good.at):
            unnoticed.append(at)
    assert unnoticed == []
