"""Records as points of Qdrant, and back.

A point's payload is `{"id": ..., "page_content": text, "metadata": {...}}`, which LangChain's `QdrantVectorStore` reads
as well. Its own id is a UUID made from the record's id, since Qdrant takes no other strings.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

import numpy as np

from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.stores.base import StoredRecord

IDS: Final = uuid.UUID("6b9c0a52-3f0e-5b67-9d53-0d8f5b2c8a11")
"""The namespace of the UUIDs (RFC 9562, version 5)."""
DEFAULT_INDEXES: Final = {"sha256": "keyword", "source": "keyword", "modality": "keyword"}
"""Metadata that an index itself filters by whenever it adds."""
MOST_RECORDS: Final = 500
MOST_BYTES: Final = 8_000_000
"""Records and bytes of one request that writes; a server takes 32 MB."""
NUMBER_BYTES: Final = 22
"""Characters that a float32 takes in JSON once it is a Python float, with its comma."""
_ESCAPED: Final = str.maketrans({"%": "%25", '"': "%22", "\\": "%5C"})


def point_id(identifier: str) -> str:
    """Return the id of the point of a record."""
    return str(uuid.uuid5(IDS, identifier))


def stored_name(name: str) -> str:
    """Return a metadata name without what Qdrant cannot quote."""
    return name.translate(_ESCAPED)


def field_path(name: str) -> str:
    """Return the path to a metadata value in a payload; quoted, since names may hold dots and brackets."""
    return f'metadata."{stored_name(name)}"'


def write_point(record: Record) -> Any:
    """Return a record as a point."""
    from qdrant_client import models

    metadata = {stored_name(name): value for name, value in record.metadata.items() if value is not None}
    payload: dict[str, Any] = {"id": record.id, "metadata": metadata}
    if record.text is not None:
        payload["page_content"] = record.text
    vector = np.asarray(record.vector, np.float32).tolist()
    return models.PointStruct(id=point_id(record.id), vector=vector, payload=payload)


def read_point(point: Any, similarity: float = 0.0, *, with_vector: bool = True) -> StoredRecord:
    """Return a point as a record, with its dense vector if it has one that is wanted.

    A point that another program wrote has its own id.
    """
    payload = point.payload or {}
    metadata = payload.get("metadata")
    return StoredRecord(
        id=str(payload.get("id", point.id)),
        metadata=_names(metadata) if isinstance(metadata, Mapping) else {},
        text=payload.get("page_content"),
        similarity=float(similarity),
        vector=np.asarray(point.vector, np.float32) if with_vector and point.vector is not None else None,
    )


def parts_by_size(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """Split records for requests that a server takes."""
    start, size = 0, 0
    for at, record in enumerate(records):
        weight = _weight(record)
        if at > start and (size + weight > MOST_BYTES or at - start == MOST_RECORDS):
            yield records[start:at]
            start, size = at, 0
        size += weight
    if records:
        yield records[start:]


def change_operations(identifier: str, change: Mapping[str, Any], *, by_filter: bool) -> list[Any]:
    """Return what changes the metadata of one record.

    Args:
        identifier: Id of the record.
        change: The changes by name.
        by_filter: Whether the record is found by a filter, which passes over one that was removed meanwhile; local mode
            would compare every record.
    """
    from qdrant_client import models

    point = point_id(identifier)
    chosen: dict[str, Any] = {"points": [point]}
    if by_filter:
        chosen = {"filter": models.Filter(must=[models.HasIdCondition(has_id=[point])])}
    values = {stored_name(name): value for name, value in change.items() if value is not None}
    gone = [field_path(name) for name, value in change.items() if value is None]
    operations: list[Any] = []
    if values:
        payload = models.SetPayload(payload=values, key="metadata", **chosen)
        operations.append(models.SetPayloadOperation(set_payload=payload))
    if gone:
        operations.append(models.DeletePayloadOperation(delete_payload=models.DeletePayload(keys=gone, **chosen)))
    return operations


def _weight(record: Record) -> int:
    """Return about how many bytes a record takes in a request, at most."""
    texts = [
        record.text or "",
        *record.metadata,
        *(value for value in record.metadata.values() if isinstance(value, str)),
    ]
    return NUMBER_BYTES * (np.size(record.vector) + 2 * len(record.metadata)) + 4 * sum(map(len, texts)) + 200


def _names(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {unquote(name) if "%" in name else name: value for name, value in metadata.items()}
