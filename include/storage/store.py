"""S3, with digests: every byte that is read or written passes through SHA-256.

``PutObject``, ``CopyObject`` and a completed multipart upload are atomic in S3: a reader sees the whole
object or none. A copy is read back and compared before its source may be deleted.
"""

from __future__ import annotations

import hashlib
import logging
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from include.errors import DigestMismatchError, MissingObjectError, StorageError
from include.manifest import ArtefactRef
from include.settings import get_settings
from include.storage.client import open_client
from include.storage.listing import list_cheaply

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CopySourceTypeDef, ObjectIdentifierTypeDef

__all__ = ["Listed", "Store", "open_store"]

log = logging.getLogger(__name__)

_BLOCK = 1 << 20
_MISSING = {"404", "NoSuchKey", "NotFound"}
_TOO_LARGE = {"InvalidRequest", "EntityTooLarge"}  # what CopyObject says above 5 GiB


@dataclass(frozen=True)
class Listed:
    """One listed object."""

    key: str
    size: int
    modified: datetime
    etag: str


@contextmanager
def _s3(doing: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        if code in _MISSING:
            raise MissingObjectError(f"S3 has no such object while {doing} ({code}); see the job's summary.") from error
        raise StorageError(
            f"S3 refused {doing} ({code}); check the connection and the bucket's permissions."
        ) from error
    except (BotoCoreError, Boto3Error) as error:
        raise StorageError(
            f"S3 could not be reached while {doing} ({type(error).__name__}); check the store."
        ) from error


class Store:
    """One bucket."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self.client = client
        self.bucket = bucket
        list_cheaply(client)

    def uri(self, key: str) -> str:
        """``s3://bucket/key``."""
        return f"s3://{self.bucket}/{key}"

    def key(self, uri: str) -> str:
        """The key of one of this bucket's URIs.

        Raises:
            StorageError: the URI names another place.
        """
        prefix = f"s3://{self.bucket}/"
        if not uri.startswith(prefix):
            raise StorageError(f"{uri} does not lie in the bucket {self.bucket}; check VOICEMAN_BUCKET.")
        return uri.removeprefix(prefix)

    def list(self, prefix: str) -> Iterator[Listed]:
        """Objects under a prefix, page by page: memory does not grow with their number.

        In the store's order, which is not always that of the keys (SeaweedFS with versioning).
        """
        with _s3(f"listing {prefix}"):
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                for item in page.get("Contents", []):
                    if item["Size"] or not item["Key"].endswith("/"):  # folders that some tools make
                        yield Listed(item["Key"], item["Size"], item["LastModified"], item["ETag"].strip('"'))

    def prefixes(self, prefix: str) -> Iterator[str]:
        """The "folders" directly under a prefix."""
        with _s3(f"listing {prefix}"):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=prefix, Delimiter="/"
            )
            for page in pages:
                yield from (item["Prefix"] for item in page.get("CommonPrefixes", []))

    def exists(self, key: str) -> bool:
        """True when the object is there."""
        return self.etag(key) is not None

    def etag(self, key: str) -> str | None:
        """The object's ETag: another one means other bytes; None when it isn't there."""
        try:
            with _s3(f"looking for {key}"):
                return self.client.head_object(Bucket=self.bucket, Key=key)["ETag"].strip('"')
        except MissingObjectError:
            return None

    def sha256(self, key: str) -> str:
        """SHA-256 of an object, hex, streamed."""
        digest = hashlib.sha256()
        for block in self._blocks(key):
            digest.update(block)
        return digest.hexdigest()

    def _blocks(self, key: str) -> Iterator[bytes]:
        with _s3(f"reading {key}"):
            body = self.client.get_object(Bucket=self.bucket, Key=key)["Body"]
            while block := body.read(_BLOCK):
                yield block

    def read_written(self, key: str) -> bytes:
        """A whole (small) object that :meth:`write` wrote, checked against the digest written with it.

        Raises:
            DigestMismatchError: it is not what was written.
        """
        with _s3(f"looking for {key}"):
            written = self.client.head_object(Bucket=self.bucket, Key=key)["Metadata"].get("sha256", "")
        return self.read(key, sha256=written)

    def read(self, key: str, *, sha256: str | None = None) -> bytes:
        """A whole (small) object.

        Raises:
            DigestMismatchError: it is not the object that ``sha256`` names.
        """
        data = b"".join(self._blocks(key))
        if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
            raise DigestMismatchError(f"{self.uri(key)} is not the object with SHA-256 {sha256}; it was changed.")
        return data

    def download(self, key: str, path: Path) -> str:
        """Write an object to a file; returns its SHA-256, computed on the way."""
        digest = hashlib.sha256()
        with path.open("wb") as file:
            for block in self._blocks(key):
                digest.update(block)
                file.write(block)
        return digest.hexdigest()

    def write(self, key: str, data: bytes, *, content_type: str = "application/json") -> ArtefactRef:
        """Write an object and read it back.

        Raises:
            DigestMismatchError: what was read back differs; it stays, for it may be what another process wrote.
        """
        ref = self.put(key, data, content_type=content_type)
        if self.sha256(key) != ref.sha256:
            raise DigestMismatchError(
                f"{self.uri(key)} did not read back as written (SHA-256 {ref.sha256}); see its owner."
            )
        return ref

    def put(self, key: str, data: bytes, *, content_type: str = "application/json") -> ArtefactRef:
        """Write an object without reading it back: for what is copied with its digest before anybody relies on it."""
        digest = hashlib.sha256(data).hexdigest()
        with _s3(f"writing {key}"):
            self.client.put_object(
                Bucket=self.bucket, Key=key, Body=data, ContentType=content_type, Metadata={"sha256": digest}
            )
        return ArtefactRef(uri=self.uri(key), sha256=digest)

    def upload(self, path: Path, key: str) -> str:
        """Upload a file (multipart when it is large) and read it back; returns its SHA-256.

        Raises:
            DigestMismatchError: what was read back differs; the object was removed.
        """
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        with _s3(f"writing {key}"):
            self.client.upload_file(str(path), self.bucket, key)
        self._verify(key, digest)
        return digest

    def _verify(self, key: str, digest: str) -> None:
        if self.sha256(key) != digest:
            self.delete(key)
            raise DigestMismatchError(
                f"{self.uri(key)} did not read back as written (SHA-256 {digest}); it was removed."
            )

    def copy(self, source: str, target: str, *, sha256: str | None = None) -> str:
        """Copy inside the store and verify.

        Args:
            source: key.
            target: key.
            sha256: the digest that the source must have; read from the source when None. When it is given, the
                copy alone is read back: it has this digest only if the source had it.

        Returns:
            The digest of both.

        Raises:
            DigestMismatchError: source or copy is not what it should be; the wrong copy was removed.
        """
        digest = sha256 or self.sha256(source)
        with _s3(f"copying {source} to {target}"):
            self._copy(source, target)
        self._verify(target, digest)
        return digest

    def _copy(self, source: str, target: str) -> None:
        place: CopySourceTypeDef = {"Bucket": self.bucket, "Key": source}
        try:
            # one request; boto3's managed copy asks for the size first and costs three times the CPU
            self.client.copy_object(Bucket=self.bucket, Key=target, CopySource=place)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in _TOO_LARGE:
                raise
            self.client.copy(place, self.bucket, target)  # in parts

    def delete_all(self, keys: Sequence[str]) -> None:
        """Delete up to 1,000 objects with one request; no error for those that aren't there."""
        with _s3(f"deleting {len(keys)} objects"):
            wanted: list[ObjectIdentifierTypeDef] = [{"Key": key} for key in keys]
            answer = self.client.delete_objects(Bucket=self.bucket, Delete={"Objects": wanted, "Quiet": True})
        if errors := answer.get("Errors"):
            raise StorageError(
                f"S3 refused to delete {errors[0].get('Key')} ({errors[0].get('Code')}); check its permissions."
            )

    def delete(self, key: str) -> None:
        """Delete an object; no error when it isn't there."""
        with _s3(f"deleting {key}"):
            self.client.delete_object(Bucket=self.bucket, Key=key)


def open_store() -> Store:
    """The configured bucket, through the Airflow connection.

    Raises:
        StorageError: the connection is not defined.
    """
    settings = get_settings()
    return Store(open_client(settings.s3_conn_id), settings.bucket)
