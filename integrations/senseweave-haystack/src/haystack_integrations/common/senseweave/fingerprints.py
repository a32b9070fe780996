# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""Which space the embedding of a Document is of, and the refusal to compare embeddings of different spaces."""

from collections.abc import Iterable

from haystack import Document

from senseweave.errors import FingerprintError

FINGERPRINT = "fingerprint"
"""The meta field that `SenseweaveDocumentEmbedder` writes and the retrievers read."""


def check_fingerprints(documents: Iterable[Document], place: str, expected: str | None = None) -> str | None:
    """Make sure that the embeddings of Documents are all of one space; those that name none are not judged.

    :param documents: The Documents.
    :param place: What the error calls the store or list that they are from.
    :param expected: The fingerprint of the space that queries are embedded in, where it is known.
    :returns: The fingerprint that they share; `expected` if they name none.
    :raises senseweave.errors.FingerprintError: If there are two; the error names both.
    """
    for document in documents:
        found = document.meta.get(FINGERPRINT)
        if found is None:
            continue
        if expected is not None and found != expected:
            raise FingerprintError(place, str(found), expected)
        expected = str(found)
    return expected
