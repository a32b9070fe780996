"""The ranking engine over sources that are no index: what is joined, what is kept apart, and every option."""

import asyncio

import numpy as np
import pytest

from senseweave.retrieval.fusion import EmbeddedPart
from senseweave.retrieval.query import Query
from senseweave.retrieval.ranking import arank, rank
from senseweave.retrieval.search.plan import Plan
from senseweave.retrieval.search.source import Candidate, RankingSource

QUERY = {"space": [EmbeddedPart(np.array([1.0, 0.0], np.float32), "text", 1.0)]}


class Listed(RankingSource):
    """A source that answers with a prepared list."""

    def __init__(self, name, rows, modality="text", space="space"):
        self.name, self.space, self.modality = name, space, modality
        self.rows = rows
        self.asked = []

    def query(self, vector, k, *, with_vectors):
        self.asked.append(k)
        found = sorted(self.rows, key=lambda row: -row[1])[:k]
        return [
            Candidate(identifier, metadata, text, similarity, np.array([similarity, at], np.float32), item=identifier)
            for at, (identifier, similarity, metadata, text) in enumerate(found)
        ]


def picture(identifier, similarity, source, sha="aa", **more):
    return identifier, similarity, {"modality": "image", "source": source, "sha256": sha, **more}, f"image: {source}"


def passage(identifier, similarity, source, text, sha="bb"):
    return identifier, similarity, {"source": source, "sha256": sha}, text


def found(ranked):
    return [ranking.item for ranking in ranked]


def test_chunks_of_one_file_are_never_joined():
    rows = [passage(str(n), 0.9 - n / 100, "book.txt", f"chunk {n}") for n in range(7)]
    rows.append(passage("7", 0.9, "book.txt", "chunk 0"))  # the same words again, further on
    ranked = rank(None, [Listed("a", rows)], QUERY, Plan(k=10))
    assert len(ranked) == 8


def test_windows_and_split_transcripts_of_one_file_stay_apart_and_equal_files_are_one():
    rows = [
        picture("a1", 0.9, "a.mp4", modality="video", start=0.0, end=5.0),
        picture("a2", 0.8, "a.mp4", modality="video", start=0.0, end=5.0),
        picture("b1", 0.9, "b.mp4", modality="video", start=0.0, end=5.0),
        picture("b2", 0.8, "b.mp4", modality="video", start=0.0, end=5.0),
        picture("a3", 0.7, "a.mp4", modality="video", start=5.0, end=9.0),
    ]
    ranked = rank(None, [Listed("a", rows, "video")], QUERY, Plan(k=10))
    assert [ranking.hit.sources for ranking in ranked] == [("a.mp4", "b.mp4"), ("a.mp4", "b.mp4"), ("a.mp4",)]


def test_equal_content_of_different_lists_is_one_result_with_all_sources():
    first = Listed("a", [picture("1", 0.5, "a.png"), picture("2", 0.4, "other.png", sha="cc")], "image")
    second = Listed("b", [picture("9", 0.7, "b.png")], "image")
    ranked = rank(None, [first, second], QUERY, Plan(k=10, method="none"))
    assert found(ranked) == ["9", "2"]
    assert ranked[0].hit.sources == ("b.png", "a.png")
    assert (ranked[0].hit.score, ranked[0].source.name) == (0.7, "b")


def test_rank_methods_add_up_what_several_lists_found():
    first = Listed("a", [picture("1", 0.5, "a.png"), picture("2", 0.6, "x.png", sha="cc")], "image")
    second = Listed("b", [picture("9", 0.7, "b.png")], "image")
    ranked = rank(None, [first, second], QUERY, Plan(k=10, method="rrf"))
    assert ranked[0].hit.score == pytest.approx(1 / 62 + 1 / 61)
    assert ranked[0].hit.sha256 == "aa"


def test_a_source_full_of_copies_is_searched_until_there_is_enough_content():
    rows = [picture(f"c{n}", 0.9, f"{n}.png") for n in range(100)]
    rows += [picture(f"d{n}", 0.5 - n / 1000, f"d{n}.png", sha=f"d{n}") for n in range(20)]
    source = Listed("a", rows, "image")
    ranked = rank(None, [source], QUERY, Plan(k=5))
    assert found(ranked) == ["c0", "d0", "d1", "d2", "d3"]
    assert len(ranked[0].hit.sources) == 100
    assert source.asked == [10, 20, 40, 80, 160]


def test_an_exhausted_source_is_not_searched_again():
    source = Listed("a", [picture("1", 0.5, "a.png")], "image")
    assert found(rank(None, [source], QUERY, Plan(k=50))) == ["1"]
    assert source.asked == [50]


def test_a_source_of_another_space_is_left_out():
    source = Listed("a", [picture("1", 0.5, "a.png")], "image", space="elsewhere")
    assert rank(None, [source], QUERY, Plan(k=5)) == []
    assert source.asked == []


def test_pages_follow_each_other_without_gap_or_repeat():
    rows = [passage(str(n), 0.9 - n / 100, f"{n}.txt", f"text {n}", sha=f"{n}") for n in range(20)]
    pages = [found(rank(None, [Listed("a", rows)], QUERY, Plan(k=6, offset=6 * page))) for page in range(4)]
    assert [item for page in pages for item in page] == [str(n) for n in range(20)]


def test_results_are_grouped_dropped_spread_and_given_a_share():
    texts = Listed("t", [passage(f"t{n}", 0.9 - n / 100, f"{n % 2}.txt", f"text {n}") for n in range(8)])
    pictures = Listed("p", [picture("p0", 0.1, "p.png")], "image")
    sources = [texts, pictures]
    assert found(rank(None, sources, QUERY, Plan(k=3, method="none", group=True))) == ["t0", "t1", "p0"]
    assert found(rank(None, sources, QUERY, Plan(k=9, method="none", min_score=0.88))) == ["t0", "t1", "t2"]
    assert "p0" in found(rank(None, sources, QUERY, Plan(k=3, method="none", quota={"image": 1})))
    assert len(set(found(rank(None, sources, QUERY, Plan(k=3, method="none", diversity=0.9))))) == 3


class Reverse:
    """A reranker that turns the order round."""

    name = "reverse"

    def scores(self, query, hits):
        return np.arange(len(hits), dtype=float)


def test_a_reranker_orders_the_results_anew_and_needs_the_query():
    source = Listed("a", [passage(str(n), 0.9 - n / 100, f"{n}.txt", f"text {n}", sha=f"{n}") for n in range(5)])
    plan = Plan(k=2, reranker=Reverse(), rerank_depth=5)
    ranked = rank(Query(["a question"]), [source], QUERY, plan)
    assert (found(ranked), ranked[0].hit.calibration) == (["4", "3"], "reverse")
    with pytest.raises(ValueError, match="reads the query"):
        rank(None, [source], QUERY, plan)


def test_weights_name_lists_or_modalities():
    sources = [Listed("one", [passage("1", 0.9, "1.txt", "a")]), Listed("two", [passage("2", 0.9, "2.txt", "b")])]
    plan = Plan(k=2, method="weighted_rrf", weights={"two": 3.0}, lists=("one", "two"))
    assert found(rank(None, sources, QUERY, plan)) == ["2", "1"]
    with pytest.raises(ValueError, match="weights names 'three'"):
        Plan(k=2, method="weighted_rrf", weights={"three": 3.0}, lists=("one", "two"))
    with pytest.raises(ValueError, match="weights belong to"):
        rank(None, sources, QUERY, Plan(k=2, method="none", weights={"text": 2.0}))


def test_a_similarity_that_is_not_finite_is_an_error_that_names_the_list():
    with pytest.raises(ValueError, match="list 'a' holds a similarity that is not finite"):
        rank(None, [Listed("a", [passage("1", float("nan"), "1.txt", "x")])], QUERY, Plan(k=2))


def test_results_are_the_same_off_the_event_loop():
    rows = [picture(f"c{n}", 0.9, f"{n}.png") for n in range(30)] + [picture("d", 0.5, "d.png", sha="d")]
    sources = [Listed("a", rows, "image"), Listed("b", [passage("t", 0.7, "t.txt", "x")])]
    expected = rank(None, sources, QUERY, Plan(k=4))
    ranked = asyncio.run(arank(None, sources, QUERY, Plan(k=4)))
    assert [ranking.hit for ranking in ranked] == [ranking.hit for ranking in expected]
    assert found(ranked) == found(expected)


def test_pictures_without_a_hash_are_not_joined_because_their_stores_count_alike():
    lists = [
        Listed(name, [(str(n), 0.5, {"modality": "image", "source": f"{name}{n}.png"}, "") for n in range(2)], "image")
        for name in ("a", "b")
    ]
    ranked = rank(None, lists, QUERY, Plan(k=9, method="none"))
    assert sorted(ranking.hit.source for ranking in ranked) == ["a0.png", "a1.png", "b0.png", "b1.png"]


def test_equal_texts_without_a_hash_are_joined_across_lists_and_not_within_one():
    first = Listed("a", [("1", 0.9, {"source": "a.txt"}, "the same words"), ("2", 0.8, {}, "the same words")])
    second = Listed("b", [("x", 0.7, {"source": "b.txt"}, "the same words"), ("y", 0.6, {}, "other words")])
    ranked = rank(None, [first, second], QUERY, Plan(k=9, method="none"))
    assert [ranking.hit.sources for ranking in ranked] == [("a.txt", "b.txt"), ("2",), ("y",)]
