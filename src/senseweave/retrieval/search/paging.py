"""From one ranking to pages of it: quotas and diversity are kept page by page, so that pages never overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from senseweave.retrieval.hits import Hit
from senseweave.retrieval.search.diversity import marginal_relevance
from senseweave.retrieval.search.plan import Plan
from senseweave.retrieval.search.quota import quota


def page_of(hits: Sequence[Hit], vectors: Sequence[np.ndarray | None], plan: Plan) -> list[Hit]:
    """Cut out the page that a plan asks for.

    What stands on a page depends on the pages of the same size before it, and on no page after it: each takes what it
    holds from the best hits that are left, of which there are more from page to page.

    Args:
        hits: Best first.
        vectors: Of the hits, in their order; None where they are not needed.
        plan: With its page, its quotas per page and its diversity.
    """
    if plan.diversity is None and not plan.quota:
        return list(hits[plan.offset : plan.wanted])
    chosen: list[int] = []
    for page in range(plan.pages):
        pool = best_positions(hits, plan.pool(page), plan, page + 1)
        left = [at for at in pool if at not in chosen]
        if plan.diversity is not None:
            order = marginal_relevance(
                [hits[at].score for at in pool],
                [vectors[at] for at in pool],
                [hits[at].space for at in pool],
                len(pool) if plan.quota else plan.k,
                plan.diversity,
                after=[pool.index(at) for at in chosen],
            )
            left = [pool[at] for at in order]
        chosen += quota(left, plan.k, plan.quota or {}, lambda at: hits[at].modality)
    return [hits[at] for at in chosen[plan.offset : plan.wanted]]


def best_positions(hits: Sequence[Hit], most: int, plan: Plan, pages: int) -> list[int]:
    """Positions of the best hits, among them as many of each modality as the quotas of so many pages ask for."""
    shares = {modality: share * pages for modality, share in (plan.quota or {}).items()}
    return quota(range(len(hits)), most, shares, lambda at: hits[at].modality)
