"""The contract of a fusion method: what makes the scores of different result lists comparable."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, final

import numpy as np

from senseweave.retrieval.calibration.statistics import Statistics


class FusionMethod(ABC):
    """A rule that turns the similarities of one result list into scores comparable with those of other lists.

    A method is made by subclassing `ListMethod` (it looks at the list alone), `LinearMethod` (it subtracts a location
    and divides by a scale, both taken from statistics) or this class (any other function of statistics), and made
    known by `senseweave.retrieval.fusion.register`. No method may change the order within a list.

    Attributes:
        name: The name that `fusion=` takes.
        needs: The fields of `Statistics` that the method reads; empty if it looks at the list alone.
        remedy: How statistics come by these fields; it ends the error that is raised where they lack them.
        additive: Whether scores of equal content in several lists are summed; otherwise the best is kept.
        weighted: Whether the method takes a weight per list.
        cumulative: Whether the score of a record by its words, where it is above 0, is added to that by its vector;
            otherwise the better is kept, unless the method is additive.
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()
    remedy: ClassVar[str] = "make the statistics with senseweave.retrieval.background"
    additive: ClassVar[bool] = False
    weighted: ClassVar[bool] = False
    cumulative: ClassVar[bool] = False

    @property
    def needs_statistics(self) -> bool:
        """Whether the method cannot score a list without the statistics of its cell."""
        return bool(self.needs)

    @property
    def is_steady(self) -> bool:
        """Whether the score of a hit stays when more of its list, or of other lists, is read."""
        return self.needs_statistics and not self.additive

    @property
    def composable(self) -> bool:
        """Whether queries of several weighted parts can be composed: whether the method has a `location_scale`."""
        return type(self).location_scale is not FusionMethod.location_scale

    @final
    def score(self, scores: np.ndarray, statistics: Statistics | None = None, *, weight: float = 1.0) -> np.ndarray:
        """Score one result list.

        Args:
            scores: Cosine similarities, shape (n,).
            statistics: The statistics of the list's cell (space, query modality, document modality), already given the
                query by `Statistics.for_query`, or those that `compose_query` returned. Methods that look at the list
                alone ignore the former.
            weight: The list's weight, which multiplies the scores; only for methods with `weighted`.

        Returns:
            Shape (n,), float64; larger is better.

        Raises:
            ValueError: If statistics are missing, lack a field or were composed for another method, or if the weight
                is negative or the method takes none.
        """
        values = np.asarray(scores, dtype=np.float64)
        if statistics is not None and statistics.composed_for is not None:
            result = self._score_composed(values, statistics)
        else:
            if self.needs:
                self.check(statistics)
            result = self.transform(values, statistics)
        return result if weight == 1.0 else self._check_weight(weight) * result

    @abstractmethod
    def transform(self, scores: np.ndarray, statistics: Statistics | None) -> np.ndarray:
        """Compute the scores of one list; `score` calls it with checked arguments.

        Args:
            scores: Cosine similarities, shape (n,), float64.
            statistics: The statistics of the list's cell, with every field in `needs`.

        Returns:
            Shape (n,), float64.
        """

    def location_scale(self, statistics: Statistics | None) -> tuple[float, float] | None:
        """Return (m, s) such that the score is exactly (similarity - m) / s, or None if there are no such numbers.

        Without them the scores of several weighted parts do not add up to a linear function of a record's vector, and
        composing a query is an error.
        """
        del statistics
        return None

    @final
    def check(self, statistics: Statistics | None) -> Statistics:
        """Check that statistics are given and hold every field in `needs`, and return them.

        Raises:
            ValueError: If they do not; the message names the fields and the remedy.
        """
        if statistics is None:
            msg = (
                f"{self.name} needs the statistics of the cell (space, query modality, document modality), but none "
                f"were given: {self.remedy}"
            )
            raise ValueError(msg)
        missing = [field for field in self.needs if getattr(statistics, field) is None]
        if missing:
            msg = f"{self.name} needs {' and '.join(missing)}, which these statistics do not hold: {self.remedy}"
            raise ValueError(msg)
        return statistics

    def _score_composed(self, scores: np.ndarray, statistics: Statistics) -> np.ndarray:
        if statistics.composed_for != self.name:
            msg = f"this query was composed for {statistics.composed_for}; compose it again to score it by {self.name}"
            raise ValueError(msg)
        result: np.ndarray = (scores - statistics.mean) / statistics.std
        return result if self.needs else self.transform(result, None)

    def _check_weight(self, weight: float) -> float:
        if not self.weighted:
            msg = f"{self.name} takes no weights; weighted_rrf does"
            raise ValueError(msg)
        if weight < 0:
            msg = f"the weight of a list must not be negative, but is {weight}"
            raise ValueError(msg)
        return weight

    def __repr__(self) -> str:
        return f"<fusion method {self.name}>"


class ListMethod(FusionMethod):
    """A method that looks at one result list and nothing else: it cannot tell a list of good hits from a bad list."""

    @final
    def location_scale(self, statistics: Statistics | None) -> tuple[float, float]:
        """Return (0, 1): a composed query is the weighted sum of its parts, and its list is scored as any other."""
        del statistics
        return 0.0, 1.0


class LinearMethod(FusionMethod):
    """A method that subtracts a location from each similarity and divides by a scale."""

    @abstractmethod
    def location_scale(self, statistics: Statistics | None) -> tuple[float, float]:
        """Return (m, s) of the score (similarity - m) / s, with s greater than 0."""

    @final
    def transform(self, scores: np.ndarray, statistics: Statistics | None) -> np.ndarray:
        """Compute (similarity - m) / s."""
        location, scale = self.location_scale(statistics)
        result: np.ndarray = (scores - location) / scale
        return result
