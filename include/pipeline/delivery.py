"""``manifest.json`` of a drop: the files that its sender says belong to it, with their digests.

``{"files": [{"name": "call.m4a", "sha256": "…", "language": "ko"}]}``; ``language`` may be left out. Other fields are
ignored, so that a sender's own list can be used when it has these.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, FailFast, Field, StringConstraints, ValidationError

from include.errors import DeliveryError, MissingObjectError
from include.storage import layout

if TYPE_CHECKING:
    from include.storage import Listed, Store

__all__ = ["MAX_BYTES", "DeliveredFile", "Delivery", "parse_delivery", "read_delivery"]

MAX_BYTES = 4 << 20
"""Largest manifest.json that is read: about 30,000 files."""

_NAME = "manifest.json"


class DeliveredFile(BaseModel):
    """One file of the list."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    name: Annotated[str, Field(min_length=1, max_length=1024)]
    """As it lies under the drop's prefix."""
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$", to_lower=True)]
    """Of its bytes, hex, lower case."""
    language: Literal["auto", "ko", "en"] | None = None
    """Spoken language; None: the job's."""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    # fail fast: millions of wrong elements would give millions of errors, in the triggerer
    files: Annotated[tuple[DeliveredFile, ...], Field(min_length=1), FailFast()]


class Delivery:
    """What a drop's manifest.json lists."""

    def __init__(self, files: tuple[DeliveredFile, ...]) -> None:
        self.files: dict[str, DeliveredFile] = {file.name: file for file in files}


def parse_delivery(data: bytes, told: str) -> Delivery:
    """Read a manifest.json's bytes.

    Args:
        data: the document.
        told: how messages name it.

    Raises:
        DeliveryError: it is not such a list, or names a file twice.
    """
    try:
        files = _Document.model_validate_json(data).files
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise DeliveryError(
            f"{told} is not a list of files ({where}: {first['msg']}); correct it or remove it."
        ) from error
    delivery = Delivery(files)
    if len(delivery.files) < len(files):
        twice = Counter(file.name for file in files).most_common(1)[0][0]
        raise DeliveryError(f"{told} lists {twice!r} twice; correct it or remove it.")
    return delivery


def read_delivery(store: Store, prefix: str) -> Delivery | None:
    """The manifest.json of a drop; None when there is none.

    Args:
        store: the bucket.
        prefix: a job id, or the drop's prefix (``incoming/…``); what follows its last slash is not part of names.

    Raises:
        DeliveryError: it is too large, not such a list, or names a file twice.
        StorageError: S3 can't be reached.
    """
    folder = prefix[: prefix.rindex("/") + 1] if "/" in prefix else layout.incoming_prefix(prefix)
    item = _find(store, folder + _NAME)
    if item is None:
        return None
    if item.size > MAX_BYTES:
        raise DeliveryError(f"{store.uri(item.key)} is larger than {MAX_BYTES >> 20} MiB; split the job.")
    try:
        return parse_delivery(store.read(item.key), store.uri(item.key))
    except MissingObjectError:  # it was claimed or removed just now
        return None


def _find(store: Store, key: str) -> Listed | None:
    return next((item for item in store.list(key) if item.key == key), None)
