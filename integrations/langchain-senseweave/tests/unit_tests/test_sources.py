"""What the retriever asks of different stores, and what it makes of their scores."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from langchain_chroma import Chroma
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore

from langchain_senseweave import (
    MediaLoader,
    SenseweaveChroma,
    SenseweaveEmbeddings,
    SenseweaveRetriever,
    add_media_documents,
)
from langchain_senseweave.retrieval import other_stores
from langchain_senseweave.retrieval.sources import view_store
from senseweave import AddError, MediaError, Query
from senseweave.interop import Plan, StoreCall

TEXTS = ["a dog on the grass", "bread from the oven", "the train is late"]


class Foreign(VectorStore):
    """A store of which only what every store has is known."""

    def __init__(self, embeddings):
        self._inner = InMemoryVectorStore(embeddings)

    @property
    def embeddings(self):
        return self._inner.embeddings

    def add_texts(self, texts, metadatas=None, **kwargs):
        return self._inner.add_texts(texts, metadatas, **kwargs)

    def similarity_search(self, query, k=4, **kwargs):
        return self._inner.similarity_search(query, k, **kwargs)

    def similarity_search_with_score(self, query, k=4, **kwargs):
        return self._inner.similarity_search_with_score(query, k, **kwargs)

    def _select_relevance_score_fn(self):
        return lambda score: score

    @classmethod
    def from_texts(cls, texts, embedding, metadatas=None, **kwargs):
        store = cls(embedding)
        store.add_texts(texts, metadatas)
        return store


def cosines(embeddings, query):
    return np.array(embeddings.embed_documents(TEXTS)) @ np.array(embeddings.embed_query(query))


@pytest.mark.parametrize("metric", ["l2", "cosine", "ip"])
def test_distances_of_every_metric_become_cosine_similarities(embeddings, tmp_path, metric):
    store = Chroma(
        "texts", embeddings, persist_directory=str(tmp_path), collection_configuration={"hnsw": {"space": metric}}
    )
    store.add_texts(TEXTS)
    found = SenseweaveRetriever(vector_stores=[store]).invoke("the dog")
    similarity = dict(zip(TEXTS, cosines(embeddings, "the dog"), strict=True))
    for document in found:
        assert document.metadata["raw_score"] == pytest.approx(similarity[document.page_content], abs=1e-4)


def test_a_store_of_which_little_is_known_can_be_asked_by_text_and_not_by_media(embeddings, red_png):
    store = Foreign.from_texts(TEXTS, embeddings, [{"n": n} for n in range(3)])
    retriever = SenseweaveRetriever(vector_stores=[store], k=2)
    found = retriever.invoke("the dog")
    assert len(found) == 2
    assert found[0].page_content == TEXTS[0]
    assert found[0].metadata["raw_score"] == pytest.approx(cosines(embeddings, "the dog")[0], abs=1e-5)
    assert retriever.invoke("the dog", filter=lambda entry: entry.metadata["n"] == 1)[0].page_content == TEXTS[1]
    assert retriever.invoke("the dog", modalities=["image"]) == []
    with pytest.raises(TypeError, match="Foreign gives no scores for a vector"):
        retriever.retrieve_by_image(red_png)


def test_a_store_that_is_asked_by_text_is_asked_until_there_are_enough_of_a_modality(embeddings):
    metadata = [{"n": n} for n in range(60)] + [{"modality": "image", "source": f"/{n}.png"} for n in range(3)]
    store = Foreign.from_texts(["the dog"] * 60 + ["bread"] * 3, embeddings, metadata)
    found = SenseweaveRetriever(vector_stores=[store], k=3, modalities=["image"]).invoke("the dog")
    assert sorted(document.metadata["source"] for document in found) == ["/0.png", "/1.png", "/2.png"]


def test_a_users_value_under_a_name_of_the_result_is_kept(embeddings):
    store = InMemoryVectorStore(embeddings)
    store.add_texts(["the dog"], [{"score": 9, "space": "kitchen", "raw_score": "high"}])
    (found,) = SenseweaveRetriever(vector_stores=[store]).invoke("the dog")
    assert found.metadata["score"] != 9
    kept = {name: found.metadata[f"user_{name}"] for name in ("score", "space", "raw_score")}
    assert kept == {"score": 9, "space": "kitchen", "raw_score": "high"}


def test_statistics_are_estimated_once_and_again_when_the_store_has_doubled(embeddings, tmp_path):
    store = SenseweaveChroma("texts", embeddings, persist_directory=str(tmp_path))
    store.add_texts(TEXTS)
    view = view_store(store)
    first = view.statistics("text", "text")
    assert first is not None
    assert first.documents == 3
    store.add_texts(["one more"])
    assert view.statistics("text", "text") is first
    store.add_texts([f"text {n}" for n in range(8)])
    assert view.statistics("text", "text").documents == 12
    assert view.statistics("image", "text") is None


def test_text_without_a_modality_counts_as_text_in_every_store(embeddings, tmp_path, red_png):
    documents = [Document(TEXTS[0], id="1"), Document(TEXTS[1], id="2", metadata={"modality": "text"})]
    stores = [
        SenseweaveChroma("texts", embeddings, persist_directory=str(tmp_path)),
        InMemoryVectorStore(embeddings),
        Foreign(embeddings),
    ]
    for store in stores:
        store.add_texts(
            [entry.page_content for entry in documents], [entry.metadata for entry in documents], ids=["1", "2"]
        )
        vector = np.array(embeddings.embed_query("the dog"), dtype=np.float32)
        call = StoreCall(Query(["the dog"]), Plan(5), filters=[])
        found = view_store(store).find(call, vector, 5, "text")
        assert {candidate.item.page_content for candidate in found} == set(TEXTS[:2])
        assert view_store(store).find(call, vector, 5, "image") == []


def test_a_document_that_uses_the_name_modality_for_something_else_counts_as_text(embeddings, tmp_path):
    stores = [
        Chroma("scans", embeddings, persist_directory=str(tmp_path)),
        InMemoryVectorStore(embeddings),
        Foreign(embeddings),
    ]
    for store in stores:
        store.add_texts(TEXTS[:2], [{"modality": "CT"}, {"modality": "text"}])
        retriever = SenseweaveRetriever(vector_stores=[store])
        assert {entry.page_content for entry in retriever.invoke("the dog")} == set(TEXTS[:2])
        assert {entry.page_content for entry in retriever.invoke("the dog", modalities=["text"])} == set(TEXTS[:2])
        assert retriever.invoke("the dog", modalities=["image"]) == []


def test_a_store_without_embeddings_is_refused():
    class Without(Foreign):
        @property
        def embeddings(self):
            return None

    with pytest.raises(ValueError, match="Without has no embeddings"):
        SenseweaveRetriever(vector_stores=[Without(SenseweaveEmbeddings())])


def value_filter(name, value):
    return {name: value}


def function_filter(name, value):
    return lambda document: document.metadata[name] == value


@pytest.mark.parametrize(
    ("kind", "make_filter"),
    [
        (SenseweaveChroma, value_filter),
        (InMemoryVectorStore, value_filter),
        (InMemoryVectorStore, function_filter),
        (Foreign, function_filter),
    ],
)
def test_the_filter_of_a_call_narrows_that_of_the_retriever(embeddings, tmp_path, kind, make_filter):
    metadata = [{"owner": owner, "year": year} for owner in ("ann", "bob") for year in (2023, 2024)]
    if kind is SenseweaveChroma:
        store = SenseweaveChroma("texts", embeddings, persist_directory=str(tmp_path))
        store.add_texts([f"text {n}" for n in range(4)], metadata)
    else:
        store = kind.from_texts([f"text {n}" for n in range(4)], embeddings, metadata)
    retriever = SenseweaveRetriever(vector_stores=[store], filter=make_filter("owner", "ann"))
    assert len(retriever.invoke("text")) == 2
    (found,) = retriever.invoke("text", filter=make_filter("year", 2024))
    assert (found.metadata["owner"], found.metadata["year"]) == ("ann", 2024)
    assert retriever.invoke("text", filter=make_filter("owner", "bob")) == []


def test_filters_in_a_language_that_is_not_known_are_joined_or_refused(embeddings):
    class Equal(Foreign):
        """Takes a dict of values as filter."""

        def similarity_search_with_score(self, query, k=4, filter=None, **kwargs):  # noqa: A002
            wanted = filter.items()
            test = {"filter": lambda document: wanted <= document.metadata.items()}
            return self._inner.similarity_search_with_score(query, k, **test)

    store = Equal.from_texts(TEXTS, embeddings, [{"owner": "ann", "n": n} for n in range(3)])
    retriever = SenseweaveRetriever(vector_stores=[store], filter={"owner": "ann"})
    assert [document.page_content for document in retriever.invoke("dog", filter={"n": 1})] == [TEXTS[1]]
    with pytest.raises(ValueError, match="cannot be joined for Equal"):
        retriever.invoke("dog", filter={"owner": "bob"})


@pytest.mark.parametrize("kind", [Chroma, InMemoryVectorStore])
def test_diverse_results_differ_from_each_other(embeddings, tmp_path, kind):
    options = {"persist_directory": str(tmp_path)} if kind is Chroma else {}
    texts = ["dog dog", "dog", "dog dog dog", "dog bread"]
    store = kind.from_texts(texts, embeddings, **options)
    retriever = SenseweaveRetriever(vector_stores=[store], k=2)
    assert "dog bread" not in {document.page_content for document in retriever.invoke("dog")}
    assert "dog bread" in {document.page_content for document in retriever.invoke("dog", diversity=0.9)}


def test_a_store_that_gives_no_vectors_says_that_it_cannot_spread_results(embeddings):
    retriever = SenseweaveRetriever(vector_stores=[Foreign.from_texts(TEXTS, embeddings)], diversity=0.5)
    with pytest.raises(ValueError, match="Foreign does not give the vectors"):
        retriever.invoke("dog")


def test_a_store_that_embeds_text_itself_is_asked_once_a_search(embeddings):
    class Counting(Foreign):
        calls = 0

        def similarity_search_with_score(self, query, k=4, **kwargs):
            type(self).calls += 1
            return super().similarity_search_with_score(query, k, **kwargs)

    SenseweaveRetriever(vector_stores=[Counting.from_texts(TEXTS, embeddings)]).invoke("dog")
    assert Counting.calls == 1


def test_what_another_process_adds_is_found(embeddings, tmp_path):
    store = SenseweaveChroma("texts", embeddings, persist_directory=str(tmp_path))
    store.add_texts(TEXTS)
    retriever = SenseweaveRetriever(vector_stores=[store], k=9)
    assert len(retriever.invoke("the dog")) == 3
    code = (
        "import chromadb, sys\n"
        "collection = chromadb.PersistentClient(sys.argv[1]).get_collection('texts')\n"
        "vectors = collection.get(include=['embeddings'])['embeddings']\n"
        "collection.add(ids=['a', 'b', 'c'], embeddings=vectors, documents=['new'] * 3)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    for diversity in (None, 0.1):
        found = retriever.invoke("the dog", diversity=diversity)
        assert sorted(document.page_content for document in found) == sorted([*TEXTS, "new", "new", "new"])


def test_vectors_of_any_length_are_asked_as_the_embeddings_made_them(embeddings, tmp_path):
    class Long(SenseweaveEmbeddings):
        """Has vectors of length 3."""

        def embed_media(self, media, *, role="document"):
            return [[3 * value for value in vector] for vector in super().embed_media(media, role=role)]

    asked = []

    class Listening(Chroma):
        def similarity_search_by_vector_with_relevance_scores(self, embedding, *args, **kwargs):
            asked.append(np.linalg.norm(embedding))
            return super().similarity_search_by_vector_with_relevance_scores(embedding, *args, **kwargs)

    store = Listening("texts", Long(model=embeddings.space), persist_directory=str(tmp_path))
    store.add_texts(TEXTS)
    assert SenseweaveRetriever(vector_stores=[store]).invoke("the dog")[0].page_content == TEXTS[0]
    assert asked == pytest.approx([3.0] * len(asked))


def test_equal_ids_of_different_content_are_two_results(make_space):
    stores = [InMemoryVectorStore(SenseweaveEmbeddings(model=make_space(seed))) for seed in (1, 2)]
    for store, text in zip(stores, TEXTS, strict=False):
        store.add_texts([text, "in both stores"], ids=["1", "2"])
    found = SenseweaveRetriever(vector_stores=stores, k=9).invoke("the dog")
    assert sorted(document.page_content for document in found) == sorted([*TEXTS[:2], "in both stores"])


class ByVector(Foreign):
    """A store that answers to a vector with distances, and cannot be asked for a modality."""

    def similarity_search_with_score_by_vector(self, embedding, k=4, filter=None):  # noqa: A002
        scored = self._inner.similarity_search_with_score_by_vector(embedding, k, filter)
        return [(document, 1.0 - score) for document, score in scored]


def test_a_store_that_answers_to_a_vector_finds_media_however_many_texts_are_nearer(embeddings, red_png):
    store = ByVector.from_texts([f"note {n}" for n in range(60)], embeddings)
    add_media_documents(store._inner, MediaLoader([red_png]).load())
    retriever = SenseweaveRetriever(vector_stores=[store], k=3)
    for found in (retriever.invoke("note 7", modalities=["image"]), retriever.retrieve_by_image(red_png)):
        assert found[0].metadata["source"] == str(red_png)
    assert found[0].metadata["raw_score"] > found[1].metadata["raw_score"]


def test_a_store_is_not_asked_for_all_it_holds_to_find_a_modality_that_is_not_there(embeddings, monkeypatch):
    monkeypatch.setattr(other_stores, "MOST_ASKED", 20)
    retriever = SenseweaveRetriever(vector_stores=[ByVector.from_texts(["a note"] * 60, embeddings)], k=3)
    with pytest.warns(UserWarning, match="of the 20 documents of ByVector nearest to a query, 0 are image"):
        assert retriever.invoke("a note", modalities=["image"]) == []


def test_media_are_added_to_a_store_that_embeds_text_alone(embeddings, red_png, tmp_path):
    store = InMemoryVectorStore(embeddings)
    ids = add_media_documents(store, [*MediaLoader([red_png]).load(), Document("a note", id="note")], batch_size=1)
    assert ids[1] == "note"
    assert store.store[ids[0]]["vector"] == pytest.approx(embeddings.embed_image([red_png])[0], abs=1e-6)
    assert store.store["note"]["vector"] == pytest.approx(embeddings.embed_documents(["a note"])[0], abs=1e-6)
    assert store.embeddings is embeddings


def test_documents_that_cannot_be_read_are_an_error_after_the_others_are_in_the_store(embeddings, red_png):
    store, gone = InMemoryVectorStore(embeddings), Document("", metadata={"modality": "image", "source": "gone.png"})
    with pytest.raises(AddError, match=r"gone\.png \(item 2 of 3\): .*2 added, 1 failed"):
        add_media_documents(store, [*MediaLoader([red_png]).load(), gone, Document("a note")], batch_size=2)
    assert sorted(entry["text"] for entry in store.store.values())[0] == "a note"
    assert len(store.store) == 2


def test_documents_that_cannot_be_read_are_left_out_when_asked(embeddings, red_png):
    gone = Document("", metadata={"modality": "image", "source": "gone.png"})
    documents = [*(Document(f"note {i}") for i in range(3)), gone]
    for store in (InMemoryVectorStore(embeddings), SenseweaveChroma("left-out", embeddings)):
        with pytest.warns(UserWarning, match=r"1 input was left out: gone\.png \(item 4 of 4\)"):
            add_media_documents(store, documents, on_error="skip", batch_size=2)
        assert len(store.similarity_search("note", k=9)) == 3
        with pytest.raises(MediaError, match="gone"):
            add_media_documents(store, [gone], on_error="raise")
        with pytest.raises(ValueError, match="on_error"):
            add_media_documents(store, [gone], on_error="ignore")


def test_media_cannot_be_added_where_the_embeddings_take_text_alone(red_png):
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
    with pytest.raises(TypeError, match="embed text alone; give the store SenseweaveEmbeddings"):
        add_media_documents(store, MediaLoader([red_png]).load())


def test_media_of_equal_captions_get_their_own_vectors(embeddings, red_png, blue_png):
    store = InMemoryVectorStore(embeddings)
    images = [Document("a field", metadata={"modality": "image", "source": str(path)}) for path in (red_png, blue_png)]
    ids = add_media_documents(store, images)
    for identifier, vector in zip(ids, embeddings.embed_image([red_png, blue_png]), strict=True):
        assert store.store[identifier]["vector"] == pytest.approx(vector, abs=1e-6)


def test_a_retriever_that_is_given_other_stores_searches_those(embeddings):
    first, second = InMemoryVectorStore(embeddings), InMemoryVectorStore(embeddings)
    first.add_texts(TEXTS[:1])
    second.add_texts(TEXTS[1:])
    retriever = SenseweaveRetriever(vector_stores=[first])
    copied = retriever.model_copy(update={"vector_stores": [second]})
    assert [document.page_content for document in retriever.invoke("the dog")] == TEXTS[:1]
    assert {document.page_content for document in copied.invoke("the dog")} == set(TEXTS[1:])
    retriever.vector_stores = [first, second]
    assert {document.page_content for document in retriever.invoke("the dog")} == set(TEXTS)
