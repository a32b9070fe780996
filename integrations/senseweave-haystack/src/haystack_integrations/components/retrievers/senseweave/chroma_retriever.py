# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""Retrieves from Chroma by embedding, with similarities as scores and the best Document first."""

import math
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from haystack import Document, component, default_from_dict
from haystack.document_stores.types import FilterPolicy
from haystack_integrations.common.senseweave.components import OPENING, Lifecycle, keep_parameters, run_in_thread
from haystack_integrations.common.senseweave.items import fingerprints
from haystack_integrations.components.retrievers.senseweave.filters import (
    apply_policy,
    chroma_query,
    divide,
    join_filters,
    matches,
    modalities_filter,
)
from haystack_integrations.components.retrievers.senseweave.sources import (
    RetrieverView,
    check_reranker_name,
    check_serialized_reranker,
    plan_options,
    ranked_document,
    replace_collection,
)

import senseweave as sw
from senseweave.interop import (
    MODALITIES,
    Modality,
    Plan,
    Planner,
    Reranker,
    StoreRanking,
    check_fingerprints,
    chosen_modalities,
    given_vector,
    read_anew,
    whole_number,
)

if TYPE_CHECKING:
    from haystack_integrations.document_stores.chroma import ChromaDocumentStore

RANKING = ("quota", "min_score", "offset", "group", "diversity", "rerank", "rerank_depth")
"""Options on ranking. The others of senseweave make scores of several lists comparable, and this is one list."""
LEAST_FETCHED = 64
"""Documents that are fetched at first where some conditions can only be checked on what Chroma returns."""


@component
class SenseweaveChromaRetriever(Lifecycle):
    """Retrieves Documents from a `ChromaDocumentStore` by embedding.

    Scores are cosine similarities, whatever distance the collection was made with, and the best Document comes first,
    as core's joiners and wrappers expect. `top_k=0` returns nothing, filters may use NOT, and a store in memory or on
    disk works under `Pipeline.run_async`.

    ### Usage example

    ```python
    from haystack import Document
    from haystack_integrations.components.embedders.senseweave import (
        SenseweaveDocumentEmbedder,
        SenseweaveTextEmbedder,
    )
    from haystack_integrations.components.retrievers.senseweave import SenseweaveChromaRetriever
    from haystack_integrations.document_stores.chroma import ChromaDocumentStore

    store = ChromaDocumentStore(collection_name="example", distance_function="cosine")
    documents = [Document(content="The dog is asleep."), Document(content="Bread needs flour and water.")]
    store.write_documents(SenseweaveDocumentEmbedder().run(documents=documents)["documents"])

    retriever = SenseweaveChromaRetriever(document_store=store)
    embedding = SenseweaveTextEmbedder().run(text="How do I bake?")["embedding"]
    print(retriever.run(query_embedding=embedding, top_k=1)["documents"][0].content)
    ```
    """

    @keep_parameters
    def __init__(
        self,
        *,
        document_store: "ChromaDocumentStore",
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        filter_policy: str | FilterPolicy = FilterPolicy.REPLACE,
        return_embedding: bool = False,
        modalities: list[Modality] | None = None,
        quota: dict[str, int] | None = None,
        min_score: float | None = None,
        offset: int = 0,
        group: bool = False,
        diversity: float | None = None,
        rerank: str | Reranker | None = None,
        rerank_depth: int = 50,
    ) -> None:
        """Create the component; the store is opened later.

        :param document_store: The store.
        :param filters: Conditions on the Documents.
        :param top_k: How many Documents to return at most.
        :param filter_policy: Whether filters given to `run` replace these or are joined with them by AND. What must
            always hold, such as a tenant, needs `merge`.
        :param return_embedding: Whether the Documents come with their embeddings. A pipeline copies them number by
            number from component to component, which takes longer than the search.
        :param modalities: Only Documents of these modalities, by their `meta["modality"]`; those that name none are
            text.
        :param quota: By modality, the smallest number of Documents of each page while there are as many.
        :param min_score: Leave out Documents with a lower cosine similarity, before reranking.
        :param offset: How many of the best Documents to leave out, for the next page.
        :param group: Whether chunks of one source become one Document, the best of them.
        :param diversity: From 0 to 1: how much Documents should differ from each other.
        :param rerank: Name of a reranking model, or an object with `name` and `scores(query, hits)`, that orders the
            best `rerank_depth` Documents again by the `query` of the call. One with an object cannot be serialized.
        :param rerank_depth: How many Documents are reranked.
        :raises TypeError: If `document_store` is not a `ChromaDocumentStore`, or an option has a value of the wrong
            type.
        :raises ValueError: If `top_k` is negative, or an option makes no sense.
        """
        if not callable(getattr(document_store, "search_embeddings", None)):
            msg = (
                f"SenseweaveChromaRetriever expects a ChromaDocumentStore, not {type(document_store).__name__}; "
                "other stores have embedding retrievers of their own."
            )
            raise TypeError(msg)
        chosen_modalities(modalities, MODALITIES)
        self.filters = filters or {}
        self.top_k = whole_number("top_k", top_k, 0)
        self.filter_policy = FilterPolicy(filter_policy)
        self._is_checked = False
        self._planner = Planner()
        self._plan(max(self.top_k, 1), {})

    def warm_up(self) -> None:
        """Open the store. Calling it again does nothing."""
        if not self._is_warm:
            with OPENING:
                self.document_store.count_documents()
                self._is_warm = True

    def close(self) -> None:
        """Close the store; the next run opens it again. A store in memory is empty then, if nothing else used it."""
        self._is_warm = self._is_checked = False
        self._planner.rerankers.clear()
        self.document_store.close()

    @component.output_types(documents=list[Document])
    def run(
        self,
        query_embedding: list[float],
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        return_embedding: bool | None = None,
        query: str | None = None,
        options: dict[str, Any] | None = None,
        modalities: list[str] | None = None,
    ) -> dict[str, Any]:
        """Retrieve the Documents that are nearest to an embedding.

        :param query_embedding: The embedding of the query, from an embedder of the Documents' model.
        :param filters: Conditions on the Documents; `filter_policy` says whether they replace those of the
            constructor.
        :param top_k: How many Documents to return at most; None for the number of the constructor.
        :param return_embedding: Whether the Documents come with their embeddings; None for the constructor's choice.
        :param query: The question in words, which `rerank` reads and nothing else.
        :param options: Other values for this call of `quota`, `min_score`, `offset`, `group`, `diversity`, `rerank` and
            `rerank_depth`.
        :param modalities: Only Documents of these modalities; None for those of the constructor.
        :returns: A dictionary with `documents`, best first; `score` is their cosine similarity, or that of `rerank`.
            Where options on ranking are given, `meta` holds `raw_score`, as of a `SenseweaveMultimodalRetriever`.
        :raises TypeError: If `query_embedding` is not a list of numbers, `top_k` no whole number, or an option of the
            wrong type.
        :raises ValueError: If `query_embedding` is not as long as the embeddings of the Documents, or is empty; if an
            option makes no sense, or there is a reranker and no `query`.
        :raises senseweave.FingerprintError: If the store holds embeddings of two spaces of senseweave.
        :raises haystack.errors.FilterError: If the filters are not well formed.
        """
        _check_embedding(query_embedding)
        count = self.top_k if top_k is None else whole_number("top_k", top_k, 0)
        if count == 0:
            return {"documents": []}
        plan = self._plan(count, options or {})
        chosen = self.modalities if modalities is None else modalities
        only = None if chosen is None else modalities_filter(chosen_modalities(chosen, MODALITIES))
        conditions = join_filters(only, apply_policy(self.filter_policy, self.filters, filters))
        with_embedding = self.return_embedding if return_embedding is None else return_embedding
        if plan == Plan(count):
            return {"documents": self._scored(query_embedding, count, conditions, with_embedding=with_embedding)}
        return {"documents": self._ranked(query_embedding, plan, conditions, query, with_embedding=with_embedding)}

    run_async = run_in_thread(run)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "SenseweaveChromaRetriever":
        """Deserialize the component, if its reranker asks for nothing that only the caller can allow.

        :param data: What `to_dict` returned, or what a YAML file says.
        :returns: The component.
        :raises senseweave.TrustError: If the model of `rerank` would be downloaded, or lies at a path that this user
            has never named. `with senseweave.trust("download"):` or the environment variable `SENSEWEAVE_TRUST`
            allows it.
        """
        check_serialized_reranker(cls, data.get("init_parameters", {}))
        return default_from_dict(cls, deepcopy(data))

    def _parameters(self) -> dict[str, Any]:
        check_reranker_name(self.rerank)
        return Lifecycle._parameters(self)

    def _plan(self, count: int, options: dict[str, Any]) -> Plan:
        """Return how to rank: the options of a call over those of the constructor."""
        return self._planner.plan(count, plan_options(self, options, RANKING))

    def _scored(
        self, query_embedding: list[float], count: int, filters: dict[str, Any] | None, *, with_embedding: bool
    ) -> list[Document]:
        """Return the Documents nearest to an embedding, best first."""
        self.warm_up()
        documents = self._search(query_embedding, count, *divide(filters))
        self._check_spaces(query_embedding, documents)
        return _score(query_embedding, documents, with_embedding=with_embedding)[:count]

    def _ranked(
        self, embedding: list[float], plan: Plan, filters: Any, query: str | None, *, with_embedding: bool
    ) -> list[Document]:
        """Return a page of Documents, ranked as a plan says."""
        view = RetrieverView(self._collection(), _Nearest(self))
        ranking = StoreRanking([view], MODALITIES if plan.quota else None)
        vectors = given_vector(embedding, {view.space: len(embedding)})
        asked = sw.Query([sw.Text(query)]) if query is not None else None
        places = ranking.rank(asked, replace(plan, method="none"), filters=filters, embedded=vectors)
        documents = [ranked_document(place) for place in places]
        return documents if with_embedding else [replace(document, embedding=None) for document in documents]

    def _search(
        self, query_embedding: list[float], count: int, pushed: dict[str, Any] | None, checked: dict[str, Any] | None
    ) -> list[Document]:
        if checked is None:
            return self._nearest(query_embedding, count, pushed)
        fetched = max(LEAST_FETCHED, 4 * count)
        while True:
            found = self._nearest(query_embedding, fetched, pushed)
            matching = [document for document in found if matches(checked, document)]
            if len(matching) >= count or len(found) < fetched:
                return matching
            fetched *= 4

    def _nearest(self, query_embedding: list[float], count: int, filters: dict[str, Any] | None) -> list[Document]:
        from chromadb.errors import InvalidArgumentError

        try:
            return read_anew(
                lambda: self._query(query_embedding, count, filters),
                lambda: self.document_store._collection,
                self._replace_collection,
            )
        except InvalidArgumentError as error:
            if "dimension" not in str(error):
                raise
            msg = (
                f"query embedding has {len(query_embedding)} dimensions, but collection {self._collection()!r} holds "
                f"embeddings of another length ({error}); embed queries with the model that embedded the Documents"
            )
            raise ValueError(msg) from error

    def _query(self, query_embedding: list[float], count: int, filters: dict[str, Any] | None) -> list[Document]:
        metadata, words = chroma_query(filters)
        store = self.document_store
        if words is None:
            return list(store.search_embeddings([query_embedding], count, metadata)[0])
        # Chroma's integration takes conditions on metadata or on content, not both.
        asked = store._prepare_query_kwargs(metadata) | {"where_document": words}
        found = store._collection.query(query_embeddings=[query_embedding], n_results=count, **asked)
        return list(store._query_result_to_documents(found)[0])

    def _replace_collection(self, collection: Any, client: Any) -> None:
        replace_collection(self.document_store, collection, client)

    def _check_spaces(self, query_embedding: list[float], found: list[Document]) -> None:
        """Check that the store holds embeddings of one space; others are never near, so they are looked for once."""
        fingerprint = check_fingerprints(fingerprints(found), self._collection())
        if fingerprint is not None and not self._is_checked:
            filters = {"field": "meta.fingerprint", "operator": "!=", "value": fingerprint}
            others = self._nearest(query_embedding, LEAST_FETCHED, filters)
            check_fingerprints(fingerprints(others), self._collection(), fingerprint)
            self._is_checked = True

    def _collection(self) -> str:
        return str(self.document_store.to_dict()["init_parameters"]["collection_name"])


class _Nearest:
    """The search of a retriever without its filters and options, as the ranking engine asks a retriever."""

    filters = None
    return_embedding = True

    def __init__(self, retriever: SenseweaveChromaRetriever) -> None:
        """Search what a retriever searches."""
        self._retriever = retriever

    def run(
        self, query_embedding: list[float], filters: dict[str, Any] | None = None, top_k: int | None = None
    ) -> dict[str, Any]:
        """Return the Documents nearest to an embedding, with their own embeddings."""
        found = self._retriever._scored(query_embedding, top_k or 1, filters, with_embedding=True)
        return {"documents": found}


def _check_embedding(query_embedding: Any) -> None:
    """Check that the embedding of a query is a list of finite numbers.

    :param query_embedding: The embedding.
    :raises TypeError: If it is not a list of numbers.
    :raises ValueError: If it is empty, or holds NaN or infinity.
    """
    expected = "SenseweaveChromaRetriever expects an embedding, a list of floats, not"
    instead = "To search with words, put a SenseweaveTextEmbedder before it, or wrap both in a TextEmbeddingRetriever."
    if not isinstance(query_embedding, list):
        msg = f"{expected} {type(query_embedding).__name__}. {instead}"
        raise TypeError(msg)
    if not query_embedding:
        msg = f"{expected} an empty list. {instead}"
        raise ValueError(msg)
    for value in query_embedding:
        if isinstance(value, bool) or not isinstance(value, int | float):
            msg = f"{expected} a list with {type(value).__name__}. {instead}"
            raise TypeError(msg)
        if not math.isfinite(value):
            msg = f"{expected} a list with {value}."
            raise ValueError(msg)


def _score(query_embedding: list[float], documents: list[Document], *, with_embedding: bool) -> list[Document]:
    """Return the Documents with similarities in the place of Chroma's distances, best first."""
    if not documents:
        return []
    query, stored = np.asarray(query_embedding), np.asarray([document.embedding for document in documents])
    lengths = np.linalg.norm(query) * np.linalg.norm(stored, axis=1)
    similarities = stored @ query / np.maximum(lengths, 1e-12)
    scored = [
        replace(document, score=float(score), embedding=document.embedding if with_embedding else None)
        for document, score in zip(documents, similarities, strict=True)
    ]
    return sorted(scored, key=lambda document: -(document.score or 0.0))
