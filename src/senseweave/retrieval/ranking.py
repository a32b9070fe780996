"""Several lists or stores, one ranking: the engine that the index and every integration use.

Whatever can be searched by a vector is a `RankingSource`. The engine composes the query, searches every source, joins
equal content, makes the scores comparable, and then drops, reranks, groups, spreads and cuts out the page as a `Plan`
says.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, Final

import numpy as np

from senseweave.concurrency import checkpoint, in_thread
from senseweave.media import MediaPolicy
from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.fusion import EmbeddedPart, FusionMethod
from senseweave.retrieval.hits import Hit, hit_from_record, take_origin
from senseweave.retrieval.query import Query
from senseweave.retrieval.records.identity import content_key, picture_provenance
from senseweave.retrieval.records.schema import Provenance, read_metadata
from senseweave.retrieval.search.composing import compose_sources
from senseweave.retrieval.search.own_content import OwnContent, own_content
from senseweave.retrieval.search.paging import best_hits, cut_page, holds_sources
from senseweave.retrieval.search.plan import Plan
from senseweave.retrieval.search.source import Candidate, RankingSource
from senseweave.retrieval.search.words.pairing import PairedLists

LEAST_FETCHED: Final = 10
"""Records requested from every source, so that the methods that look at one list see more than its tip."""
EQUAL_SIMILARITY: Final = 1e-4
"""Equal content has equal vectors; stores round their similarities by less than this."""
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


@dataclass
class _Entry:
    """Records of equal content, as one list or the whole ranking holds them; the first leads."""

    source: RankingSource
    members: list[Candidate]
    key: tuple[Any, ...]
    places: list[str]
    lists: set[str] = field(default_factory=set)
    score: float = 0.0
    own: float = 0.0

    @property
    def lead(self) -> Candidate:
        """The record that stands for all."""
        return self.members[0]


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
    word_pairs: dict[str, list[RankingSource]] = {}
    for source in sources:
        if source.by_words and source.pair is not None:
            word_pairs.setdefault(source.pair, []).append(source)
    is_plain = method.is_steady and not plan.is_selective and not word_pairs
    depth = plan.page_end if is_plain else plan.depth(plan.pages - 1)
    paired = PairedLists(word_pairs, queries, method)
    while True:
        entries = yield from _fetch(sources, queries, max(depth, LEAST_FETCHED), plan)

        def ranked(most: int, entries: Mapping[str, list[_Entry]] = entries) -> list[Hit]:
            lists = {name: listed[: max(most, LEAST_FETCHED)] for name, listed in entries.items()}
            joined = _join(lists, queries, method, weights, own, paired)
            return [_hit(entry, method, policy) for entry in (joined if plan.quota else joined[:most])]

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
) -> Generator[list[Request], list[Sequence[Candidate]], dict[str, list[_Entry]]]:
    """Search every source until it has answered with `depth` different contents, or with all that it holds."""
    entries: dict[str, list[_Entry]] = {source.name: [] for source in sources}
    open_sources, k = list(sources), depth
    while open_sources:
        answers = yield [
            Request(source, queries[source.name][0], k, plan.diversity is not None) for source in open_sources
        ]
        still = []
        for source, answer in zip(open_sources, answers, strict=True):
            found = _distinct(source, answer)
            entries[source.name] = found[:depth]
            if len(found) < depth and len(answer) >= k:
                still.append(source)
        open_sources, k = still, 2 * k
    return entries


def _distinct(source: RankingSource, answer: Sequence[Candidate]) -> list[_Entry]:
    """Put records of equal content at different files together; chunks of one file stay apart.

    The words that OCR read in a picture share its key, so that they are one result with it, led by the better.
    """
    entries: list[_Entry] = []
    by_key: dict[tuple[Any, ...], list[_Entry]] = {}
    for candidate in answer:
        provenance = candidate.provenance
        picture = picture_provenance(provenance)
        key = content_key(picture or provenance, candidate.text)
        place = provenance.source or candidate.id
        if picture is not None and any(place in entry.places for entry in by_key.get(key or (), ())):
            continue  # more words of a picture that is there already
        if key is not None:
            for entry in by_key.get(key, ()):
                # Words say the same of equal content, but for the names of its files.
                near = source.by_words or abs(entry.lead.similarity - candidate.similarity) < EQUAL_SIMILARITY
                if near and place not in entry.places:
                    entry.members.append(candidate)
                    entry.places.append(place)
                    break
            else:
                entries.append(_Entry(source, [candidate], key, [place], {source.name}))
                by_key.setdefault(key, []).append(entries[-1])
        else:
            entries.append(_Entry(source, [candidate], _lone_key(candidate, provenance), [place], {source.name}))
    for entry in entries:
        if len(entry.members) > 1:
            order = sorted(range(len(entry.members)), key=lambda at: _arrival(entry.members[at]))
            entry.members = [entry.members[at] for at in order]
            entry.places = [entry.places[at] for at in order]
    return entries


def _lone_key(candidate: Candidate, provenance: Provenance) -> tuple[Any, ...]:
    """Return what a record without a hash shares with records of other lists alone: a text its words."""
    if provenance.modality == "text" and candidate.text:
        return "text", candidate.text, provenance.page, provenance.span
    return candidate.id, candidate.text, provenance.modality, provenance.source, provenance.page, provenance.span


def _join(
    entries: Mapping[str, list[_Entry]],
    queries: Mapping[str, tuple[np.ndarray, Statistics | None]],
    method: FusionMethod,
    weights: Mapping[str, float],
    own: OwnContent | None,
    paired: PairedLists,
) -> list[_Entry]:
    """Score every list, join equal content of different lists, and sort, the query's own content first."""
    joined: dict[tuple[Any, ...], list[_Entry]] = {}
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
        for entry, score, surely in zip(listed, scores, evidence, strict=True):
            scored = _Entry(
                entry.source, entry.members, entry.key, entry.places, entry.lists, score=float(score), own=surely
            )
            slots = joined.get(entry.key)
            if slots is None:
                joined[entry.key] = [scored]
                continue
            at = next((i for i, slot in enumerate(slots) if not slot.lists & scored.lists), None)
            if at is None:
                slots.append(scored)
            else:
                slots[at] = _unite(slots[at], scored, additive=method.additive)
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


def _evidence(listed: Sequence[_Entry], statistics: Statistics | None, own: OwnContent | None) -> list[float]:
    """Return for each entry of a list how surely it is the query's own content."""
    if own is None or not listed or listed[0].source.by_words:
        return [0.0] * len(listed)

    def evidence(unrelated: float | None) -> list[float]:
        return [
            max(
                [
                    own.evidence(_provenance(member, entry.source), member.similarity, unrelated)
                    for member in entry.members
                ]
            )
            for entry in listed
        ]

    found = evidence(None)
    if not any(found):  # some stores are sampled for their statistics, which can only say that less is near
        return found
    known = statistics or listed[0].source.statistics(own.modality)
    return evidence(known.mean) if known is not None else found


def _provenance(candidate: Candidate, source: RankingSource) -> Provenance:
    """Return where a record is from, with the modality of its source if its metadata name none."""
    if "modality" in candidate.metadata:
        return candidate.provenance
    return read_metadata({"modality": source.modality, **candidate.metadata})


def _sort_key(entry: _Entry) -> tuple[float, float, float, str]:
    """Return the key that sorts entries, so that ties come in the same order in every store."""
    similarity = entry.members[0].similarity
    return -round(entry.score, DIGITS), -round(entry.own, DIGITS), -round(similarity, DIGITS), entry.places[0]


def _unite(first: _Entry, second: _Entry, *, additive: bool) -> _Entry:
    """Return equal content of two lists as one entry, led by the better score."""
    better, other = (second, first) if second.score > first.score else (first, second)
    return _Entry(
        better.source,
        [*better.members, *other.members],
        better.key,
        list(dict.fromkeys([*better.places, *other.places])),
        first.lists | second.lists,
        first.score + second.score if additive else better.score,
        max(first.own, second.own),
    )


def _hit(entry: _Entry, method: FusionMethod, policy: MediaPolicy | None) -> Hit:
    lead = entry.lead
    provenance = _provenance(lead, entry.source)
    return hit_from_record(
        lead.id,
        provenance,
        lead.text,
        score=entry.score,
        raw_score=lead.similarity if lead.cosine is None else lead.cosine,
        space=entry.source.space,
        calibration=method.name,
        policy=policy,
        sources=tuple(dict.fromkeys([provenance.source or lead.id, *entry.places])),
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


def _arrival(candidate: Candidate) -> tuple[float, str]:
    provenance = candidate.provenance
    return provenance.added_at or 0.0, provenance.source or candidate.id
