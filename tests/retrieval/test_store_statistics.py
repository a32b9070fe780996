"""Statistics of plain stores: when they are estimated, from what, and when again."""

import copy
import pickle
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import chromadb
import numpy as np
import pytest

from senseweave.retrieval import METHODS, StoreStatistics, background
from senseweave.retrieval.calibration.store_statistics import SAMPLE, chroma_sample, evenly_spaced

DIMENSION = 8
PHRASES = np.random.default_rng(0).normal(size=(20, DIMENSION)).astype(np.float32)


class PlainStore:
    """Vectors by modality, counting what is asked of it."""

    def __init__(self, **sizes):
        self.vectors = {}
        self.asked = Counter()
        for modality, size in sizes.items():
            self.resize(modality, size)

    def resize(self, modality, size):
        rng = np.random.default_rng(len(modality))
        self.vectors[modality] = rng.normal(size=(size, DIMENSION)).astype(np.float32)

    def count(self):
        return sum(len(rows) for rows in self.vectors.values())

    def sample(self, modality):
        self.asked[modality] += 1
        vectors = self.vectors.get(modality, np.zeros((0, DIMENSION), np.float32))
        return vectors[:50], len(vectors)

    def probes(self, modality):
        self.asked["probes"] += 1
        return PHRASES

    def statistics(self):
        return StoreStatistics(self.sample, self.probes, count=self.count)


def test_a_store_is_not_queried_before_its_statistics_are_needed():
    store = PlainStore(text=4)
    store.statistics()
    assert not store.asked


def test_text_queries_are_stood_in_for_by_phrases_and_others_by_the_store_s_own_documents():
    store = PlainStore(text=30, image=80)
    known = store.statistics()
    images = store.vectors["image"][:50]
    assert known.find("image", "text") == background(PHRASES, images, size=80, origin="probes")
    assert known.find("text", "image") == background(images, store.vectors["text"], size=30, origin="documents")


def test_statistics_are_kept_until_the_store_has_doubled_or_halved():
    store = PlainStore(text=20)
    known = store.statistics()
    first = known.find("text", "text")
    for size in (11, 20, 39):
        store.resize("text", size)
        assert known.find("text", "text") is first
    for size in (40, 20, 80):
        store.resize("text", size)
        assert known.find("text", "text").documents == size


@pytest.mark.parametrize("query_modality", ["text", "image"])
def test_what_was_missing_is_looked_for_as_soon_as_the_store_changes_and_not_before(query_modality):
    store = PlainStore(text=20)
    known = store.statistics()
    assert known.find("image", query_modality) is None
    assert known.find("image", query_modality) is None
    assert store.asked["image"] == 1
    store.resize("image", 1)
    assert known.find("image", query_modality).documents == 1


def test_queries_that_nothing_can_stand_in_for_have_no_statistics():
    known = PlainStore(text=20).statistics()
    assert known.find("text", "audio") is None
    assert not known.is_empty("text")


def test_a_part_is_known_to_be_empty_once_it_was_looked_at_and_until_something_came():
    store = PlainStore(text=20)
    known = store.statistics()
    assert not known.is_empty("image")
    known.find("image", "audio")
    assert known.is_empty("image")
    store.resize("image", 3)
    known.find("image", "text")
    assert not known.is_empty("image")


def test_a_part_whose_vectors_the_store_does_not_give_is_not_empty():
    known = StoreStatistics(lambda _: (np.zeros((0, DIMENSION), np.float32), 20), lambda _: PHRASES)
    assert known.find("text", "text") is None
    assert not known.is_empty("text")


def test_a_single_document_gives_scores_of_sane_size():
    store = PlainStore(image=1)
    known = store.statistics().find("image", "image")
    (document,) = store.vectors["image"]
    scores = METHODS["above_chance"].score(np.array([-1.0, 0.0, 1.0]), known.for_query(document))
    assert np.abs(scores).max() < 20


def test_without_a_count_statistics_are_kept_and_missing_ones_are_tried_each_time():
    store = PlainStore(text=20)
    known = StoreStatistics(store.sample, store.probes)
    first = known.find("text", "text")
    assert known.find("image", "text") is None
    store.resize("text", 200)
    store.resize("image", 5)
    assert known.find("text", "text") is first
    assert known.find("image", "text").documents == 5
    known.clear()
    assert known.find("text", "text").documents == 200


def test_parts_of_any_name_can_say_which_documents_stand_in_for_queries():
    store = PlainStore(letters=10, photos=12)
    known = StoreStatistics(
        store.sample, store.probes, documents_like=lambda part, modality: store.vectors[{"image": "photos"}[modality]]
    )
    expected = background(store.vectors["photos"], store.vectors["letters"], size=10, origin="documents")
    assert known.find("letters", "image") == expected


def test_threads_that_ask_at_once_have_one_estimate_made():
    store = PlainStore(text=20)
    sampling, go = Event(), Event()

    def slow_sample(modality):
        sampling.set()
        assert go.wait(30)
        return store.sample(modality)

    known = StoreStatistics(slow_sample, store.probes, count=store.count)
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(known.find, "text", "text") for _ in range(8)]
        assert sampling.wait(30)
        go.set()
        found = {id(future.result(30)) for future in asked}
    assert len(found) == 1
    assert store.asked == {"text": 1, "probes": 1}


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda statistics: pickle.loads(pickle.dumps(statistics))])
def test_a_copy_knows_what_was_estimated_and_goes_its_own_way(copied):
    store = PlainStore(text=20)
    known = store.statistics()
    first = known.find("text", "text")
    other = copied(known)
    store.resize("text", 100)
    assert other.find("text", "text") == first
    assert known.find("text", "text").documents == 100


def test_an_estimate_that_fails_is_an_error_each_time_and_can_succeed_later():
    store = PlainStore(text=20)
    working = False

    def probes(modality):
        if not working:
            raise ConnectionError("no server")
        return PHRASES

    known = StoreStatistics(store.sample, probes, count=store.count)
    for _ in range(2):
        with pytest.raises(ConnectionError, match="no server"):
            known.find("text", "text")
    working = True
    assert known.find("text", "text").documents == 20


def test_a_store_of_another_dimension_is_an_error_that_names_both():
    known = StoreStatistics(PlainStore(text=20).sample, lambda modality: PHRASES[:, :5])
    with pytest.raises(ValueError, match="vectors of 8 dimensions, but its model makes vectors of 5"):
        known.find("text", "text")


def test_places_are_evenly_spaced_from_first_to_last():
    assert evenly_spaced(range(101), 5) == [0, 25, 50, 75, 100]
    assert evenly_spaced(["a", "b"], 5) == ["a", "b"]
    assert evenly_spaced([], 5) == []


def test_a_chroma_collection_is_sampled_where_a_condition_holds():
    collection = chromadb.EphemeralClient().create_collection("sampled-by-statistics")
    vectors = PlainStore(text=SAMPLE + 100, image=3).vectors
    for modality, rows in vectors.items():
        ids = [f"{modality}{number}" for number in range(len(rows))]
        collection.add(ids=ids, embeddings=rows, metadatas=[{"modality": modality}] * len(rows))
    texts, count = chroma_sample(collection, {"modality": "text"})
    assert (texts.shape, texts.dtype, count) == ((SAMPLE, DIMENSION), np.float32, SAMPLE + 100)
    images, count = chroma_sample(collection, {"modality": "image"})
    assert np.allclose(np.sort(images, axis=0), np.sort(vectors["image"], axis=0))
    nothing, count = chroma_sample(collection, {"modality": "video"})
    assert (len(nothing), count) == (0, 0)
