"""Token vectors of records in Qdrant: collections beside those of the records, which the server compares by MaxSim."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.stores.base import StoredRecord
from senseweave.retrieval.stores.qdrant_points import parts_by_size, point_id, read_point, write_point

TOKENS: Final = "token vectors of senseweave"
"""Under `holds` in the metadata of a collection of token vectors."""
MOST_NUMBERS: Final = 1024 * 1024
"""Numbers that Qdrant takes in all vectors of one point together."""
IDS: Final = 1000
"""Records of one request."""
Ask = Callable[..., Any]


class QdrantTokens:
    """The token vectors of the records of a store, in a collection for each model beside the collection of the records.

    They are float16 and on disk, without a graph: only records whose ids are given are ever compared.
    """

    def __init__(self, ask: Ask, create: Callable[[str, dict[str, Any], Any], bool]) -> None:
        """Keep them by means of a store.

        Args:
            ask: Calls a method of the client.
            create: Creates a collection from its name, its metadata and the description of its vectors.
        """
        self._ask = ask
        self._create = create
        self._seen: set[str] = set()

    def save(self, name: str, fingerprint: str, records: Sequence[Record]) -> None:
        """Write the token vectors of records, but for records that are gone."""
        beside = _name(name, fingerprint)
        records = [record for record in records if np.size(record.vector) <= MOST_NUMBERS]
        if not records:
            return
        if not self._ask("collection_exists", collection_name=beside):
            self._create(beside, {"holds": TOKENS, "fingerprint": fingerprint}, _vectors(records[0].vector.shape[1]))
        for part in parts_by_size(records):
            self._ask("upsert", collection_name=beside, points=[write_point(record) for record in part], wait=True)
        # Who deletes a record deletes these vectors afterwards: of two clients at once, one sees what the other did.
        points = [point_id(record.id) for record in records]
        for start in range(0, len(points), IDS):
            part_ids = points[start : start + IDS]
            found = self._ask("retrieve", collection_name=name, ids=part_ids, with_payload=False, with_vectors=False)
            if gone := sorted(set(part_ids) - {str(point.id) for point in found}):
                self._ask("delete", collection_name=beside, points_selector=gone, wait=True)

    def compare(self, name: str, fingerprint: str, query: np.ndarray, ids: Sequence[str]) -> list[StoredRecord]:
        """Return those of some records that have token vectors of a model, with their MaxSim as `similarity`."""
        from qdrant_client import models

        beside = _name(name, fingerprint)
        if beside not in self._seen:
            if not self._ask("collection_exists", collection_name=beside):
                return []
            self._seen.add(beside)
        found: list[StoredRecord] = []
        for start in range(0, len(ids), IDS):
            points: list[Any] = list(map(point_id, ids[start : start + IDS]))
            request = models.QueryRequest(
                query=np.asarray(query, np.float32).tolist(),
                filter=models.Filter(must=[models.HasIdCondition(has_id=points)]),
                limit=len(points),
                with_payload=True,
            )
            (answer,) = self._ask("query_batch_points", collection_name=beside, requests=[request])
            found += [read_point(point, point.score) for point in answer.points]
        return found

    def names(self, name: str) -> list[str]:
        """Return the collections that hold token vectors of the records of a collection, whoever made them."""
        pattern = re.compile(re.escape(_name(name, "")) + "[0-9a-f]+")
        names = (found.name for found in self._ask("get_collections").collections)
        return sorted(found for found in names if pattern.fullmatch(found))

    def delete(self, name: str, ids: Sequence[str]) -> None:
        """Remove the token vectors of records, of all models."""
        points = list(map(point_id, ids))
        for beside in self.names(name) if points else ():
            for start in range(0, len(points), IDS):
                self._ask("delete", collection_name=beside, points_selector=points[start : start + IDS], wait=True)

    def forget(self, name: str) -> None:
        """Know no more that a collection is there."""
        self._seen.discard(name)


def _name(name: str, fingerprint: str) -> str:
    return f"{name}-tokens-{fingerprint}"


def _vectors(dimension: int) -> Any:
    """Return how the vectors of a collection are kept: as the model compares them, without changing their length."""
    from qdrant_client import models

    return models.VectorParams(
        size=dimension,
        distance=models.Distance.DOT,
        datatype=models.Datatype.FLOAT16,
        multivector_config=models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM),
        hnsw_config=models.HnswConfigDiff(m=0),
        on_disk=True,
    )
