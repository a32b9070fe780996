"""Filters of a wrapped retriever, such as the tenant that it is limited to, hold in every call."""

import itertools
from uuid import uuid4

import pytest
from haystack import Document
from haystack.components.embedders import MockTextEmbedder
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.document_stores.types import FilterPolicy
from haystack_integrations.components.retrievers.senseweave import (
    SenseweaveChromaRetriever,
    SenseweaveMultimodalRetriever,
)
from haystack_integrations.components.retrievers.senseweave.filters import apply_policy, join_filters
from haystack_integrations.document_stores.chroma import ChromaDocumentStore

EMBEDDER = MockTextEmbedder(dimension=3)
ALPHA = {"field": "meta.tenant", "operator": "==", "value": "alpha"}
BETA = {"field": "meta.tenant", "operator": "==", "value": "beta"}
LINE = {"field": "meta.line", "operator": "==", "value": 1}
NOT_BETA = {"operator": "NOT", "conditions": [BETA]}
ALPHA_OR_NONE = {"operator": "OR", "conditions": [ALPHA, {"field": "meta.tenant", "operator": "==", "value": "none"}]}


def _documents():
    return [
        Document(
            id=f"{tenant}-{line}",
            content=f"Salaries of {tenant}, line {line}",
            meta={"tenant": tenant, "line": line, "modality": "text"},
            embedding=[1.0, float(line), 0.5],
        )
        for tenant, line in itertools.product(("alpha", "beta"), range(3))
    ]


def _limited(kind, own, policy):
    if kind == "chroma":
        name = f"kept-{uuid4().hex}"
        store = ChromaDocumentStore(collection_name=name, distance_function="cosine")
        retriever = SenseweaveChromaRetriever(document_store=store, filters=own, filter_policy=policy)
    else:
        store = InMemoryDocumentStore(embedding_similarity_function="cosine")
        retriever = InMemoryEmbeddingRetriever(store, filters=own, filter_policy=policy)
    store.write_documents(_documents())
    return retriever


def _tenants(result):
    return {document.meta["tenant"] for document in result["documents"]}


@pytest.mark.parametrize("kind", ["chroma", "in memory"])
@pytest.mark.parametrize("policy", FilterPolicy)
@pytest.mark.parametrize("own", [ALPHA, NOT_BETA, ALPHA_OR_NONE], ids=["comparison", "not", "or"])
async def test_a_tenant_stays_whatever_the_call_asks_for(kind, policy, own):
    inner = _limited(kind, own, policy)
    for modalities, filters in itertools.product((None, ["text"], ["text", "image"]), (None, LINE, NOT_BETA)):
        retriever = SenseweaveMultimodalRetriever(
            retrievers={"a": inner}, embedders=EMBEDDER, modalities=modalities, auto_calibrate=False
        )
        result = retriever.run(query="beta", filters=filters)
        assert _tenants(result) == {"alpha"}
        assert len(result["documents"]) == (1 if filters == LINE else 3)
        assert _tenants(await retriever.run_async(query="beta", filters=filters)) == {"alpha"}
        assert retriever.run(query="beta", filters=BETA) == {"documents": []}


def test_the_sample_for_the_statistics_sees_only_the_tenant():
    inner, seen = _limited("in memory", ALPHA, FilterPolicy.REPLACE), set()
    run = inner.run

    def noting(**inputs):
        answer = run(**inputs)
        seen.update(_tenants(answer))
        return answer

    class Noting:
        filters = inner.filters

        def run(self, query_embedding, filters=None, top_k=None, return_embedding=None):
            return noting(
                query_embedding=query_embedding, filters=filters, top_k=top_k, return_embedding=return_embedding
            )

    retriever = SenseweaveMultimodalRetriever(
        retrievers={"a": Noting()}, embedders=EMBEDDER, modalities=["text"], fusion="zscore"
    )
    assert retriever.run(query="beta")["documents"]
    assert seen == {"alpha"}


def test_filters_that_cannot_be_joined_are_an_error_and_never_dropped():
    class Native:
        filters = ("tenant", "alpha")

        def run(self, query_embedding, filters=None, top_k=None):
            return {"documents": []}

    alone = SenseweaveMultimodalRetriever(retrievers={"a": Native()}, embedders=EMBEDDER, fusion="rrf")
    assert alone.run(query="x") == {"documents": []}
    with pytest.raises(TypeError, match="filters of type tuple of retriever 'a' cannot be joined"):
        alone.run(query="x", filters=LINE)


@pytest.mark.parametrize("own", [ALPHA, NOT_BETA, ALPHA_OR_NONE], ids=["comparison", "not", "or"])
def test_merged_filters_of_the_components_both_hold(own):
    chroma = _limited("chroma", own, FilterPolicy.MERGE)
    assert chroma.run(query_embedding=[1.0, 0.0, 0.0], filters=BETA) == {"documents": []}
    assert len(chroma.run(query_embedding=[1.0, 0.0, 0.0], filters=LINE)["documents"]) == 1
    several = SenseweaveMultimodalRetriever(
        retrievers={"a": _limited("in memory", None, FilterPolicy.REPLACE)},
        embedders=EMBEDDER,
        filters=own,
        filter_policy="merge",
        fusion="rrf",
    )
    assert several.run(query="x", filters=BETA) == {"documents": []}
    assert _tenants(several.run(query="x", filters=LINE)) == {"alpha"}


def test_replacing_is_what_haystack_means_by_it():
    assert apply_policy(FilterPolicy.REPLACE, ALPHA, BETA) == BETA
    assert apply_policy(FilterPolicy.REPLACE, ALPHA, None) == ALPHA
    assert apply_policy(FilterPolicy.MERGE, None, None) is None
    assert join_filters(None, {}, ALPHA) == ALPHA
    assert join_filters(ALPHA, BETA) == {"operator": "AND", "conditions": [ALPHA, BETA]}
