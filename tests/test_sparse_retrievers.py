"""The retrievers of the three frameworks over an index rank by its sparse space, as the index does."""

import asyncio

import pytest
from tiny_models import import_tiny

import senseweave as sw
from senseweave.testing import toy_space

pytest.importorskip("sentence_transformers")
TEXTS = ["a small dog runs on the green grass", "rain falls on the roof", "a fox is a small animal", "the old house"]
QUESTION = "roof"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    words = dict.fromkeys(word for text in TEXTS for word in text.split())
    return str(import_tiny("tiny_rerankers").save_word_weights(tmp_path_factory.mktemp("sparse"), list(words)))


def langchain(index):
    retrievers = pytest.importorskip("langchain_senseweave")
    documents = retrievers.SenseweaveRetriever(index=index, k=4).invoke(QUESTION)
    return [(document.page_content, document.metadata["score"]) for document in documents]


def llama_index(index):
    retrievers = pytest.importorskip("llama_index.retrievers.senseweave")
    nodes = retrievers.SenseweaveRetriever(index=index, similarity_top_k=4).retrieve(QUESTION)
    return [(node.node.get_content(), node.score) for node in nodes]


def haystack(index):
    retrievers = pytest.importorskip("haystack_integrations.components.retrievers.senseweave")
    documents = retrievers.SenseweaveMultimodalRetriever(index=index, top_k=4).run(query=QUESTION)["documents"]
    return [(document.content, document.score) for document in documents]


def awaited(index):
    return [(hit.text, hit.score) for hit in asyncio.run(index.asearch(QUESTION, k=4))]


@pytest.mark.parametrize("retrieve", [awaited, langchain, llama_index, haystack])
def test_every_framework_ranks_by_sparse_vectors_as_the_index_does(retrieve, folder, tmp_path):
    with sw.Index(tmp_path / "index", spaces=[toy_space(), folder]) as index:
        index.add([sw.Text(text, source=text) for text in TEXTS])
        hits = index.search(QUESTION, k=4)
        assert hits[0].text == "rain falls on the roof"
        found = retrieve(index)
        assert [text for text, _ in found] == [hit.text for hit in hits]
        assert [score for _, score in found] == pytest.approx([hit.score for hit in hits], rel=1e-4)
    with sw.Index(tmp_path / "dense", spaces=[toy_space()]) as dense:
        dense.add([sw.Text(text, source=text) for text in TEXTS])
        alone = {hit.text: hit.score for hit in dense.search(QUESTION, k=4)}
        assert found[0][1] > alone["rain falls on the roof"] + 1
