"""Evaluation: measures of rankings, significance, whole indexes, mteb, and zero-shot classification."""

from __future__ import annotations

from typing import TYPE_CHECKING

# Imported here and not lazily: the function shares its module's name, and importing the module later would hide it.
from senseweave.evaluation.classify import classify
from senseweave.lazy import lazy_names

_HOMES = {
    "Difference": "significance",
    "Evaluation": "retrieval",
    "Interval": "significance",
    "MEASURES": "metrics",
    "Question": "retrieval",
    "average_precision": "metrics",
    "bootstrap": "significance",
    "evaluate": "retrieval",
    "modality_share": "metrics",
    "ndcg_at_k": "metrics",
    "paired_bootstrap": "significance",
    "read_questions": "retrieval",
    "recall_at_k": "metrics",
    "reciprocal_rank": "metrics",
}

__all__ = [*_HOMES, "classify"]

if TYPE_CHECKING:
    from senseweave.evaluation.metrics import MEASURES as MEASURES
    from senseweave.evaluation.metrics import average_precision as average_precision
    from senseweave.evaluation.metrics import modality_share as modality_share
    from senseweave.evaluation.metrics import ndcg_at_k as ndcg_at_k
    from senseweave.evaluation.metrics import recall_at_k as recall_at_k
    from senseweave.evaluation.metrics import reciprocal_rank as reciprocal_rank
    from senseweave.evaluation.retrieval import Evaluation as Evaluation
    from senseweave.evaluation.retrieval import Question as Question
    from senseweave.evaluation.retrieval import evaluate as evaluate
    from senseweave.evaluation.retrieval import read_questions as read_questions
    from senseweave.evaluation.significance import Difference as Difference
    from senseweave.evaluation.significance import Interval as Interval
    from senseweave.evaluation.significance import bootstrap as bootstrap
    from senseweave.evaluation.significance import paired_bootstrap as paired_bootstrap


__getattr__, __dir__ = lazy_names(__name__, {name: f"{__name__}.{home}" for name, home in _HOMES.items()})
