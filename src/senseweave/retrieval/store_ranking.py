"""Vector stores of a framework as one ranking: the framework says how to embed and how to ask, the rest is here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from senseweave.concurrency import in_thread
from senseweave.errors import FingerprintError
from senseweave.forking import Lock
from senseweave.media import MODALITIES, Media, MediaPolicy, Modality
from senseweave.retrieval.calibration.probes import embed_probes
from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.calibration.store_statistics import Sample, StoreStatistics
from senseweave.retrieval.fusion import EmbeddedPart
from senseweave.retrieval.index import Index
from senseweave.retrieval.query import Query
from senseweave.retrieval.ranking import Ranking, arank, rank
from senseweave.retrieval.search.embedding import Embedded, QueryEmbedder, aembed_parts, embed_parts
from senseweave.retrieval.search.plan import Plan
from senseweave.retrieval.search.source import Candidate, RankingSource
from senseweave.retrieval.search.words.documents import DocumentWords
from senseweave.retrieval.search.words.found_by_words import FoundByWords, query_words
from senseweave.retrieval.stores.filters import Filter


@dataclass
class StoreCall:
    """What a search asks of one store, besides a vector and a modality.

    Attributes:
        query: The query; None where nothing but its vector is known.
        plan: How to rank.
        filters: Conditions on metadata, in the framework's language.
        parts: The query as the store's model embedded it.
        answers: What the store has answered in this search, for stores that cannot be asked for a modality.
        lock: Held while such a store is asked, so that the lists of several modalities ask once.
    """

    query: Query | None
    plan: Plan
    filters: Any = None
    parts: Sequence[EmbeddedPart] = ()
    answers: dict[int, Any] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)


class StoreView(QueryEmbedder):
    """A framework's vector store, or a retriever over it, with the model of its vectors. A framework subclasses it.

    Attributes:
        name: Unique among the stores of a ranking.
        known: Returns what is known of a list of the store by its name, which `ListStatistics` sets.
    """

    name: str
    known: Callable[[str, Modality], Statistics | None] | None = None

    @property
    def label(self) -> str:
        """What errors call the store."""
        return f"store {self.name!r}"

    @property
    def words(self) -> Mapping[bool, DocumentWords] | None:
        """The words of its documents, by whether each modality is a list of its own; None where it cannot tell them."""
        return None

    @property
    def space(self) -> str:
        """Name of the space of its vectors: equal for stores whose queries are embedded alike."""
        raise NotImplementedError

    def embed_phrases(self, phrases: Sequence[Media]) -> Any:
        """Return the vectors of general phrases as queries, shape (n, dimension), to estimate statistics from."""
        return self.embed(phrases)

    def find(self, call: StoreCall, vector: np.ndarray, k: int, modality: Modality | None) -> list[Candidate]:
        """Return the `k` records nearest to a unit vector, nearest first.

        Args:
            call: What is asked; its filters hold for every record.
            vector: Shape (dimension,), float32.
            k: Number of records.
            modality: Of the records; None for any.
        """
        raise NotImplementedError

    async def afind(self, call: StoreCall, vector: np.ndarray, k: int, modality: Modality | None) -> list[Candidate]:
        """Run `find` off the event loop: in a thread unless the store knows a better way."""
        return await in_thread(self.find, call, vector, k, modality)

    def find_with_vectors(self, vector: np.ndarray, k: int, modality: Modality | None) -> list[Candidate]:
        """Return the `k` records nearest to a vector, with their vectors where the store gives them.

        `ListStatistics` estimates from them what similarities mean.
        """
        raise NotImplementedError

    def vectors(self, found: Sequence[Candidate]) -> Sequence[np.ndarray]:
        """Return the stored vectors of what was found.

        Raises:
            ValueError: If the store does not give them.
        """
        raise NotImplementedError

    def look_up(self, call: StoreCall, ids: Sequence[str]) -> list[Candidate]:
        """Return those of some records that exist and meet the filters of a call, where the store has `words`."""
        raise NotImplementedError

    def statistics(self, modality: Modality | None, query_modality: Modality) -> Statistics | None:
        """Return what is known of queries of a modality against records of another, or None."""
        return self.known(list_name(self.name, modality), query_modality) if self.known is not None else None

    def is_empty(self, call: StoreCall, modality: Modality | None) -> bool:
        """Return whether there are no records of a modality; False where that is not known."""
        del call, modality
        return False


class SampledView(StoreView):
    """A view of a store that gives out its vectors, so that what similarities mean there can be estimated.

    Estimated from general phrases (for media, from the store's own) against a sample of the store's vectors, and kept
    until the store has doubled or halved.
    """

    def count(self) -> int:
        """Return how many vectors the store holds."""
        raise NotImplementedError

    def sample(self, modality: Modality) -> Sample:
        """Return vectors of a modality, shape (n, dimension), and how many there are."""
        raise NotImplementedError

    def statistics(self, modality: Modality | None, query_modality: Modality) -> Statistics | None:
        """Return what is known of queries of a modality against records of another, or None."""
        return self._estimates.find(modality, query_modality) if modality is not None else None

    def is_empty(self, call: StoreCall, modality: Modality | None) -> bool:
        """Return whether there were no records of a modality when statistics were last estimated."""
        del call
        return modality is not None and self._estimates.is_empty(modality)

    @cached_property
    def _estimates(self) -> StoreStatistics[Modality]:
        return StoreStatistics(self.sample, lambda _: self._phrases, count=self.count)

    @cached_property
    def _phrases(self) -> np.ndarray:
        return embed_probes(self.embed_phrases)


class StoreSource(RankingSource):
    """The records of a store, or of one modality in it, as a ranking asks for them."""

    def __init__(self, view: StoreView, modality: Modality | None, call: StoreCall) -> None:
        """Ask a view for one search; records that name no modality are text where `modality` is None."""
        self.name = list_name(view.name, modality)
        self.space = view.space
        self.modality = modality or "text"
        self.store = view.name
        self.view = view
        self.listed = modality
        self._call = call

    def query(self, vector: np.ndarray, k: int, *, with_vectors: bool) -> Sequence[Candidate]:
        """Return the `k` records nearest to a unit vector, nearest first."""
        found = self.view.find(self._call, vector, k, self.listed)
        return self._with_vectors(found) if with_vectors else found

    async def aquery(self, vector: np.ndarray, k: int, *, with_vectors: bool) -> Sequence[Candidate]:
        """Like `query`, off the event loop, by the store's own asynchronous way where it has one."""
        found = await self.view.afind(self._call, vector, k, self.listed)
        return await in_thread(self._with_vectors, found) if with_vectors else found

    def statistics(self, query_modality: Modality) -> Statistics | None:
        """Return what is known of queries of a modality against these records, or None."""
        return self.view.statistics(self.listed, query_modality)

    def is_empty(self) -> bool:
        """Return whether there are no records; False where that is not known."""
        return self.view.is_empty(self._call, self.listed)

    def _with_vectors(self, found: Sequence[Candidate]) -> list[Candidate]:
        vectors = self.view.vectors(found) if found else []
        return [replace(candidate, vector=vector) for candidate, vector in zip(found, vectors, strict=True)]


class StoreWordSource(FoundByWords):
    """The records of a store, or of one modality in it, searched by the words of the query."""

    def __init__(self, pair: StoreSource, words: DocumentWords, call: StoreCall) -> None:
        """Search the words of what a source searches by vectors."""
        self.name = f"{pair.name} (words)"
        self.pair = pair.name
        self.space = pair.space
        self.modality = pair.modality
        self.store = pair.store
        self.is_filtered = bool(call.filters)
        self.terms, self.weight = query_words(call.query)
        self._view = pair.view
        self._words = words
        self._list = pair.listed
        self._call = call

    def search_words(self, k: int) -> list[tuple[str, float]]:
        """Return the ids of the `k` records that match best, filtered or not, with their scores, best first."""
        return self._words.search(self._list, self.terms, k)

    def look_up(self, ids: Sequence[str], *, vectors: bool) -> dict[str, Candidate]:
        """Return by id those of some records that exist and match the filter."""
        found = self._view.look_up(self._call, ids) if ids else []
        if vectors and any(record.vector is None for record in found):
            stored = self._view.vectors(found)
            found = [replace(record, vector=vector) for record, vector in zip(found, stored, strict=True)]
        return {record.id: record for record in found}

    def statistics(self, query_modality: Modality) -> Statistics | None:
        """Return what unrelated queries find by words."""
        del query_modality
        return self._words.statistics(self._list)

    def is_empty(self) -> bool:
        """Return whether no record has words."""
        return self._words.statistics(self._list) is None


@dataclass(frozen=True)
class StoreRanking:
    """Stores that are searched together and ranked as one list.

    Attributes:
        views: The stores. Models of one space embed a query once.
        modalities: Each is searched and calibrated by itself; None to ask every store for all that it holds at once.
    """

    views: Sequence[StoreView]
    modalities: Collection[Modality] | None

    def rank(
        self,
        query: Query | None,
        plan: Plan,
        *,
        filters: Any = None,
        embedded: Embedded | None = None,
        policy: MediaPolicy | None = None,
    ) -> list[Ranking]:
        """Return the ranking of all stores together, best first.

        Args:
            query: What is asked; None where `embedded` is all that is known.
            plan: How to rank.
            filters: Conditions on metadata, in the framework's language.
            embedded: The query as vectors, by space, where it is embedded already.
            policy: What may be read when the media of hits are used.

        Raises:
            UnsupportedModalityError: If no model can embed any part of the query.
            MediaError: If a part of the query cannot be read.
        """
        if query is not None and embedded is None:
            embedded = embed_parts(query, self._embedders)
        return rank(query, *self._request(query, plan, filters, embedded or {}), plan, policy=policy)

    async def arank(
        self,
        query: Query | None,
        plan: Plan,
        *,
        filters: Any = None,
        embedded: Embedded | None = None,
        policy: MediaPolicy | None = None,
    ) -> list[Ranking]:
        """Like `rank`, off the event loop; models and stores work side by side."""
        if query is not None and embedded is None:
            embedded = await aembed_parts(query, await in_thread(lambda: self._embedders))
        return await arank(query, *self._request(query, plan, filters, embedded or {}), plan, policy=policy)

    @property
    def _embedders(self) -> Mapping[str, StoreView]:
        return {view.space: view for view in self.views}

    def _request(
        self, query: Query | None, plan: Plan, filters: Any, embedded: Embedded
    ) -> tuple[list[RankingSource], Embedded]:
        """Return a source for each store and modality, and one for its words if asked for, and the query as vectors.

        Raises:
            ValueError: If words are to be searched in a store that does not tell its documents.
        """
        given = self.modalities
        lists = [None] if given is None else [modality for modality in MODALITIES if modality in given]
        sources: list[RankingSource] = []
        for view in self.views:
            call = StoreCall(query, plan, filters, embedded.get(view.space, ()))
            by_vectors = [StoreSource(view, modality, call) for modality in lists]
            sources += by_vectors
            if plan.words:
                words = _words(view)
                by_words = [StoreWordSource(source, words[given is not None], call) for source in by_vectors]
                sources += [source for source in by_words if source.terms]
        return sources, embedded


def _words(view: StoreView) -> Mapping[bool, DocumentWords]:
    """Return the words of the documents of a store.

    Raises:
        ValueError: If it does not tell its documents.
    """
    if view.words is None:
        msg = (
            f"words=True searches an index of senseweave or a Chroma store, and {view.label} is none: give the "
            "retriever index=senseweave.Index(...), keep the documents in Chroma, or leave words out"
        )
        raise ValueError(msg)
    return view.words


@dataclass(frozen=True)
class IndexRanking:
    """An index of the core, asked as `StoreRanking` asks the stores of a framework.

    Attributes:
        index: The index, which has its own models, or a function that opens it when it is first asked.
        modalities: Only these; None for all.
        translate: Returns conditions in the framework's language as a filter of the index.
    """

    index: Index | Callable[[], Index]
    modalities: Collection[Modality] | None
    translate: Callable[[Any], Filter | None]

    def rank(self, query: Query, plan: Plan, *, filters: Any = None, **_: Any) -> list[Ranking]:
        """Return the ranking, best first; the index has vectors and a policy of its own."""
        return [Ranking(hit) for hit in self._opened().search(query, **self._options(plan, filters))]

    async def arank(self, query: Query, plan: Plan, *, filters: Any = None, **_: Any) -> list[Ranking]:
        """Like `rank`, off the event loop."""
        index = await in_thread(self._opened)
        return [Ranking(hit) for hit in await index.asearch(query, **self._options(plan, filters))]

    def _opened(self) -> Index:
        return self.index if isinstance(self.index, Index) else self.index()

    def _options(self, plan: Plan, filters: Any) -> dict[str, Any]:
        return {**plan.search_options, "modalities": self.modalities, "filter": self.translate(filters)}


def check_fingerprints(found: Iterable[str | None], collection: str, expected: str | None = None) -> str | None:
    """Check that vectors are all of one space, as far as their records say of which.

    Args:
        found: The fingerprints of the records; None where a record names none.
        collection: What the error calls the store or list that they are from.
        expected: The fingerprint of the space that queries are embedded in, where it is known.

    Returns:
        The fingerprint that they share; `expected` if they name none.

    Raises:
        FingerprintError: If there are two; the error names both.
    """
    for fingerprint in found:
        if expected is not None and fingerprint not in (None, expected):
            raise FingerprintError(collection, str(fingerprint), expected)
        expected = fingerprint or expected
    return expected


def list_name(store: str, modality: Modality | None) -> str:
    """Return the name of the list of a store's records of a modality; None for those of any."""
    return store if modality is None else f"{store}/{modality}"
