"""The losses, over a model that returns what it is given, against their formulas in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from senseweave.training.finetuning.frozen import vector_head_class
from senseweave.training.finetuning.losses import LABEL, LOSSES, TRIPLET_MARGIN, LossOptions, build_loss

DRAW = np.random.default_rng(0)
COLUMNS = {
    name: DRAW.normal(size=(6, 8)).astype(np.float32) for name in ("anchor", "positive", "other", "negative", "teacher")
}
SCORES = np.array([1, 0, 1, 0, 1, 1], np.float32)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def value(loss: str, columns: list[str], label: np.ndarray | None = None, options: LossOptions | None = None) -> float:
    library = pytest.importorskip("sentence_transformers")
    model = library.SentenceTransformer(modules=[vector_head_class()(8)], device="cpu")
    features = [{"sentence_embedding": torch.from_numpy(COLUMNS[name])} for name in columns]
    module = build_loss(loss, model, options or LossOptions())
    return float(module(features, torch.from_numpy(label) if label is not None else None))


def cosines(first: str, second: str, dimensions: int = 8) -> np.ndarray:
    """Cosines of rows, of the leading dimensions of unit vectors."""
    a, b = (unit(unit(COLUMNS[name])[:, :dimensions]) for name in (first, second))
    return (a * b).sum(axis=1)


def info_nce(answers: list[str], dimensions: int = 8) -> float:
    """-log softmax of each anchor's own positive among all positives and negatives, at a temperature of 1/20."""
    anchors = unit(unit(COLUMNS["anchor"])[:, :dimensions])
    documents = np.concatenate([unit(unit(COLUMNS[name])[:, :dimensions]) for name in answers])
    logits = 20 * anchors @ documents.T
    peak = logits.max(axis=1)
    return float((np.log(np.exp(logits - peak[:, None]).sum(axis=1)) + peak - logits.diagonal()).mean())


def test_the_answer_is_one_of_all_of_the_batch() -> None:
    assert value("mnrl", ["anchor", "positive"]) == pytest.approx(info_nce(["positive"]), rel=1e-5)
    assert value("mnrl", ["anchor", "positive", "negative"]) == pytest.approx(
        info_nce(["positive", "negative"]), rel=1e-5
    )


def test_the_cached_loss_is_the_same() -> None:
    whole = value("mnrl", ["anchor", "positive"])
    with torch.enable_grad():
        assert value("mnrl", ["anchor", "positive"], options=LossOptions(batch_items=2)) == pytest.approx(
            whole, rel=1e-5
        )


def test_nested_dimensions_add_their_losses() -> None:
    expected = info_nce(["positive"], 8) + info_nce(["positive"], 4)
    assert value("mnrl", ["anchor", "positive"], options=LossOptions(matryoshka=(8, 4))) == pytest.approx(
        expected, rel=1e-5
    )


def test_a_text_of_simcse_is_one_of_all_of_the_batch() -> None:
    assert value("simcse", ["anchor", "positive"]) == pytest.approx(info_nce(["positive"]), rel=1e-5)


def test_a_triplet_costs_what_is_missing_to_the_margin() -> None:
    missing = cosines("anchor", "negative") - cosines("anchor", "positive") + TRIPLET_MARGIN
    expected = np.maximum(missing, 0).mean()
    assert value("triplet", ["anchor", "positive", "negative"]) == pytest.approx(expected, rel=1e-5)


def test_pairs_of_1_are_pulled_and_pairs_of_0_pushed_to_the_margin() -> None:
    distances = 1 - cosines("anchor", "other")
    expected = 0.5 * (SCORES * distances**2 + (1 - SCORES) * np.maximum(0.5 - distances, 0) ** 2).mean()
    assert value("contrastive", ["anchor", "other"], SCORES) == pytest.approx(expected, rel=1e-5)


def test_a_cosine_is_to_be_the_score() -> None:
    expected = ((cosines("anchor", "other") - SCORES) ** 2).mean()
    assert value("cosine", ["anchor", "other"], SCORES) == pytest.approx(expected, rel=1e-5)


def test_a_student_is_to_be_its_teacher() -> None:
    teacher = unit(COLUMNS["teacher"])
    expected = ((unit(COLUMNS["anchor"]) - teacher) ** 2).mean()
    assert value("distill", ["anchor"], teacher) == pytest.approx(expected, rel=1e-5)
    both = (expected + ((unit(COLUMNS["positive"]) - teacher) ** 2).mean()) / 2
    assert value("distill", ["anchor", "positive"], teacher) == pytest.approx(both, rel=1e-5)


def test_a_margin_is_to_be_the_cross_encoders() -> None:
    margins = cosines("anchor", "positive") - cosines("anchor", "negative")
    expected = ((margins - SCORES) ** 2).mean()
    assert value("margin", ["anchor", "positive", "negative"], SCORES) == pytest.approx(expected, rel=1e-5)


def test_every_loss_names_its_columns_and_its_paper() -> None:
    for loss in LOSSES.values():
        assert loss.columns[0] == "anchor"
        assert LABEL not in loss.columns
        assert any(mark in loss.source for mark in ("arXiv", "CVPR"))


def losses_with_gradients() -> list[tuple[str, list[str], Any]]:
    return [("mnrl", ["anchor", "positive"], None), ("triplet", ["anchor", "positive", "negative"], None)]


@pytest.mark.parametrize(("loss", "columns", "label"), losses_with_gradients())
def test_gradients_are_those_of_finite_differences(loss: str, columns: list[str], label: Any) -> None:
    library = pytest.importorskip("sentence_transformers")
    model = library.SentenceTransformer(modules=[vector_head_class()(8)], device="cpu").double()
    features = [{"sentence_embedding": torch.from_numpy(COLUMNS[name]).double()} for name in columns]
    module = build_loss(loss, model, LossOptions())
    weight = model[0].weight
    module([dict(feature) for feature in features], label).backward()
    step = 1e-6
    for at in ((0, 0), (3, 5), (7, 2)):
        with torch.no_grad():
            values = []
            for sign in (1, -1):
                weight[at] += sign * step
                values.append(float(module([dict(feature) for feature in features], label)))
                weight[at] -= sign * step
        assert float(weight.grad[at]) == pytest.approx((values[0] - values[1]) / (2 * step), abs=1e-6)
