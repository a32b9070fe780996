"""SenseweaveChromaRetriever: similarities, best first, whatever the collection's distance."""

import asyncio
import subprocess
import sys

import pytest
from chroma_clients import open_clients
from haystack import Document, Pipeline
from haystack.components.joiners import DocumentJoiner
from haystack.components.retrievers import MultiRetriever, TextEmbeddingRetriever
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.document_stores.types import FilterPolicy
from haystack_integrations.components.embedders.senseweave import SenseweaveDocumentEmbedder, SenseweaveTextEmbedder
from haystack_integrations.components.retrievers.senseweave import SenseweaveChromaRetriever
from haystack_integrations.document_stores.chroma import ChromaDocumentStore

from senseweave import FingerprintError

VECTORS = {"east": [1.0, 0.0], "north-east": [0.6, 0.8], "north": [0.0, 1.0], "west": [-1.0, 0.0]}


def _store(name, distance="cosine", **options):
    store = ChromaDocumentStore(collection_name=name, distance_function=distance, **options)
    store.write_documents([Document(id=k, content=k, meta={"name": k}, embedding=v) for k, v in VECTORS.items()])
    return store


def test_to_dict_holds_every_parameter_and_from_dict_restores_them():
    retriever = SenseweaveChromaRetriever(
        document_store=ChromaDocumentStore(collection_name="dict"),
        filters={"field": "meta.name", "operator": "==", "value": "east"},
        top_k=3,
        filter_policy="merge",
        quota={"image": 1},
        min_score=0.2,
        offset=1,
        group=True,
        diversity=0.5,
        rerank="cross-encoder/some",
        rerank_depth=7,
    )
    data = retriever.to_dict()
    assert data["init_parameters"]["rerank"] == "cross-encoder/some"
    assert set(data["init_parameters"]) == {
        "quota",
        "min_score",
        "offset",
        "group",
        "diversity",
        "rerank",
        "rerank_depth",
        "document_store",
        "filters",
        "top_k",
        "filter_policy",
        "return_embedding",
        "modalities",
    }
    restored = SenseweaveChromaRetriever.from_dict(data)
    assert restored.to_dict() == data
    assert restored.filter_policy == FilterPolicy.MERGE


@pytest.mark.parametrize("distance", ["cosine", "l2", "ip"])
def test_scores_are_cosine_similarities_best_first(distance):
    retriever = SenseweaveChromaRetriever(document_store=_store(f"scores-{distance}", distance))
    documents = retriever.run(query_embedding=[1.0, 0.0])["documents"]
    assert [document.id for document in documents] == ["east", "north-east", "north", "west"]
    assert [document.score for document in documents] == pytest.approx([1.0, 0.6, 0.0, -1.0], abs=1e-6)


def test_top_k_is_honoured_down_to_nothing():
    retriever = SenseweaveChromaRetriever(document_store=_store("top-k"), top_k=3)
    assert len(retriever.run(query_embedding=[1.0, 0.0])["documents"]) == 3
    assert len(retriever.run(query_embedding=[1.0, 0.0], top_k=2)["documents"]) == 2
    assert retriever.run(query_embedding=[1.0, 0.0], top_k=0)["documents"] == []
    with pytest.raises(ValueError, match="top_k must be at least 0"):
        retriever.run(query_embedding=[1.0, 0.0], top_k=-1)


def test_filters_with_not_find_the_next_best():
    retriever = SenseweaveChromaRetriever(document_store=_store("not"), top_k=2)
    filters = {"operator": "NOT", "conditions": [{"field": "meta.name", "operator": "==", "value": "east"}]}
    found = retriever.run(query_embedding=[1.0, 0.0], filters=filters)["documents"]
    assert [document.id for document in found] == ["north-east", "north"]
    by_id = {"operator": "NOT", "conditions": [{"field": "id", "operator": "==", "value": "north-east"}]}
    found = retriever.run(query_embedding=[1.0, 0.0], filters=by_id)["documents"]
    assert [document.id for document in found] == ["east", "north"]


def test_a_checked_filter_looks_as_far_as_it_must():
    store = ChromaDocumentStore(collection_name="far", distance_function="cosine")
    near = [Document(id=f"n{i}", content="x", embedding=[1.0, i / 1000]) for i in range(300)]
    store.write_documents([*near, Document(id="far", content="y", embedding=[-1.0, 0.1])])
    retriever = SenseweaveChromaRetriever(document_store=store, top_k=1)
    filters = {"field": "id", "operator": "==", "value": "far"}
    assert [document.id for document in retriever.run(query_embedding=[1.0, 0.0], filters=filters)["documents"]] == [
        "far"
    ]


def test_runtime_filters_replace_or_merge():
    first = {"field": "meta.name", "operator": "!=", "value": "east"}
    second = {"field": "meta.name", "operator": "!=", "value": "north-east"}
    store = _store("policy")
    replaced = SenseweaveChromaRetriever(document_store=store, filters=first)
    assert replaced.run(query_embedding=[1.0, 0.0], filters=second)["documents"][0].id == "east"
    merged = SenseweaveChromaRetriever(
        document_store=store, filters={"operator": "AND", "conditions": [first]}, filter_policy="merge"
    )
    both = merged.run(query_embedding=[1.0, 0.0], filters={"operator": "AND", "conditions": [second]})
    assert both["documents"][0].id == "north"


def test_embeddings_come_along_when_asked_for():
    store = _store("embeddings")
    (plain,) = SenseweaveChromaRetriever(document_store=store).run(query_embedding=[1.0, 0.0], top_k=1)["documents"]
    assert plain.embedding is None
    retriever = SenseweaveChromaRetriever(document_store=store, return_embedding=True)
    assert retriever.run(query_embedding=[1.0, 0.0], top_k=1)["documents"][0].embedding == [1.0, 0.0]
    without = retriever.run(query_embedding=[1.0, 0.0], top_k=1, return_embedding=False)["documents"]
    assert without[0].embedding is None


def test_an_empty_store_gives_nothing():
    retriever = SenseweaveChromaRetriever(document_store=ChromaDocumentStore(collection_name="empty"))
    assert retriever.run(query_embedding=[1.0, 0.0]) == {"documents": []}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("words", "not str.*SenseweaveTextEmbedder"),
        (None, "not NoneType.*SenseweaveTextEmbedder"),
        (["a"], "not a list with str.*SenseweaveTextEmbedder"),
        ([], "not an empty list.*SenseweaveTextEmbedder"),
        ([1.0, float("nan")], "not a list with nan"),
    ],
)
def test_wrong_input_is_named_with_the_right_component(wrong, said):
    retriever = SenseweaveChromaRetriever(document_store=ChromaDocumentStore(collection_name="wrong"))
    with pytest.raises((TypeError, ValueError), match=said):
        retriever.run(query_embedding=wrong)


@pytest.mark.parametrize("wrong", ["3", 2.5, True])
def test_a_top_k_that_is_no_number_of_documents_is_named(wrong):
    store = ChromaDocumentStore(collection_name="wrong")
    with pytest.raises(TypeError, match="top_k must be a whole number, not"):
        SenseweaveChromaRetriever(document_store=store, top_k=wrong)
    with pytest.raises(TypeError, match="top_k must be a whole number, not"):
        SenseweaveChromaRetriever(document_store=store).run(query_embedding=[1.0, 0.0], top_k=wrong)


def test_an_embedding_of_another_length_names_the_collection_and_both_lengths():
    retriever = SenseweaveChromaRetriever(document_store=_store("two-numbers"))
    with pytest.raises(
        ValueError, match=r"query embedding has 3 dimensions.*'two-numbers'.*dimension of 2.*model that embedded"
    ):
        retriever.run(query_embedding=[1.0, 0.0, 0.0])


def test_a_store_with_embeddings_of_two_spaces_is_refused_though_one_alone_is_near(tmp_path):
    store = ChromaDocumentStore("two-spaces", persist_path=str(tmp_path), distance_function="cosine")
    of_a = [Document(id=f"a{i}", content="x", embedding=[1.0, i / 9], meta={"fingerprint": "aaaa"}) for i in range(9)]
    plain = Document(id="plain", content="x", embedding=[1.0, 0.1])
    store.write_documents([*of_a, plain])
    retriever = SenseweaveChromaRetriever(document_store=store, top_k=2)
    assert len(retriever.run(query_embedding=[1.0, 0.0])["documents"]) == 2
    of_b = Document(id="b", content="y", embedding=[-1.0, 0.0], meta={"fingerprint": "bbbb"})
    store.write_documents([of_b])
    retriever.close()
    with pytest.raises(FingerprintError, match=r"two-spaces.*(aaaa.*bbbb|bbbb.*aaaa)"):
        retriever.run(query_embedding=[1.0, 0.0])
    with pytest.raises(FingerprintError, match="two-spaces"):
        retriever.run(query_embedding=[1.0, 0.0], top_k=20)


def test_another_store_is_refused():
    with pytest.raises(TypeError, match="expects a ChromaDocumentStore, not InMemoryDocumentStore"):
        SenseweaveChromaRetriever(document_store=InMemoryDocumentStore())


@pytest.mark.integration
async def test_a_store_on_disk_works_under_run_async(tmp_path):
    store = _store("disk", persist_path=str(tmp_path))
    reopened = ChromaDocumentStore(collection_name="disk", distance_function="cosine", persist_path=str(tmp_path))
    retriever = SenseweaveChromaRetriever(document_store=reopened)
    answers = await asyncio.gather(*(retriever.run_async(query_embedding=[0.0, 1.0], top_k=1) for _ in range(8)))
    assert [answer["documents"][0].id for answer in answers] == ["north"] * 8
    await retriever.close_async()
    assert (await retriever.run_async(query_embedding=[0.0, 1.0], top_k=1))["documents"][0].id == "north"
    assert store.count_documents() == 4


@pytest.fixture(scope="module")
def sentences(starter):
    texts = ["The dog is asleep on the sofa.", "Bread needs flour and water.", "The train leaves at noon."]
    return SenseweaveDocumentEmbedder().run(documents=[Document(content=text) for text in texts])["documents"]


QUESTION = "When does the train depart?"


@pytest.mark.integration
@pytest.mark.parametrize("distance", ["cosine", "l2"])
def test_the_best_comes_first_through_every_wrapper_of_core(sentences, distance):
    store = ChromaDocumentStore(collection_name=f"wrapped-{distance}", distance_function=distance)
    store.write_documents(sentences)
    inner = TextEmbeddingRetriever(
        retriever=SenseweaveChromaRetriever(document_store=store), text_embedder=SenseweaveTextEmbedder()
    )
    assert inner.run(query=QUESTION)["documents"][0].content == "The train leaves at noon."
    multi = MultiRetriever(retrievers={"chroma": inner}, top_k=3, join_mode="concatenate")
    assert multi.run(query=QUESTION)["documents"][0].content == "The train leaves at noon."

    words = InMemoryDocumentStore()
    words.write_documents(sentences)
    for mode in ("concatenate", "reciprocal_rank_fusion", "merge", "distribution_based_rank_fusion"):
        pipeline = Pipeline()
        pipeline.add_component("embedder", SenseweaveTextEmbedder())
        pipeline.add_component("retriever", SenseweaveChromaRetriever(document_store=store))
        pipeline.add_component("words", InMemoryBM25Retriever(document_store=words))
        pipeline.add_component("joiner", DocumentJoiner(join_mode=mode))
        pipeline.connect("embedder.embedding", "retriever.query_embedding")
        pipeline.connect("retriever.documents", "joiner.documents")
        pipeline.connect("words.documents", "joiner.documents")
        result = pipeline.run({"embedder": {"text": QUESTION}, "words": {"query": QUESTION}})
        assert result["joiner"]["documents"][0].content == "The train leaves at noon.", mode


def test_what_another_process_adds_is_found(tmp_path):
    retriever = SenseweaveChromaRetriever(document_store=_store("shared", persist_path=str(tmp_path)))
    named = {"field": "meta.name", "operator": "!=", "value": "west"}
    assert len(retriever.run(query_embedding=[1.0, 0.0], filters=named)["documents"]) == 3
    code = (
        "import chromadb, sys\n"
        "collection = chromadb.PersistentClient(sys.argv[1]).get_collection('shared')\n"
        "row = {'embeddings': [[0.8, 0.6]], 'metadatas': [{'name': 'new'}]}\n"
        "collection.add(ids=['new'], documents=['new'], **row)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    found = retriever.run(query_embedding=[1.0, 0.0], filters=named)["documents"]
    assert [document.id for document in found] == ["east", "new", "north-east", "north"]
    retriever.close()
    assert str(tmp_path) not in open_clients()
