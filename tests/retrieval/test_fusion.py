"""Fusion methods and `merge`: formulas, hand-computed values, refusals."""

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from senseweave.retrieval import METHODS, Statistics, background, merge
from senseweave.retrieval.calibration.statistics import expected_best
from senseweave.retrieval.fusion.tail import log10_normal_tail
from senseweave.retrieval.search.quota import quota
from senseweave.spaces.batch import unit_rows

KNOWN = Statistics(
    0.1, 0.05, documents=1000, spread=0.04, best=0.1, top1_mean=0.3, top1_std=0.1, slope=2.0, intercept=-6.0
)


def score(method, scores, statistics=None, **options):
    return METHODS[method].score(scores, statistics, **options)


def test_zscore_counts_standard_deviations_above_the_background():
    assert score("zscore", np.array([0.1, 0.2, 0.05]), KNOWN) == pytest.approx([0.0, 2.0, -1.0])


def test_pseudo_positive_is_zero_at_the_typical_best_match():
    assert score("pseudo_positive", np.array([0.3, 0.4]), KNOWN) == pytest.approx([0.0, 1.0])


def test_tail_is_zero_where_chance_gives_one_such_hit():
    # P(Z > 3.0902) is 0.001, and there are 1000 documents.
    assert score("tail", np.array([0.1 + 3.0902 * 0.05]), KNOWN) == pytest.approx([0.0], abs=1e-3)


def test_tail_of_a_single_document_is_its_own_surprise():
    known = Statistics(mean=0.0, std=1.0, documents=1)
    assert score("tail", np.array([0.0]), known) == pytest.approx([math.log10(2)])
    assert score("tail", np.array([0.0]), dataclasses.replace(known, documents=0)) == pytest.approx([math.log10(2)])


def test_tail_asks_more_of_a_larger_collection():
    small = Statistics(0.1, 0.05, documents=10)
    assert score("tail", np.array([0.3]), small)[0] == pytest.approx(score("tail", np.array([0.3]), KNOWN)[0] + 2)


@pytest.mark.parametrize("z", [-3.0, 0.0, 29.9, 30.0, 35.0, 37.0])
def test_the_normal_tail_is_that_of_the_error_function_as_far_as_that_reaches(z):
    assert log10_normal_tail(z) == pytest.approx(math.log10(0.5 * math.erfc(z / math.sqrt(2))), abs=1e-5)


def test_the_normal_tail_is_smooth_where_the_series_takes_over():
    assert log10_normal_tail(0.0) == pytest.approx(math.log10(0.5))
    assert log10_normal_tail(30.0) == pytest.approx(log10_normal_tail(29.999999), rel=1e-5)
    assert log10_normal_tail(60.0) < log10_normal_tail(40.0) < -300


def test_above_chance_takes_off_the_querys_own_mean_and_most_of_what_chance_offers_at_best():
    assert score("above_chance", np.array([0.3]), KNOWN) == pytest.approx([(0.3 - 0.1 - 0.8 * 0.1) / 0.04])
    told = dataclasses.replace(KNOWN, center=np.array([0.2, 0.0]), offset=0.05).for_query(np.array([3.0, 4.0]))
    assert told.expected == pytest.approx(0.05 + 0.6 * 0.2)
    assert score("above_chance", np.array([0.3]), told) == pytest.approx([(0.3 - 0.17 - 0.08) / 0.04])


def test_platt_is_a_half_where_the_logit_is_zero():
    assert score("platt", np.array([0.3]), KNOWN) == pytest.approx([0.5])
    assert score("platt", np.array([0.34]), KNOWN) == pytest.approx([1 / (1 + math.exp(-2))])


def test_per_list_methods_by_hand():
    scores = np.array([0.9, 0.5, 0.1])
    assert score("none", scores) == pytest.approx(scores)
    assert score("minmax", scores) == pytest.approx([1.0, 0.5, 0.0])
    std = scores.std()
    assert score("dbsf", scores) == pytest.approx((scores - 0.5 + 3 * std) / (6 * std))
    assert score("minmax", np.array([0.4, 0.4])) == pytest.approx([1.0, 1.0])
    assert score("dbsf", np.array([0.4])) == pytest.approx([0.5])


def test_rank_fusion_by_hand():
    assert score("rrf", np.array([0.9, 0.5, 0.5, 0.1])) == pytest.approx([1 / 61, 1 / 62, 1 / 62, 1 / 64])
    for weight in (2.0, 0.5, 0.0):
        assert score("weighted_rrf", np.array([0.9]), weight=weight) == pytest.approx([weight / 61])
    with pytest.raises(ValueError, match="negative"):
        score("weighted_rrf", np.array([0.9]), weight=-1.0)
    with pytest.raises(ValueError, match="dbsf takes no weights; weighted_rrf does"):
        score("dbsf", np.array([0.9]), weight=2.0)


@pytest.mark.parametrize("method", sorted(METHODS))
@given(scores=st.lists(st.floats(-1, 1, width=32), max_size=20))
def test_no_method_changes_the_order_within_a_list(method, scores):
    values = np.array(sorted(scores, reverse=True), dtype=np.float64)
    result = score(method, values, KNOWN)
    assert result.shape == values.shape
    assert np.isfinite(result).all()
    assert (np.diff(result) <= 1e-12).all()


@pytest.mark.parametrize("method", ["above_chance", "zscore", "pseudo_positive", "tail", "platt"])
def test_methods_that_need_statistics_say_so(method):
    with pytest.raises(ValueError, match="statistics"):
        score(method, np.array([0.1]), None)


def test_methods_say_what_the_statistics_lack():
    bare = Statistics(0.1, 0.05)
    with pytest.raises(ValueError, match="sample queries"):
        score("pseudo_positive", np.array([0.1]), bare)
    with pytest.raises(ValueError, match="labels"):
        score("platt", np.array([0.1]), bare)
    with pytest.raises(ValueError, match="positive"):
        Statistics(0.1, 0.0)


def test_quota_fills_groups_first_and_keeps_the_order():
    ranked = ["t1", "t2", "t3", "i1", "t4", "a1"]
    assert quota(ranked, 3, {"i": 1, "a": 1}, lambda name: name[0]) == ["t1", "i1", "a1"]
    assert quota(ranked, 4, {"v": 2}, lambda name: name[0]) == ["t1", "t2", "t3", "i1"]


def test_statistics_of_unrelated_queries_by_hand():
    queries = np.array([[1, 0, 0], [0.6, 0.8, 0]], dtype=np.float32)
    documents = np.array([[0.8, 0.6, 0], [0, 0, 2]], dtype=np.float32)  # lengths do not matter
    table = np.array([[0.8, 0.0], [0.96, 0.0]])
    known = background(queries, documents, size=30)
    assert (known.mean, known.documents, known.queries) == (pytest.approx(0.44), 30, 2)
    random = 1 / 3  # variance of the cosine of two random directions, which counts as one of the two documents
    assert known.std == pytest.approx(math.sqrt((2 * table.var() + random) / 3), abs=1e-6)
    assert known.top1_std == pytest.approx(math.sqrt((2 * 0.08**2 + random) / 3), abs=1e-6)
    center = np.array([0.4, 0.3, 0.5]) * 30 / 33
    assert known.center == pytest.approx(center)
    own = queries @ center + known.offset
    assert own.mean() == pytest.approx(0.44)
    assert known.spread == pytest.approx(math.sqrt((2 * (table - own[:, None]).var() + random) / 3), abs=1e-6)
    above = (table.max(axis=1) - own).mean() * expected_best(30) / expected_best(2)
    assert known.top1_mean == pytest.approx(own.mean() + above)
    assert known.best == pytest.approx(above + known.spread * (expected_best(100) - expected_best(30)))
    assert known.for_query(queries[1]).expected == pytest.approx(own[1])


def test_the_best_matches_in_the_whole_collection_are_taken_where_they_are_known():
    rng = np.random.default_rng(0)
    queries, documents = (rng.normal(size=(n, 16)) for n in (50, 4000))
    table = unit_rows(queries) @ unit_rows(documents).T
    whole = background(queries, documents)
    part = background(queries, documents[:500], size=4000, best=table.max(axis=1))
    assert part.top1_mean == pytest.approx(whole.top1_mean)
    assert part.best == pytest.approx(whole.best, rel=0.05)
    told = background(queries, documents[:500], size=4000)
    untold = background(queries, documents[:500])
    assert abs(told.best - whole.best) < abs(untold.best - whole.best) / 2


def test_the_expected_best_of_normal_draws_is_that_of_simulation():
    draws = np.random.default_rng(0).normal(size=(20_000, 100))
    for count in (1, 2, 10, 100):
        assert expected_best(count) == pytest.approx(draws[:, :count].max(axis=1).mean(), abs=0.03)


def test_a_document_does_not_win_because_it_is_one_of_few():
    rng = np.random.default_rng(0)
    queries, documents = (rng.normal(size=(n, 32)) for n in (96, 100))
    few, many = background(queries, documents[:10]), background(queries, documents)
    assert few.best == pytest.approx(many.best, rel=0.1)
    same = np.array([0.5])
    assert score("above_chance", same, few)[0] == pytest.approx(score("above_chance", same, many)[0], abs=0.5)


@pytest.mark.parametrize("count", [1, 2, 8])
def test_scores_are_of_sane_size_where_contents_can_only_be_compared_with_themselves(count):
    one = np.random.default_rng(0).normal(size=64)
    known = background(np.stack([one] * count), np.stack([one] * count))
    assert known.std == pytest.approx(1 / 8)
    scores = score("above_chance", np.array([-0.2, 0.4, 1.0]), known.for_query(one))
    assert np.abs(scores).max() < 10
    assert scores[2] > 3


def test_a_content_is_not_compared_with_itself_for_statistics():
    vectors = np.eye(3, dtype=np.float32)
    assert background(vectors, vectors).top1_mean == pytest.approx(0.0)


def test_statistics_survive_being_written_down():
    known = background(np.eye(2, 3, dtype=np.float32), np.ones((4, 3), np.float32))
    again = Statistics.from_dict(json.loads(json.dumps(known.to_dict())))
    assert again == known
    assert again.for_query(np.ones(3)).expected == pytest.approx(known.for_query(np.ones(3)).expected)


def test_statistics_that_version_0_1_wrote_are_read_and_written_in_the_same_form():
    written = {"mean": 0.25, "std": 0.5, "documents": 3, "queries": 2, "origin": "probes", "offset": 0.125}
    written["centre"] = "<f4:AACAPwAAAEA="
    known = Statistics.from_dict({**written, "added_later": 1})
    assert known.center == pytest.approx([1.0, 2.0])
    assert known.for_query([0.0, 2.0]).expected == pytest.approx(2.125)
    assert known.to_dict() == written


STRONG_TEXT = [("t1", 0.60), ("t2", 0.58), ("t3", 0.55)]
GOOD_IMAGE = [("i1", 0.30), ("i2", 0.12)]
CELLS = {
    "text": Statistics(0.5, 0.1, documents=100, spread=0.1, best=0.2),
    "image": Statistics(0.1, 0.03, documents=100, spread=0.03, best=0.06),
}


def test_merge_puts_the_surprising_picture_before_the_usual_texts():
    merged = merge({"text": STRONG_TEXT, "image": GOOD_IMAGE}, 3, statistics=CELLS)
    assert [ranked.item for ranked in merged] == ["i1", "t1", "t2"]
    assert (merged[0].list_name, merged[0].raw_score) == ("image", 0.30)
    raw = merge({"text": STRONG_TEXT, "image": GOOD_IMAGE}, 3, method="none")
    assert [ranked.item for ranked in raw] == ["t1", "t2", "t3"]


def test_merge_without_statistics_falls_back_and_says_so():
    merged = merge({"text": STRONG_TEXT, "image": GOOD_IMAGE}, 5)
    assert {ranked.method for ranked in merged} == {"dbsf"}
    some = merge({"text": STRONG_TEXT, "image": GOOD_IMAGE}, 5, statistics={"text": CELLS["text"]})
    assert {ranked.method for ranked in some} == {"dbsf"}


def test_merge_joins_items_of_equal_key():
    lists = {"a": [("x", 0.9), ("y", 0.5)], "b": [("x", 0.7)]}
    best = merge(lists, key=lambda item: item, method="none")
    assert [(ranked.item, ranked.score) for ranked in best] == [("x", 0.9), ("y", 0.5)]
    summed = merge(lists, key=lambda item: item, method="rrf")
    assert summed[0].score == pytest.approx(2 / 61)
    assert len(merge(lists, method="none")) == 3


def test_merge_refuses_what_makes_no_sense():
    with pytest.raises(ValueError, match="unknown fusion method"):
        merge({"a": [("x", 0.1)]}, method="magic")
    with pytest.raises(ValueError, match="needs statistics for b"):
        merge({"a": [("x", 0.1)], "b": [("y", 0.2)]}, method="zscore", statistics={"a": KNOWN})
    with pytest.raises(ValueError, match="weights belong"):
        merge({"a": [("x", 0.1)]}, method="rrf", weights={"a": 2.0})
    with pytest.raises(ValueError, match="not finite"):
        merge({"a": [("x", math.nan)]})


def test_merge_of_nothing_is_nothing():
    assert merge({}) == []
    assert merge({"a": []}, statistics={}) == []


def test_methods_show_their_names():
    assert repr(METHODS["dbsf"]) == "<fusion method dbsf>"


def test_scores_are_steady_where_statistics_decide_and_lists_do_not_add_up():
    steady = {name for name, method in METHODS.items() if method.is_steady}
    assert steady == {"above_chance", "zscore", "pseudo_positive", "tail", "platt"}
