"""What the retriever asks of a vector store: nodes with similarities per modality, and vectors to calibrate by."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from llama_index.core.schema import BaseNode
from llama_index.core.storage.docstore import BaseDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryResult,
)
from llama_index.embeddings.senseweave import SenseweaveEmbedding

from senseweave.media import MODALITIES, Modality, Text
from senseweave.retrieval import Statistics, background
from senseweave.retrieval.probes import PROBES

Scored = tuple[BaseNode, float]
"""A node and its cosine similarity to the query."""

SAMPLE = 512
"""Most vectors of one modality that statistics are estimated from."""
REFIT_GROWTH = 2.0
"""Statistics are estimated again once a store has grown or shrunk by this factor."""


@dataclass(frozen=True)
class _Cell:
    """What a store was found to hold of one modality when it had `count` vectors in all."""

    count: int
    size: int
    statistics: Statistics | None = None


class StoreView:
    """One vector store with the model of its vectors, as the retriever sees it; see `view_of`."""

    def __init__(
        self, store: BasePydanticVectorStore, embed_model: SenseweaveEmbedding, docstore: BaseDocumentStore | None
    ) -> None:
        """Look at `store`, whose nodes are in `docstore` where it does not hold them itself."""
        self.store = store
        self.embed_model = embed_model
        self.docstore = docstore
        self._known: dict[tuple[Modality, Modality], _Cell] = {}
        self._probes: np.ndarray | None = None

    def find(self, vector: list[float], k: int, modality: Modality, filters: MetadataFilters | None) -> list[Scored]:
        """Return the nodes of one modality nearest to a unit vector, best first.

        Args:
            vector: The query's vector in the store's space.
            k: How many.
            modality: Of the nodes.
            filters: Further conditions on metadata.
        """
        return self._scored(self.store.query(_query(vector, k, modality, filters)))

    async def afind(
        self, vector: list[float], k: int, modality: Modality, filters: MetadataFilters | None
    ) -> list[Scored]:
        """Like `find`, off the event loop: stores without async methods of their own are asked in a thread."""
        if type(self.store).aquery is BasePydanticVectorStore.aquery:
            return await asyncio.to_thread(self.find, vector, k, modality, filters)
        result = await self.store.aquery(_query(vector, k, modality, filters))
        return await asyncio.to_thread(self._scored, result)

    def statistics(self, modality: Modality, query_modality: Modality) -> Statistics | None:
        """Return what is known of queries of one modality against nodes of another, or None.

        Estimated from general phrases (for media, from the store's own) against a sample of the store's vectors, and
        kept until the store has doubled or halved.
        """
        known = self._looked_at(modality, query_modality)
        return known.statistics if known is not None else None

    def is_empty(self, modality: Modality) -> bool:
        """Whether the store is known to hold nothing of a modality, as far as `statistics` was asked."""
        return any(known.size == 0 for (asked, _), known in self._known.items() if asked == modality)

    def _looked_at(self, modality: Modality, query_modality: Modality) -> _Cell | None:
        count = self._count()
        if count is None:
            return None
        known = self._known.get((modality, query_modality))
        if known is None or _outgrown(known, count):
            known = self._known[modality, query_modality] = self._estimate(modality, query_modality, count)
        return known

    def _estimate(self, modality: Modality, query_modality: Modality, count: int) -> _Cell:
        documents, size = self._sample(modality)
        if not len(documents):
            return _Cell(count, 0)
        if query_modality != "text":
            queries, _ = self._sample(query_modality)
        else:
            if self._probes is None:
                self._probes = self.embed_model.space.encode([Text(phrase) for phrase in PROBES], role="query").vectors
            queries = self._probes
        if not len(queries):
            return _Cell(count, size)
        origin = "probes" if query_modality == "text" else "documents"
        return _Cell(count, size, background(queries, documents, size=size, origin=origin))

    def _count(self) -> int | None:
        """How many vectors the store holds, or None where it cannot say and so cannot be calibrated."""
        return None

    def _sample(self, modality: Modality) -> tuple[np.ndarray, int]:
        """Return vectors of one modality, shape (n, dimension), and how many there are."""
        raise NotImplementedError

    def _similarity(self) -> Callable[[float], float]:
        """Return what makes a cosine similarity of the number that the store gives."""
        return float

    def _scored(self, result: VectorStoreQueryResult) -> list[Scored]:
        similarity = self._similarity()
        return [
            (node, similarity(score))
            for node, score in zip(self._nodes(result), result.similarities or [], strict=True)
            if node is not None
        ]

    def _nodes(self, result: VectorStoreQueryResult) -> Sequence[BaseNode | None]:
        if result.nodes is not None:
            return result.nodes
        ids = result.ids or []
        if not ids:
            return []
        if self.docstore is None:
            msg = (
                f"{type(self.store).__name__} holds vectors without their nodes: give the retriever the docstore, "
                "or the index with SenseweaveRetriever.from_defaults(index)"
            )
            raise ValueError(msg)
        nodes = {node.node_id: node for node in self.docstore.get_nodes(ids, raise_error=False)}
        return [nodes.get(identifier) for identifier in ids]


class ChromaView(StoreView):
    """A view of LlamaIndex's `ChromaVectorStore`, which gives exp(-distance) in place of similarities."""

    def _count(self) -> int:
        return int(self.store.client.count())

    def _sample(self, modality: Modality) -> tuple[np.ndarray, int]:
        collection = self.store.client
        others = [other for other in MODALITIES if other != "text"]
        where = {"modality": modality} if modality != "text" else {"modality": {"$nin": others}}
        ids = collection.get(where=where, include=[])["ids"]
        chosen = _spread(ids)
        if not chosen:
            return np.zeros((0, 1), np.float32), 0
        return np.asarray(collection.get(ids=chosen, include=["embeddings"])["embeddings"], np.float32), len(ids)

    def _similarity(self) -> Callable[[float], float]:
        configuration = self.store.client.configuration
        settings = configuration.get("hnsw") or configuration.get("spann") or {}
        if settings.get("space", "l2") == "l2":
            return lambda score: 1.0 + math.log(score) / 2.0  # Chroma's l2 is squared: |a - b|^2 = 2 - 2 cos
        return lambda score: 1.0 + math.log(score)


class SimpleView(StoreView):
    """A view of LlamaIndex's `SimpleVectorStore`, which gives cosine similarities."""

    store: SimpleVectorStore

    def _count(self) -> int:
        return len(self.store.data.embedding_dict)

    def _sample(self, modality: Modality) -> tuple[np.ndarray, int]:
        data = self.store.data
        ids = [
            one for one in data.embedding_dict if data.metadata_dict.get(one, {}).get("modality", "text") == modality
        ]
        chosen = _spread(ids)
        if not chosen:
            return np.zeros((0, 1), np.float32), 0
        return np.asarray([data.embedding_dict[one] for one in chosen], np.float32), len(ids)


def view_of(
    store: BasePydanticVectorStore, embed_model: SenseweaveEmbedding, docstore: BaseDocumentStore | None = None
) -> StoreView:
    """Return the view that fits a store. Stores that it does not know are taken to give cosine similarities."""
    views: dict[str, type[StoreView]] = {"ChromaVectorStore": ChromaView, "SimpleVectorStore": SimpleView}
    names = [base.__name__ for base in type(store).__mro__]
    view = next((views[name] for name in names if name in views), StoreView)
    return view(store, embed_model, docstore)


def kept(modalities: Collection[Modality] | None) -> tuple[Modality, ...]:
    """Return the modalities to ask for, in their usual order.

    Raises:
        ValueError: If one does not exist.
    """
    if modalities is None:
        return MODALITIES
    chosen = [modalities] if isinstance(modalities, str) else modalities
    unknown = [one for one in chosen if one not in MODALITIES]
    if unknown or not chosen:
        msg = f"unknown modality {', '.join(map(repr, unknown))}" if unknown else "no modalities"
        msg = f"{msg}; there are {', '.join(MODALITIES)}"
        raise ValueError(msg)
    return tuple(one for one in MODALITIES if one in chosen)


def _outgrown(known: _Cell, count: int) -> bool:
    if known.statistics is None:
        return count != known.count  # what was missing may have come
    return not known.count / REFIT_GROWTH < count < known.count * REFIT_GROWTH


def _query(vector: list[float], k: int, modality: Modality, filters: MetadataFilters | None) -> VectorStoreQuery:
    return VectorStoreQuery(query_embedding=vector, similarity_top_k=k, filters=_both(_filter(modality), filters))


def _filter(modality: Modality) -> MetadataFilter:
    if modality != "text":
        return MetadataFilter(key="modality", value=modality)
    # Nodes that stock readers made name no modality, and are text.
    media: list[str] = [other for other in MODALITIES if other != "text"]
    return MetadataFilter(key="modality", value=media, operator=FilterOperator.NIN)


def _both(first: MetadataFilter, filters: MetadataFilters | None) -> MetadataFilters:
    """Join conditions, without nesting where it can be helped, since not every store takes nested ones."""
    if filters is None or not filters.filters:
        return MetadataFilters(filters=[first])
    if filters.condition in (None, FilterCondition.AND) or (
        len(filters.filters) == 1 and filters.condition is FilterCondition.OR
    ):
        return MetadataFilters(filters=[first, *filters.filters])
    return MetadataFilters(filters=[first, filters])


def _spread(ids: Sequence[str]) -> list[str]:
    """At most `SAMPLE` of some ids, from evenly spaced places."""
    return [ids[int(at)] for at in np.linspace(0, len(ids) - 1, min(len(ids), SAMPLE))] if ids else []
