"""Cut a ranking into pages: each is chosen from what the pages before it have left, so that no hit is on two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from senseweave.retrieval.hits import Hit
from senseweave.retrieval.search.diversity import marginal_relevance
from senseweave.retrieval.search.grouping import group_by_source, group_key
from senseweave.retrieval.search.plan import Plan
from senseweave.retrieval.search.quota import quota

Ranked = Callable[[int], Sequence[Hit]]
"""Returns a ranking of the best of every list, by how many; the hits have what they were made from as `origin`."""


def cut_page(ranked: Ranked, plan: Plan, rerank: Callable[[list[Hit]], list[Hit]] | None = None) -> list[Hit]:
    """Cut out the page that a plan asks for.

    What is ranked can depend on how deep the lists are read: by methods that look at a list, by a reranker, by quotas.
    A page therefore repeats the choice of the pages of the same size before it, each at the depth that it has as the
    last page.

    Args:
        ranked: The rankings, as deep as the last page requires.
        plan: Names the page, its quotas, its diversity and the rest.
        rerank: Returns hits in a better order with new scores; called at most once.
    """
    readings = [_reading(ranked, plan, page) for page in range(plan.pages)]
    if rerank is not None:
        given = {id(hit.origin.lead): hit for hits in readings for hit in hits}
        order = {id(hit.origin.lead): (at, hit) for at, hit in enumerate(rerank(list(given.values())))}
        readings = [_reordered(hits, order) for hits in readings]
    chosen: list[Hit] = []
    members: set[int] = set()
    for page, hits in enumerate(readings):
        left = [hit for hit in hits if members.isdisjoint(map(id, hit.origin.members))]
        if plan.group:
            shown = {group_key(hit) for hit in chosen}
            left = [hit for hit in group_by_source(left) if group_key(hit) not in shown]
        selected = _choose(left, chosen, plan, page)
        chosen += selected
        members |= {id(member) for hit in selected for member in hit.origin.members}
        if len(selected) < plan.k:
            break
    return chosen[plan.offset : plan.page_end]


def holds_sources(hits: Sequence[Hit], depth: int, plan: Plan, page: int) -> bool:
    """Return whether hits hold enough sources for a page, of every modality with a quota too, or were all there is.

    Args:
        hits: The ranking of the best of every list.
        depth: How many of every list that is.
        plan: Names the quotas.
        page: The page, counted from 0.
    """
    sources: Counter[str] = Counter(modality for modality, _ in {group_key(hit) for hit in hits})
    found: Counter[str] = Counter(hit.modality for hit in hits)
    quotas = (plan.quota or {}).items()
    enough = sources.total() >= plan.depth(page) or len(hits) < depth
    return enough and all(sources[name] >= share * (page + 1) or found[name] < depth for name, share in quotas)


def best_hits(hits: Sequence[Hit], plan: Plan) -> list[Hit]:
    """Return the hits whose score is at least the least that a plan asks for."""
    return [hit for hit in hits if plan.min_score is None or hit.score >= plan.min_score]


def _reading(ranked: Ranked, plan: Plan, page: int) -> list[Hit]:
    """Return the hits from which a page and those before it are chosen, in their order before any reranking."""
    depth = plan.depth(page)
    while plan.group and not holds_sources(ranked(depth), depth, plan, page):
        depth *= 2
    hits = best_hits(ranked(depth), plan)
    if plan.reranker is None:
        return hits
    shares = {modality: share * (page + 1) for modality, share in (plan.quota or {}).items()}
    return quota(hits, depth, shares, _modality)


def _reordered(hits: Sequence[Hit], order: Mapping[int, tuple[int, Hit]]) -> list[Hit]:
    """Return hits in the order of a reranker, with the scores that it gave them."""
    placed = sorted(hits, key=lambda hit: order[id(hit.origin.lead)][0])
    scored = [order[id(hit.origin.lead)][1] for hit in placed]
    return [
        replace(hit, score=better.score, calibration=better.calibration)
        for hit, better in zip(placed, scored, strict=True)
    ]


def _choose(left: Sequence[Hit], chosen: Sequence[Hit], plan: Plan, page: int) -> list[Hit]:
    """Return the hits of a page, of those that the pages before it have left."""
    shares = plan.quota or {}
    if plan.diversity is None:
        return quota(left, plan.k, shares, _modality)
    pool = [*chosen, *quota(left, plan.pool(page) - len(chosen), shares, _modality)]
    order = marginal_relevance(
        [hit.score for hit in pool],
        [hit.origin.lead.vector for hit in pool],
        [hit.space for hit in pool],
        len(pool) if shares else plan.k,
        plan.diversity,
        after=range(len(chosen)),
    )
    return quota([pool[at] for at in order], plan.k, shares, _modality)


def _modality(hit: Hit) -> str:
    return hit.modality
