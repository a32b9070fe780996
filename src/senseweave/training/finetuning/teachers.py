"""What a student learns from: a space's vectors, or a cross-encoder's margins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from senseweave.encoders.parts.heads import unit
from senseweave.errors import ModelError
from senseweave.spaces import Space, load
from senseweave.training.finetuning.frozen import FrozenModel
from senseweave.training.finetuning.losses import LABEL
from senseweave.training.finetuning.trainable import TrainableModel

FLAT: Final = 1e-9
"""Standard deviation of margins below which they say nothing."""


class Teacher:
    """Gives rows the label of a loss that learns from another model."""

    def __init__(self, loss: str, teacher: str | Space, student: TrainableModel | FrozenModel) -> None:
        """Load the teacher.

        Args:
            loss: `distill` or `margin`.
            teacher: A space or its name; of `margin` the name of a cross-encoder.
            student: The model that learns.

        Raises:
            ModelError: If a teacher's vectors have another length than the student's.
        """
        self.student = student
        self.space: Space | None = None
        if loss == "margin":
            from senseweave.encoders.rerankers.loading import load_scorer

            self.scorer = load_scorer(str(teacher), {})
            return
        self.space = teacher if isinstance(teacher, Space) else load(teacher)
        if self.space.dimension != student.dimension:
            msg = (
                f"{self.space.name} has {self.space.dimension} dimensions, and {student.name} "
                f"{student.dimension}: a student that learns vectors needs as many; senseweave.align joins two spaces "
                "of any lengths"
            )
            raise ModelError(msg)

    def vectors(self, rows: Sequence[Mapping[str, Any]]) -> np.ndarray | None:
        """Return the unit vectors of the rows' anchors, shape (rows, dimension); None of a cross-encoder."""
        if self.space is None:
            return None
        return unit(self.space.embed([row["anchor"] for row in rows], role="document"))

    def add(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the rows with labels: the anchor's vector, which every column learns, or the margin.

        A cross-encoder's margins are logits, which cosines cannot reach: they are scaled to the standard deviation of
        the student's own, and keep their order and signs (Hofstätter et al. 2020 train dot products, which can).
        """
        vectors = self.vectors(rows)
        if vectors is not None:
            return [{**row, LABEL: vector.tolist()} for row, vector in zip(rows, vectors, strict=True)]
        margins = np.array([self._margin(row) for row in rows])
        if not np.isfinite(margins).all() or float(margins.std()) < FLAT:
            msg = (
                f"{self.scorer.name} gives every row the same margin, or one that is not finite: nothing can be learned"
            )
            raise ModelError(msg)
        anchors = self.student.vectors([row["anchor"] for row in rows], "query")
        answers, others = (
            self.student.vectors([row[name] for row in rows], "document") for name in ("positive", "negative")
        )
        own = (anchors * (answers - others)).sum(axis=1)
        scale = float(own.std()) / float(margins.std())
        return [{**row, LABEL: float(margin) * scale} for row, margin in zip(rows, margins, strict=True)]

    def _margin(self, row: Mapping[str, Any]) -> float:
        scores = self.scorer.score(row["anchor"].decode(), [row["positive"].decode(), row["negative"].decode()]).values
        return float(scores[0] - scores[1])
