"""Multipart uploads that were begun and never finished: their parts take room and show in no listing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from include.storage.store import _s3

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.storage.store import Store

__all__ = ["Upload", "abort_upload", "unfinished_uploads"]


@dataclass(frozen=True)
class Upload:
    """One unfinished upload."""

    key: str
    upload_id: str
    begun: datetime


def unfinished_uploads(store: Store) -> Iterator[Upload]:
    """All of a bucket's unfinished multipart uploads.

    Raises:
        StorageError: S3 can't be reached.
    """
    with _s3("listing unfinished uploads"):
        for page in store.client.get_paginator("list_multipart_uploads").paginate(Bucket=store.bucket):
            for one in page.get("Uploads", []):
                yield Upload(one["Key"], one["UploadId"], one["Initiated"])


def abort_upload(store: Store, upload: Upload) -> None:
    """Give an upload's parts up; no error when it was finished or given up meanwhile.

    Raises:
        StorageError: S3 can't be reached.
    """
    with _s3(f"giving up the upload of {upload.key}"):
        try:
            store.client.abort_multipart_upload(Bucket=store.bucket, Key=upload.key, UploadId=upload.upload_id)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "NoSuchUpload":
                raise
