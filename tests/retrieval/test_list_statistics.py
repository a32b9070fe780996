"""Statistics of lists that can be asked but not read."""

from __future__ import annotations

import numpy as np
import pytest

from senseweave.interop import Candidate, ListStatistics, Statistics, StoreView

DIMENSION = 8


class Shelf(StoreView):
    """A store that is only asked; it returns vectors unless it is silent, and counts what it is asked."""

    space = "words"

    def __init__(self, name, counts, *, silent=False, dimension=DIMENSION):
        self.name = name
        self.counts = counts
        self.silent = silent
        self.dimension = dimension
        self.asked = []
        self.phrases = 0

    def embed_phrases(self, phrases):
        self.phrases += 1
        return np.random.default_rng(1).normal(size=(len(phrases), self.dimension))

    def find_with_vectors(self, vector, k, modality):
        assert vector.shape == (self.dimension,)
        self.asked.append(modality)
        random = np.random.default_rng(len(self.name))
        return [
            Candidate(
                f"{kind}-{number}",
                {"modality": kind},
                kind,
                0.5,
                None if self.silent else random.normal(size=self.dimension).astype(np.float32),
            )
            for kind, count in self.counts.items()
            if modality in (None, kind)
            for number in range(count)
        ][:k]


def test_a_list_is_a_store_or_each_modality_of_it():
    shelves = [Shelf("a", {"text": 3}), Shelf("b", {"text": 3})]
    assert ListStatistics(shelves, None, {}).names == ("a", "b")
    assert ListStatistics(shelves, ["text", "image"], {}).names == ("a/text", "a/image", "b/text", "b/image")


def test_stores_are_told_what_is_estimated_once_for_each_list_and_space():
    shelves = [Shelf("a", {"text": 20, "image": 20}), Shelf("bb", {"text": 20})]
    lists = ListStatistics(shelves, ["text", "image"], {})
    for _ in range(2):
        assert isinstance(shelves[0].statistics("image", "text"), Statistics)
        assert shelves[1].statistics("image", "text") is None
    assert shelves[0].asked == ["image"]
    assert shelves[1].asked == ["image", "image"]  # an empty list may have been filled since
    assert (shelves[0].phrases, shelves[1].phrases) == (1, 0)
    lists.clear()
    assert shelves[0].statistics("image", "text") is not None
    assert shelves[0].asked == ["image", "image"]


def test_queries_of_media_are_stood_for_by_records_of_their_modality_in_all_lists_of_equal_dimension():
    texts, images = Shelf("a", {"text": 20}), Shelf("bb", {"image": 20})
    ListStatistics([texts, images], None, {})
    assert texts.statistics(None, "image").origin == "documents"
    assert texts.statistics(None, "audio") is None
    short = Shelf("ccc", {"image": 20}, dimension=4)
    short.space = "others"
    ListStatistics([texts, short], None, {})
    assert texts.statistics(None, "image") is None


def test_given_statistics_of_text_come_first_and_nothing_is_estimated_where_that_is_not_wanted():
    given = Statistics(mean=0.25, std=0.5).to_dict()
    shelf = Shelf("a", {"text": 20})
    ListStatistics([shelf], None, {"a": given}, estimate=False)
    assert shelf.statistics(None, "text").mean == pytest.approx(0.25)
    assert shelf.statistics(None, "image") is None
    assert shelf.asked == []


def test_a_store_that_gives_no_vectors_has_no_statistics():
    shelf = Shelf("a", {"text": 20}, silent=True)
    ListStatistics([shelf], None, {})
    for _ in range(2):
        assert shelf.statistics(None, "text") is None
    assert shelf.asked == [None]


def test_what_is_learned_is_kept_with_what_was_given_or_nothing_of_it():
    shelf, given = Shelf("a", {"text": 20}), {}
    lists = ListStatistics([shelf], None, given, estimate=False)
    vectors = np.random.default_rng(2).normal(size=(20, DIMENSION))
    with pytest.raises(ValueError, match="'b' is none of the lists a"):
        lists.learn({"a": vectors, "b": vectors})
    with pytest.raises(ValueError, match="none of the records of 'a' has an embedding"):
        lists.learn({"a": []})
    assert given == {}
    lists.learn({"a": vectors}, ["what is this"])
    assert shelf.statistics(None, "text").to_dict() == given["a"]
