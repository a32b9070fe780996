"""Records that are found by the words of a query, as a source of a ranking, wherever they are looked up."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from senseweave.retrieval.query import Query
from senseweave.retrieval.search.source import Candidate, RankingSource
from senseweave.retrieval.search.words.scoring import MOST_ALONE
from senseweave.retrieval.search.words.tokens import Term, parse_words

SCORED: Final = 200
"""Matches whose scores are added to those of vectors; what words match less is below chance."""
GROWTH: Final = 4
"""Factor by which more is read where the store has only some of what the words found, under the filter."""
MOST_PASSING: Final = 2000
"""Records that a filter may let pass for their ids to be listed; else what words find is looked up in steps."""


class FoundByWords(RankingSource):
    """Records of a store that are searched by the words of a query under a filter.

    The store decides: what has gone from it, or does not match the filter, is no candidate.

    Attributes:
        is_filtered: Whether there is a filter.
    """

    by_words = True
    is_filtered: bool
    _found: Sequence[tuple[str, float]] = ()
    _asked: int = 0

    def query(self, vector: np.ndarray, k: int, *, with_vectors: bool) -> Sequence[Candidate]:
        """Return the `k` records whose words match best, best first, with their cosine similarities to the vector."""
        # Under a filter many are looked up for few, and the vectors would be most of the work.
        at_once = not self.is_filtered
        matching: list[tuple[str, float]] = []
        records: dict[str, Candidate] = {}
        looked_up, size = 0, k
        while True:
            found = self._best(size)
            records |= self.look_up([identifier for identifier, _ in found[looked_up:]], vectors=at_once)
            matching = [(identifier, score) for identifier, score in found if identifier in records]
            looked_up = len(found)
            if len(matching) >= k or len(found) < size:
                break
            if self.is_filtered and size > k and len(matching) * GROWTH < k:
                # Few records pass the filter: which, is asked once, rather than of every record that words match.
                passing = self.matching_ids(MOST_PASSING)
                if passing is not None:
                    matching = self._best_among(passing, k)
                    break
            size *= GROWTH
        if not at_once:
            records = self.look_up([identifier for identifier, _ in matching[:k]], vectors=True)
        return [
            _scored(records[identifier], score, vector, with_vector=with_vectors)
            for identifier, score in matching[:k]
            if identifier in records
        ]

    def word_scores(self) -> Mapping[str, float]:
        """Return the scores of the records that the words match best, by id, whether they match the filter or not."""
        return dict(self._best(SCORED))

    def search_words(self, k: int) -> list[tuple[str, float]]:
        """Return the ids of the `k` records that match best, filtered or not, with their scores, best first."""
        raise NotImplementedError

    def look_up(self, ids: Sequence[str], *, vectors: bool) -> dict[str, Candidate]:
        """Return by id those of some records that exist and match the filter."""
        raise NotImplementedError

    def matching_ids(self, most: int) -> Collection[str] | None:
        """Return the ids of all records that match the filter; None if there are more than `most`, or nobody knows."""
        del most
        return None

    def _best_among(self, ids: Collection[str], k: int) -> list[tuple[str, float]]:
        """Return the best matches among some records, with their scores: at least `k` if there are as many."""
        size = MOST_ALONE
        while True:
            found = self._best(size)
            matching = [(identifier, score) for identifier, score in found if identifier in ids]
            if len(matching) >= min(k, len(ids)) or len(found) < size:
                return matching
            size *= GROWTH

    def _best(self, count: int) -> Sequence[tuple[str, float]]:
        """Return the ids and scores of the best matches, which are searched for once."""
        if count > self._asked:
            # Under a filter all matches may be needed, which costs little more than to find the best of them.
            self._asked = max(count, MOST_ALONE if self.is_filtered else SCORED)
            self._found = self.search_words(self._asked)
        return self._found[:count]


def _scored(record: Candidate, score: float, query: np.ndarray, *, with_vector: bool) -> Candidate:
    cosine = _cosine(query, record.vector)
    return replace(record, similarity=score, vector=record.vector if with_vector else None, cosine=cosine)


def _cosine(query: np.ndarray, vector: np.ndarray | None) -> float | None:
    """Return the cosine similarity of a unit vector and the vector of a record; None where there is none of either."""
    if vector is None or vector.size != query.size:
        return None
    return float(query @ vector / max(float(np.linalg.norm(vector)), 1e-12))


def query_words(query: Query | None) -> tuple[list[Term], float]:
    """Return the terms of the texts in a query, see `query_texts`, and their weight."""
    texts = query_texts(query)
    terms = [term for text, _ in texts for term in parse_words(text)]
    return list(dict.fromkeys(terms)), sum(weight for _, weight in texts)


def query_texts(query: Query | None) -> list[tuple[str, float]]:
    """Return the texts in a query with their weights, without those that it counts against.

    A query that is known by its vectors alone has none.
    """
    if query is None:
        return []
    return [(str(media.decode()), weight) for media, weight in query.parts if media.modality == "text" and weight > 0]
