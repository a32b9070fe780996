"""Composed queries score as documented under every fusion method, and methods of others are methods like any."""

import math
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from senseweave.retrieval import METHODS, Query, Statistics, merge
from senseweave.retrieval.fusion import (
    EmbeddedPart,
    FusionMethod,
    LinearMethod,
    ListMethod,
    compose_query,
    find_method,
    register,
)
from senseweave.retrieval.fusion.composition import unit
from senseweave.retrieval.fusion.registry import GROUP, MethodRegistry

DIMENSION = 8
NAMES = list(METHODS)
CELLS = [
    Statistics(
        mean,
        std,
        documents=100,
        spread=spread,
        best=best,
        top1_mean=top1,
        top1_std=0.1,
        slope=2.0,
        intercept=-1.0,
        center=np.full(DIMENSION, 0.02 * number),
        offset=0.01,
    )
    for number, (mean, std, spread, best, top1) in enumerate(
        [(0.1, 0.2, 0.15, 0.2, 0.5), (0.05, 0.1, 0.08, 0.1, 0.3), (0.4, 0.05, 0.04, 0.15, 0.6)]
    )
]
WEIGHTS = st.lists(st.floats(-3, 3).filter(lambda weight: abs(weight) > 0.01), min_size=1, max_size=3)


class ByBest(LinearMethod):
    """A method of another package: (s - top1_mean - 2 b) / sd."""

    name = "by_best"
    needs = ("top1_mean", "best", "spread")
    remedy = "calibrate with the corpus that by_best documents"

    def location_scale(self, statistics):
        known = self.check(statistics)
        return known.top1_mean + 2 * known.best, known.spread


class Cubed(FusionMethod):
    """A method whose scores are no linear function of the similarity."""

    name = "cubed"
    needs = ("mean",)

    def transform(self, scores, statistics):
        return (scores - statistics.mean) ** 3


@pytest.fixture
def with_outside_methods(monkeypatch):
    monkeypatch.setattr(METHODS, "_methods", dict(METHODS))
    register(ByBest())
    register(Cubed())


def random_unit_vectors(count, seed):
    rows = np.random.default_rng(seed).normal(size=(count, DIMENSION))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def check_composed_scores(name, weights, seed):
    """Compare the scores of a composed query with sum_i w_i z_i / L, computed part by part."""
    method = find_method(name)
    vectors, documents = random_unit_vectors(len(weights), seed), random_unit_vectors(6, seed + 1).astype(np.float64)
    parts = [EmbeddedPart(vector, "text", weight) for vector, weight in zip(vectors, weights, strict=True)]
    cells = CELLS[: len(weights)]
    length = math.sqrt(sum(weight * weight for weight in weights))
    several = len(weights) > 1 or weights[0] < 0
    if several and not method.composable:
        with pytest.raises(ValueError, match=rf"{name} cannot score a query of several .* none, rrf, .*above_chance"):
            compose_query(parts, cells, method, length)
        return
    vector, statistics = compose_query(parts, cells, method, length)
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)
    given_scores = method.score(documents @ vector, statistics)
    if method.needs_statistics:
        scored = [
            method.score(documents @ part.vector, cell.for_query(part.vector))
            for part, cell in zip(parts, cells, strict=True)
        ]
        expected = sum(weight * scores for weight, scores in zip(weights, scored, strict=True)) / length
    else:
        sums = sum(weight * (documents @ part.vector) for weight, part in zip(weights, parts, strict=True))
        expected = method.score(sums / length)
    assert given_scores == pytest.approx(expected, rel=1e-5, abs=2e-5)


@pytest.mark.parametrize("name", NAMES)
@given(weights=WEIGHTS, seed=st.integers(0, 10_000))
@example(weights=[1.0], seed=0)
@example(weights=[1.0, -0.7], seed=0)
def test_a_composed_query_scores_as_documented_or_is_the_documented_error(name, weights, seed):
    check_composed_scores(name, weights, seed)


@pytest.mark.parametrize("name", ["by_best", "cubed"])
def test_a_composed_query_scores_as_documented_under_a_method_of_another_package(with_outside_methods, name):
    for seed, weights in enumerate([[1.0, 0.7], [0.5, -2.0, 1.5], [1.0]]):
        check_composed_scores(name, weights, seed)


def test_methods_of_a_list_alone_compose_without_statistics():
    first, second = random_unit_vectors(2, 0)
    parts = [EmbeddedPart(first, "text", 1.0), EmbeddedPart(second, "image", -0.5)]
    vector, statistics = compose_query(parts, [None, None], METHODS["none"], math.sqrt(1.25))
    assert METHODS["none"].score([first @ vector], statistics) == pytest.approx(
        [(1 - 0.5 * float(first @ second)) / math.sqrt(1.25)], abs=1e-6
    )


def test_a_part_that_the_space_cannot_embed_counts_as_nothing():
    (vector,) = random_unit_vectors(1, 0)
    parts = [EmbeddedPart(vector, "text", 1.0)]
    composed, statistics = compose_query(parts, CELLS[:1], METHODS["zscore"], math.sqrt(2))
    assert METHODS["zscore"].score([0.5], statistics) == pytest.approx([(0.5 - 0.1) / 0.2 / math.sqrt(2)])
    assert composed == pytest.approx(vector)
    with pytest.raises(ValueError, match="tail cannot score"):
        compose_query(parts, CELLS[:1], METHODS["tail"], math.sqrt(2))


def test_parts_that_cancel_out_leave_what_their_statistics_say():
    (vector,) = random_unit_vectors(1, 0)
    parts = [EmbeddedPart(vector, "text", 1.0), EmbeddedPart(vector, "text", -1.0)]
    composed, statistics = compose_query(parts, [CELLS[0], CELLS[0]], METHODS["zscore"], math.sqrt(2))
    assert not composed.any()
    assert METHODS["zscore"].score([0.0], statistics) == pytest.approx([0.0])


def test_parts_whose_weighted_sum_is_short_make_a_query_of_length_1():
    first, second = random_unit_vectors(2, 0)
    parts = [EmbeddedPart(first, "text", 0.2), EmbeddedPart(second, "text", -0.1)]
    vector, _ = compose_query(parts, [None, None], METHODS["none"], math.sqrt(0.05))
    assert np.linalg.norm(vector) == pytest.approx(1.0)


def test_a_part_is_as_long_as_it_was_made_and_stays_as_it_is():
    part = EmbeddedPart(unit(np.array([3.0, 4.0])), "text", 1.0)
    assert part.length == 1.0
    assert part.vector == pytest.approx([0.6, 0.8])
    assert unit(np.zeros(2)).tolist() == [0.0, 0.0]
    with pytest.raises(AttributeError):
        part.weight = 2.0


def test_parts_and_their_statistics_are_of_one_number():
    parts = [EmbeddedPart(vector, "text", 1.0) for vector in random_unit_vectors(2, 0)]
    with pytest.raises(ValueError, match="shorter"):
        compose_query(parts, CELLS[:1], METHODS["zscore"], math.sqrt(2))


def test_composing_says_which_statistics_are_missing():
    parts = [EmbeddedPart(vector, "text", 1.0) for vector in random_unit_vectors(2, 0)]
    with pytest.raises(ValueError, match="zscore needs the statistics of the cell"):
        compose_query(parts, [CELLS[0], None], METHODS["zscore"], math.sqrt(2))
    with pytest.raises(ValueError, match="above_chance needs spread, which these statistics do not hold"):
        compose_query(parts, [CELLS[0], replace(CELLS[1], spread=None)], METHODS["above_chance"], math.sqrt(2))


def test_what_was_composed_for_one_method_is_not_scored_by_another():
    parts = [EmbeddedPart(vector, "text", 1.0) for vector in random_unit_vectors(2, 0)]
    _, statistics = compose_query(parts, CELLS[:2], METHODS["zscore"], math.sqrt(2))
    for other in ("above_chance", "tail", "none"):
        with pytest.raises(ValueError, match=f"composed for zscore; compose it again to score it by {other}"):
            METHODS[other].score([0.5], statistics)


def test_a_method_of_another_package_merges_lists(with_outside_methods):
    lists = {"text": [("note", 0.6), ("letter", 0.55)], "image": [("photo", 0.5)]}
    statistics = {"text": CELLS[2], "image": CELLS[1]}
    merged = merge(lists, method="by_best", statistics=statistics)
    assert [hit.item for hit in merged] == ["photo", "note", "letter"]
    assert merged[0].score == pytest.approx((0.5 - 0.3 - 2 * 0.1) / 0.08)
    with pytest.raises(ValueError, match="by_best needs statistics for image"):
        merge(lists, method="by_best", statistics={"text": CELLS[2]})
    with pytest.raises(ValueError, match="weights belong"):
        merge(lists, method="by_best", statistics=statistics, weights={"text": 2.0})


def test_a_method_of_another_package_searches_an_index(with_outside_methods, index, space):
    query = Query([("red", 1), ("the wall", 0.7), ("sound", -0.5)])
    vectors = space.embed_text([media.decode() for media, _ in query.parts], role="query")
    expected = {}
    for description in index._store.descriptions.values():
        known = index._calibration.statistics(description, "text")
        for record in index._store.page(description, 0, 100):
            scores = [METHODS["by_best"].score([record.vector @ vector], known)[0] for vector in vectors]
            weighted = sum(weight * score for score, (_, weight) in zip(scores, query.parts, strict=True))
            expected[record.id] = weighted / query.length
    hits = index.search(query, k=12, fusion="by_best")
    assert {hit.id: hit.score for hit in hits} == pytest.approx(expected, abs=1e-3)
    assert {hit.calibration for hit in hits} == {"by_best"}
    assert {hit.calibration for hit in index.search("red", k=3, fusion="cubed")} == {"cubed"}
    with pytest.raises(ValueError, match="cubed cannot score a query of several weighted parts"):
        index.search(query, fusion="cubed")


@pytest.mark.parametrize("name", ["tail", "platt"])
def test_an_index_refuses_to_compose_for_a_method_that_is_not_linear(index, name):
    index.calibrate(labels=[("red", "red.png"), ("the last train", "trains.txt")])
    with pytest.raises(ValueError, match=f"{name} cannot score a query of several weighted parts"):
        index.search(Query([("red", 1), ("blue", -0.5)]), fusion=name)
    assert index.search("red", k=1, fusion=name)


def test_a_name_is_registered_once_and_only_for_a_method(with_outside_methods):
    with pytest.raises(ValueError, match="already registered as 'by_best'"):
        register(ByBest())
    with pytest.raises(TypeError, match="register takes a FusionMethod"):
        register(lambda scores, statistics: scores)
    with pytest.raises(TypeError, match="an instance of a subclass"):
        register(ByBest)


PACKAGE = """
from senseweave.retrieval import METHODS
from senseweave.retrieval.fusion import ListMethod

class Halved(ListMethod):
    name = "halved"
    def transform(self, scores, statistics):
        return scores / 2
"""


@pytest.fixture
def installed_package(tmp_path, monkeypatch):
    """An installed package with a method, one whose name is taken, and one that cannot be imported."""
    (tmp_path / "halved_fusion.py").write_text(PACKAGE, encoding="utf-8")
    info = tmp_path / "halved_fusion-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: halved-fusion\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(
        f"[{GROUP}]\nhalved = halved_fusion:Halved\nlost = halved_fusion:Lost\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("halved_fusion", None)


def test_an_installed_package_brings_a_method_and_a_broken_method_is_reported_and_left_out(installed_package):
    registry = MethodRegistry([METHODS["none"]])
    with pytest.warns(RuntimeWarning, match="the fusion method 'lost' of halved-fusion cannot be used"):
        assert list(registry) == ["none", "halved"]
    assert len(registry) == 2
    assert isinstance(registry.find("halved"), ListMethod)
    assert registry["halved"].score([0.5]) == pytest.approx([0.25])
