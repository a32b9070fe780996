"""Vector stores of LlamaIndex as sources of a ranking: nodes of a modality by vector, and what is known of them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from llama_index.core.schema import BaseNode, MetadataMode
from llama_index.core.storage.docstore import BaseDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryResult,
)
from llama_index.embeddings.senseweave import SenseweaveEmbedding
from llama_index.embeddings.senseweave.items.nodes import read_fingerprint
from llama_index.retrievers.senseweave.retrieval.filters import store_filters

from senseweave.interop import (
    MODALITIES,
    PROBES,
    Candidate,
    FingerprintError,
    Modality,
    RankingSource,
    Sample,
    Statistics,
    StoreStatistics,
    Text,
    chroma_sample,
    evenly_spaced,
    read_metadata,
)


class StoreView:
    """A vector store with the model of its vectors. A store of a class that is not known gives cosine similarities."""

    estimates: StoreStatistics[Modality] | None = None
    """What similarities mean in the store, by modality; None where it does not give out its vectors."""

    def __init__(
        self, store: BasePydanticVectorStore, embed_model: SenseweaveEmbedding, docstore: BaseDocumentStore | None
    ) -> None:
        """View `store`, whose nodes are in `docstore` if it does not hold them itself."""
        self.store = store
        self.embed_model = embed_model
        self.docstore = docstore

    def find(self, query: VectorStoreQuery, with_vectors: bool) -> list[Candidate]:
        """Return the nodes that answer a query of the store, nearest first."""
        return self.candidates(self.store.query(query), with_vectors)

    def candidates(self, result: VectorStoreQueryResult, with_vectors: bool) -> list[Candidate]:
        """Return a store's answer as candidates.

        Raises:
            FingerprintError: If a node says that it was embedded in another space; it names both fingerprints.
        """
        pairs = zip(self._nodes(result), result.similarities or [], strict=True)
        found = [(node, self._cosine(score)) for node, score in pairs if node is not None]
        vectors = self._vectors([node for node, _ in found]) if found and with_vectors else [None] * len(found)
        for node, _ in found:
            fingerprint = read_fingerprint(node)
            if fingerprint not in (None, self.embed_model.fingerprint):
                raise FingerprintError(type(self.store).__name__, str(fingerprint), self.embed_model.fingerprint)
        return [
            Candidate(
                node.node_id, node.metadata, node.get_content(MetadataMode.NONE), cosine, vector=vector, item=node
            )
            for (node, cosine), vector in zip(found, vectors, strict=True)
        ]

    def _cosine(self, score: float) -> float:
        """Return the cosine similarity that a score of the store stands for."""
        return float(score)

    def _vectors(self, nodes: Sequence[BaseNode]) -> Sequence[np.ndarray]:
        """Return the vectors of nodes.

        Raises:
            ValueError: If the store does not give them.
        """
        if any(node.embedding is None for node in nodes):
            msg = f"diversity compares vectors, which {type(self.store).__name__} does not return; leave diversity out"
            raise ValueError(msg)
        return [np.asarray(node.embedding, np.float32) for node in nodes]

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


class CalibratedView(StoreView):
    """A view of a store that gives out its vectors, so that what similarities mean there can be estimated.

    Estimated from general phrases (for media, from the store's own) against a sample of the store's vectors, and kept
    until the store has doubled or halved.
    """

    @cached_property
    def estimates(self) -> StoreStatistics[Modality]:  # type: ignore[override]
        """What similarities mean in the store, by modality."""
        return StoreStatistics(self._sample, lambda _: self._phrases, count=self._count)

    @cached_property
    def _phrases(self) -> np.ndarray:
        return self.embed_model.space.encode([Text(phrase) for phrase in PROBES], role="query").vectors

    def _count(self) -> int:
        """Return how many vectors the store holds."""
        raise NotImplementedError

    def _sample(self, modality: Modality) -> Sample:
        """Return vectors of one modality, shape (n, dimension), and how many there are."""
        raise NotImplementedError


class ChromaView(CalibratedView):
    """A view of LlamaIndex's `ChromaVectorStore`, which gives exp(-distance) instead of similarities."""

    def _count(self) -> int:
        return int(self.store.client.count())

    def _sample(self, modality: Modality) -> Sample:
        others = [other for other in MODALITIES if other != "text"]
        where = {"modality": modality} if modality != "text" else {"modality": {"$nin": others}}
        return chroma_sample(self.store.client, where)

    def _vectors(self, nodes: Sequence[BaseNode]) -> Sequence[np.ndarray]:
        stored = self.store.client.get(ids=[node.node_id for node in nodes], include=["embeddings"])
        vectors = dict(zip(stored["ids"], stored["embeddings"], strict=True))
        return [np.asarray(vectors[node.node_id], np.float32) for node in nodes]

    def _cosine(self, score: float) -> float:
        distance = -math.log(score)
        return 1.0 - (distance / 2.0 if self._distance == "l2" else distance)  # l2 is squared: |a - b|^2 = 2 - 2 cos

    @property
    def _distance(self) -> str:
        configuration = self.store.client.configuration
        settings = configuration.get("hnsw") or configuration.get("spann") or {}
        return str(settings.get("space", "l2"))


class SimpleView(CalibratedView):
    """A view of LlamaIndex's `SimpleVectorStore`, which gives cosine similarities."""

    store: SimpleVectorStore

    def find(self, query: VectorStoreQuery, with_vectors: bool) -> list[Candidate]:
        """Return the nodes that answer a query of the store, nearest first."""
        self._check_dimensions()
        return super().find(query, with_vectors)

    def _check_dimensions(self) -> None:
        """Check that the store holds vectors of the model's dimension; NumPy's own error would name neither.

        Raises:
            ValueError: If it holds others.
        """
        lengths = {len(vector) for vector in self.store.data.embedding_dict.values()}
        if lengths - {self.embed_model.dimension}:
            msg = (
                f"the SimpleVectorStore holds vectors of dimension {', '.join(map(str, sorted(lengths)))}, but "
                f"{self.embed_model.model_name} makes {self.embed_model.dimension}: vectors of different models cannot "
                "be compared; give the retriever one store per model"
            )
            raise ValueError(msg)

    def _count(self) -> int:
        return len(self.store.data.embedding_dict)

    def _sample(self, modality: Modality) -> Sample:
        self._check_dimensions()
        data = self.store.data
        ids = [key for key in data.embedding_dict if read_metadata(data.metadata_dict.get(key)).modality == modality]
        return np.asarray([data.embedding_dict[key] for key in evenly_spaced(ids)], np.float32), len(ids)

    def _vectors(self, nodes: Sequence[BaseNode]) -> Sequence[np.ndarray]:
        return [np.asarray(self.store.get(node.node_id), np.float32) for node in nodes]


@dataclass(frozen=True)
class StoreSource(RankingSource):
    """The nodes of one modality in a store that meet the user's filters, as the ranking asks for them."""

    name: str
    view: StoreView
    modality: Modality
    filters: MetadataFilters | None

    @property
    def space(self) -> str:  # type: ignore[override]
        """The fingerprint of the store's model."""
        return self.view.embed_model.fingerprint

    def query(self, vector: np.ndarray, k: int, *, with_vectors: bool) -> Sequence[Candidate]:
        """Return the `k` nodes nearest to a unit vector, nearest first."""
        return self.view.find(self._query(vector, k), with_vectors)

    async def aquery(self, vector: np.ndarray, k: int, *, with_vectors: bool) -> Sequence[Candidate]:
        """Query off the event loop: stores without async methods of their own are asked in a thread."""
        if type(self.view.store).aquery is BasePydanticVectorStore.aquery:
            return await super().aquery(vector, k, with_vectors=with_vectors)
        result = await self.view.store.aquery(self._query(vector, k))
        return await asyncio.to_thread(self.view.candidates, result, with_vectors)

    def statistics(self, query_modality: Modality) -> Statistics | None:
        """Return what is known of queries of a modality against these nodes, or None."""
        estimates = self.view.estimates
        return None if estimates is None else estimates.of(self.modality, query_modality)

    def is_empty(self) -> bool:
        """Return whether there are no such nodes, as far as `statistics` has looked."""
        return self.view.estimates is not None and self.view.estimates.is_empty(self.modality)

    def _query(self, vector: np.ndarray, k: int) -> VectorStoreQuery:
        filters = store_filters(self.modality, self.filters)
        return VectorStoreQuery(query_embedding=vector.tolist(), similarity_top_k=k, filters=filters)


def view_store(
    store: BasePydanticVectorStore, embed_model: SenseweaveEmbedding, docstore: BaseDocumentStore | None = None
) -> StoreView:
    """Return the view that fits a store."""
    views: dict[str, type[StoreView]] = {"ChromaVectorStore": ChromaView, "SimpleVectorStore": SimpleView}
    names = [base.__name__ for base in type(store).__mro__]
    view = next((views[name] for name in names if name in views), StoreView)
    return view(store, embed_model, docstore)
