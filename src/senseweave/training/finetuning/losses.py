"""The losses of `senseweave.finetune`: what columns each needs, and how sentence-transformers builds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from senseweave.extras import require

LABEL: Final = "label"
"""Name of the column of scores, classes or the teacher's values, as sentence-transformers knows it."""
TRIPLET_MARGIN: Final = 0.3
"""Of cosine distances, between 0 and 2; the library's default of 5 is one of Euclidean distances of long vectors."""

ROUNDING: Final = 1e-3
"""By which a similarity that was computed may be greater than 1."""


@dataclass(frozen=True)
class LossOptions:
    """What a loss is built with.

    Attributes:
        batch_items: Rows that are computed at once by a loss with a gradient cache; None for no cache.
        guide: A sentence-transformers model that says which negatives of a batch are none; None for no guide.
        matryoshka: Numbers of leading dimensions that must do the work of the whole vector; empty for none.
    """

    batch_items: int | None = None
    guide: Any = None
    matryoshka: Sequence[int] = ()


@dataclass(frozen=True)
class Loss:
    """A loss by name.

    Attributes:
        columns: Columns of a row that are embedded; further negatives may follow where the last is `negative`.
        label: What the label of a row is, for errors; None where there is none.
        fits: Whether a finite number is such a label.
        source: The paper.
        build: Takes the model and the options, and returns the module.
        distinct: Whether other rows of a batch serve as negatives, so that no batch may hold an item twice.
    """

    columns: tuple[str, ...]
    label: str | None
    source: str
    build: Callable[[Any, LossOptions], Any]
    distinct: bool = False
    fits: Callable[[float], bool] = lambda label: True


def _library() -> Any:
    return require("sentence_transformers.sentence_transformer.losses", extra="training", feature="fine-tuning")


def _ranking(model: Any, options: LossOptions) -> Any:
    losses, cached = _library(), options.batch_items
    if options.guide is not None:
        if cached is not None:
            return losses.CachedGISTEmbedLoss(model, options.guide, mini_batch_size=cached)
        return losses.GISTEmbedLoss(model, options.guide)
    if cached is not None:
        return losses.CachedMultipleNegativesRankingLoss(model, mini_batch_size=cached)
    return losses.MultipleNegativesRankingLoss(model)


def _triplet(model: Any, options: LossOptions) -> Any:
    losses = _library()
    metrics = require("sentence_transformers.sentence_transformer.losses.triplet", extra="training")
    return losses.TripletLoss(
        model, distance_metric=metrics.TripletDistanceMetric.COSINE, triplet_margin=TRIPLET_MARGIN
    )


def _contrastive(model: Any, options: LossOptions) -> Any:
    return _library().ContrastiveLoss(model)


def _cosine(model: Any, options: LossOptions) -> Any:
    return _library().CosineSimilarityLoss(model)


def _vectors(model: Any, options: LossOptions) -> Any:
    return _library().MSELoss(model)


def _margins(model: Any, options: LossOptions) -> Any:
    return _library().MarginMSELoss(model)


LOSSES: Final[Mapping[str, Loss]] = {
    "mnrl": Loss(
        ("anchor", "positive", "negative"),
        None,
        "multiple negatives ranking, InfoNCE: Henderson et al. 2017, arXiv 1705.00652; cached: arXiv 2101.06983; "
        "with a guide: arXiv 2402.16829",
        _ranking,
        distinct=True,
    ),
    "triplet": Loss(("anchor", "positive", "negative"), None, "Schroff et al. 2015, arXiv 1503.03832", _triplet),
    "contrastive": Loss(
        ("anchor", "other"),
        "1 for a pair that belongs together, 0 for one that does not",
        "Hadsell, Chopra and LeCun, CVPR 2006",
        _contrastive,
        fits=lambda label: label in (0, 1),
    ),
    "cosine": Loss(
        ("anchor", "other"),
        "how alike the two are, from -1 to 1 (scores from 0 to 5 are divided by 5)",
        "Reimers and Gurevych 2019, arXiv 1908.10084",
        _cosine,
        fits=lambda label: abs(label) <= 1 + ROUNDING,
    ),
    "simcse": Loss(("anchor",), None, "Gao et al. 2021, arXiv 2104.08821", _ranking, distinct=True),
    "distill": Loss(("anchor",), None, "Reimers and Gurevych 2020, arXiv 2004.09813", _vectors),
    "margin": Loss(("anchor", "positive", "negative"), None, "Hofstätter et al. 2020, arXiv 2010.02666", _margins),
}
"""By name. `margin` is what `distill` becomes where the teacher is a cross-encoder."""


def build_loss(name: str, model: Any, options: LossOptions) -> Any:
    """Return the module of a loss, inside `MatryoshkaLoss` (Kusupati et al. 2022, arXiv 2205.13147) if asked for."""
    module = LOSSES[name].build(model, options)
    if options.matryoshka:
        module = _library().MatryoshkaLoss(model, module, matryoshka_dims=list(options.matryoshka))
    return module
