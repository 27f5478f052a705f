"""S3: the layout, listing, verified copies and moves, artefacts."""

from include.storage import layout
from include.storage.client import read_descriptions
from include.storage.store import Listed, Store, open_store
from include.storage.uploads import Upload, abort_upload, unfinished_uploads

__all__ = [
    "Listed",
    "Store",
    "Upload",
    "abort_upload",
    "layout",
    "open_store",
    "read_descriptions",
    "unfinished_uploads",
]
