"""Check vectors before a store takes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.stores.filter_size import shown


def check_vectors(records: Sequence[Record]) -> None:
    """Check that all numbers of all vectors are finite: one that is not makes every comparison with it meaningless.

    Raises:
        ValueError: If one is not; the message names the record.
    """
    for record in records:
        if not np.isfinite(record.vector).all():
            msg = f"the vector of record {shown(record.id)} holds numbers that are not finite"
            raise ValueError(msg)
