"""`SenseweaveRetriever`: one calibrated ranking over vector stores of several modalities and spaces, or an index."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from llama_index.core import VectorStoreIndex
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import BaseNode, IndexNode, NodeWithScore, QueryBundle
from llama_index.core.storage.docstore import BaseDocumentStore
from llama_index.core.vector_stores.types import BasePydanticVectorStore, MetadataFilters
from llama_index.embeddings.senseweave import SenseweaveEmbedding
from llama_index.embeddings.senseweave.batches import Batches
from llama_index.retrievers.senseweave.bundle import parts_of
from llama_index.retrievers.senseweave.hits import condition_of, node_of_hit
from llama_index.retrievers.senseweave.stores import Scored, StoreView, kept, view_of
from llama_index_instrumentation import get_dispatcher

from senseweave.errors import UnsupportedModalityError
from senseweave.media import MODALITIES, Media, MediaPolicy, Modality
from senseweave.retrieval import METHODS, Index, Query, Statistics, merge
from senseweave.retrieval.fusion import CALIBRATED
from senseweave.retrieval.merging import resolve_method
from senseweave.retrieval.search import EmbeddedPart, combine

DEFAULT_TOP_K = 10
LEAST_FETCHED = 10
"""Nodes asked of every store and modality, so that merging sees more than the tip of each list."""

dispatcher = get_dispatcher(__name__)


@dataclass(frozen=True)
class Wanted:
    """One list of results to get: nodes of one modality of one store, by a unit vector."""

    name: str
    view: StoreView
    modality: Modality
    vector: list[float]


@dataclass(frozen=True)
class Plan:
    """The lists to get for one query, what is known of their similarities, and the method that merges them."""

    lists: list[Wanted]
    statistics: dict[str, Statistics]
    method: str


class SenseweaveRetriever(BaseRetriever):
    """Retrieves text, images, audio and video by text, image, audio or video, ranked as one list.

    `pip install llama-index-retrievers-senseweave "senseweave[starter]"`

    Similarities of different modalities and spaces are not comparable as they are; the core makes them so. A node's
    score is the calibrated one: comparable with every other of the same answer, larger is better.

    Examples:
        ```python
        from llama_index.retrievers.senseweave import MediaQueryBundle, SenseweaveRetriever

        retriever = SenseweaveRetriever(vector_store, embed_model, similarity_top_k=5)
        nodes = retriever.retrieve("a dog on the grass")
        nodes = retriever.retrieve(MediaQueryBundle(image_path="query.jpg"))
        ```
    """

    def __init__(
        self,
        source: BasePydanticVectorStore | Sequence[BasePydanticVectorStore] | Index,
        embed_model: SenseweaveEmbedding | Sequence[SenseweaveEmbedding] | None = None,
        *,
        similarity_top_k: int = DEFAULT_TOP_K,
        modalities: Collection[Modality] | None = None,
        filters: MetadataFilters | None = None,
        fusion: str | None = None,
        use_bundle_embedding: bool = False,
        docstore: BaseDocumentStore | None = None,
        root: str | None = None,
        network: bool = False,
        policy: MediaPolicy | None = None,
        callback_manager: CallbackManager | None = None,
        object_map: dict[str, Any] | None = None,
        objects: list[IndexNode] | None = None,
        verbose: bool = False,
    ) -> None:
        """Retrieve from vector stores or from an index.

        Args:
            source: A vector store, several of them (one per space), or a `senseweave.Index`.
            embed_model: The model of the store's vectors, or as many as there are stores; none for an index, which has
                its own.
            similarity_top_k: How many nodes.
            modalities: Only nodes of these modalities; None for all.
            filters: Condition on metadata.
            fusion: How similarities are made comparable, a name in `senseweave.retrieval.METHODS`; None takes the
                core's choice, `none` leaves the cosine similarities as they are.
            use_bundle_embedding: Whether a bundle's `embedding` stands before its text and media. It is only used
                where there is nothing else to embed if False, because LlamaIndex's retrievers leave the vectors of
                their own model in bundles that they share.
            docstore: Where the nodes are, for stores that hold vectors alone.
            root: Media of queries must lie under this folder.
            network: Whether http and https URLs of queries may be fetched.
            policy: All limits on reading; instead of `root` and `network`.
            callback_manager: Told of every retrieval.
            object_map: Objects that index nodes stand for, by id.
            objects: The same, as index nodes.
            verbose: Whether to print what is retrieved from objects.

        Raises:
            ValueError: If the number of models does not fit, or an option makes no sense.
        """
        if similarity_top_k < 1:
            msg = f"similarity_top_k must be at least 1, not {similarity_top_k}"
            raise ValueError(msg)
        if fusion is not None and fusion not in METHODS:
            msg = f"unknown fusion method {fusion!r}; there are {', '.join(METHODS)}"
            raise ValueError(msg)
        if policy is not None and (root is not None or network):
            msg = "give either policy or root and network, not both"
            raise ValueError(msg)
        self.similarity_top_k = similarity_top_k
        self.filters = filters
        self.fusion = fusion
        self.use_bundle_embedding = use_bundle_embedding
        self._modalities = kept(modalities)
        self._all_modalities = modalities is None
        self._index = source if isinstance(source, Index) else None
        self._views = [] if isinstance(source, Index) else _views(source, embed_model, docstore)
        if policy is None and (root is not None or network):
            policy = MediaPolicy(root=root, network=network)
        own = self._index.policy if self._index is not None else self._views[0].embed_model.media_policy
        self.media_policy = policy or own
        super().__init__(callback_manager=callback_manager, object_map=object_map, objects=objects, verbose=verbose)

    @classmethod
    def from_defaults(
        cls,
        index: VectorStoreIndex | Sequence[VectorStoreIndex] | Index | None = None,
        nodes: Sequence[BaseNode] | None = None,
        vector_store: BasePydanticVectorStore | Sequence[BasePydanticVectorStore] | None = None,
        embed_model: SenseweaveEmbedding | Sequence[SenseweaveEmbedding] | None = None,
        **options: Any,
    ) -> Self:
        """Retrieve from whichever is given: indexes (of LlamaIndex or the core), nodes, or vector stores.

        Args:
            index: One or several `VectorStoreIndex` whose models are `SenseweaveEmbedding`s, or a `senseweave.Index`.
            nodes: Nodes to embed and keep in memory.
            vector_store: One or several vector stores.
            embed_model: For nodes and stores; the starter if None.
            **options: Those of the constructor.

        Raises:
            ValueError: If not exactly one of index, nodes and vector_store is given.
        """
        if sum(one is not None for one in (index, nodes, vector_store)) != 1:
            msg = "give exactly one of index, nodes and vector_store"
            raise ValueError(msg)
        if isinstance(index, Index):
            return cls(index, **options)
        if nodes is not None:
            if embed_model is not None and not isinstance(embed_model, SenseweaveEmbedding):
                msg = "nodes are embedded by one model"
                raise ValueError(msg)
            return cls.from_nodes(nodes, embed_model, **options)
        if vector_store is not None:
            return cls(vector_store, embed_model or SenseweaveEmbedding(), **options)
        return cls._from_indexes([index] if isinstance(index, VectorStoreIndex) else list(index or ()), **options)

    @classmethod
    def from_nodes(
        cls, nodes: Sequence[BaseNode], embed_model: SenseweaveEmbedding | None = None, **options: Any
    ) -> Self:
        """Embed nodes and retrieve from them in memory.

        Args:
            nodes: Nodes of any modality; their `embedding` is set.
            embed_model: The starter if None.
            **options: Those of the constructor.
        """
        embed_model = embed_model or SenseweaveEmbedding()
        return cls._from_indexes([VectorStoreIndex(list(embed_model(nodes)), embed_model=embed_model)], **options)

    @classmethod
    def _from_indexes(cls, indexes: list[VectorStoreIndex], **options: Any) -> Self:
        models = [index._embed_model for index in indexes]
        for model in models:
            if not isinstance(model, SenseweaveEmbedding):
                msg = f"the embed_model of an index must be a SenseweaveEmbedding, not {type(model).__name__}"
                raise TypeError(msg)
        retriever = cls([index.vector_store for index in indexes], models, **options)  # type: ignore[arg-type]
        for view, index in zip(retriever._views, indexes, strict=True):
            view.docstore = view.docstore or index.docstore
        return retriever

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities of nodes that are retrieved."""
        return self._modalities

    @dispatcher.span
    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        parts = self._parts(query_bundle)
        if self._index is not None:
            return [node_of_hit(hit) for hit in self._index.search(Query(parts), **self._search_options())]
        vectors = {id(model): _embedded(model, parts) for model in self._able(parts)}
        plan = self._plan(vectors, query_bundle)
        answers = [one.view.find(one.vector, self._fetched, one.modality, self.filters) for one in plan.lists]
        return self._merged(plan, answers)

    @dispatcher.span
    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        parts = await asyncio.to_thread(self._parts, query_bundle)
        if self._index is not None:
            hits = await self._index.asearch(Query(parts), **self._search_options())
            return await asyncio.to_thread(lambda: [node_of_hit(hit) for hit in hits])
        able = await asyncio.to_thread(self._able, parts)
        embedded = await asyncio.gather(*(_aembedded(model, parts) for model in able))
        vectors = {id(model): made for model, made in zip(able, embedded, strict=True)}
        plan = await asyncio.to_thread(self._plan, vectors, query_bundle)
        answers = await asyncio.gather(
            *(one.view.afind(one.vector, self._fetched, one.modality, self.filters) for one in plan.lists)
        )
        return self._merged(plan, answers)

    @property
    def _fetched(self) -> int:
        return max(self.similarity_top_k, LEAST_FETCHED)

    def _search_options(self) -> dict[str, Any]:
        return {
            "k": self.similarity_top_k,
            "modalities": None if self._all_modalities else self._modalities,
            "filter": condition_of(self.filters),
            "fusion": self.fusion,
        }

    def _parts(self, bundle: QueryBundle) -> list[Media]:
        """What is to be embedded; nothing where the bundle's own vector is to be used.

        Raises:
            ValueError: If there is neither.
        """
        if self.use_bundle_embedding and bundle.embedding is not None and self._index is None:
            return []
        parts = parts_of(bundle, self.media_policy)
        if not parts and bundle.embedding is None:
            msg = "the query bundle holds neither text nor media nor an embedding"
            raise ValueError(msg)
        if not parts and self._index is not None:
            msg = "a senseweave.Index is asked by text or media; it cannot be asked by the bundle's embedding"
            raise ValueError(msg)
        return parts

    def _able(self, parts: list[Media]) -> list[SenseweaveEmbedding]:
        """Return the models that can embed some of the parts, each once.

        Raises:
            UnsupportedModalityError: If none can embed any.
        """
        models = list({id(view.embed_model): view.embed_model for view in self._views}.values())
        able = [model for model in models if any(part.modality in model.modalities for part in parts)]
        if parts and not able:
            known = [one for one in MODALITIES if any(one in model.modalities for model in models)]
            raise UnsupportedModalityError("the retriever", parts[0].modality, known)
        return able

    def _plan(self, vectors: dict[int, list[EmbeddedPart]], bundle: QueryBundle) -> Plan:
        """Say which stores to ask for which modality with which vector, and how to merge what they answer."""
        if not vectors:
            vectors = self._given(bundle)
        calibrated = self.fusion is None or self.fusion in CALIBRATED
        cells: dict[str, tuple[StoreView, Modality, list[Statistics | None]]] = {}
        for number, view in enumerate(self._views):
            for modality in self._modalities if id(view.embed_model) in vectors else ():
                parts = vectors[id(view.embed_model)]
                known = [view.statistics(modality, part.modality) if calibrated else None for part in parts]
                if not (calibrated and view.is_empty(modality)):
                    cells[f"{number}:{modality}"] = (view, modality, known)
        complete = {name: known[0] for name, (_, _, known) in cells.items() if None not in known}
        method = resolve_method(self.fusion, list(cells), complete)  # type: ignore[arg-type]
        lists, statistics = [], {}
        for name, (view, modality, known) in cells.items():
            parts = vectors[id(view.embed_model)]
            vector, cell = combine(parts, known, method, math.sqrt(sum(part.weight**2 for part in parts)))
            lists.append(Wanted(name, view, modality, vector.tolist()))
            if cell is not None:
                statistics[name] = cell
        return Plan(lists, statistics, method)

    def _given(self, bundle: QueryBundle) -> dict[int, list[EmbeddedPart]]:
        """The bundle's own vector, for the models that it can be of."""
        given = np.asarray(bundle.embedding, np.float32)
        fitting = {id(view.embed_model) for view in self._views if view.embed_model.dimension == given.size}
        if not fitting or not given.any():
            dimensions = ", ".join(sorted({str(view.embed_model.dimension) for view in self._views}))
            msg = f"the bundle's embedding has dimension {given.size}, the stores' vectors have {dimensions}"
            raise ValueError(msg)
        part = EmbeddedPart(given / np.linalg.norm(given), "text", 1.0)
        return {model: [part] for model in fitting}

    def _merged(self, plan: Plan, answers: Sequence[list[Scored]]) -> list[NodeWithScore]:
        ranked = merge(
            {one.name: answer for one, answer in zip(plan.lists, answers, strict=True)},
            self.similarity_top_k,
            method=plan.method,
            statistics=plan.statistics,
            key=_content,
        )
        return [NodeWithScore(node=one.item, score=one.score) for one in ranked]


def _views(
    source: BasePydanticVectorStore | Sequence[BasePydanticVectorStore],
    embed_model: SenseweaveEmbedding | Sequence[SenseweaveEmbedding] | None,
    docstore: BaseDocumentStore | None,
) -> list[StoreView]:
    stores = [source] if isinstance(source, BasePydanticVectorStore) else list(source)
    models = [embed_model] if isinstance(embed_model, SenseweaveEmbedding) else list(embed_model or ())
    if len(models) == 1:
        models *= len(stores)
    if not stores or len(models) != len(stores):
        msg = f"{len(stores)} vector stores need as many models, or one for all, not {len(models)}"
        raise ValueError(msg)
    return [view_of(store, model, docstore) for store, model in zip(stores, models, strict=True)]


def _embedded(model: SenseweaveEmbedding, parts: list[Media]) -> list[EmbeddedPart]:
    """Embed the parts that the model can, as queries."""
    made = []
    for modality, group in _by_modality(model, parts).items():
        made += _unit_parts(modality, Batches(model, modality, "query").run(group))
    return made


async def _aembedded(model: SenseweaveEmbedding, parts: list[Media]) -> list[EmbeddedPart]:
    made = []
    for modality, group in _by_modality(model, parts).items():
        made += _unit_parts(modality, await Batches(model, modality, "query").arun(group))
    return made


def _by_modality(model: SenseweaveEmbedding, parts: list[Media]) -> dict[Modality, list[Media]]:
    grouped: dict[Modality, list[Media]] = {}
    for part in parts:
        if part.modality in model.modalities:
            grouped.setdefault(part.modality, []).append(part)
    return grouped


def _unit_parts(modality: Modality, vectors: list[list[float]]) -> list[EmbeddedPart]:
    rows = np.asarray(vectors, np.float32)
    return [EmbeddedPart(row / np.linalg.norm(row), modality, 1.0) for row in rows]


def _content(node: BaseNode) -> object:
    """What makes nodes of different stores the same: the same part of the same content of the same source."""
    values = node.metadata
    if "sha256" not in values:
        return node.node_id
    names = ("source", "modality", "sha256", "start", "end", "page", "character_start")
    return tuple(values.get(name) for name in names)
