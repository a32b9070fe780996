"""Measures of vectors that find each other equal those of rankings, and chance is what random orders give."""

import numpy as np
import pytest

from senseweave.evaluation import ndcg_at_k, recall_at_k
from senseweave.training.measures import both_ways, chance, distinct, mean_gain, rank


def similarities(queries: int = 30, answers: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    right = generator.random((queries, answers)) < 0.1
    right[np.arange(queries), np.arange(queries)] = True
    return generator.standard_normal((queries, answers)) + right, right


def test_measures_equal_those_of_rankings() -> None:
    scores, right = similarities()
    ranking = rank(scores, right)
    for query in range(len(scores)):
        ranked = [str(answer) for answer in np.argsort(-scores[query])]
        grades = {str(answer): 1.0 for answer in np.flatnonzero(right[query])}
        assert ranking.ndcg[query] == pytest.approx(ndcg_at_k(ranked, grades, 10))
        for k in (1, 5, 10):
            assert ranking.recall[k][query] == pytest.approx(recall_at_k(ranked, grades, k))
        assert ranking.ranks[query] == 1 + min(ranked.index(answer) for answer in grades)


def test_vectors_that_are_all_the_same_find_nothing() -> None:
    there, back = both_ways(np.ones((20, 3)), np.ones((20, 3)), np.arange(20), np.arange(20))
    assert there.ndcg.max() == back.ndcg.max() == 0
    assert mean_gain(np.ones((20, 3)), np.ones((20, 3)), np.arange(20)) == pytest.approx(1 / np.log2(21))


def test_equal_sources_are_asked_once_and_all_their_targets_are_right() -> None:
    sources = np.eye(3)[[0, 0, 1, 2]]
    targets = np.eye(3)[[0, 1, 1, 2]] + 0.01
    there, back = both_ways(sources, targets, distinct(sources), np.array([0, 1, 1, 2]))
    assert there.ndcg.shape == (3,)
    assert there.recall[1].tolist() == [0.5, 1, 1]
    assert back.recall[1].tolist() == [1, 0.5, 1]


def test_chance_is_the_mean_of_random_orders() -> None:
    keys = np.arange(25), np.array([*range(20), 0, 1, 2, 3, 4])
    expected, _ = chance(*keys)
    right = np.zeros((25, 20), bool)
    right[keys] = True
    generator = np.random.default_rng(0)
    drawn = [rank(generator.random((25, 20)), right) for _ in range(400)]
    assert np.mean([ranking.ndcg for ranking in drawn]) == pytest.approx(expected.ndcg.mean(), abs=0.01)
    for k in (1, 5, 10):
        assert np.mean([ranking.recall[k] for ranking in drawn]) == pytest.approx(expected.recall[k].mean(), abs=0.01)
