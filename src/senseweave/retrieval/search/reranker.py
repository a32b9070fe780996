"""The protocol of rerankers, and those that other installed distributions bring.

A distribution names its rerankers in the entry-point group `senseweave.rerankers`: the name is the scheme of
`rerank="scheme:name"`, the value a function that takes what follows the colon and returns a `Reranker`. Only what is
installed adds a scheme; a name never chooses a module to import.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np

from senseweave.errors import ModelError
from senseweave.retrieval.hits import Hit
from senseweave.retrieval.query import Query

GROUP: Final = "senseweave.rerankers"


@runtime_checkable
class Reranker(Protocol):
    """Anything that scores how well hits answer a query, for `rerank=` of `Index.search` and of every retriever.

        class ByDate:
            name = "by date"

            def scores(self, query, hits):
                return [hit.metadata.get("year", float("nan")) for hit in hits]

    Attributes:
        name: What hits say of where their score is from (`hit.calibration`).
    """

    name: str

    def scores(self, query: Query, hits: Sequence[Hit]) -> np.ndarray | Sequence[float]:
        """Return a number for each hit, shape (n,).

        Args:
            query: The query, its parts with their weights.
            hits: At least one, in the order of their calibrated scores.

        Returns:
            Scores on any scale, larger is better; NaN for a hit that cannot be scored, which then comes last.
        """


def plugin_reranker(name: str) -> Reranker | None:
    """Return what a plugin makes of `scheme:name`; None if no installed distribution brings the scheme.

    Raises:
        ModelError: If the plugin cannot be loaded, refuses the name, or makes something else.
    """
    scheme, colon, rest = name.partition(":")
    points = sorted(entry_points(group=GROUP, name=scheme), key=lambda point: point.value) if colon else []
    if not points:
        return None
    package = points[0].dist.name if points[0].dist is not None else points[0].value
    try:
        made = points[0].load()(rest)
    except Exception as error:  # a plugin may fail in any way
        msg = f"the reranker {scheme!r} of {package} cannot be loaded: {type(error).__name__}: {error}"
        raise ModelError(msg) from error
    if not is_reranker(made):
        msg = f"the reranker {scheme!r} of {package} is {type(made).__name__}, expected one with `name` and `scores`"
        raise ModelError(msg)
    return made  # type: ignore[no-any-return]


def is_reranker(value: Any) -> bool:
    """Return whether a value follows the protocol."""
    return isinstance(value, Reranker) and callable(value.scores) and not isinstance(value, type)
