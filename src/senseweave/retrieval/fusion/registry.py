"""The fusion methods by name: those of this package, and those that others register."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import entry_points
from typing import Final

from senseweave.display import printable
from senseweave.forking import RLock
from senseweave.redaction import quoted
from senseweave.retrieval.fusion.above_chance import AboveChance
from senseweave.retrieval.fusion.base import FusionMethod
from senseweave.retrieval.fusion.dbsf import DistributionBased
from senseweave.retrieval.fusion.minmax import MinMax
from senseweave.retrieval.fusion.none import RawSimilarity
from senseweave.retrieval.fusion.platt import Platt
from senseweave.retrieval.fusion.pseudo_positive import PseudoPositive
from senseweave.retrieval.fusion.rrf import ReciprocalRank, WeightedReciprocalRank
from senseweave.retrieval.fusion.tail import Tail
from senseweave.retrieval.fusion.zscore import ZScore

GROUP: Final = "senseweave.fusion"
"""The entry-point group in which another package names its methods: each a `FusionMethod`, or a class of them."""


class MethodRegistry(Mapping[str, FusionMethod]):
    """Fusion methods by name, in the order in which they were registered.

    Methods of installed packages (entry points of the group `senseweave.fusion`) are registered when the registry is
    first listed, or asked for a name that is not registered yet. So a package can import this one while it is loaded,
    and a search by a method of this package reads no other package's metadata.
    """

    def __init__(self, methods: Iterable[FusionMethod]) -> None:
        """Hold the given methods."""
        self._methods: dict[str, FusionMethod] = {}
        self._loaded = False
        self._lock = RLock()
        for method in methods:
            self.register(method)

    def register(self, method: FusionMethod) -> None:
        """Make a method known under its name.

        Raises:
            TypeError: If it is not a `FusionMethod`.
            ValueError: If another method has its name.
        """
        if not isinstance(method, FusionMethod):
            msg = f"register takes a FusionMethod (an instance of a subclass), not {method!r}"
            raise TypeError(msg)
        if method.name in self._methods:
            msg = f"a fusion method is already registered as {method.name!r}; choose another name"
            raise ValueError(msg)
        self._methods[method.name] = method

    def find(self, name: str) -> FusionMethod:
        """Return the method of a name.

        Raises:
            ValueError: If there is none; the message lists the names.
        """
        if not isinstance(name, str) or name not in self:
            msg = f"unknown fusion method {quoted(name)}; there are {', '.join(self)}"
            raise ValueError(msg)
        return self[name]

    def __getitem__(self, name: str) -> FusionMethod:
        method = self._methods.get(name)
        return self._known()[name] if method is None else method

    def __iter__(self) -> Iterator[str]:
        return iter(self._known())

    def __len__(self) -> int:
        return len(self._known())

    def _known(self) -> dict[str, FusionMethod]:
        with self._lock:
            if not self._loaded:
                self._loaded = True
                self._load_entry_points()
        return self._methods

    def _load_entry_points(self) -> None:
        for point in entry_points(group=GROUP):
            try:
                given = point.load()
                self.register(given() if isinstance(given, type) else given)
            except Exception as error:
                package = point.dist.name if point.dist is not None else point.value
                msg = f"the fusion method {point.name!r} of {package} cannot be used: {printable(str(error))}"
                warnings.warn(msg, RuntimeWarning, stacklevel=4)


METHODS: Final = MethodRegistry(
    [
        RawSimilarity(),
        ReciprocalRank(),
        WeightedReciprocalRank(),
        MinMax(),
        DistributionBased(),
        AboveChance(),
        ZScore(),
        PseudoPositive(),
        Tail(),
        Platt(),
    ]
)
"""Every fusion method by name."""
