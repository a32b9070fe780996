"""Spaces: encoders whose vectors can be compared, how they are found by name, and the engine that runs them."""

from senseweave.spaces.batch import Batch
from senseweave.spaces.loading import load
from senseweave.spaces.recorded import trust
from senseweave.spaces.space import Space
from senseweave.spaces.sparse_space import SparseSpace, load_sparse

__all__ = ["Batch", "Space", "SparseSpace", "load", "load_sparse", "trust"]
