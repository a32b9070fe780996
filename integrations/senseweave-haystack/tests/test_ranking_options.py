"""The options of the ranking engine through SenseweaveMultimodalRetriever: for stores and for an index alike."""

import numpy as np
import pytest
from haystack import Document, Pipeline, component
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.document_stores.types import DuplicatePolicy
from haystack_integrations.components.retrievers.senseweave import (
    SenseweaveChromaRetriever,
    SenseweaveMultimodalRetriever,
)
from haystack_integrations.document_stores.chroma import ChromaDocumentStore

import senseweave as sw

SHA = "ab" * 32


class Embedder:
    """Embeds every question as the same vector."""

    def run(self, text):
        return {"embedding": [1.0, 0.0]}


def _document(name, similarity, **meta):
    return Document(
        id=name, content=meta.pop("content", name), meta=meta, embedding=[similarity, (1 - similarity**2) ** 0.5]
    )


def _retriever(documents, **options):
    """Make a retriever over a store for each name, ranked by similarity alone."""
    retrievers = {}
    for name, listed in documents.items():
        store = InMemoryDocumentStore(embedding_similarity_function="cosine")
        store.write_documents(listed)
        retrievers[name] = InMemoryEmbeddingRetriever(store)
    return SenseweaveMultimodalRetriever(
        retrievers=retrievers, embedders=Embedder(), **{"fusion": "none", "auto_calibrate": False} | options
    )


def _ids(result):
    return [document.id for document in result["documents"]]


TALK = [
    _document(f"talk-{i}", 0.9 - i / 100, modality="audio", source="/talk.mp3", sha256=SHA, start=i, end=i + 1)
    for i in range(3)
]
OTHERS = [_document("diary", 0.7, modality="text", source="/diary.txt"), _document("photo", 0.5, modality="image")]


def test_chunks_of_one_list_stay_apart_though_a_splitter_gave_them_one_hash():
    chunks = [_document(f"c{i}", 0.9 - i / 100, source="/long.txt", sha256=SHA) for i in range(7)]
    assert _ids(_retriever({"a": chunks}).run(query="x")) == [f"c{i}" for i in range(7)]


def test_equal_content_of_two_lists_is_one_document_that_names_both_sources():
    photo = {"modality": "image", "sha256": SHA}
    lists = {
        "a": [_document("here", 0.8, source="/here.png", **photo), _document("other", 0.1, source="/other.txt")],
        "b": [_document("there", 0.6, source="/there.png", **photo)],
    }
    first, second = _retriever(lists).run(query="x")["documents"]
    assert (first.id, first.meta["sources"]) == ("here", ["/here.png", "/there.png"])
    assert (second.id, "sources" in second.meta) == ("other", False)


def test_group_joins_the_chunks_of_a_source_and_keeps_their_spans():
    lists = {"a": [*TALK, *OTHERS]}
    plain, grouped = _retriever(lists), _retriever(lists, group=True)
    assert _ids(plain.run(query="x", top_k=3)) == ["talk-0", "talk-1", "talk-2"]
    found = grouped.run(query="x", top_k=3)["documents"]
    assert [document.id for document in found] == ["talk-0", "diary", "photo"]
    assert found[0].meta["spans"] == [[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]]
    assert _ids(plain.run(query="x", top_k=3, options={"group": True})) == ["talk-0", "diary", "photo"]


def test_offset_gives_the_next_page_and_min_score_the_last_that_fits():
    retriever = _retriever({"a": [*TALK, *OTHERS]}, top_k=2)
    pages = [_ids(retriever.run(query="x", options={"offset": offset})) for offset in (0, 2, 4, 6)]
    assert pages == [["talk-0", "talk-1"], ["talk-2", "diary"], ["photo"], []]
    assert _ids(_retriever({"a": OTHERS}, min_score=0.6).run(query="x")) == ["diary"]


def test_quota_and_weights_change_what_is_shown():
    lists = {"a": TALK, "b": OTHERS}
    quota = _retriever(lists, quota={"image": 1}, top_k=3)
    assert _ids(quota.run(query="x")) == ["talk-0", "talk-1", "photo"]
    weighted = _retriever(lists, fusion="weighted_rrf", weights={"b": 5.0})
    assert _ids(weighted.run(query="x"))[0] == "diary"
    assert _ids(weighted.run(query="x", options={"weights": {"a": 5.0, "b": 1.0}}))[0] == "talk-0"


def test_a_weight_of_a_store_counts_for_each_of_its_modalities():
    lists = {"a": TALK, "b": OTHERS}
    weighted = _retriever(lists, fusion="weighted_rrf", weights={"b": 5.0})
    assert _ids(weighted.run(query="x", modalities=["audio", "text", "image"]))[0] == "diary"


def test_a_modality_of_a_call_is_calibrated_by_itself():
    retriever = _retriever({"a": [*TALK, *OTHERS]}, fusion=None, auto_calibrate=True, min_score=None)
    plain = _retriever({"a": [*TALK, *OTHERS]}, fusion=None, auto_calibrate=True, modalities=["audio", "text"])
    called = retriever.run(query="x", modalities=["audio", "text"])["documents"]
    assert called == plain.run(query="x")["documents"]
    assert {document.meta["modality"] for document in called} == {"audio", "text"}


@component
class Chooser:
    """Says which modalities a question is about, as a router or a language model would."""

    @component.output_types(modalities=list[str])
    def run(self, query: str) -> dict[str, list[str]]:
        return {"modalities": [word for word in query.split() if word in ("text", "image")]}


def test_another_component_may_choose_the_modalities():
    pipeline = Pipeline()
    pipeline.add_component("choose", Chooser())
    pipeline.add_component("retrieve", _retriever({"a": [*TALK, *OTHERS]}))
    pipeline.connect("choose.modalities", "retrieve.modalities")
    question = "an image or text"
    found = pipeline.run({"choose": {"query": question}, "retrieve": {"query": question}})["retrieve"]
    assert _ids(found) == ["diary", "photo"]


@pytest.mark.parametrize("asked", [{}, {"diversity": 0.9}])
async def test_diversity_takes_what_differs_and_leaves_no_embeddings_behind(asked):
    near = [Document(id=f"n{i}", content=f"n{i}", embedding=[1.0, i / 100]) for i in range(3)]
    lists = {"a": [*near, Document(id="far", content="far", embedding=[1.0, -0.9])]}
    retriever = _retriever(lists, top_k=2)
    found = (await retriever.run_async(query="x", options=asked))["documents"]
    assert found == retriever.run(query="x", options=asked)["documents"]
    assert [document.id for document in found] == (["n0", "far"] if asked else ["n0", "n1"])
    assert all(document.embedding is None for document in found)


class Backwards:
    """Reranks by the length of the text alone."""

    name = "backwards"

    def scores(self, query, hits):
        assert [media.decode() for media, _ in query.parts] == ["x"]
        return np.array([len(hit.text) for hit in hits], dtype=float)


def test_a_reranker_reads_the_documents_again_and_cannot_be_serialized():
    longest = _document("long", 0.3, content="a long text about nothing")
    retriever = _retriever({"a": [*TALK, longest]}, rerank=Backwards(), rerank_depth=4)
    found = retriever.run(query="x", top_k=1)["documents"]
    assert [(document.id, document.meta["fusion"]) for document in found] == [("long", "backwards")]
    assert found[0].meta["raw_score"] == pytest.approx(0.3, abs=1e-6)
    with pytest.raises(
        ValueError, match="Backwards cannot be serialized as rerank; give the name of a reranking model"
    ):
        retriever.to_dict()


@pytest.mark.parametrize(
    "wrong",
    [
        {"diversity": 2.0},
        {"offset": -1},
        {"quota": {"smell": 1}},
        {"quota": {"image": 11}},
        {"weights": {"nothing": 1.0}},
        {"fusion": "guess"},
    ],
    ids=str,
)
def test_options_that_make_no_sense_are_refused_at_once_and_in_a_call(wrong):
    with pytest.raises(ValueError, match=r"diversity|offset|quota|weights|fusion"):
        _retriever({"a": OTHERS}, **wrong)
    with pytest.raises(ValueError, match=r"diversity|offset|quota|weights|fusion"):
        _retriever({"a": OTHERS}).run(query="x", options=wrong)


def test_an_option_that_does_not_exist_is_named():
    with pytest.raises(ValueError, match="unknown option 'top_p'; there are fusion, weights"):
        _retriever({"a": OTHERS}).run(query="x", options={"top_p": 1})


def test_a_retriever_without_embeddings_says_why_it_cannot_be_diverse():
    class Silent:
        def run(self, query_embedding, filters=None, top_k=None):
            return {"documents": [Document(content="x", score=0.5)]}

    retriever = SenseweaveMultimodalRetriever(
        retrievers={"a": Silent()}, embedders=Embedder(), fusion="rrf", diversity=0.5
    )
    with pytest.raises(ValueError, match="which retriever 'a' does not return"):
        retriever.run(query="x")


@pytest.mark.integration
def test_an_index_takes_the_same_options(tmp_path):
    texts = ["The train leaves at noon.", "The train leaves at one.", "Bread needs flour and water."]
    folder = tmp_path / "index"
    with sw.Index(folder) as index:
        index.add([sw.Text(text) for text in texts])
    plain = SenseweaveMultimodalRetriever(index=folder, top_k=2)
    ranked = [document.content for document in plain.run(query="When does the train leave?", top_k=3)["documents"]]
    paged = plain.run(query="When does the train leave?", options={"offset": 2})["documents"]
    assert [document.content for document in paged] == ranked[2:]
    diverse = SenseweaveMultimodalRetriever(index=folder, top_k=2, diversity=1.0)
    found = [document.content for document in diverse.run(query="When does the train leave?")["documents"]]
    assert found == [ranked[0], "Bread needs flour and water."]
    assert plain.run(query="train", options={"min_score": 1e9}) == {"documents": []}
    plain.close()
    diverse.close()


async def test_words_of_an_index_are_searched(tmp_path, starter):
    with sw.Index(tmp_path / "index", spaces=[starter]) as index:
        index.add([sw.Text(f"Valve QZ-{number:03} was looked at.") for number in range(40)])
        retriever = SenseweaveMultimodalRetriever(index=index, top_k=1, words=True)
        for found in (retriever.run(query="QZ-017"), await retriever.run_async(query="QZ-017")):
            assert [document.content for document in found["documents"]] == ["Valve QZ-017 was looked at."]
            assert found["documents"][0].score > 3
            assert found["documents"][0].meta["matched_words"] == ["QZ-017"]


def test_words_of_other_stores_are_an_error_that_names_them():
    message = r"words=True searches an index .* or a Chroma store, and the store of retriever 'a'"
    with pytest.raises(ValueError, match=message):
        _retriever({"a": OTHERS}).run(query="QZ-017", options={"words": True})


@pytest.mark.parametrize("modalities", [None, ["text"]])
async def test_words_of_a_chroma_store_are_searched_as_it_changes(tmp_path, modalities):
    store = ChromaDocumentStore(
        collection_name="notes", persist_path=str(tmp_path / "store"), distance_function="cosine"
    )
    texts = [f"Valve QZ-{number:03} was looked at." for number in range(40)]
    embeddings = np.random.default_rng(1).normal(size=(42, 8)).tolist()

    def note(number, text):
        return Document(id=f"{number}", content=text, embedding=embeddings[number], meta={"hall": number % 5})

    store.write_documents([note(number, text) for number, text in enumerate(texts)])
    inner = SenseweaveChromaRetriever(document_store=store)
    embedder = _Constant(embeddings[41])
    retriever = SenseweaveMultimodalRetriever(
        retrievers={"a": inner}, embedders=embedder, modalities=modalities, words=True, top_k=1, auto_calibrate=True
    )

    def best(query, **inputs):
        (found,) = retriever.run(query=query, **inputs)["documents"]
        return found.content

    for found in (retriever.run(query="QZ-017"), await retriever.run_async(query="QZ-017")):
        (document,) = found["documents"]
        assert (document.id, document.content, document.embedding) == ("17", texts[17], None)
        assert document.meta["matched_words"] == ["QZ-017"]
    for hall, is_there in ((2, True), (3, False)):
        filters = {"field": "meta.hall", "operator": "==", "value": hall}
        assert (best("QZ-017", filters=filters) == texts[17]) == is_there
    contains = {"field": "content", "operator": "contains", "value": "QZ-018"}
    assert best("QZ-017", filters=contains) == texts[18]
    store.write_documents([note(40, "The fuse XK-99 is blown.")])
    assert best("XK-99") == "The fuse XK-99 is blown."
    store.write_documents([note(3, "The lamp LM-55 is new.")], policy=DuplicatePolicy.OVERWRITE)
    assert best("LM-55") == "The lamp LM-55 is new."
    store.delete_documents(["17"])
    assert best("QZ-017") != texts[17]
    retriever.close()


@component
class _Constant:
    """An embedder for which every question is the same."""

    def __init__(self, embedding):
        self._embedding = embedding

    @component.output_types(embedding=list[float])
    def run(self, text: str):
        return {"embedding": self._embedding}
