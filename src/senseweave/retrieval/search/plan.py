"""The options of a search besides the query: checked at once, before anything is embedded."""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from senseweave.errors import UnsupportedModalityError
from senseweave.media import MODALITIES, Modality
from senseweave.retrieval.fusion import find_method
from senseweave.retrieval.search.rerank import Reranker, as_reranker

OPTIONS: Final = ("fusion", "weights", "quota", "min_score", "offset", "group", "diversity", "rerank", "rerank_depth")
"""How to rank, besides how many: arguments of `Index.search`, which every framework's retriever takes too."""


@dataclass(frozen=True)
class Plan:
    """How to rank; the docstring of `Index.search` says what each means.

    `lists` holds the names of lists that `weights` may name beside the modalities.

    Raises:
        TypeError: If a value is of the wrong type; the message names the argument.
        ValueError: If it makes no sense.
    """

    k: int
    offset: int = 0
    method: str | None = None
    weights: Mapping[str, float] | None = None
    quota: Mapping[str, int] | None = None
    min_score: float | None = None
    group: bool = False
    diversity: float | None = None
    reranker: Reranker | None = None
    rerank_depth: int = 50
    lists: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, least in (("k", 1), ("offset", 0), ("rerank_depth", 1)):
            object.__setattr__(self, name, _whole(name, getattr(self, name), least))
        if not isinstance(self.group, bool):
            msg = f"group must be True or False, not {self.group!r}"
            raise TypeError(msg)
        if self.method is not None:
            find_method(self.method)
        if self.min_score is not None:
            _real("min_score", self.min_score)
        if self.diversity is not None and not 0 <= _real("diversity", self.diversity) <= 1:
            msg = f"diversity must be between 0 and 1, not {self.diversity}"
            raise ValueError(msg)
        for name, count in _by_name("quota", self.quota, MODALITIES).items():
            _whole(f"the quota of {name}", count, 0)
        if sum(_by_name("quota", self.quota, MODALITIES).values()) > self.k:
            msg = f"the quotas {dict(self.quota or {})} add up to more than k={self.k}"
            raise ValueError(msg)
        for name, weight in _by_name("weights", self.weights, (*MODALITIES, *self.lists)).items():
            if _real(f"the weight of {name}", weight) < 0:
                msg = f"the weight of {name} must be at least 0, not {weight!r}"
                raise ValueError(msg)

    @property
    def search_options(self) -> dict[str, Any]:
        """Arguments of `Index.search` that ask for this plan."""
        names = {"fusion": "method", "rerank": "reranker"}
        return {"k": self.k, **{name: getattr(self, names.get(name, name)) for name in OPTIONS}}

    @property
    def page_end(self) -> int:
        """Number of hits up to the end of the requested page."""
        return self.offset + self.k

    @property
    def pages(self) -> int:
        """Number of pages of `k` hits up to and including the requested page."""
        return math.ceil(self.page_end / self.k)

    def pool(self, page: int) -> int:
        """Return the number of best hits from which a page, counted from 0, and the pages before it are chosen."""
        size = self.k * (page + 1)
        return max(4 * size, 50) if self.diversity is not None else size

    @property
    def depth(self) -> int:
        """Number of candidates to fetch before any is dropped; with quotas, from every collection."""
        depth = self.pool(self.pages - 1) if self.quota or self.diversity is not None else self.page_end
        return max(depth, self.rerank_depth) if self.reranker is not None else depth


@dataclass
class Planner:
    """Makes the plans of a retriever, and keeps the rerankers that were given by name, whose models take long to load.

    Attributes:
        lists: Names of lists that `weights` may name beside the modalities.
        rerankers: By name.
    """

    lists: tuple[str, ...] = ()
    rerankers: dict[str, Reranker] = field(default_factory=dict)

    def plan(self, k: int, options: Mapping[str, Any]) -> Plan:
        """Return the plan for `k` results.

        Args:
            k: Number of results.
            options: Values of some of `OPTIONS`, as `Index.search` takes them.

        Raises:
            TypeError: If a value is of the wrong type; the message names the option.
            ValueError: If it makes no sense.
        """
        values = {name: value for name, value in options.items() if name not in ("fusion", "rerank")}
        given = options.get("rerank")
        reranker = self.rerankers.get(given) if isinstance(given, str) else None
        if given is not None and reranker is None:
            reranker = as_reranker(given)
            if isinstance(given, str):
                self.rerankers[given] = reranker
        return Plan(k, method=options.get("fusion"), reranker=reranker, lists=self.lists, **values)


def chosen_modalities(modalities: Any, available: Collection[Modality]) -> set[Modality]:
    """Return the modalities to search: the requested modalities, or all that the index holds.

    Args:
        modalities: A modality, a collection of modalities, or None for all.
        available: The modalities that the index holds.

    Raises:
        TypeError: If `modalities` is neither a name nor a collection of names.
        ValueError: If it is empty, or names a modality that does not exist.
        UnsupportedModalityError: If the index does not hold a requested modality.
    """
    if modalities is None:
        return set(available)
    if not isinstance(modalities, Collection) or isinstance(modalities, (bytes, Mapping)):
        msg = f"modalities must be a set of {', '.join(MODALITIES)}, or None for all, not {modalities!r}"
        raise TypeError(msg)
    requested: list[Any] = [modalities] if isinstance(modalities, str) else list(modalities)
    unknown = sorted((name for name in requested if name not in MODALITIES), key=repr)
    if unknown or not requested:
        problem = f"unknown modality {', '.join(map(repr, unknown))}" if unknown else "modalities is empty"
        msg = f"{problem}; expected some of {', '.join(MODALITIES)}, or None for all"
        raise ValueError(msg)
    for modality in MODALITIES:
        if modality in requested and modality not in available:
            raise UnsupportedModalityError("the index", modality, [name for name in MODALITIES if name in available])
    return set(requested)


def _whole(name: str, value: Any, least: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        msg = f"{name} must be a whole number, not {value!r}"
        raise TypeError(msg)
    if number < least:
        msg = f"{name} must be at least {least}, not {value!r}"
        raise ValueError(msg)
    return number


def _real(name: str, value: Any) -> float:
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        msg = f"{name} must be a number, not {value!r}"
        raise TypeError(msg)
    if not math.isfinite(value):
        msg = f"{name} must be a finite number, not {value!r}"
        raise ValueError(msg)
    return float(value)


def _by_name(argument: str, values: Any, known: Sequence[str]) -> Mapping[str, Any]:
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        msg = f"{argument} must be a dict by name, such as {{'image': 2}}, not {values!r}"
        raise TypeError(msg)
    unknown = [name for name in values if name not in known]
    if unknown:
        msg = f"{argument} names {', '.join(map(repr, unknown))}; known names are {', '.join(known)}"
        raise ValueError(msg)
    return values
