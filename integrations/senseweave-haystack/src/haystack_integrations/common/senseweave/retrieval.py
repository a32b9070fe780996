# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""What the retrievers check: embeddings of queries, and that embeddings are of one space."""

import math
from collections.abc import Iterable
from typing import Any

from haystack import Document

import senseweave as sw

FINGERPRINT = "fingerprint"
"""The meta field that `SenseweaveDocumentEmbedder` writes and the retrievers read."""


def check_fingerprints(documents: Iterable[Document], place: str, expected: str | None = None) -> str | None:
    """Check that the embeddings of Documents are all of one space; Documents without a fingerprint pass.

    :param documents: The Documents.
    :param place: What the error calls the store or list that they are from.
    :param expected: The fingerprint of the space that queries are embedded in, where it is known.
    :returns: The fingerprint that they share; `expected` if they have none.
    :raises senseweave.FingerprintError: If there are two; the error names both.
    """
    for document in documents:
        found = document.meta.get(FINGERPRINT)
        if found is None:
            continue
        if expected is not None and found != expected:
            raise sw.FingerprintError(place, str(found), expected)
        expected = str(found)
    return expected


def check_embedding(query_embedding: Any) -> None:
    """Check that the embedding of a query is a list of finite numbers.

    :param query_embedding: The embedding.
    :raises TypeError: If it is not a list of numbers.
    :raises ValueError: If it is empty, or holds NaN or infinity.
    """
    expected = "SenseweaveChromaRetriever expects an embedding, a list of floats, not"
    instead = "To search with words, put a SenseweaveTextEmbedder before it, or wrap both in a TextEmbeddingRetriever."
    if not isinstance(query_embedding, list):
        msg = f"{expected} {type(query_embedding).__name__}. {instead}"
        raise TypeError(msg)
    if not query_embedding:
        msg = f"{expected} an empty list. {instead}"
        raise ValueError(msg)
    for value in query_embedding:
        if isinstance(value, bool) or not isinstance(value, int | float):
            msg = f"{expected} a list with {type(value).__name__}. {instead}"
            raise TypeError(msg)
        if not math.isfinite(value):
            msg = f"{expected} a list with {value}."
            raise ValueError(msg)
