"""Several lists or stores, one ranking: the engine that the index and every integration use.

Whatever can be searched by a vector is a `RankingSource`. The engine composes the query, searches every source, joins
equal content, makes the scores comparable, and then drops, reranks, groups, spreads and cuts out the page as a `Plan`
says.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final

import numpy as np

from senseweave.concurrency import checkpoint, in_thread
from senseweave.media import MediaPolicy
from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.fusion import EmbeddedPart, FusionMethod
from senseweave.retrieval.hits import Hit, take_origin
from senseweave.retrieval.query import Query
from senseweave.retrieval.search.composing import compose_sources
from senseweave.retrieval.search.distinct import Entry, distinct
from senseweave.retrieval.search.own_content import OwnContent, own_content
from senseweave.retrieval.search.paging import best_hits, cut_page, holds_sources
from senseweave.retrieval.search.plan import Plan
from senseweave.retrieval.search.source import Candidate, RankingSource
from senseweave.retrieval.search.words.found_by_words import query_words
from senseweave.retrieval.search.words.pairing import PairedLists
from senseweave.retrieval.search.words.tokens import Term

LEAST_FETCHED: Final = 10
"""Records requested from every source, so that the methods that look at one list see more than its tip."""
DIGITS: Final = 6
"""Scores that differ by less are ties, which stores return in any order."""


@dataclass(frozen=True)
class Ranking:
    """A place in the ranking.

    Attributes:
        hit: The result, with the scores and all sources of its content that were found.
        item: The framework's own object of the record that leads; None for a hit of an index.
        source: The source that it came from; None for a hit of an index.
    """

    hit: Hit
    item: Any = None
    source: RankingSource | None = None


@dataclass(frozen=True)
class Request:
    """A search of one source."""

    source: RankingSource
    vector: np.ndarray
    k: int
    with_vectors: bool


def rank(
    query: Query | None,
    sources: Sequence[RankingSource],
    embedded: Mapping[str, Sequence[EmbeddedPart]],
    plan: Plan,
    *,
    policy: MediaPolicy | None = None,
) -> list[Ranking]:
    """Search sources and make one ranking of their answers.

    Chunks of one source are never joined, unless they are equal content of different files. Equal content of
    different sources is one result that names them all.

    Args:
        query: The query; None if only its vector is known, which cannot be reranked.
        sources: What to search. A source whose space has no parts in `embedded` is left out.
        embedded: By space, the parts of the query that it can embed, as unit vectors.
        plan: How to rank.
        policy: What may be read when the media of hits are used.

    Returns:
        The page that the plan asks for, best first.

    Raises:
        ValueError: If the fusion method lacks statistics or cannot compose the query, weights do not fit, or a source
            answers with a similarity that is not finite.
    """
    steps = ranking_steps(query, sources, embedded, plan, policy)
    answers: list[Sequence[Candidate]] | None = None
    while True:
        checkpoint()
        requests, result = advance(steps, answers)
        if result is not None:
            return result
        answers = [
            request.source.query(request.vector, request.k, with_vectors=request.with_vectors) for request in requests
        ]


async def arank(
    query: Query | None,
    sources: Sequence[RankingSource],
    embedded: Mapping[str, Sequence[EmbeddedPart]],
    plan: Plan,
    *,
    policy: MediaPolicy | None = None,
) -> list[Ranking]:
    """Like `rank`, off the event loop; sources are searched side by side."""
    steps = ranking_steps(query, sources, embedded, plan, policy)
    answers: list[Sequence[Candidate]] | None = None
    while True:
        requests, result = await in_thread(advance, steps, answers)
        if result is not None:
            return result
        searches = (
            request.source.aquery(request.vector, request.k, with_vectors=request.with_vectors) for request in requests
        )
        answers = list(await asyncio.gather(*searches))


Steps = Generator[list[Request], list[Sequence[Candidate]], list[Ranking]]


def advance(steps: Steps, answers: list[Sequence[Candidate]] | None) -> tuple[list[Request], list[Ranking] | None]:
    """Take the engine to its next requests, or to its result."""
    try:
        return (next(steps) if answers is None else steps.send(answers)), None
    except StopIteration as end:
        return [], end.value


def ranking_steps(
    query: Query | None,
    sources: Sequence[RankingSource],
    embedded: Mapping[str, Sequence[EmbeddedPart]],
    plan: Plan,
    policy: MediaPolicy | None,
) -> Steps:
    """Yield the requests to make until the ranking is complete, and return it."""
    sources = [source for source in sources if source.by_words or embedded.get(source.space)]
    length = query.length if query is not None else _length(embedded)
    method, queries = compose_sources(sources, embedded, plan, length)
    sources = [source for source in sources if source.name in queries]
    weights = _weights(sources, plan, method)
    own = own_content(query, embedded)
    terms = tuple(query_words(query)[0]) if plan.words else ()
    word_pairs: dict[str, list[RankingSource]] = {}
    for source in sources:
        if source.by_words and source.pair is not None:
            word_pairs.setdefault(source.pair, []).append(source)
    is_plain = method.is_steady and not plan.is_selective and not word_pairs
    depth = plan.page_end if is_plain else plan.depth(plan.pages - 1)
    paired = PairedLists(word_pairs, queries, method)
    while True:
        entries = yield from _fetch(sources, queries, max(depth, LEAST_FETCHED), plan)

        def ranked(most: int, entries: Mapping[str, list[Entry]] = entries) -> list[Hit]:
            lists = {name: listed[: max(most, LEAST_FETCHED)] for name, listed in entries.items()}
            joined = _join(lists, queries, method, weights, own, paired)
            return [_hit(entry, method, policy, terms) for entry in (joined if plan.quota else joined[:most])]

        if is_plain:
            page = best_hits(ranked(depth), plan)[plan.offset : plan.page_end]
            break
        ranked = cache(ranked)
        if not plan.group or holds_sources(ranked(depth), depth, plan, plan.pages - 1):
            page = cut_page(ranked, plan, _reranking(query, plan))
            break
        depth *= 2
    origins = [take_origin(hit) for hit in page]
    return [Ranking(hit, origin.lead.item, origin.source) for hit, origin in zip(page, origins, strict=True)]


def _reranking(query: Query | None, plan: Plan) -> Callable[[list[Hit]], list[Hit]] | None:
    """Return what orders hits anew as the plan says, or None."""
    if plan.reranker is None:
        return None
    if query is None:
        msg = "a reranker reads the query, and only its vector is known here; pass the query, or no reranker"
        raise ValueError(msg)
    from senseweave.retrieval.search.rerank import rerank  # not needed where nothing is reranked

    return partial(rerank, query, reranker=plan.reranker)


def _fetch(
    sources: Sequence[RankingSource],
    queries: Mapping[str, tuple[np.ndarray, Statistics | None]],
    depth: int,
    plan: Plan,
) -> Generator[list[Request], list[Sequence[Candidate]], dict[str, list[Entry]]]:
    """Search every source until it has answered with `depth` different contents, or with all that it holds."""
    entries: dict[str, list[Entry]] = {source.name: [] for source in sources}
    open_sources, k = list(sources), depth
    while open_sources:
        answers = yield [
            Request(source, queries[source.name][0], k, plan.diversity is not None) for source in open_sources
        ]
        still = []
        for source, answer in zip(open_sources, answers, strict=True):
            found = distinct(source, answer)
            entries[source.name] = found[:depth]
            if len(found) < depth and len(answer) >= k:
                still.append(source)
        open_sources, k = still, 2 * k
    return entries


def _join(
    entries: Mapping[str, list[Entry]],
    queries: Mapping[str, tuple[np.ndarray, Statistics | None]],
    method: FusionMethod,
    weights: Mapping[str, float],
    own: OwnContent | None,
    paired: PairedLists,
) -> list[Entry]:
    """Score every list, join equal content of different lists, and sort, the query's own content first."""
    joined: dict[tuple[Any, ...], list[Entry]] = {}
    for name, listed in entries.items():
        if not listed:
            continue
        raw = np.array([entry.lead.similarity for entry in listed], dtype=np.float64)
        if not np.isfinite(raw).all():
            msg = f"list {name!r} holds a similarity that is not finite"
            raise ValueError(msg)
        scores = method.score(raw, queries[name][1], weight=weights.get(name, 1.0))
        scores = paired.add(listed[0].source, [entry.lead for entry in listed], scores)
        evidence = _evidence(listed, queries[name][1], own)
        for entry, score, surely in zip(listed, scores.tolist(), evidence, strict=True):
            entry.score, entry.own = score, surely  # of this ranking; another one scores the entries again
            slots = joined.get(entry.key)
            if slots is None:
                joined[entry.key] = [entry]
                continue
            at = next((i for i, slot in enumerate(slots) if not slot.lists & entry.lists), None)
            if at is None:
                slots.append(entry)
            else:
                slots[at] = _unite(slots[at], entry, additive=method.additive)
    ranked = [entry for slots in joined.values() for entry in slots]
    best = max((entry.score for entry in ranked), default=0.0)
    for entry in ranked:
        if entry.own:  # a similarity near 1 is above what any calibrated score says of other records
            entry.score = best
    keys = [-round(entry.score, DIGITS) for entry in ranked]
    if len(set(keys)) == len(keys):
        return [ranked[at] for at in sorted(range(len(ranked)), key=keys.__getitem__)]
    ranked.sort(key=_sort_key)
    return ranked


def _evidence(listed: Sequence[Entry], statistics: Statistics | None, own: OwnContent | None) -> list[float]:
    """Return for each entry of a list how surely it is the query's own content."""
    if own is None or not listed or listed[0].source.by_words:
        return [0.0] * len(listed)

    def evidence(unrelated: float | None) -> list[float]:
        return [
            max(
                [
                    own.evidence(provenance, member.similarity, unrelated)
                    for provenance, member in zip(entry.provenances, entry.members, strict=True)
                ]
            )
            for entry in listed
        ]

    found = evidence(None)
    if not any(found):  # some stores are sampled for their statistics, which can only say that less is near
        return found
    known = statistics or listed[0].source.statistics(own.modality)
    return evidence(known.mean) if known is not None else found


def _sort_key(entry: Entry) -> tuple[float, float, float, str]:
    """Return the key that sorts entries, so that ties come in the same order in every store."""
    similarity = entry.members[0].similarity
    return -round(entry.score, DIGITS), -round(entry.own, DIGITS), -round(similarity, DIGITS), entry.places[0]


def _unite(first: Entry, second: Entry, *, additive: bool) -> Entry:
    """Return equal content of two lists as one entry, led by the better score."""
    better, other = (second, first) if second.score > first.score else (first, second)
    return Entry(
        better.source,
        [*better.members, *other.members],
        [*better.provenances, *other.provenances],
        better.key,
        list(dict.fromkeys([*better.places, *other.places])),
        first.lists | second.lists,
        first.score + second.score if additive else better.score,
        max(first.own, second.own),
    )


def _hit(entry: Entry, method: FusionMethod, policy: MediaPolicy | None, terms: tuple[Term, ...]) -> Hit:
    """Return the hit of an entry, which is its `origin`."""
    lead, provenance = entry.lead, entry.provenances[0]
    source = provenance.source or lead.id
    return Hit(
        id=lead.id,
        score=entry.score,
        raw_score=lead.similarity if lead.cosine is None else lead.cosine,
        modality=provenance.modality,
        source=source,
        text=lead.text or "",
        space=entry.source.space,
        calibration=method.name,
        mime_type=provenance.mime_type,
        span=provenance.span,
        page=provenance.page,
        part=provenance.part,
        sha256=provenance.sha256,
        metadata=provenance.own,
        sources=tuple(dict.fromkeys([source, *entry.places])) if len(entry.places) > 1 else (source,),
        policy=policy,
        terms=terms,
        origin=entry,
    )


def _weights(sources: Sequence[RankingSource], plan: Plan, method: FusionMethod) -> dict[str, float]:
    """Return the weight of each source, which a plan gives by its name, its store or its modality."""
    given = plan.weights or {}
    if given and not method.weighted:
        msg = f"weights belong to the method weighted_rrf, not to {method.name}"
        raise ValueError(msg)
    named = {source.name: _first_weight(given, (source.name, source.store, source.modality)) for source in sources}
    return {name: weight for name, weight in named.items() if weight is not None}


def _first_weight(given: Mapping[str, float], names: Sequence[str | None]) -> float | None:
    """Return the weight of the first of several names that has one."""
    return next((given[name] for name in names if name is not None and name in given), None)


def _length(embedded: Mapping[str, Sequence[EmbeddedPart]]) -> float:
    """Return the length of the weights of a query whose vectors alone are known."""
    return max((math.hypot(*(part.weight for part in parts)) for parts in embedded.values()), default=1.0)
