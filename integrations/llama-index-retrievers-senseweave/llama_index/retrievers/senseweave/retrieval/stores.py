"""What the retriever asks of a vector store: nodes with similarities per modality, and vectors to calibrate by."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from llama_index.core.schema import BaseNode
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

from senseweave.errors import FingerprintError
from senseweave.media import MODALITIES, Modality, Text
from senseweave.retrieval import Statistics, StoreStatistics
from senseweave.retrieval.calibration.probes import PROBES
from senseweave.retrieval.calibration.store_statistics import Sample, chroma_sample, evenly_spaced

Scored = tuple[BaseNode, float]
"""A node and its cosine similarity to the query."""


class StoreView:
    """One vector store with the model of its vectors, as the retriever sees it; see `view_of`."""

    def __init__(
        self, store: BasePydanticVectorStore, embed_model: SenseweaveEmbedding, docstore: BaseDocumentStore | None
    ) -> None:
        """Look at `store`, whose nodes are in `docstore` where it does not hold them itself."""
        self.store = store
        self.embed_model = embed_model
        self.docstore = docstore

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
        """Return what is known of queries of one modality against nodes of another, or None."""
        del modality, query_modality
        return None

    def is_empty(self, modality: Modality) -> bool:
        """Whether the store is known to hold nothing of a modality, as far as `statistics` was asked."""
        del modality
        return False

    def _similarity(self) -> Callable[[float], float]:
        """Return what makes a cosine similarity of the number that the store gives."""
        return float

    def _scored(self, result: VectorStoreQueryResult) -> list[Scored]:
        similarity = self._similarity()
        found = []
        for node, score in zip(self._nodes(result), result.similarities or [], strict=True):
            if node is not None:
                self._check_fingerprint(node)
                found.append((node, similarity(score)))
        return found

    def _check_fingerprint(self, node: BaseNode) -> None:
        """Refuse nodes that the model as a transformation embedded in another space.

        Raises:
            FingerprintError: If the node says so; it names both fingerprints.
        """
        expected = read_fingerprint(node)
        if expected not in (None, self.embed_model.fingerprint):
            raise FingerprintError(type(self.store).__name__, str(expected), self.embed_model.fingerprint)

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
    """A view of a store that gives out its vectors, so that what similarities mean there can be estimated."""

    def __init__(
        self, store: BasePydanticVectorStore, embed_model: SenseweaveEmbedding, docstore: BaseDocumentStore | None
    ) -> None:
        """Look at `store`, whose nodes are in `docstore` where it does not hold them itself."""
        super().__init__(store, embed_model, docstore)
        self._statistics = StoreStatistics[Modality](self._sample, self._probes, count=self._count)

    def statistics(self, modality: Modality, query_modality: Modality) -> Statistics | None:
        """Return what is known of queries of one modality against nodes of another, or None.

        Estimated from general phrases (for media, from the store's own) against a sample of the store's vectors, and
        kept until the store has doubled or halved.
        """
        return self._statistics.of(modality, query_modality)

    def is_empty(self, modality: Modality) -> bool:
        """Whether the store is known to hold nothing of a modality, as far as `statistics` was asked."""
        return self._statistics.is_empty(modality)

    def _probes(self, modality: Modality) -> np.ndarray:
        del modality  # one space holds them all
        return self._phrases

    @cached_property
    def _phrases(self) -> np.ndarray:
        return self.embed_model.space.encode([Text(phrase) for phrase in PROBES], role="query").vectors

    def _count(self) -> int:
        """How many vectors the store holds."""
        raise NotImplementedError

    def _sample(self, modality: Modality) -> Sample:
        """Return vectors of one modality, shape (n, dimension), and how many there are."""
        raise NotImplementedError


class ChromaView(CalibratedView):
    """A view of LlamaIndex's `ChromaVectorStore`, which gives exp(-distance) in place of similarities."""

    def _count(self) -> int:
        return int(self.store.client.count())

    def _sample(self, modality: Modality) -> Sample:
        others = [other for other in MODALITIES if other != "text"]
        where = {"modality": modality} if modality != "text" else {"modality": {"$nin": others}}
        return chroma_sample(self.store.client, where)

    def _similarity(self) -> Callable[[float], float]:
        configuration = self.store.client.configuration
        settings = configuration.get("hnsw") or configuration.get("spann") or {}
        if settings.get("space", "l2") == "l2":
            return lambda score: 1.0 + math.log(score) / 2.0  # Chroma's l2 is squared: |a - b|^2 = 2 - 2 cos
        return lambda score: 1.0 + math.log(score)


class SimpleView(CalibratedView):
    """A view of LlamaIndex's `SimpleVectorStore`, which gives cosine similarities."""

    store: SimpleVectorStore

    def find(self, vector: list[float], k: int, modality: Modality, filters: MetadataFilters | None) -> list[Scored]:
        """Return the nodes of one modality nearest to a unit vector, best first; see `StoreView.find`."""
        self._check_dimensions()
        return super().find(vector, k, modality, filters)

    def _check_dimensions(self) -> None:
        """Refuse a store of another model, which NumPy would refuse in words that name neither.

        Raises:
            ValueError: If it holds vectors of another dimension than the model's.
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
        ids = [one for one in data.embedding_dict if _modality(data.metadata_dict.get(one, {})) == modality]
        return np.asarray([data.embedding_dict[one] for one in evenly_spaced(ids)], np.float32), len(ids)


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


def _query(vector: list[float], k: int, modality: Modality, filters: MetadataFilters | None) -> VectorStoreQuery:
    return VectorStoreQuery(query_embedding=vector, similarity_top_k=k, filters=store_filters(modality, filters))


def _modality(metadata: Mapping[str, Any]) -> str:
    """Return the modality that `store_filters` finds a node under, by its metadata."""
    named = metadata.get("modality")
    return named if named in MODALITIES else "text"
