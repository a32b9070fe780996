"""Check what a store is given before it takes any of it: every store refuses the same, and nothing changes silently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.records.values import check_value, is_unicode
from senseweave.retrieval.stores.filter_size import shown


def checked_records(records: Sequence[Record]) -> list[Record]:
    """Return records as a store keeps them: the last of each id, with values of Python and without unknown ones.

    Raises:
        ValueError: If a store cannot hold one of them; the message names the record.
    """
    check_vectors(records)
    if len(shapes := {np.shape(record.vector) for record in records}) > 1:
        msg = f"the vectors of one call must have one dimension, not {', '.join(map(str, sorted(shapes)))}"
        raise ValueError(msg)
    return list({record.id: _checked(record) for record in records}.values())


def checked_changes(changes: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return changes of metadata by the id of their record, with values of Python.

    Raises:
        ValueError: If a store cannot hold a value; the message names the record.
    """
    return {identifier: _values(identifier, change) for identifier, change in changes.items()}


def checked_queries(vectors: np.ndarray) -> np.ndarray:
    """Return query vectors, shape (n, dimension), as float32.

    Raises:
        ValueError: If they have another shape, or numbers that are not finite.
    """
    queries = np.asarray(vectors, np.float32)
    if queries.ndim != 2 or not np.isfinite(queries).all():
        msg = f"query vectors must be finite numbers of shape (n, dimension); these have the shape {queries.shape}"
        raise ValueError(msg)
    return queries


def check_vectors(records: Sequence[Record]) -> None:
    """Check that all numbers of all vectors are finite: one that is not makes every comparison with it meaningless.

    Raises:
        ValueError: If one is not; the message names the record.
    """
    for record in records:
        if not np.isfinite(record.vector).all():
            msg = f"the vector of record {shown(record.id)} holds numbers that are not finite"
            raise ValueError(msg)


def _checked(record: Record) -> Record:
    for name, text in (("id", record.id), ("text", record.text)):
        if text is not None and not is_unicode(text):
            msg = f"the {name} of record {shown(record.id)} holds a lone surrogate, which is not a character"
            raise ValueError(msg)
    values = _values(record.id, record.metadata)
    return replace(record, metadata={name: value for name, value in values.items() if value is not None})


def _values(identifier: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    try:
        for name in metadata:
            if not isinstance(name, str) or not is_unicode(name):
                msg = f"a metadata name is a str without lone surrogates, not {shown(name)}"
                raise ValueError(msg)
        return {name: check_value(name, value) for name, value in metadata.items()}
    except ValueError as error:
        msg = f"record {shown(identifier)}: {error}"
        raise ValueError(msg) from error
