"""Stores of a framework in one ranking: what the core does for every framework's stores."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import numpy as np
import pytest

from senseweave import Image, Index, MediaError, Query, Text, UnsupportedModalityError
from senseweave.interop import (
    MODALITIES,
    Candidate,
    ChromaView,
    FingerprintError,
    IndexRanking,
    Plan,
    Planner,
    SampledView,
    StoreRanking,
    check_fingerprints,
    given_vector,
    list_name,
    read_anew,
)
from senseweave.retrieval.calibration.probes import PROBES
from senseweave.testing import toy_space

AXES = {"dog": [1.0, 0.0, 0.0], "bread": [0.0, 1.0, 0.0], "train": [0.0, 0.0, 1.0]}


class Shelf(SampledView):
    """A store of a few records in memory, whose model reads texts of one word and makes vectors of length 2."""

    query_modalities = ("text",)

    def __init__(self, name, records, space="words"):
        self.name = name
        self.records = records
        self.given_space = space
        self.embedded = []
        self.phrases = 0

    @property
    def space(self):
        return self.given_space

    def embed(self, media):
        self.embedded.append([item.decode() for item in media])
        return [[2 * value for value in AXES.get(text, [0.6, 0.8, 0.0])] for text in self.embedded[-1]]

    async def aembed(self, media):
        return self.embed(media)

    def embed_phrases(self, phrases):
        self.phrases += 1
        return np.random.default_rng(0).normal(size=(len(phrases), 3))

    def find(self, call, vector, k, modality):
        self.call = call
        of_modality = [(key, AXES[key]) for key, kind in self.records.items() if modality in (None, kind)]
        found = [
            Candidate(key, {"modality": self.records[key]}, key, float(vector @ axis)) for key, axis in of_modality
        ]
        return sorted(found, key=lambda candidate: -candidate.similarity)[:k]

    def vectors(self, found):
        return [np.array(AXES[candidate.id], np.float32) for candidate in found]

    def count(self):
        return len(self.records)

    def sample(self, modality):
        rows = [AXES[key] for key, kind in self.records.items() if kind == modality]
        return np.array(rows, np.float32).reshape(-1, 3), len(rows)


def ids(ranked):
    return [place.hit.id for place in ranked]


def test_a_query_is_embedded_once_for_all_stores_of_a_space():
    first, second = Shelf("0", {"dog": "text"}), Shelf("1", {"train": "text"})
    other = Shelf("2", {"bread": "text"}, space="others")
    ranked = StoreRanking([first, second, other], MODALITIES).rank(Query(["dog"]), Plan(9, method="none"))
    assert ids(ranked)[0] == "dog"
    assert {place.source.name for place in ranked} == {"0/text", "1/text", "2/text"}
    assert len(first.embedded + second.embedded) == 1
    assert len(other.embedded) == 1


def test_the_length_of_a_vector_is_kept_beside_its_unit_vector():
    shelf = Shelf("0", {"dog": "text"})
    (place,) = StoreRanking([shelf], MODALITIES).rank(Query(["dog"]), Plan(9, method="none"))
    assert place.hit.raw_score == pytest.approx(1.0)
    (part,) = shelf.call.parts
    assert part.length == pytest.approx(2.0)


def test_async_ranks_as_sync_does():
    stores = StoreRanking([Shelf("0", {"dog": "text", "bread": "image"}), Shelf("1", {"train": "text"})], MODALITIES)
    for plan in (Plan(2), Plan(2, diversity=0.5)):
        expected = stores.rank(Query(["dog"]), plan, filters="f")
        found = asyncio.run(stores.arank(Query(["dog"]), plan, filters="f"))
        assert [place.hit.score for place in found] == [place.hit.score for place in expected]
        assert ids(found) == ids(expected)
    assert stores.views[0].call.filters == "f"


def test_only_the_named_modalities_are_asked_for_and_without_names_a_store_is_one_list():
    shelf = Shelf("0", {"dog": "text", "bread": "image"})
    assert ids(StoreRanking([shelf], {"image"}).rank(Query(["dog"]), Plan(9, method="none"))) == ["bread"]
    ranked = StoreRanking([shelf], None).rank(Query(["dog"]), Plan(9, method="none"))
    assert ids(ranked) == ["dog", "bread"]
    assert {place.source.name for place in ranked} == {"0"}
    assert (list_name("0", None), list_name("0", "image")) == ("0", "0/image")


def test_a_query_that_no_model_embeds_is_refused():
    with pytest.raises(UnsupportedModalityError, match="image"):
        StoreRanking([Shelf("0", {"dog": "text"})], MODALITIES).rank(Query([Image(b"")]), Plan(9))


def test_phrases_are_embedded_once_and_a_store_of_one_modality_is_not_asked_for_others():
    shelf = Shelf("0", dict.fromkeys(AXES, "text"))
    stores = StoreRanking([shelf], MODALITIES)
    for _ in range(2):
        assert len(stores.rank(Query(["dog"]), Plan(9))) == 3
    assert shelf.phrases == 1
    assert shelf.statistics("text", "text").documents == 3
    assert shelf.is_empty(shelf.call, "image")
    assert not shelf.is_empty(shelf.call, "text")


def test_a_plan_keeps_the_reranker_of_a_name_and_gives_back_its_options(monkeypatch):
    made = []

    class Reranker:
        def __init__(self, name):
            self.name = name
            made.append(name)

    monkeypatch.setattr("senseweave.retrieval.search.rerank.as_reranker", Reranker)
    planner = Planner(lists=("photos",))
    options = {"fusion": "weighted_rrf", "weights": {"photos": 2.0}, "rerank": "some-model", "offset": 3}
    plan = planner.plan(4, options)
    assert planner.plan(4, options).reranker is plan.reranker
    assert made == ["some-model"]
    assert {**plan.search_options, "rerank": "some-model"}.items() >= {**options, "k": 4, "group": False}.items()
    with pytest.raises(ValueError, match="weights names 'photos'"):
        Planner().plan(4, options)


class Collection(ChromaView):
    """A bare Chroma collection."""

    name = space = "chroma"

    def __init__(self, client, metric):
        self._given = client.get_or_create_collection(
            "texts", configuration={"hnsw": {"space": metric}}, embedding_function=None
        )

    @property
    def collection(self):
        return self._given

    def replace_collection(self, collection, client):
        self._given, self.client = collection, client

    def embed_phrases(self, phrases):
        return np.random.default_rng(0).normal(size=(len(phrases), 3))


@pytest.mark.parametrize("metric", ["l2", "cosine", "ip"])
def test_a_chroma_collection_gives_similarities_vectors_and_statistics(tmp_path, metric):
    chromadb = pytest.importorskip("chromadb")
    view = Collection(chromadb.PersistentClient(str(tmp_path)), metric)
    vectors = np.array([[1, 0, 0], [0.6, 0.8, 0], [0, 0, 1]], np.float32)
    metadatas = [{"modality": "text"}, {"modality": "CT"}, {"modality": "image"}]
    view.collection.add(ids=["a", "b", "c"], embeddings=vectors, documents=["a", "b", "c"], metadatas=metadatas)
    found = view.collection.query(query_embeddings=vectors[:1], n_results=3)
    cosines = dict(zip(found["ids"][0], map(view.similarity, found["distances"][0]), strict=True))
    assert cosines == pytest.approx({"a": 1.0, "b": 0.6, "c": 0.0}, abs=1e-6)
    given = [Candidate(key, {}, None, 0.0) for key in ("c", "a")]
    np.testing.assert_allclose(view.vectors(given), vectors[[2, 0]])
    assert view.count() == 3
    assert view.sample("text")[1] == 2
    assert view.statistics("image", "text").documents == 1
    assert view.statistics("audio", "text") is None


def test_a_collection_is_opened_anew_after_another_process_has_written(tmp_path):
    chromadb = pytest.importorskip("chromadb")
    view = Collection(chromadb.PersistentClient(str(tmp_path)), "cosine")
    view.collection.add(ids=["a"], embeddings=[[1.0, 0.0, 0.0]], documents=["a"], metadatas=[{"n": 1}])
    asked = {"query_embeddings": [[1.0, 0.0, 0.0]], "n_results": 9, "where": {"n": 1}}
    assert view.read(lambda: view.collection.query(**asked))["ids"] == [["a"]]
    code = (
        "import chromadb, sys\n"
        "collection = chromadb.PersistentClient(sys.argv[1]).get_collection('texts', embedding_function=None)\n"
        "collection.add(ids=['b'], embeddings=[[0.0, 1.0, 0.0]], documents=['b'], metadatas=[{'n': 1}])\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    stale = view.collection
    assert view.read(lambda: view.collection.query(**asked))["ids"] == [["a", "b"]]
    assert view.collection is not stale


def test_an_error_of_a_collection_in_memory_is_not_hidden():
    chromadb = pytest.importorskip("chromadb")
    from chromadb.errors import InternalError

    def ask():
        msg = "Error finding id"
        raise InternalError(msg)

    collection = chromadb.EphemeralClient().get_or_create_collection("memory-only", embedding_function=None)
    with pytest.raises(InternalError, match="Error finding id"):
        read_anew(ask, lambda: collection, lambda *given: pytest.fail("there is nothing to open anew"))


def test_an_option_that_does_not_exist_is_named():
    with pytest.raises(TypeError, match="unknown option 'top_p'; there are fusion, weights"):
        Planner().plan(4, {"top_p": 1})


def test_an_index_is_asked_as_stores_are(own_chroma):
    chromadb = pytest.importorskip("chromadb")
    index = Index(chromadb.EphemeralClient(), spaces=[toy_space()])
    index.add([Text("dog", metadata={"shelf": 1}), Text("bread", metadata={"shelf": 2})])
    ranking = IndexRanking(lambda: index, ["text"], lambda given: {"shelf": given})
    places = ranking.rank(Query(["dog"]), Plan(4), filters=2)
    assert [(place.hit.text, place.item) for place in places] == [("bread", None)]
    assert ids(asyncio.run(ranking.arank(Query(["dog"]), Plan(4), filters=2))) == ids(places)


def test_fingerprints_of_one_space_pass_and_those_of_two_are_named():
    assert check_fingerprints([], "shelf") is None
    assert check_fingerprints([None, "a", "a"], "shelf") == "a"
    assert check_fingerprints([None], "shelf", "a") == "a"
    for found, expected in ((["a", "b"], None), (["b"], "a")):
        with pytest.raises(FingerprintError, match=r"'shelf' holds vectors of fingerprint b, but was given .* a"):
            check_fingerprints(found, "shelf", expected)


def test_a_given_vector_asks_every_space_of_its_dimension():
    asked = given_vector([3.0, 4.0], {"a": 2, "b": 3, "c": 2})
    assert set(asked) == {"a", "c"}
    assert asked["a"][0].vector.tolist() == pytest.approx([0.6, 0.8])


@pytest.mark.parametrize(
    ("vector", "problem"), [([1.0, 0.0], "has dimension 2, the stores' vectors have 3, 4"), ([0.0] * 3, "is zero")]
)
def test_a_given_vector_that_is_zero_or_of_no_space_is_refused(vector, problem):
    with pytest.raises(ValueError, match=f"the query embedding {problem}; embed queries"):
        given_vector(vector, {"a": 4, "b": 3})


@pytest.mark.parametrize("known", [30, 0])
def test_phrases_that_a_model_of_few_words_cannot_embed_are_left_out(known):
    class FewWords(Shelf):
        def embed_phrases(self, phrases):
            unknown = [phrase for phrase in phrases if phrase.decode() not in PROBES[:known]]
            if unknown:
                raise MediaError(unknown[0].decode(), "no word of it is known")
            return super().embed_phrases(phrases)

    shelf = FewWords("0", {"dog": "text", "bread": "text"})
    assert ids(StoreRanking([shelf], ["text"]).rank(Query(["dog"]), Plan(2))) == ["dog", "bread"]
    statistics = shelf.statistics("text", "text")
    assert (statistics.queries if statistics is not None else 0) == known
