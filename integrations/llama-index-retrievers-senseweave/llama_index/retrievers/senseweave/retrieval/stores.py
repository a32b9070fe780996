"""LlamaIndex's vector stores as the ranking engine asks them: similarities, statistics and the nodes of vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from llama_index.core.schema import BaseNode, MetadataMode
from llama_index.core.storage.docstore import BaseDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import BasePydanticVectorStore, VectorStoreQuery, VectorStoreQueryResult
from llama_index.embeddings.senseweave import SenseweaveEmbedding
from llama_index.embeddings.senseweave.embeddings.batches import Embedding, embed_mixed, require_vectors
from llama_index.embeddings.senseweave.items.nodes import read_fingerprint
from llama_index.retrievers.senseweave.retrieval.filters import check_size, store_filters

from senseweave.interop import (
    DIRECT,
    OFF_LOOP,
    Candidate,
    ChromaView,
    Media,
    Modality,
    Sample,
    SampledView,
    StoreCall,
    StoreView,
    check_fingerprints,
    evenly_spaced,
    in_thread,
    read_metadata,
    run_direct,
)


class LlamaIndexView(StoreView):
    """A vector store with the model of its vectors. A store of a class that is not known gives cosine similarities."""

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

    @property
    def space(self) -> str:
        """The fingerprint of the store's model."""
        return self.embed_model.fingerprint

    @property
    def query_modalities(self) -> Sequence[Modality]:
        """Modalities that the store's model embeds."""
        return self.embed_model.modalities

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
        return self._candidates(self.store.query(_store_query(call, vector, k, modality)))

    async def afind(self, call: StoreCall, vector: np.ndarray, k: int, modality: Modality | None) -> list[Candidate]:
        """Run `find` off the event loop: stores without async methods of their own are asked in a thread."""
        if type(self.store).aquery is BasePydanticVectorStore.aquery:
            return await super().afind(call, vector, k, modality)
        return await in_thread(self._candidates, await self.store.aquery(_store_query(call, vector, k, modality)))

    def vectors(self, found: Sequence[Candidate]) -> Sequence[np.ndarray]:
        """Return the vectors of nodes.

        Raises:
            ValueError: If the store does not give them.
        """
        if any(candidate.item.embedding is None for candidate in found):
            msg = f"diversity compares vectors, which {type(self.store).__name__} does not return; leave diversity out"
            raise ValueError(msg)
        return [np.asarray(candidate.item.embedding, np.float32) for candidate in found]

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

    def _cosine(self, score: float) -> float:
        return self.similarity(-math.log(score))


class SimpleView(SampledView, LlamaIndexView):
    """A view of LlamaIndex's `SimpleVectorStore`, which gives cosine similarities."""

    store: SimpleVectorStore

    def find(self, call: StoreCall, vector: np.ndarray, k: int, modality: Modality | None) -> list[Candidate]:
        """Return the nodes of a modality that meet the user's filters, nearest first."""
        self._check_dimensions()
        return LlamaIndexView.find(self, call, vector, k, modality)

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


def view_store(
    store: BasePydanticVectorStore,
    embed_model: SenseweaveEmbedding,
    docstore: BaseDocumentStore | None = None,
    number: int = 0,
) -> LlamaIndexView:
    """Return the view that fits the store of a number in its retriever."""
    views: dict[str, type[LlamaIndexView]] = {"ChromaVectorStore": ChromaStoreView, "SimpleVectorStore": SimpleView}
    names = [base.__name__ for base in type(store).__mro__]
    view = next((views[name] for name in names if name in views), LlamaIndexView)
    return view(store, embed_model, docstore, number)


def _store_query(call: StoreCall, vector: np.ndarray, k: int, modality: Modality | None) -> VectorStoreQuery:
    filters = store_filters(modality, call.filters)
    return VectorStoreQuery(query_embedding=vector.tolist(), similarity_top_k=k, filters=filters)
