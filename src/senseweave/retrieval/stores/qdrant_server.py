"""A Qdrant server by its address."""

from __future__ import annotations

import os
from urllib.parse import SplitResult

from senseweave.errors import StoreError
from senseweave.retrieval.stores.addresses import QDRANT_KEY, plain_address
from senseweave.retrieval.stores.qdrant import QdrantStore


def open_server(parts: SplitResult) -> QdrantStore:
    """Open the store of a server whose key is in the environment.

    Args:
        parts: Of the address `qdrant+http://HOST:6333` or `qdrant+https://HOST:6333`.

    Raises:
        StoreError: If it holds more than a host, a port and a path.
    """
    try:
        return QdrantStore(
            plain_address(parts, parts.scheme.partition("+")[2]), api_key=os.environ.get(QDRANT_KEY) or None
        )
    except ValueError as error:
        raise StoreError(str(error)) from None
