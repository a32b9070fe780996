"""Records that words and vectors find: each is scored by both, whichever list it is in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.fusion import FusionMethod
from senseweave.retrieval.search.source import Candidate, RankingSource


class PairedLists:
    """The lists of some collections that are searched by words, beside those of the same records by vectors.

    With a cumulative method the score of a record is v + max(w, 0), with v its score by vector and w that by words:
    words that say more than chance are evidence on top of the vector's, and words that are missing are none against
    it. The score of a record does not depend on which list found it.
    """

    def __init__(
        self,
        sources: Mapping[str, RankingSource],
        queries: Mapping[str, tuple[np.ndarray, Statistics | None]],
        method: FusionMethod,
    ) -> None:
        """Take the sources that search by words.

        Args:
            sources: By the names of the sources that search the same records by vectors.
            queries: By source, the query's vector and the statistics to score with.
            method: The fusion method.
        """
        self._sources = sources
        self._queries = queries
        self._method = method

    def add(self, source: RankingSource, leads: Sequence[Candidate], scores: np.ndarray) -> np.ndarray:
        """Return the scores of a list with what the other list of the same records says of them.

        Args:
            source: Of the list.
            leads: Its records.
            scores: Their scores by this list alone, shape (n,).
        """
        if not self._method.cumulative:
            return scores
        if source.by_words:
            return self._by_vectors(source, leads, scores)
        words = self._sources.get(source.name)
        if words is None:
            return scores
        raw = np.array([self._word_scores[source.name].get(lead.id, 0.0) for lead in leads])
        total: np.ndarray = scores + np.maximum(self._method.score(raw, self._queries[words.name][1]), 0.0)
        return total

    @cached_property
    def _word_scores(self) -> dict[str, Mapping[str, float]]:
        return {name: source.word_scores() for name, source in self._sources.items()}

    def _by_vectors(self, source: RankingSource, leads: Sequence[Candidate], scores: np.ndarray) -> np.ndarray:
        """Return scores by words with those by vectors, where there are vectors to compare."""
        cosines = [lead.cosine for lead in leads]
        if None in cosines:
            return scores
        by_vectors = self._method.score(np.array(cosines, np.float64), self._queries[source.pair or ""][1])
        total: np.ndarray = by_vectors + np.maximum(scores, 0.0)
        return total
