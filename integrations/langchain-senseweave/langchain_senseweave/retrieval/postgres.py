"""The vector stores of langchain-postgres as the ranking engine asks them: pgvector on a PostgreSQL server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from langchain_core.documents import Document

from langchain_senseweave.retrieval.other_stores import Scored, VectorView, as_matrix
from langchain_senseweave.retrieval.sources import CalibratedView, stretch
from senseweave.interop import NOT_TEXT, Candidate, Modality, Sample, Statistics, StoreCall

_SAMPLED = 512
"""How many vectors of a modality statistics are estimated from, at most."""


class PostgresView(VectorView):
    """A view of `PGVectorStore`, whose filters are dicts with operators such as `$in`."""

    store: Any

    @property
    def distance(self) -> str:
        """The name of the store's distance."""
        return str(self.store._PGVectorStore__vs.distance_strategy.name)

    def ask(self, vector: list[float], k: int, filters: Sequence[Any], modality: Modality | None) -> Scored:
        """Return the `k` documents of a modality that are nearest to a vector."""
        condition = self.condition(filters, modality)
        scored: Scored = self.store.similarity_search_with_score_by_vector(vector, k=k, filter=condition)
        return scored

    def similarities(self, scored: Scored) -> list[tuple[Document, float]]:
        """Return distances of unit vectors as their cosine, and products, which pgvector may negate, as they are."""
        if self.distance.startswith("COSINE"):
            return [(document, 1.0 - score) for document, score in scored]
        if self.distance == "EUCLIDEAN":
            return [(document, 1.0 - score**2 / 2.0) for document, score in scored]
        sign = -1.0 if self.distance.startswith("MAX") else 1.0
        return [(document, sign * score) for document, score in scored]

    def vectors(self, found: Sequence[Candidate]) -> Sequence[np.ndarray]:
        """Return the stored vectors of what was found."""
        ids = [candidate.id for candidate in found]
        stored = self.store.get(ids=ids, include=["embeddings"])
        vectors = dict(zip(stored["ids"], stored["embeddings"], strict=True))
        return [np.asarray(_numbers(vectors[identifier]), np.float32) for identifier in ids]

    def condition(self, filters: Sequence[Any], modality: Modality | None) -> dict[str, Any] | None:
        """Return a filter that holds where all do; what names no other modality is text."""
        conditions = list(filters)
        if modality == "text":
            conditions.append(
                {"$or": [{"modality": {"$exists": False}}, {"modality": {"$nin": [*map(str, NOT_TEXT)]}}]}
            )
        elif modality is not None:
            conditions.append({"modality": {"$in": [str(modality)]}})
        return {"$and": conditions} if conditions else None


class PostgresCollectionView(CalibratedView, PostgresView):
    """A view of `PGVector`, which keeps its documents in tables of SQLAlchemy."""

    @property
    def distance(self) -> str:
        """The name of the store's distance."""
        return str(self.store._distance_strategy.name)

    async def afind(self, call: StoreCall, vector: np.ndarray, k: int, modality: Modality | None) -> list[Candidate]:
        """Return the `k` best documents of a modality, off the event loop; a store in async mode has no other way."""
        if not self.store.async_mode:
            return await super().afind(call, vector, k, modality)
        scored = await self.store.asimilarity_search_with_score_by_vector(
            stretch(vector, call), k=k, filter=self.condition(call.filters, modality)
        )
        return self._candidates(self.similarities(scored), modality)

    def statistics(self, modality: Modality | None, query_modality: Modality) -> Statistics | None:
        """Return what is known of similarities; nothing of a store in async mode, which is not sampled."""
        return super().statistics(modality, query_modality) if not self.store.async_mode else None

    def is_empty(self, call: StoreCall, modality: Modality | None) -> bool:
        """Return whether there are no documents of a modality; False for a store in async mode."""
        return super().is_empty(call, modality) if not self.store.async_mode else False

    def vectors(self, found: Sequence[Candidate]) -> Sequence[np.ndarray]:
        """Return the stored vectors of what was found.

        Raises:
            ValueError: If the store is in async mode.
        """
        if self.store.async_mode:
            msg = "PGVector in async mode does not give the vectors of documents, which `diversity` compares"
            raise ValueError(msg)
        ids = [candidate.id for candidate in found]
        table = self.store.EmbeddingStore
        with self.store._make_sync_session() as session:
            rows = session.query(table.id, table.embedding).filter(table.id.in_(ids)).all()
        vectors = dict(tuple(row) for row in rows)
        return [np.asarray(vectors[identifier], np.float32) for identifier in ids]

    def count(self) -> int:
        """Return how many vectors the store holds."""
        with self.store._make_sync_session() as session:
            return int(self._rows(session, None).count())

    def sample(self, modality: Modality) -> Sample:
        """Return vectors of a modality, shape (n, dimension), and how many there are."""
        with self.store._make_sync_session() as session:
            rows = self._rows(session, modality)
            vectors = [row.embedding for row in rows.order_by(self.store.EmbeddingStore.id).limit(_SAMPLED)]
            return as_matrix(vectors), int(rows.count())

    def _rows(self, session: Any, modality: Modality | None) -> Any:
        """Return the query for the vectors of the store's collection, of any modality or of one."""
        table = self.store.EmbeddingStore
        condition = self.condition([], modality)
        rows = session.query(table.embedding).filter(table.collection_id == self.store.get_collection(session).uuid)
        return rows.filter(self.store._create_filter_clause(condition)) if condition is not None else rows


def _numbers(vector: Any) -> Any:
    """Return a vector as numbers; drivers that do not know pgvector's type give it as text."""
    return json.loads(vector) if isinstance(vector, str) else vector
