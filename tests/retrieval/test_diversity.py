"""Maximal marginal relevance: what is chosen, and which candidates are compared at all."""

import numpy as np
import pytest

from senseweave.retrieval.search.diversity import marginal_relevance


def cosine(one, other):
    length = np.linalg.norm(one) * np.linalg.norm(other)
    return float(one @ other / length) if length else 0.0


def by_the_formula(scores, vectors, spaces, k, diversity, after):
    """Choose as Carbonell and Goldstein write it, a pair of candidates at a time."""
    relevance = (np.array(scores) - min(scores)) / (max(scores) - min(scores))

    def likeness(i, j):
        known = vectors[i] is not None and vectors[j] is not None and spaces[i] == spaces[j]
        return cosine(vectors[i], vectors[j]) if known else 0.0

    chosen, left = [], [i for i in range(len(scores)) if i not in after]
    while left and len(chosen) < k:
        before = [*after, *chosen]
        gains = [
            (1 - diversity) * relevance[i] - diversity * max([0.0, *(likeness(i, j) for j in before)]) for i in left
        ]
        chosen.append(left.pop(int(np.argmax(gains))))
    return chosen


@pytest.mark.parametrize("seed", range(20))
def test_the_choice_is_that_of_the_formula(seed):
    draw = np.random.default_rng(seed)
    dimensions = {"text": 8, "pictures": 16, "sounds": 5}
    spaces = draw.choice(list(dimensions), 30).tolist()
    vectors = [draw.normal(size=dimensions[space]).astype(np.float32) for space in spaces]
    vectors[3], vectors[7] = None, np.zeros_like(vectors[7])
    scores, diversity = draw.random(30).tolist(), float(draw.random())
    after = list(range(seed % 4))
    found = marginal_relevance(scores, vectors, spaces, 12, diversity, after=after)
    assert found == by_the_formula(scores, vectors, spaces, 12, diversity, after)


@pytest.mark.parametrize("count", [3, 17, 50, 203])
def test_equal_candidates_keep_their_order(count):
    vector = np.random.default_rng(count).normal(size=384).astype(np.float32)
    found = marginal_relevance([0.5] * count, [vector] * count, ["text"] * count, count, 0.7)
    assert found == list(range(count))
