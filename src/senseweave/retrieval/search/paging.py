"""Cut a ranking into pages: quotas and diversity apply page by page, so that pages never overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from senseweave.retrieval.hits import Hit
from senseweave.retrieval.search.diversity import marginal_relevance
from senseweave.retrieval.search.plan import Plan
from senseweave.retrieval.search.quota import quota


def cut_page(hits: Sequence[Hit], vectors: Sequence[np.ndarray | None], plan: Plan) -> list[Hit]:
    """Cut out the page that a plan asks for.

    A page depends on the pages of the same size before it, and on no page after it: each page is chosen from the best
    hits that the pages before it have left, and the pool of best hits grows with every page.

    Args:
        hits: Best first.
        vectors: The vector of each hit, in the same order; None where it is not needed.
        plan: Names the page, its quotas and its diversity.
    """
    if plan.diversity is None and not plan.quota:
        return list(hits[plan.offset : plan.page_end])
    chosen: list[int] = []
    for page in range(plan.pages):
        pool = best_positions(hits, plan.pool(page), plan, page + 1)
        left = [position for position in pool if position not in chosen]
        if plan.diversity is not None:
            order = marginal_relevance(
                [hits[position].score for position in pool],
                [vectors[position] for position in pool],
                [hits[position].space for position in pool],
                len(pool) if plan.quota else plan.k,
                plan.diversity,
                after=[pool.index(position) for position in chosen],
            )
            left = [pool[place] for place in order]
        chosen += quota(left, plan.k, plan.quota or {}, lambda position: hits[position].modality)
    return [hits[position] for position in chosen[plan.offset : plan.page_end]]


def best_positions(hits: Sequence[Hit], most: int, plan: Plan, pages: int) -> list[int]:
    """Return the positions of the best hits, with as many of each modality as the quotas of all pages require.

    Args:
        hits: Best first.
        most: How many positions to return at most.
        plan: Holds the quotas of a page.
        pages: Number of pages whose quotas are to be met.
    """
    shares = {modality: share * pages for modality, share in (plan.quota or {}).items()}
    return quota(range(len(hits)), most, shares, lambda position: hits[position].modality)
