"""The options of a search besides the query: checked at once, before anything is embedded."""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypedDict

from senseweave.errors import UnsupportedModalityError
from senseweave.media import MODALITIES, Modality
from senseweave.redaction import quoted
from senseweave.retrieval.fusion import find_method
from senseweave.retrieval.search.reranker import Reranker


class RankingOptions(TypedDict, total=False):
    """How to rank, besides how many: arguments of `Index.search`, which every framework's retriever takes too.

    Attributes:
        fusion: How scores are made comparable, a name in `senseweave.retrieval.METHODS`; None takes the default, `none`
            leaves cosine similarities as they are.
        weights: By modality, for the method `weighted_rrf`; 1 where none is given.
        quota: By modality, the least number of results on each page, while there are enough; 0 where none is given.
        min_score: Leave out results whose calibrated score is lower; None for no limit.
        offset: How many of the best results to leave out, for the next page; 0 by default.
        group: Whether the chunks of one source become one result; False by default.
        diversity: How much results should differ from each other, from 0 to 1 (maximal marginal relevance); None for
            no change of order.
        rerank: Name of a reranking model, or a reranker, which orders the best `rerank_depth` results anew.
        rerank_depth: How many results the reranker reads; 50 by default.
        words: Whether to search by words too, of an index or of Chroma stores; False by default.
    """

    fusion: str | None
    weights: Mapping[str, float] | None
    quota: Mapping[str, int] | None
    min_score: float | None
    offset: int
    group: bool
    diversity: float | None
    rerank: str | Reranker | None
    rerank_depth: int
    words: bool


OPTIONS: Final = tuple(RankingOptions.__annotations__)
"""Names of the options."""
MOST_PLAIN: Final = 64
"""Plans of searches without options that are kept, one for each number of results."""
_USUAL: Final[Mapping[str, Any]] = {
    **dict.fromkeys(OPTIONS),
    "offset": 0,
    "group": False,
    "rerank_depth": 50,
    "words": False,
}


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
    words: bool = False
    lists: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, least in (("k", 1), ("offset", 0), ("rerank_depth", 1)):
            object.__setattr__(self, name, whole_number(name, getattr(self, name), least))
        for name in ("group", "words"):
            if not isinstance(getattr(self, name), bool):
                msg = f"{name} must be True or False, not {quoted(getattr(self, name))}"
                raise TypeError(msg)
        if self.method is not None:
            find_method(self.method)
        if self.min_score is not None:
            _real("min_score", self.min_score)
        if self.diversity is not None and not 0 <= _real("diversity", self.diversity) <= 1:
            msg = f"diversity must be between 0 and 1, not {self.diversity}"
            raise ValueError(msg)
        for name, count in _by_name("quota", self.quota, MODALITIES).items():
            whole_number(f"the quota of {name}", count, 0)
        if sum(_by_name("quota", self.quota, MODALITIES).values()) > self.k:
            msg = f"the quotas {dict(self.quota or {})} add up to more than k={self.k}"
            raise ValueError(msg)
        for name, weight in _by_name("weights", self.weights, (*MODALITIES, *self.lists)).items():
            if _real(f"the weight of {name}", weight) < 0:
                msg = f"the weight of {name} must be at least 0, not {quoted(weight)}"
                raise ValueError(msg)

    @property
    def search_options(self) -> dict[str, Any]:
        """Arguments of `Index.search` that ask for this plan."""
        names = {"fusion": "method", "rerank": "reranker"}
        return {"k": self.k, **{name: getattr(self, names.get(name, name)) for name in OPTIONS}}

    @property
    def is_selective(self) -> bool:
        """Whether a page takes more than the next of the best hits."""
        return bool(self.quota or self.group or self.diversity is not None or self.reranker is not None)

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

    def depth(self, page: int) -> int:
        """Return how many candidates of every list a page, counted from 0, is chosen from.

        It doubles, so that a page sees few depths of the pages before it.
        """
        depth = max(self.pool(0), self.rerank_depth if self.reranker is not None else 0)
        while depth < self.pool(page):
            depth *= 2
        return depth


@dataclass
class Planner:
    """Makes the plans of a retriever, and keeps the rerankers that were given by name, whose models take long to load.

    Attributes:
        lists: Names of lists that `weights` may name beside the modalities.
        rerankers: By name.
        attach: What a reranker becomes before it is used, such as one that uses what a store keeps for it.
    """

    lists: tuple[str, ...] = ()
    rerankers: dict[str, Reranker] = field(default_factory=dict)
    attach: Callable[[Reranker], Reranker] | None = None
    _plain: dict[int, Plan] = field(default_factory=dict, repr=False)

    def plan(self, k: int, options: Mapping[str, Any]) -> Plan:
        """Return the plan for `k` results.

        Args:
            k: Number of results.
            options: Values of some of `OPTIONS`, as `Index.search` takes them.

        Raises:
            TypeError: If there is no such option, or a value is of the wrong type; the message names the option.
            ValueError: If a value makes no sense.
        """
        # By identity: True equals 1, and is wrong where a number is meant.
        is_plain = type(k) is int and all(value is _USUAL.get(name, _USUAL) for name, value in options.items())
        if is_plain and k in self._plain:
            return self._plain[k]
        if unknown := sorted(set(options) - set(OPTIONS)):
            msg = f"unknown option {', '.join(map(quoted, unknown))}; there are {', '.join(OPTIONS)}"
            raise TypeError(msg)
        values = {name: value for name, value in options.items() if name not in ("fusion", "rerank")}
        reranker = self.reranker(options.get("rerank"))
        plan = Plan(k, method=options.get("fusion"), reranker=reranker, lists=self.lists, **values)
        if is_plain and len(self._plain) < MOST_PLAIN:
            self._plain[k] = plan
        return plan

    def reranker(self, given: str | Reranker | None) -> Reranker | None:
        """Return the reranker of a name, the same each time, or the reranker that was given.

        Raises:
            TypeError: If it is neither.
        """
        if given is None:
            return None
        from senseweave.retrieval.search.rerank import as_reranker  # not needed where nothing is reranked

        if not isinstance(given, str):
            found = as_reranker(given)
        else:
            if given not in self.rerankers:
                self.rerankers[given] = as_reranker(given)
            found = self.rerankers[given]
        return found if self.attach is None else self.attach(found)


def held_modalities(collections: Collection[tuple[str, Modality]]) -> tuple[Modality, ...]:
    """Return the modalities of some collections, each named by its space and modality, in the usual order."""
    held = {modality for _, modality in collections}
    return tuple(modality for modality in MODALITIES if modality in held)


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
        msg = f"modalities must be a set of {', '.join(MODALITIES)}, or None for all, not {quoted(modalities)}"
        raise TypeError(msg)
    requested: list[Any] = [modalities] if isinstance(modalities, str) else list(modalities)
    unknown = sorted((name for name in requested if name not in MODALITIES), key=repr)
    if unknown or not requested:
        problem = f"unknown modality {', '.join(map(quoted, unknown))}" if unknown else "modalities is empty"
        msg = f"{problem}; expected some of {', '.join(MODALITIES)}, or None for all"
        raise ValueError(msg)
    for modality in MODALITIES:
        if modality in requested and modality not in available:
            raise UnsupportedModalityError("the index", modality, [name for name in MODALITIES if name in available])
    return set(requested)


def whole_number(name: str, value: Any, least: int) -> int:
    """Return the value of an argument if it is a whole number.

    Raises:
        TypeError: If it is something else; the message names the argument.
        ValueError: If it is less than `least`.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        msg = f"{name} must be a whole number, not {quoted(value)}"
        raise TypeError(msg)
    if number < least:
        msg = f"{name} must be at least {least}, not {quoted(value)}"
        raise ValueError(msg)
    return number


def _real(name: str, value: Any) -> float:
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        msg = f"{name} must be a number, not {quoted(value)}"
        raise TypeError(msg)
    if not math.isfinite(value):
        msg = f"{name} must be a finite number, not {quoted(value)}"
        raise ValueError(msg)
    return float(value)


def _by_name(argument: str, values: Any, known: Sequence[str]) -> Mapping[str, Any]:
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        msg = f"{argument} must be a dict by name, such as {{'image': 2}}, not {quoted(values)}"
        raise TypeError(msg)
    unknown = [name for name in values if name not in known]
    if unknown:
        msg = f"{argument} names {', '.join(map(quoted, unknown))}; known names are {', '.join(known)}"
        raise ValueError(msg)
    return values
