"""Storage against the real S3 server."""

import hashlib
import uuid
from pathlib import Path

import pytest

from include.errors import DigestMismatchError, MissingObjectError, StorageError
from include.storage import Store, open_store

pytestmark = pytest.mark.integration


@pytest.fixture
def prefix() -> str:
    return f"tests/{uuid.uuid4().hex}/"


def test_a_copy_is_verified(store: Store, prefix: str) -> None:
    ref = store.write(prefix + "a", b"bytes of a recording")
    assert ref.sha256 == hashlib.sha256(b"bytes of a recording").hexdigest()
    assert store.copy(prefix + "a", prefix + "b") == ref.sha256
    assert store.read(prefix + "b", sha256=ref.sha256) == b"bytes of a recording"
    with pytest.raises(MissingObjectError):
        store.copy(prefix + "not there", prefix + "c")


def test_several_are_deleted_at_once(store: Store, prefix: str) -> None:
    for name in ("a", "b", "통화 <1> & '2'.m4a"):
        store.write(prefix + name, b"x")
    store.delete_all([prefix + "a", prefix + "통화 <1> & '2'.m4a", prefix + "was never there"])
    assert [item.key for item in store.list(prefix)] == [prefix + "b"]


def test_a_wrong_digest_keeps_the_source_and_removes_the_copy(store: Store, prefix: str) -> None:
    store.write(prefix + "a", b"tampered")
    with pytest.raises(DigestMismatchError):
        store.copy(prefix + "a", prefix + "b", sha256="0" * 64)
    assert store.exists(prefix + "a")
    assert not store.exists(prefix + "b")
    with pytest.raises(DigestMismatchError, match="was changed"):
        store.read(prefix + "a", sha256="0" * 64)


@pytest.mark.parametrize("name", ["통화 녹음 홍길동.m4a", 'it\'s "quoted" & <b>+%20.m4a', "가" * 60])
def test_names_of_every_kind(store: Store, prefix: str, name: str) -> None:
    store.write(prefix + name, b"x")
    store.copy(prefix + name, prefix + "copy/" + name)
    assert {item.key for item in store.list(prefix)} == {prefix + name, prefix + "copy/" + name}


def test_an_original_can_not_vanish(store: Store) -> None:
    key = f"originals/{uuid.uuid4().hex}/call.m4a"
    store.write(key, b"as received")
    store.write(key, b"overwritten")
    store.delete(key)
    kept = store.client.list_object_versions(Bucket=store.bucket, Prefix=key)["Versions"]
    bodies = {
        store.client.get_object(Bucket=store.bucket, Key=key, VersionId=one["VersionId"])["Body"].read() for one in kept
    }
    assert bodies == {b"as received", b"overwritten"}


def test_large_objects_are_copied_in_parts(store: Store, prefix: str, tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(range(256)) * 4096 * 20)  # 20 MiB: above boto3's multipart threshold
    store.upload(path, prefix + "large")
    digest = store.copy(prefix + "large", prefix + "copy")
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert store.download(prefix + "copy", tmp_path / "back") == digest


def test_listing_is_paged(store: Store, prefix: str) -> None:
    for number in range(1100):
        store.client.put_object(Bucket=store.bucket, Key=f"{prefix}{number:05d}", Body=b"")
    assert len({item.key for item in store.list(prefix)}) == 1100
    assert list(store.prefixes(prefix)) == []


def test_a_store_that_is_away_or_refuses_is_one_sentence(
    store: Store, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MissingObjectError, match=r"^S3 has no such object while reading .*missing \(NoSuchKey\)"):
        store.read(prefix + "missing")
    monkeypatch.setenv(
        "AIRFLOW_CONN_VOICEMAN_S3",
        '{"conn_type":"aws","login":"a","password":"bbbbbbbb","extra":{"endpoint_url":"http://127.0.0.1:9",'
        '"region_name":"us-east-1","config_kwargs":{"retries":{"total_max_attempts":1}}}}',
    )
    with pytest.raises(StorageError, match=r"^S3 could not be reached while looking for x \(EndpointConnectionError\)"):
        open_store().exists("x")
    monkeypatch.delenv("AIRFLOW_CONN_VOICEMAN_S3")
    with pytest.raises(StorageError, match="set AIRFLOW_CONN_VOICEMAN_S3"):
        open_store()
