"""Quotas: a minimum number of results for each group, whatever its scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


def quota(ranked: Sequence[T], k: int, shares: Mapping[str, int], group: Callable[[T], str]) -> list[T]:
    """Keep the best `shares[g]` of each group g, fill what is left with the best of the rest, and keep the order.

    Args:
        ranked: Results, best first.
        k: How many results to return.
        shares: Least number of results per group, as far as the group has that many; their sum is at most `k`.
        group: Returns the group of a result, for example its modality.

    Raises:
        ValueError: If the shares add up to more than `k`.
    """
    if sum(shares.values()) > k:
        msg = f"the quotas {dict(shares)} add up to more than k={k}"
        raise ValueError(msg)
    taken: set[int] = set()
    filled: Counter[str] = Counter()
    for position, item in enumerate(ranked):
        name = group(item)
        if filled[name] < shares.get(name, 0):
            filled[name] += 1
            taken.add(position)
    for position in range(len(ranked)):
        if len(taken) >= k:
            break
        taken.add(position)
    return [ranked[position] for position in sorted(taken)][:k]
