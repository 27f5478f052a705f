"""S3: the layout, listing, verified copies and moves, artefacts."""

from include.storage import layout
from include.storage.store import Listed, Store, open_store

__all__ = ["Listed", "Store", "layout", "open_store"]
