# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""What the retrievers ask of their arguments, and what they say where they are given something else."""

import math
from typing import Any

from haystack.document_stores.types import FilterPolicy


def checked_top_k(top_k: Any) -> int:
    """Return a number of Documents.

    :param top_k: The number.
    :returns: It.
    :raises TypeError: If it is no whole number.
    :raises ValueError: If it is negative.
    """
    if isinstance(top_k, bool) or not isinstance(top_k, int):
        msg = f"top_k must be a whole number, not {top_k!r} ({type(top_k).__name__})"
        raise TypeError(msg)
    if top_k < 0:
        msg = f"top_k must be 0 or more, not {top_k}"
        raise ValueError(msg)
    return top_k


def checked_embedding(query_embedding: Any) -> list[float]:
    """Return the embedding of a query.

    :param query_embedding: The embedding.
    :returns: It.
    :raises TypeError: If it is not a list of numbers.
    :raises ValueError: If it is empty, or holds NaN or infinity.
    """
    wanted = "SenseweaveChromaRetriever expects an embedding, a list of floats, not"
    instead = "To search with words, put a SenseweaveTextEmbedder before it, or wrap both in a TextEmbeddingRetriever."
    if not isinstance(query_embedding, list):
        msg = f"{wanted} {type(query_embedding).__name__}. {instead}"
        raise TypeError(msg)
    if not query_embedding:
        msg = f"{wanted} an empty list. {instead}"
        raise ValueError(msg)
    for value in query_embedding:
        if isinstance(value, bool) or not isinstance(value, int | float):
            msg = f"{wanted} a list with {type(value).__name__}. {instead}"
            raise TypeError(msg)
        if not math.isfinite(value):
            msg = f"{wanted} a list with {value}."
            raise ValueError(msg)
    return query_embedding


def as_filter_policy(given: str | FilterPolicy) -> FilterPolicy:
    """Return a filter policy.

    :param given: The policy, or its name.
    :returns: The policy.
    :raises ValueError: If there is no such policy.
    """
    return FilterPolicy.from_str(given) if isinstance(given, str) else given
