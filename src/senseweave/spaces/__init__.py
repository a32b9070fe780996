"""Spaces: encoders whose vectors can be compared, how they are found by name, and the engine that runs them.

A name is imported when it is first used: most programs need no sparse space.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from senseweave.lazy import lazy_names

if TYPE_CHECKING:
    from senseweave.spaces.batch import Batch
    from senseweave.spaces.loading import load
    from senseweave.spaces.recorded import trust
    from senseweave.spaces.space import Space
    from senseweave.spaces.sparse_space import SparseSpace, load_sparse

_HOMES = {
    "Batch": "senseweave.spaces.batch",
    "Space": "senseweave.spaces.space",
    "SparseSpace": "senseweave.spaces.sparse_space",
    "load": "senseweave.spaces.loading",
    "load_sparse": "senseweave.spaces.sparse_space",
    "trust": "senseweave.spaces.recorded",
}

__all__ = ["Batch", "Space", "SparseSpace", "load", "load_sparse", "trust"]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
