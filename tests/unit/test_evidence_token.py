"""A signing key in a PKCS#11 token: SoftHSM, a real library with the token in files."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pkcs11
import pytest
from pkcs11 import Attribute, KeyType, Mechanism
from pkcs11.util.ec import encode_named_curve_parameters

from include import evidence
from include.errors import MissingKeyError
from include.evidence import dsse
from include.evidence.keys import open_signer
from include.evidence.token import TokenSigner, open_token
from include.settings import Settings, get_settings

LIBRARY = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "94021735"
ED25519 = "1.3.101.112"
URI = f"pkcs11:token=lab;object=voiceman?module-path={LIBRARY}"


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A token with two Ed25519 keys and one that is none."""
    folder = tmp_path_factory.mktemp("token")
    (folder / "tokens").mkdir()
    (folder / "conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(folder / "conf"))  # read once, when the library is loaded
        subprocess.run(
            ["softhsm2-util", "--init-token", "--free", "--label", "lab", "--so-pin", "1234", "--pin", PIN],
            check=True, capture_output=True,
        )  # fmt: skip
        with pkcs11.lib(LIBRARY).get_token(token_label="lab").open(rw=True, user_pin=PIN) as session:
            for kind, curve, how, labels in (
                (KeyType.EC_EDWARDS, ED25519, Mechanism.EC_EDWARDS_KEY_PAIR_GEN, ["voiceman", "twice", "twice"]),
                (KeyType.EC, "1.2.840.10045.3.1.7", Mechanism.EC_KEY_PAIR_GEN, ["p256"]),
            ):
                named = {Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}
                for number, label in enumerate(labels):
                    made = session.create_domain_parameters(kind, named, local=True)
                    made.generate_keypair(mechanism=how, store=True, label=label, id=bytes([number + 1]))
            halves = {Attribute.EC_PARAMS: encode_named_curve_parameters(ED25519)}
            for kept, lost in ((0, 1), (1, 0)):  # a private and a public key of two pairs
                made = session.create_domain_parameters(KeyType.EC_EDWARDS, halves, local=True)
                pair = made.generate_keypair(
                    mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN, store=True, label="mixed", id=b"9"
                )
                assert kept != lost
                pair[lost].destroy()
        yield


@pytest.fixture(autouse=True)
def pin(monkeypatch: pytest.MonkeyPatch, token: None, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("VOICEMAN_PKCS11_PIN", PIN)
    monkeypatch.setenv("VOICEMAN_KEYS_DIR", str(tmp_path / "public"))
    get_settings.cache_clear()
    yield
    monkeypatch.undo()
    get_settings.cache_clear()


def test_what_a_token_signs_the_register_and_others_check(tmp_path: Path) -> None:
    settings = Settings(signing_key=URI, signer="include.evidence.token:open_token", keys_dir=tmp_path / "public")
    signer = open_signer(settings)
    with pytest.raises(MissingKeyError, match="key register"):
        evidence.load_signer(settings)
    evidence.register_key(tmp_path / "public", signer)
    assert evidence.load_signer(settings).keyid == signer.keyid
    envelope = dsse.sign(b'{"a":1}', "application/test", signer).to_json()
    assert dsse.verify(envelope, evidence.read_keys(tmp_path / "public"), "application/test") == b'{"a":1}'
    assert not signer.demo
    assert PIN not in repr(signer)
    cast("TokenSigner", signer).close()


# python-pkcs11 also ends the search that the closed session had refused to begin, and says so on standard error
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_session_that_ended_is_opened_again() -> None:
    signer = open_token(URI)
    first = signer.sign(b"one")
    signer._sessions[0].close()
    assert signer.sign(b"one") == first  # Ed25519 is deterministic
    signer.public.verify(first, b"one")
    beside = open_token(URI)  # one login for the process: the second session must not fail for it
    assert beside.sign(b"one") == first
    beside.close()
    signer.close()
    assert signer.sign(b"one") == first
    signer.close()


def test_signers_of_one_token_do_not_end_each_other_and_threads_may_share_it() -> None:
    first, second = open_token(URI), open_token(URI.replace("voiceman", "twice;id=%02"))
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda number: (first, second)[number % 2].sign(b"%d" % number), range(40)))
    assert len(set(made)) == 40
    first.close()  # logs all sessions out
    second.sign(b"still there")
    second.close()


def test_one_of_two_keys_of_a_name_is_found_by_its_id() -> None:
    by_id = [open_token(URI.replace("voiceman", f"twice;id=%0{number}")) for number in (2, 3)]
    assert by_id[0].keyid != by_id[1].keyid
    for signer in by_id:
        signer.close()


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        (URI.replace("voiceman", "nobody"), "No Ed25519 key is where"),
        (URI.replace("voiceman", "p256"), "No Ed25519 key is where"),
        (URI.replace("voiceman", "twice"), "Several keys are where"),
        (URI.replace("token=lab", "token=gone"), "can't be used: NoSuchToken"),
        (URI.replace("libsofthsm2", "nothing"), "can't be loaded"),
        (URI.split("?", maxsplit=1)[0], "names no module-path"),
        (URI + "&pin-value=94021735", "must hold no PIN"),
        (URI + "&PIN-value=94021735", "must hold no PIN"),
        (URI.replace("?", ";pin-value=94021735?"), "must hold no PIN"),
        (URI + "&module-name=x", "must read pkcs11:token=LABEL"),
        (URI.replace("voiceman", "mixed"), "not of one pair"),
        ("/secure/signing.pem", "must read pkcs11:token=LABEL"),
        ("pkcs11:token=lab?module-path=/x.so", "must read pkcs11:token=LABEL"),
    ],
)
def test_what_is_wrong_is_said(uri: str, why: str) -> None:
    with pytest.raises(MissingKeyError, match=why) as told:
        open_token(uri)
    assert PIN not in str(told.value)


def test_a_wrong_pin_and_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, why in (("00000000", "PinIncorrect"), ("", "VOICEMAN_PKCS11_PIN is not set")):
        monkeypatch.setenv("VOICEMAN_PKCS11_PIN", value)
        get_settings.cache_clear()
        with pytest.raises(MissingKeyError, match=why) as told:
            open_token(URI)
        assert "00000000" not in str(told.value)


def test_public_keys_need_a_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VOICEMAN_KEYS_DIR")
    get_settings.cache_clear()
    with pytest.raises(MissingKeyError, match="VOICEMAN_KEYS_DIR"):
        open_token(URI)
