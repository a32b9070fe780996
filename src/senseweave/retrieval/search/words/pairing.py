"""Records that words and vectors find: each is scored by both, whichever list it is in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.fusion import FusionMethod
from senseweave.retrieval.search.source import Candidate, RankingSource


class PairedLists:
    """The lists of some collections that are searched by words, beside those of the same records by vectors.

    With a cumulative method the score of a record is v + max(w, 0), with v its score by vector and w that by words, the
    best of them where several lists are searched by words: words that say more than chance are evidence on top of the
    vector's, and words that are missing are none against it. The score of a record does not depend on which list found
    it.
    """

    def __init__(
        self,
        sources: Mapping[str, Sequence[RankingSource]],
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
        self._word_scores: dict[str, Mapping[str, float]] = {}

    def add(self, source: RankingSource, leads: Sequence[Candidate], scores: np.ndarray) -> np.ndarray:
        """Return the scores of a list with what the other list of the same records says of them.

        Args:
            source: Of the list.
            leads: Its records.
            scores: Their scores by this list alone, shape (n,).
        """
        if not self._method.cumulative:
            return scores
        by_vectors = self._by_vectors(source, leads) if source.by_words else scores
        if by_vectors is None:
            return scores
        best = np.zeros(len(leads))
        for words in self._sources.get((source.pair if source.by_words else source.name) or "", ()):
            by_words = scores if words is source else self._by_words(words, leads)
            best = np.maximum(best, by_words)
        total: np.ndarray = by_vectors + best
        return total

    def _by_words(self, source: RankingSource, leads: Sequence[Candidate]) -> np.ndarray:
        """Return the scores by a list of words of records that another list found."""
        if source.name not in self._word_scores:
            self._word_scores[source.name] = source.word_scores()
        known = self._word_scores[source.name]
        raw = np.array([known.get(lead.id, 0.0) for lead in leads])
        return self._method.score(raw, self._queries[source.name][1])

    def _by_vectors(self, source: RankingSource, leads: Sequence[Candidate]) -> np.ndarray | None:
        """Return the scores by vectors of records that words found; None where there are no vectors to compare."""
        cosines = [lead.cosine for lead in leads]
        if None in cosines:
            return None
        return self._method.score(np.array(cosines, np.float64), self._queries[source.pair or ""][1])
