"""Retrieval measures against ranx and by hand, and the bootstrap."""

import math

import numpy as np
import pytest

from senseweave.evaluation import MEASURES, bootstrap, modality_share, ndcg_at_k, paired_bootstrap, recall_at_k


def runs(seed=0, queries=25, documents=40):
    rng = np.random.default_rng(seed)
    names = [f"d{number}" for number in range(documents)]
    qrels, run = {}, {}
    for query in range(queries):
        chosen = rng.choice(names, size=rng.integers(1, 8), replace=False)
        qrels[f"q{query:02}"] = {str(name): int(rng.integers(1, 4)) for name in chosen}
        ranked = rng.permutation(names)[:30]
        run[f"q{query:02}"] = {str(name): float(30 - rank) for rank, name in enumerate(ranked)}
    return qrels, run


@pytest.mark.slow  # ranx compiles
@pytest.mark.parametrize("k", [1, 5, 10, 30])
@pytest.mark.parametrize(("name", "theirs"), [("recall", "recall"), ("ndcg", "ndcg"), ("mrr", "mrr"), ("map", "map")])
def test_measures_equal_those_of_ranx(name, theirs, k):
    ranx = pytest.importorskip("ranx")
    qrels, run = runs()
    metric = f"{theirs}@{k}"
    expected = ranx.evaluate(ranx.Qrels(qrels), ranx.Run(run), metric, return_mean=False, make_comparable=True)
    ours = [MEASURES[name](list(run[query]), grades, k) for query, grades in qrels.items()]
    assert ours == pytest.approx(list(expected), abs=1e-9)


def test_measures_equal_those_of_ir_measures():
    measures = pytest.importorskip("ir_measures")
    qrels, run = runs(seed=1)
    wanted = [measures.nDCG @ 10, measures.R @ 10, measures.RR @ 10, measures.AP @ 10]
    expected = measures.calc_aggregate(wanted, qrels, run)
    for metric, name in zip(wanted, ("ndcg", "recall", "mrr", "map"), strict=True):
        ours = np.mean([MEASURES[name](list(run[query]), grades, 10) for query, grades in qrels.items()])
        assert ours == pytest.approx(expected[metric], abs=1e-6)


def test_grades_count_in_ndcg_and_not_in_recall():
    grades = {"best": 3.0, "good": 1.0, "wrong": 0.0}
    assert ndcg_at_k(["best", "good"], grades, 2) == 1.0
    assert ndcg_at_k(["good", "best"], grades, 2) < 1.0
    assert recall_at_k(["good", "wrong"], grades, 2) == 0.5


@pytest.mark.parametrize("name", sorted(MEASURES))
def test_a_question_without_relevant_documents_measures_zero(name):
    assert MEASURES[name](["a", "b"], {}, 10) == 0.0
    assert MEASURES[name]([], {"a": 1.0}, 10) == 0.0


def test_modality_shares_add_up_to_one():
    assert modality_share(["text", "image", "text", "audio"], 3) == {
        "image": pytest.approx(1 / 3),
        "text": pytest.approx(2 / 3),
    }
    assert modality_share([], 10) == {}


def test_the_bootstrap_interval_holds_the_mean_and_narrows_with_more_queries():
    rng = np.random.default_rng(3)
    few, many = rng.normal(0.5, 0.2, 20), rng.normal(0.5, 0.2, 2000)
    for values in (few, many):
        interval = bootstrap(values)
        assert interval.low < interval.mean < interval.high
    assert bootstrap(many).high - bootstrap(many).low < (bootstrap(few).high - bootstrap(few).low) / 4


def test_the_paired_bootstrap_tells_a_real_difference_from_none():
    rng = np.random.default_rng(4)
    hard = rng.uniform(0, 1, 150)
    better = np.clip(hard + rng.normal(0.05, 0.05, 150), 0, 1)
    same = hard + rng.normal(0, 0.05, 150)
    assert paired_bootstrap(better, hard).p_value < 0.01
    assert paired_bootstrap(better, hard).low > 0
    assert paired_bootstrap(same, hard).p_value > 0.05
    assert paired_bootstrap(hard, hard).p_value == 1.0


def test_bootstraps_refuse_what_is_not_paired_or_empty():
    with pytest.raises(ValueError, match="same queries"):
        paired_bootstrap([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="at least one"):
        bootstrap([])
    for broken in (math.nan, math.inf):
        with pytest.raises(ValueError, match="that of query 1 is not"):
            paired_bootstrap([1.0, broken], [1.0, 0.5])
        with pytest.raises(ValueError, match="that of query 1 is not"):
            bootstrap([1.0, broken])
