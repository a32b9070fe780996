"""Hard negatives: documents that are near a query and no answer to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from senseweave.media import Media

MARGIN: Final = 0.95
"""A negative is at most this share of the positive's similarity, beyond which it is likely to be an answer that nobody
marked (NV-Retriever, arXiv 2407.15831, section 4.2: TopK-PercPos with 95 %)."""


def add_hard_negatives(
    rows: Sequence[Mapping[str, Any]],
    queries: np.ndarray,
    documents: np.ndarray,
    corpus: Sequence[Media],
    *,
    count: int,
    margin: float = MARGIN,
) -> list[dict[str, Any]]:
    """Return the rows with the nearest documents that are no answers as further columns.

    Args:
        rows: Rows with `anchor` and `positive`.
        queries: Unit vectors of the rows' anchors, shape (rows, dimension).
        documents: Unit vectors of `corpus`, shape (documents, dimension).
        corpus: Distinct documents, every positive among them.
        count: Negatives per row.
        margin: Most similarity of a negative, as a share of the positive's where that is above 0; a positive below 0
            gets negatives that are less alike than it is itself.

    Returns:
        Rows with the columns `negative`, `negative_2` and so on. A row for which there are fewer keeps none of them,
        and is left out, since all rows of a batch need the same columns.
    """
    places = {media: at for at, media in enumerate(corpus)}
    answers: dict[Media, set[int]] = {}
    for row in rows:
        answers.setdefault(row["anchor"], set()).add(places[row["positive"]])
    complete = []
    for row, query in zip(rows, queries, strict=True):
        cosines = documents @ query
        positive = float(cosines[places[row["positive"]]])
        allowed = cosines <= (positive * margin if positive > 0 else positive)
        allowed[list(answers[row["anchor"]])] = False
        if row["anchor"] in places:
            allowed[places[row["anchor"]]] = False
        nearest = [at for at in np.argsort(-cosines, kind="stable") if allowed[at]][:count]
        if len(nearest) == count:
            complete.append({**row, **{negative_column(n): corpus[at] for n, at in enumerate(nearest)}})
    return complete


def negative_column(number: int) -> str:
    """Return the name of a column of negatives, from 0."""
    return "negative" if number == 0 else f"negative_{number + 1}"
