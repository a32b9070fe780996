"""Methods of alignment equal the computations of scikit-learn and SciPy, and choose what held-out pairs prefer."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
from sklearn.cross_decomposition import CCA
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge

from senseweave.encoders.parts.heads import join, unit
from senseweave.training.methods import METHODS, Heads, PairVectors
from senseweave.training.methods.base import kernel_features
from senseweave.training.methods.contrastive import contrastive_loss, neighborhood_loss
from senseweave.training.methods.distill import distillation_loss
from senseweave.training.methods.ridge import Regression
from senseweave.training.selection import Candidate, Part, Validation, most_stable, select

SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "ridge": {"power": 1.0, "width": 0.0, "strength": 0.3},
    "procrustes": {"power": 1.0},
    "csa": {"power": 1.0, "width": 0.0, "target_width": 0.0, "strength": 1e-9, "dimensions": 5},
    "anchors": {"power": 1.0, "kept": 10, "exponent": 2.0},
    "contrastive": {"power": 1.0, "width": 0.0, "target_width": 0.0, "steps": 5, "structure": 1.0, "hidden": 8},
    "distill": {"power": 1.0, "steps": 5, "hidden": 8},
}


def pairs(count: int = 80, source: int = 12, target: int = 9, noise: float = 0.1) -> PairVectors:
    """Both sides are linear images of what they have in common, and noise."""
    generator = np.random.default_rng(5)
    common = generator.standard_normal((count, 6))
    first = common @ generator.standard_normal((6, source)) + noise * generator.standard_normal((count, source))
    second = common @ generator.standard_normal((6, target)) + noise * generator.standard_normal((count, target))
    return PairVectors.of(unit(first).astype(np.float32), unit(second).astype(np.float32))


def fit(method: str, given: PairVectors, **settings: Any) -> Heads:
    return next(METHODS[method].fit(given, [{**SETTINGS[method], **settings}], 0))


def mapped(head: Any, vectors: np.ndarray) -> np.ndarray:
    """What the only branch of a head computes, before it is scaled to length 1."""
    (branch,) = head.branches
    return np.asarray(branch.apply(vectors))


def centered(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors, np.float64) - np.asarray(vectors, np.float64).mean(axis=0)


def test_ridge_equals_scikit_learn() -> None:
    given = pairs()
    expected = Ridge(alpha=0.3).fit(given.source, given.target).predict(given.source)
    heads = fit("ridge", given)
    assert mapped(heads.source, given.source) == pytest.approx(expected - given.target.mean(axis=0), abs=1e-5)
    assert mapped(heads.target, given.target) == pytest.approx(centered(given.target), abs=1e-6)


def test_kernel_ridge_equals_scikit_learn() -> None:
    given = pairs()
    units = unit(centered(given.source))
    # exp(width (cos - 1)) is a Gaussian of unit vectors. The kernel is centered, which is an intercept without penalty.
    kernel = np.exp(2.0 * (units @ units.T - 1))
    middle = np.eye(len(units)) - 1 / len(units)
    model = KernelRidge(alpha=0.1, kernel="precomputed").fit(middle @ kernel @ middle, centered(given.target))
    expected = model.predict(middle @ kernel @ middle)
    heads = fit("ridge", given, width=2.0, strength=0.1)
    assert mapped(heads.source, given.source) == pytest.approx(expected, abs=1e-4)


def test_left_out_predictions_equal_regressions_without_the_document() -> None:
    given = pairs(30)
    groups = np.array([0, 0, 0, *range(1, 28)])
    inputs, outputs = centered(given.source), centered(given.target)
    predicted = Regression(inputs, outputs).left_out(0.2, groups)
    for group in range(28):
        out = groups == group
        expected = Ridge(alpha=0.2).fit(inputs[~out], outputs[~out]).predict(inputs[out])
        assert predicted[out] == pytest.approx(expected, abs=1e-9)


def test_the_strength_is_that_of_the_best_left_out_predictions() -> None:
    clean, noisy = pairs(noise=0.01), pairs(noise=2.0)
    weights = [
        np.linalg.norm(fit("ridge", given, strength=None).source.branches[0].weight)
        for given in (clean, noisy)  # type: ignore[union-attr]
    ]
    assert weights[0] > 2 * weights[1]


def test_procrustes_equals_scipy() -> None:
    given = pairs(source=9)
    rotation, _ = scipy.linalg.orthogonal_procrustes(centered(given.source), centered(given.target))
    heads = fit("procrustes", given)
    assert mapped(heads.source, given.source) == pytest.approx(centered(given.source) @ rotation, abs=1e-5)


def test_procrustes_of_other_dimensions_keeps_angles_in_what_the_pairs_span() -> None:
    weight = fit("procrustes", pairs()).source.branches[0].weight  # type: ignore[union-attr]
    assert weight.T @ weight == pytest.approx(np.eye(9), abs=1e-5)


def test_canonical_directions_equal_scikit_learn() -> None:
    given = pairs(200, noise=0.5)
    model = CCA(n_components=5, scale=False, max_iter=5000, tol=1e-12).fit(given.source, given.target)
    first, second = model.transform(given.source, given.target)
    expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(first.T, second.T, strict=True)]
    heads = fit("csa", given)
    ours = mapped(heads.source, given.source), mapped(heads.target, given.target)
    for number, correlation in enumerate(expected):
        a, b = ours[0][:, number], ours[1][:, number]
        assert np.corrcoef(a, b)[0, 1] == pytest.approx(correlation, abs=1e-4)
        assert abs(np.corrcoef(a, first[:, number])[0, 1]) == pytest.approx(1, abs=1e-3)
        # Each direction is weighted by its correlation.
        assert np.linalg.norm(a) == pytest.approx(correlation, abs=1e-3)


def test_media_without_a_partner_decide_what_is_usual() -> None:
    given = pairs()
    generator = np.random.default_rng(0)
    stretched = generator.standard_normal((400, 12)) * np.array([30.0, *[1.0] * 11])
    more = replace(given, loose_source=unit(stretched).astype(np.float32))
    lengths = [
        np.linalg.norm(fit("csa", data, strength=0.5).source.branches[0].weight[0])  # type: ignore[union-attr]
        for data in (given, more)
    ]
    assert lengths[1] < lengths[0]


def test_features_of_a_kernel_have_its_similarities_as_dot_products() -> None:
    vectors = pairs().source
    features = kernel_features(vectors, 1.0, 2.0)
    units = unit(centered(vectors))
    rows = features.rows + features.mean
    assert rows @ rows.T == pytest.approx(np.exp(2 * (units @ units.T - 1)), abs=1e-5)


def test_anchors_are_the_largest_similarities_to_the_pairs() -> None:
    given = pairs()
    units = unit(centered(given.source))
    cosines = units @ units.T
    found = mapped(fit("anchors", given, kept=3, exponent=2.0).source, given.source)
    for row in range(len(found)):
        largest = np.argsort(-cosines[row])[:3]
        assert set(np.flatnonzero(found[row])) == {at for at in largest if cosines[row, at] > 0}
        assert found[row, row] == pytest.approx(1, abs=1e-5)
        assert found[row, largest[1]] == pytest.approx(max(cosines[row, largest[1]], 0) ** 2, abs=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_equal_seeds_give_equal_heads_with_one_thread_and_with_two(method: str) -> None:
    given, threads = pairs(), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        first, again = fit(method, given), fit(method, given)
        torch.set_num_threads(2)
        threaded = fit(method, given)
    finally:
        torch.set_num_threads(threads)
    assert first.source.sha256 == again.source.sha256
    assert first.target.sha256 == again.target.sha256
    assert threaded.source.apply(given.source) == pytest.approx(first.source.apply(given.source), abs=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_what_linear_sides_have_in_common(method: str) -> None:
    given = pairs(120, noise=0.02)
    training, rest = given.rows(np.arange(90)), given.rows(np.arange(90, 120))
    settings = {"kept": 90, "exponent": 1.0} if method == "anchors" else {}
    heads = fit(method, training, **settings)
    similarities = heads.source.apply(rest.source) @ heads.target.apply(rest.target).T
    assert (similarities.argmax(axis=1) == np.arange(30)).mean() > 0.5


@pytest.mark.parametrize("loss", ["contrastive", "neighborhood", "distillation"])
def test_gradients_of_losses_equal_finite_differences(loss: str) -> None:
    torch.manual_seed(0)
    first, second = (torch.randn(6, 4, dtype=torch.float64) for _ in range(2))

    def value(weight: Any) -> Any:
        moved = torch.nn.functional.normalize(first @ weight, dim=1)
        if loss == "contrastive":
            return contrastive_loss(moved, torch.nn.functional.normalize(second, dim=1), torch.eye(6) > 0)
        if loss == "neighborhood":
            return neighborhood_loss(second, moved)
        zeros = torch.zeros(4, 3, dtype=torch.float64)
        rest = {"hidden": zeros, "bias": zeros[0], "output": zeros.T, "offset": zeros[:, 0]}
        return distillation_loss(first, second, weight=weight, **rest)

    assert torch.autograd.gradcheck(value, torch.randn(4, 4, dtype=torch.float64, requires_grad=True))


def test_the_contrastive_loss_is_the_mean_cross_entropy_of_both_directions() -> None:
    units = [torch.nn.functional.normalize(torch.randn(5, 3), dim=1) for _ in range(2)]
    scores = (units[0] @ units[1].T / 0.05).numpy().astype(np.float64)
    expected = [-(np.diag(table) - np.log(np.exp(table).sum(axis=1))).mean() for table in (scores, scores.T)]
    assert float(contrastive_loss(*units, torch.eye(5) > 0)) == pytest.approx(np.mean(expected), rel=1e-4)


def test_pairs_with_a_common_side_are_no_negatives() -> None:
    units = torch.nn.functional.normalize(torch.randn(4, 3), dim=1)
    twice = torch.cat([units, units])
    shared = torch.eye(4).repeat(2, 2) > 0
    assert float(contrastive_loss(twice, twice, shared)) < 0.01
    assert float(contrastive_loss(twice, twice, torch.eye(8) > 0)) > 0.69  # the log of two equal answers


def test_neighborhoods_that_stay_cost_nothing() -> None:
    units = torch.nn.functional.normalize(torch.randn(8, 5), dim=1)
    rotation, _ = torch.linalg.qr(torch.randn(5, 5))
    assert float(neighborhood_loss(units, units @ rotation)) == pytest.approx(0, abs=1e-5)
    assert float(neighborhood_loss(units, units.flip(0))) > 0.1


def test_a_student_learns_the_vectors_of_the_teacher_and_leaves_them_as_they_are() -> None:
    given = pairs(200, noise=0.01)
    heads = fit("distill", given)
    assert heads.target.apply(given.target) == pytest.approx(given.target, abs=1e-6)
    errors = [
        1 - (fit("distill", given, steps=steps).source.apply(given.source) * given.target).sum(axis=1).mean()
        for steps in (0, 60)
    ]
    assert errors[1] <= errors[0] < 0.1


def test_cosines_of_joined_heads_are_the_weighted_means() -> None:
    given = pairs()
    ridge, csa = fit("ridge", given), fit("csa", given)
    joined = join([ridge.source, csa.source], [3, 1]), join([ridge.target, csa.target], [3, 1])
    cosines = [heads.source.apply(given.source) @ heads.target.apply(given.target).T for heads in (ridge, csa)]
    expected = 0.75 * cosines[0] + 0.25 * cosines[1]
    assert joined[0].apply(given.source) @ joined[1].apply(given.target).T == pytest.approx(expected, abs=1e-5)


def validation(given: PairVectors) -> Validation:
    keys = np.arange(len(given))
    return Validation.of(given, keys, keys, keys, 0)


def test_auto_takes_the_most_stable_candidate_of_cross_validation() -> None:
    chosen = select(validation(pairs(60)), "auto", seconds=0)
    assert chosen.best in chosen.candidates
    singles = [found for found in chosen.candidates if found.name != "blend"]
    expected = most_stable([*validation(pairs(60)).blend(singles[:3]), *singles])
    assert chosen.best.describe() == expected.describe()
    assert [candidate.score for candidate in chosen.candidates] == sorted(
        (candidate.score for candidate in chosen.candidates), reverse=True
    )
    assert {"ridge", "procrustes", "csa", "anchors", "blend"} == {candidate.name for candidate in chosen.candidates}


def candidate(names: tuple[str, ...], gains: np.ndarray) -> Candidate:
    return Candidate(tuple(Part(name, {}) for name in names), gains)


def test_an_average_is_taken_unless_it_is_clearly_worse() -> None:
    draw = np.random.default_rng(0)
    gains = draw.uniform(0, 1, 400)
    alone = candidate(("csa",), gains)
    two = candidate(("csa", "ridge"), gains + draw.normal(0, 0.2, 400) - 0.005)
    three = candidate(("csa", "ridge", "anchors"), gains + draw.normal(0, 0.2, 400) - 0.1)
    assert most_stable([alone, two, three]) is two
    assert most_stable([alone, three]) is alone
    assert most_stable([two, three]) is two
    better = candidate(("csa", "anchors"), two.gains + 0.002)
    assert most_stable([alone, two, better]) is better


def test_methods_that_train_are_left_out_where_the_time_is_too_short_whatever_the_machine() -> None:
    given = validation(pairs(40))
    assert select(given, "auto", seconds=0).skipped == ["contrastive", "distill"]
    assert select(given, "auto", seconds=600).skipped == []


def test_an_unknown_method_is_an_error_that_lists_the_methods() -> None:
    with pytest.raises(
        ValueError, match="auto, blend, ridge, procrustes, csa, anchors, contrastive, distill, not 'rigde'"
    ):
        select(validation(pairs(40)), "rigde", seconds=0)
