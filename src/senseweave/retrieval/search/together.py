"""Answer searches of an index that wait together: the store is asked once for the vectors of all of them."""

from __future__ import annotations

import contextlib
from bisect import bisect_right
from collections.abc import Hashable, Sequence
from concurrent.futures import Future
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

import numpy as np

from senseweave.concurrency import READING, CallAbandoned, abandoned_when, checkpoint
from senseweave.forking import Lock, forks
from senseweave.retrieval.calibration.cells import Calibration
from senseweave.retrieval.hits import Hits
from senseweave.retrieval.ranking import Ranking, Request, Steps, advance, ranking_steps
from senseweave.retrieval.search.collection_source import CollectionSource, collection_sources, with_all_sources
from senseweave.retrieval.search.embedding import Embedded
from senseweave.retrieval.search.request import SearchRequest
from senseweave.retrieval.search.source import Candidate, RankingSource
from senseweave.retrieval.search.sparse.keeping import KeptSparse
from senseweave.retrieval.search.words.base import IndexWords
from senseweave.retrieval.search.words.word_source import word_sources
from senseweave.retrieval.stores.collections import Collections

MOST: Final = 64
"""Searches that are answered together."""
MOST_RECORDS: Final = 10_000
"""Records that these may ask a collection for; they are in memory at once."""


@dataclass
class _Search:
    request: SearchRequest
    embedded: Embedded


@dataclass
class _Queued(_Search):
    """A search that waits for a thread."""

    future: Future[Hits] = field(default_factory=Future)
    context: Context = field(default_factory=copy_context)

    @property
    def depth(self) -> int:
        """How many records it asks every collection for, at first."""
        return self.request.plan.depth(self.request.plan.pages - 1)


class SearchQueue:
    """Answers searches in the library's threads; what waits meanwhile is answered together.

    A search finds what it would find alone, and an error of one is not an error of the others.
    """

    def __init__(
        self, collections: Collections, calibration: Calibration, words: IndexWords, sparse: KeptSparse
    ) -> None:
        """Search the collections of an index, their words and their sparse vectors, scored by its calibration."""
        self._collections = collections
        self._words = words
        self._sparse = sparse
        self._calibration = calibration
        self._lock = Lock()
        self._forks = forks()
        self._waiting: dict[Hashable, list[_Queued]] = {}

    def submit(self, request: SearchRequest, embedded: Embedded) -> Future[Hits]:
        """Queue a search and return its future; those of the same filter and modalities may be answered together."""
        search = _Queued(request, embedded)
        # A reranking model works for long, while others would wait.
        key = request.group if request.plan.reranker is None else id(search)
        with self._lock:
            if self._forks != forks():  # what waits here was asked for in the parent, which answers it
                self._forks, self._waiting = forks(), {}
            if key in self._waiting:
                self._waiting[key].append(search)
            else:
                READING.start(lambda: self._run(key))
                self._waiting[key] = [search]
        return search.future

    def answer(self, request: SearchRequest, embedded: Embedded) -> Hits:
        """Return what a search finds, in the calling thread."""
        (found,) = self._answer([_Search(request, embedded)])
        if isinstance(found, BaseException):
            raise found
        return found

    def _run(self, key: Hashable) -> None:
        """Answer what waits under a key, and then, after what else the threads have to do, what came meanwhile."""
        with self._lock:
            waiting = [search for search in self._waiting[key] if not search.future.cancelled()]
            depths = list(accumulate(search.depth for search in waiting[:MOST]))
            count = max(bisect_right(depths, MOST_RECORDS), 1)
            searches, self._waiting[key] = waiting[:count], waiting[count:]
        try:
            if searches:
                searches[0].context.run(self._settle, searches)
        finally:
            with self._lock:
                if self._waiting[key]:
                    with contextlib.suppress(RuntimeError):  # the process is ending
                        READING.start(lambda: self._run(key))
                else:
                    del self._waiting[key]

    def _settle(self, searches: Sequence[_Queued]) -> None:
        futures = [search.future for search in searches]
        found: Sequence[Hits | BaseException]
        try:
            with abandoned_when(lambda: all(future.cancelled() for future in futures)):
                found = self._answer(searches)
        except CallAbandoned:
            return
        except BaseException as error:  # of the store; whoever waits must see whatever happened
            if len(searches) > 1:
                for search in searches:
                    self._settle([search])
                return
            found = [error] * len(searches)
        for future, result in zip(futures, found, strict=True):
            if future.set_running_or_notify_cancel():
                if isinstance(result, BaseException):
                    future.set_exception(result)
                else:
                    future.set_result(result)

    def _answer(self, searches: Sequence[_Search]) -> list[Hits | BaseException]:
        """Return what each of some searches of one filter finds, or its own error.

        Raises:
            SenseweaveError: If the store fails.
        """
        first = searches[0].request
        sources = collection_sources(self._collections, self._calibration, first.modalities, first.condition)
        ranked = self._rank(searches, sources)
        hits = [ranking.hit for result in ranked if not isinstance(result, BaseException) for ranking in result]
        found = iter(with_all_sources(self._collections, hits, [source.description for source in sources]))
        return [
            result if isinstance(result, BaseException) else Hits([next(found) for _ in result]) for result in ranked
        ]

    def _rank(
        self, searches: Sequence[_Search], sources: Sequence[CollectionSource]
    ) -> list[list[Ranking] | BaseException]:
        results: list[list[Ranking] | BaseException] = [[] for _ in searches]
        steps = [self._steps(search, sources) for search in searches]
        answers: dict[int, list[Sequence[Candidate]] | None] = dict.fromkeys(range(len(searches)))
        while answers:
            checkpoint()
            requests: dict[int, list[Request]] = {}
            for at, answer in answers.items():
                try:
                    requests[at], result = advance(steps[at], answer)
                except Exception as error:  # of this search alone
                    results[at] = error
                    continue
                if result is not None:
                    del requests[at]
                    results[at] = result
            answers = dict(_ask(requests))
        return results

    def _steps(self, search: _Search, sources: Sequence[CollectionSource]) -> Steps:
        """Return the steps of a search, which opens the index of words where it is asked for."""
        asked = search.request
        words: Sequence[RankingSource] = self._sparse.sources(self._calibration, asked)
        if asked.plan.words:
            words = [*word_sources(self._words, self._collections, self._calibration, asked), *words]
        return (yield from ranking_steps(asked.query, [*sources, *words], search.embedded, asked.plan, asked.policy))


def _ask(requests: dict[int, list[Request]]) -> dict[int, list[Sequence[Candidate]]]:
    """Return the answers to the requests of each search, those to one source for equally many records asked at once."""
    groups: dict[Hashable, list[tuple[int, int, Request]]] = {}
    answers: dict[int, list[Sequence[Candidate]]] = {at: [[]] * len(listed) for at, listed in requests.items()}
    for at, listed in requests.items():
        for place, request in enumerate(listed):
            source, k, with_vectors = request.source, request.k, request.with_vectors
            if source.by_words:
                answers[at][place] = source.query(request.vector, k, with_vectors=with_vectors)
            else:
                groups.setdefault((source.name, k, with_vectors), []).append((at, place, request))
    for group in groups.values():
        source, k, with_vectors = group[0][2].source, group[0][2].k, group[0][2].with_vectors
        assert isinstance(source, CollectionSource)
        vectors = group[0][2].vector[None] if len(group) == 1 else np.stack([request.vector for _, _, request in group])
        found = source.query_all(vectors, k, with_vectors=with_vectors)
        for (at, place, _), candidates in zip(group, found, strict=True):
            answers[at][place] = candidates
    return answers
