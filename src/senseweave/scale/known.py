"""What an index holds when reading begins, small enough to be sent to every process of a cluster."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np

from senseweave.retrieval.records.identity import content_key
from senseweave.retrieval.records.schema import read_metadata
from senseweave.retrieval.stores.collections import Collections

BYTES: Final = 16
"""Of a digest: two of a thousand million records are alike once in 10^20."""


class Known:
    """Digests of the ids, contents and sources of records, in one sorted array that Ray shares without copying it."""

    def __init__(self, digests: Iterable[bytes]) -> None:
        """Take digests, in any order."""
        self.digests = np.unique(np.fromiter(digests, dtype=f"S{BYTES}"))

    def has_id(self, identifier: str) -> bool:
        """Return whether there is a record of an id."""
        return self._has(digest("id", identifier))

    def has_content(self, fingerprint: str, content: tuple[Any, ...] | None) -> bool:
        """Return whether there is a record of a content, embedded by a space of a fingerprint."""
        return content is not None and self._has(digest("content", fingerprint, content))

    def has_source(self, source: str) -> bool:
        """Return whether there is a record of a source."""
        return self._has(digest("source", source))

    def _has(self, wanted: bytes) -> bool:
        at = int(np.searchsorted(self.digests, np.array(wanted, f"S{BYTES}")))
        return at < len(self.digests) and self.digests[at] == np.array(wanted, f"S{BYTES}")


def read_known(collections: Collections) -> Known:
    """Read what an index holds, a page at a time."""
    return Known(_digests(collections))


def digest(*key: object) -> bytes:
    """Return the digest of a key."""
    return hashlib.sha256(repr(key).encode("utf-8", "surrogatepass")).digest()[:BYTES]


def _digests(collections: Collections) -> Iterator[bytes]:
    for description in list(collections.descriptions.values()):
        for record in collections.get(description):
            provenance = read_metadata(record.metadata)
            yield digest("id", record.id)
            if provenance.source is not None:
                yield digest("source", provenance.source)
            if provenance.fingerprint is not None and (content := content_key(provenance, record.text)) is not None:
                yield digest("content", provenance.fingerprint, content)
