"""LlamaIndex's vector stores as the ranking engine asks them: similarities, statistics and the nodes of vectors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from llama_index.core.schema import BaseNode, MetadataMode
from llama_index.core.storage.docstore import BaseDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryResult,
)
from llama_index.embeddings.senseweave import SenseweaveEmbedding
from llama_index.embeddings.senseweave.embeddings.batches import embed_mixed, require_vectors
from llama_index.embeddings.senseweave.embeddings.overrides import Embedding
from llama_index.embeddings.senseweave.items.nodes import media_from_node, read_fingerprint
from llama_index.retrievers.senseweave.retrieval.filters import (
    check_size,
    index_condition,
    modality_filter,
    store_filters,
)

from senseweave.interop import (
    DIRECT,
    OFF_LOOP,
    Candidate,
    ChromaView,
    Media,
    Modality,
    Sample,
    SampledView,
    Steps,
    StoreCall,
    StoreView,
    check_fingerprints,
    evenly_spaced,
    metadata_test,
    read_metadata,
    run_direct,
)

LEAST_SORTED = 64
MOST_SORTED = 4096
"""Nodes that are asked for where a store cannot be asked for text: at first, and if need be in the end."""


class LlamaIndexView(StoreView):
    """A vector store with the model of its vectors.

    A store of a class that is not known gives cosine similarities. It can be asked for nodes that name a modality, but
    not for those that name none, as it could for text; so text is asked for without that filter and sorted afterwards.
    A store that takes no filters at all is asked for everything in this way, and filters are tested on what it gives.
    """

    takes_filters = True
    node_ids: Mapping[str, str]
    """Ids of nodes by what the store calls their vectors, where it has names of its own."""

    def __init__(
        self,
        store: BasePydanticVectorStore,
        embed_model: SenseweaveEmbedding,
        docstore: BaseDocumentStore | None,
        number: int,
    ) -> None:
        """View the store of a number in its retriever, whose nodes are in `docstore` if it does not hold them."""
        self.name = str(number)
        self.store = store
        self.embed_model = embed_model
        self.docstore = docstore
        self.node_ids = {}

    @property
    def label(self) -> str:
        """What errors call the store: its class."""
        return type(self.store).__name__

    @property
    def space(self) -> str:
        """The fingerprint of the store's model."""
        return self.embed_model.fingerprint

    @property
    def query_modalities(self) -> Sequence[Modality]:
        """Modalities that the store's model embeds."""
        return self.embed_model.modalities

    @property
    def is_asynchronous(self) -> bool:
        """Whether the store has an async method of its own."""
        return type(self.store).aquery is not BasePydanticVectorStore.aquery

    def embed(self, media: Sequence[Media]) -> list[Embedding]:
        """Return the vectors of parts of a query, made through LlamaIndex's events and caches."""
        return require_vectors(run_direct(embed_mixed(DIRECT, self.embed_model, media, "query")))

    async def aembed(self, media: Sequence[Media]) -> list[Embedding]:
        """Embed like `embed`, off the event loop."""
        return require_vectors(await embed_mixed(OFF_LOOP, self.embed_model, media, "query"))

    def embed_phrases(self, phrases: Sequence[Media]) -> np.ndarray:
        """Return the vectors of general phrases, without events."""
        return self.embed_model.space.encode(list(phrases), role="query").vectors

    def find(self, call: StoreCall, vector: np.ndarray, k: int, modality: Modality | None) -> list[Candidate]:
        """Return the nodes of a modality that meet the user's filters, nearest first."""
        return run_direct(self._find(DIRECT, call, vector, k, modality))

    async def afind(self, call: StoreCall, vector: np.ndarray, k: int, modality: Modality | None) -> list[Candidate]:
        """Run `find` off the event loop: stores without async methods of their own are asked in a thread."""
        if not self.is_asynchronous:
            return await super().afind(call, vector, k, modality)
        return await self._find(OFF_LOOP, call, vector, k, modality)

    def modality_filter(self, modality: Modality) -> MetadataFilter | MetadataFilters | None:
        """Return the condition by which the store gives nodes of a modality; None where it has none."""
        return modality_filter(modality) if modality != "text" else None

    def vectors(self, found: Sequence[Candidate]) -> Sequence[np.ndarray]:
        """Return the vectors of nodes; a node is embedded again where the store does not give its vector."""
        missing = [candidate.item for candidate in found if candidate.item.embedding is None]
        media = [media_from_node(node, self.embed_model.media_policy) for node in missing]
        made = require_vectors(run_direct(embed_mixed(DIRECT, self.embed_model, media)))
        new = {node.node_id: vector for node, vector in zip(missing, made, strict=True)}
        return [np.asarray(new.get(candidate.id, candidate.item.embedding), np.float32) for candidate in found]

    async def _find(
        self, steps: Steps, call: StoreCall, vector: np.ndarray, k: int, modality: Modality | None
    ) -> list[Candidate]:
        condition = self.modality_filter(modality) if modality is not None else None
        filters = store_filters(condition, call.filters)
        embedding, wanted = vector.tolist(), k
        while True:
            sorted_here = not self.takes_filters or (modality is not None and condition is None)
            wanted = max(wanted, LEAST_SORTED) if sorted_here else k
            query = VectorStoreQuery(
                query_embedding=embedding,
                similarity_top_k=wanted,
                filters=filters if self.takes_filters else None,
            )
            try:
                result = await self._ask(steps, query)
            except (NotImplementedError, RuntimeError, ValueError):
                if query.filters is None or not self.may_refuse_filters:
                    raise
                self.takes_filters = False  # if that was not the reason, it fails again
                continue
            found = await steps.work(self._candidates, result)
            fits = metadata_test(index_condition(call.filters)) if not self.takes_filters else lambda _: True
            fitting = [
                candidate
                for candidate in found
                if modality in (None, read_metadata(candidate.metadata).modality) and fits(candidate.metadata)
            ]
            if not sorted_here or len(fitting) >= k or len(result.similarities or ()) < wanted:
                return fitting[:k]
            if wanted >= MOST_SORTED and self.takes_filters:
                return fitting
            wanted *= 4

    async def _ask(self, steps: Steps, query: VectorStoreQuery) -> VectorStoreQueryResult:
        """Return the store's answer."""
        return await steps.ask(self.store.query, self.store.aquery, query)

    @property
    def may_refuse_filters(self) -> bool:
        """Whether an error may come from filters that the store does not take, as one of no known class may not."""
        return type(self) is LlamaIndexView

    def _cosine(self, score: float) -> float:
        """Return the cosine similarity that a score of the store stands for."""
        return float(score)

    def _candidates(self, result: VectorStoreQueryResult) -> list[Candidate]:
        """Return a store's answer as candidates.

        Raises:
            FingerprintError: If a node says that it was embedded in another space; it names both fingerprints.
        """
        pairs = zip(self._nodes(result), result.similarities or [], strict=True)
        found = [(node, self._cosine(score)) for node, score in pairs if node is not None]
        check_fingerprints((read_fingerprint(node) for node, _ in found), type(self.store).__name__, self.space)
        return [
            Candidate(node.node_id, node.metadata, node.get_content(MetadataMode.NONE), cosine, item=node)
            for node, cosine in found
        ]

    def _nodes(self, result: VectorStoreQueryResult) -> Sequence[BaseNode | None]:
        if result.nodes is not None:
            return result.nodes
        ids = [self.node_ids.get(identifier, identifier) for identifier in result.ids or ()]
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


class ChromaStoreView(ChromaView, LlamaIndexView):
    """A view of LlamaIndex's `ChromaVectorStore`, which gives exp(-distance) instead of similarities."""

    store: Any

    @property
    def collection(self) -> Any:
        """The store's collection."""
        return self.store.client

    def replace_collection(self, collection: Any, client: Any) -> None:
        """Give the store the collection of another client."""
        del client
        self.store._collection = collection

    def find(self, call: StoreCall, vector: np.ndarray, k: int, modality: Modality | None) -> list[Candidate]:
        """Return the nodes of a modality that meet the user's filters, nearest first.

        Raises:
            ValueError: If there are more filters than Chroma answers in one query.
        """
        check_size(call.filters, one_query=True)
        return self.read(lambda: LlamaIndexView.find(self, call, vector, k, modality))

    def look_up(self, call: StoreCall, ids: Sequence[str]) -> list[Candidate]:
        """Return those of some nodes that exist and meet the user's filters."""
        check_size(call.filters)
        fits = metadata_test(index_condition(call.filters))
        nodes = self.read(lambda: self.store.get_nodes(list(ids)))
        result = VectorStoreQueryResult(
            nodes=nodes, ids=[node.node_id for node in nodes], similarities=[1.0] * len(nodes)
        )
        return [candidate for candidate in self._candidates(result) if fits(candidate.metadata)]

    def modality_filter(self, modality: Modality) -> MetadataFilter | MetadataFilters | None:
        """Return the condition by which Chroma gives nodes of a modality."""
        return modality_filter(modality)

    def _cosine(self, score: float) -> float:
        return self.similarity(-math.log(score))


class SimpleView(SampledView, LlamaIndexView):
    """A view of LlamaIndex's `SimpleVectorStore`, which gives cosine similarities."""

    store: SimpleVectorStore

    def find(self, call: StoreCall, vector: np.ndarray, k: int, modality: Modality | None) -> list[Candidate]:
        """Return the nodes of a modality that meet the user's filters, nearest first."""
        self._check_dimensions()
        return LlamaIndexView.find(self, call, vector, k, modality)

    def modality_filter(self, modality: Modality) -> MetadataFilter | MetadataFilters | None:
        """Return the condition by which the store gives nodes of a modality."""
        return modality_filter(modality)

    def count(self) -> int:
        """Return how many vectors the store holds."""
        return len(self.store.data.embedding_dict)

    def sample(self, modality: Modality) -> Sample:
        """Return vectors of a modality, shape (n, dimension), and how many there are."""
        self._check_dimensions()
        data = self.store.data
        ids = [key for key in data.embedding_dict if read_metadata(data.metadata_dict.get(key)).modality == modality]
        return np.asarray([data.embedding_dict[key] for key in evenly_spaced(ids)], np.float32), len(ids)

    def vectors(self, found: Sequence[Candidate]) -> Sequence[np.ndarray]:
        """Return the stored vectors of what was found."""
        return [np.asarray(self.store.get(candidate.id), np.float32) for candidate in found]

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


class QdrantView(LlamaIndexView):
    """A view of `QdrantVectorStore`, where "not in" holds for no node without the key."""

    store: Any
    distance: str | None = None
    """The name of the collection's distance, once it was asked for."""

    @property
    def is_asynchronous(self) -> bool:
        """Whether the store was given an async client."""
        return self.store._aclient is not None

    def modality_filter(self, modality: Modality) -> MetadataFilter | MetadataFilters | None:
        """Return the condition by which Qdrant gives nodes of a modality."""
        return modality_filter(modality, missing=False)

    async def _ask(self, steps: Steps, query: VectorStoreQuery) -> VectorStoreQueryResult:
        result = await super()._ask(steps, query)
        if self.distance is None:  # the store has seen by now that there is a collection
            client, aclient = self.store._client, self.store._aclient
            name = self.store.collection_name
            ask, aask = (each and each.get_collection for each in (client, aclient))
            self.distance = self._distance((await steps.ask(ask, aask or ask, name)).config.params.vectors)
        return result

    def _distance(self, vectors: Any) -> str:
        """Return the name of the distance of the vectors that the store asks for."""
        named = vectors.get(self.store.dense_vector_name) if isinstance(vectors, Mapping) else vectors
        return str(named.distance.value) if named is not None else "Cosine"

    def _cosine(self, score: float) -> float:
        if self.distance == "Euclid":
            return 1.0 - score**2 / 2.0  # of unit vectors
        return 1.0 - score if self.distance == "Manhattan" else score  # in the order of the cosines, at least


class LanceView(LlamaIndexView):
    """A view of `LanceDBVectorStore`, which gives exp(-distance), with squared distances unless it was told otherwise.

    It refuses filters on keys that its first nodes did not have.
    """

    may_refuse_filters = True

    async def _ask(self, steps: Steps, query: VectorStoreQuery) -> VectorStoreQueryResult:
        try:
            return await super()._ask(steps, query)
        except Warning:  # raised by LlamaIndex's class where nothing is found
            return VectorStoreQueryResult(nodes=[], similarities=[], ids=[])

    def _cosine(self, score: float) -> float:
        return 1.0 + math.log(score) / 2.0


class PostgresView(LlamaIndexView):
    """A view of `PGVectorStore`, in whose SQL "not in" holds for no row without the key."""

    def modality_filter(self, modality: Modality) -> MetadataFilter | MetadataFilters | None:
        """Return the condition by which PostgreSQL gives nodes of a modality."""
        return modality_filter(modality, missing=False)


class FaissView(LlamaIndexView):
    """A view of `FaissVectorStore`, which takes no filters and holds vectors by number."""

    store: Any
    takes_filters = False

    def _cosine(self, score: float) -> float:
        metric = self.store.client.metric_type
        if metric == 0:  # METRIC_INNER_PRODUCT
            return score
        return 1.0 - score / 2 if metric == 1 else 1.0 - score  # METRIC_L2, of unit vectors; or others in their order


def view_store(
    store: BasePydanticVectorStore,
    embed_model: SenseweaveEmbedding,
    docstore: BaseDocumentStore | None = None,
    number: int = 0,
) -> LlamaIndexView:
    """Return the view that fits the store of a number in its retriever."""
    views: dict[str, type[LlamaIndexView]] = {
        "ChromaVectorStore": ChromaStoreView,
        "FaissVectorStore": FaissView,
        "LanceDBVectorStore": LanceView,
        "PGVectorStore": PostgresView,
        "QdrantVectorStore": QdrantView,
        "SimpleVectorStore": SimpleView,
    }
    names = [base.__name__ for base in type(store).__mro__]
    view = next((views[name] for name in names if name in views), LlamaIndexView)
    return view(store, embed_model, docstore, number)
