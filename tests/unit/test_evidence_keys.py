"""Keys and signed envelopes: what is signed is checked, and nothing is signed without the lab's own key."""

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from include import evidence
from include.errors import ClockError, MissingKeyError, SignatureError
from include.evidence import dsse
from include.settings import Settings


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "lab.pem"
    evidence.new_key(path, tmp_path / "public")
    return path


def settings(key: Path | str = "", **more: object) -> Settings:
    return Settings(signing_key=str(key), **more)  # type: ignore[arg-type]


def test_pae_is_the_specifications_example() -> None:
    # https://github.com/secure-systems-lab/dsse/blob/master/protocol.md, "Test Vectors"
    assert dsse.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_what_was_signed_is_given_back_and_nothing_else(key: Path) -> None:
    signer = evidence.load_signer(settings(key))
    data = dsse.sign(b'{"a":1}', "application/test", signer).to_json()
    keys = evidence.read_keys(key.parent / "public")
    assert dsse.verify(data, keys, "application/test") == b'{"a":1}'
    with pytest.raises(SignatureError, match="holds 'application/test', not 'other'"):
        dsse.verify(data, keys, "other")
    with pytest.raises(SignatureError, match="No known public key"):
        dsse.verify(data, {}, "application/test")
    bare = dsse.Envelope(b"x", "application/test", ())
    with pytest.raises(SignatureError, match="no signature"):
        dsse.verify(bare, keys)


def test_every_single_changed_byte_of_an_envelope_is_noticed(key: Path) -> None:
    signer = evidence.load_signer(settings(key))
    data = dsse.sign(b'{"a":12}', "application/test", signer).to_json()  # its base64 ends in padding: spare bits
    keys = evidence.read_keys(key.parent / "public")
    for at in range(len(data)):
        for other in {data[at] ^ 1, data[at] ^ 4, data[at] ^ 0x20}:
            changed = data[:at] + bytes([other]) + data[at + 1 :]
            with pytest.raises(SignatureError):
                dsse.verify(changed, keys)
    for changed in (data + b"\n", b" " + data, data.replace(b'":"', b'": "', 1), data[:-1], b"", b"[]", b"{}"):
        with pytest.raises(SignatureError):
            dsse.verify(changed, keys)


def test_a_public_key_filed_under_anothers_id_is_refused(key: Path, tmp_path: Path) -> None:
    folder = tmp_path / "public"
    (entry,) = json.loads((folder / "keys.json").read_text())
    other = Ed25519PrivateKey.generate().public_key()
    pem = other.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / f"{entry['keyid']}.pem").write_bytes(pem)
    with pytest.raises(SignatureError, match="is another key"):
        evidence.read_keys(folder)


def test_a_register_names_no_file_outside_of_it(key: Path, tmp_path: Path) -> None:
    register = tmp_path / "public" / "keys.json"
    entries = json.loads(register.read_text())
    entries[0]["keyid"] = "../" + entries[0]["keyid"][3:]
    register.write_text(json.dumps(entries))
    with pytest.raises(SignatureError, match="can't be used"):
        evidence.read_keys(tmp_path / "public")


def test_without_a_key_nothing_is_signed(tmp_path: Path) -> None:
    with pytest.raises(MissingKeyError, match="No signing key is configured"):
        evidence.load_signer(settings())
    with pytest.raises(MissingKeyError, match="can't be read"):
        evidence.load_signer(settings(tmp_path / "none.pem"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())],
)  # fmt: skip
def test_a_file_that_is_no_ed25519_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(MissingKeyError, match="no .*key; make one"):
        evidence.load_signer(settings(path))


def test_a_key_that_others_can_read_is_refused(key: Path) -> None:
    key.chmod(0o640)
    with pytest.raises(MissingKeyError, match="other users"):
        evidence.FileSigner(key)


def test_a_key_is_never_overwritten(key: Path) -> None:
    before = key.read_bytes()
    with pytest.raises(MissingKeyError, match="there already"):
        evidence.new_key(key, key.parent / "public")
    assert key.read_bytes() == before


def test_rotation_ends_the_old_key_and_keeps_what_it_signed(key: Path, tmp_path: Path) -> None:
    old = evidence.load_signer(settings(key))
    data = dsse.sign(b"x", "application/test", old).to_json()
    new = tmp_path / "lab-2.pem"
    evidence.new_key(new, tmp_path / "public")
    keys = evidence.read_keys(tmp_path / "public")
    assert dsse.verify(data, keys) == b"x"
    assert evidence.load_signer(settings(new)).keyid != old.keyid
    ended = keys[old.keyid]
    assert ended.until is not None
    assert ended.signs_at(ended.since)
    assert not ended.signs_at(ended.until + timedelta(seconds=1))
    with pytest.raises(MissingKeyError, match="not in use now"):
        evidence.load_signer(settings(key))


def test_a_clock_behind_the_key_is_tried_again(key: Path, tmp_path: Path) -> None:
    """A clock that jumps back must not fail recordings for good: the next try may find it right."""
    ahead = tmp_path / "ahead"
    evidence.register_key(ahead, evidence.FileSigner(key), at=datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(ClockError, match="the clock here says") as caught:
        evidence.load_signer(settings(key, keys_dir=ahead))
    assert caught.value.retryable
    evidence.register_key(tmp_path / "now", evidence.FileSigner(key))
    assert evidence.load_signer(settings(key, keys_dir=tmp_path / "now"))


def test_an_unregistered_key_does_not_sign(key: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingKeyError, match="is not registered"):
        evidence.load_signer(settings(key, keys_dir=tmp_path / "elsewhere"))
    evidence.register_key(tmp_path / "elsewhere", evidence.FileSigner(key))
    assert not evidence.load_signer(settings(key, keys_dir=tmp_path / "elsewhere")).demo


def test_a_demo_key_says_so_and_can_not_pass_for_another(tmp_path: Path) -> None:
    path = tmp_path / "demo.pem"
    made = evidence.new_key(path, tmp_path / "public", demo=True)
    assert made.demo
    assert evidence.load_signer(settings(path)).demo
    copy = tmp_path / "copy.pem"
    copy.write_bytes(path.read_bytes().removeprefix(evidence.DEMO_MARK + b"\n"))
    copy.chmod(0o600)
    with pytest.raises(MissingKeyError, match="disagree about being a demo key"):
        evidence.load_signer(settings(copy))


class Token:
    """As a PKCS#11 token would be: the key never leaves it."""

    def __init__(self, uri: str) -> None:
        assert uri == "pkcs11:token=lab"
        self._key = Ed25519PrivateKey.from_private_bytes(b"7" * 32)
        public = self._key.public_key()
        self.demo = False
        self.public_pem = public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.keyid = evidence.key_id(public)

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)


def test_a_labs_own_signer_is_used(tmp_path: Path) -> None:
    evidence.register_key(tmp_path, Token("pkcs11:token=lab"), at=datetime(2026, 1, 1, tzinfo=UTC))
    configured = settings("pkcs11:token=lab", signer=f"{__name__}:Token", keys_dir=tmp_path)
    envelope = dsse.sign(b"x", "application/test", evidence.load_signer(configured))
    assert dsse.verify(envelope, evidence.read_keys(tmp_path)) == b"x"
    assert base64.b64encode(envelope.signatures[0].sig)
    with pytest.raises(MissingKeyError, match="can't be imported"):
        evidence.load_signer(settings("x", signer="no.such:thing", keys_dir=tmp_path))
    with pytest.raises(MissingKeyError, match="makes no signer"):
        evidence.load_signer(settings("x", signer="builtins:len", keys_dir=tmp_path))


def test_neither_repr_nor_log_shows_a_key(key: Path) -> None:
    signer = evidence.FileSigner(key)
    secret = "".join(key.read_text().split("\n")[1:-2])
    assert secret
    assert secret not in repr(signer)
    assert secret not in repr(vars(signer))
