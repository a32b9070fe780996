"""Packed texts: a batch as one sequence without padding, computed in the way that is fastest on this machine."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Final, Literal

from senseweave.display import printable
from senseweave.encoders.runtime.backends.base import Items, average_layers
from senseweave.encoders.runtime.backends.linears import (
    LINEARS,
    Linears,
    UseLinears,
    keep_forms,
    linear_weights,
    make_switchable,
)
from senseweave.encoders.runtime.backends.timing import find_fastest
from senseweave.encoders.runtime.streams import LEAST_SHARE, divide_texts, run_streams
from senseweave.encoders.runtime.tokenization import OFFSET_POSITIONS
from senseweave.extras import require
from senseweave.forking import RLock

Cores = Literal["all", "one", "streams"]

PACKED_ATTENTION = "senseweave_packed"
SHORT_TOKENS: Final = 32
"""A batch of as many tokens is a short query, which is timed by itself."""
QUERY_TOKENS: Final = 10
"""Tokens of the query that is timed: six or seven words."""
TIMED_PRODUCTS: Final = 1_000_000_000
"""Multiplications of the batch that is timed: some ten milliseconds of two cores."""
TIMED_TOKENS: Final = (64, 512)
"""Least and most tokens of the batch that is timed."""
FEWEST_WEIGHTS: Final = 200_000
"""Weights of linear layers under which nothing is timed: chance would choose, and each process otherwise."""
TIMED_SECONDS: Final = 0.06
"""For each of the three comparisons, after which no further round begins."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """A way to compute a batch of texts.

    Attributes:
        layout: `packed` into one sequence, or `padded` to the longest text.
        linears: The form of the linear layers.
        cores: `all` share every product, `one` computes alone, or `streams` divide the batch among the cores.
    """

    layout: Literal["packed", "padded"] = "packed"
    linears: Linears = "prepacked"
    cores: Cores = "all"

    def __str__(self) -> str:
        cores = {"all": "all cores", "one": "one core", "streams": "a stream for each core"}[self.cores]
        linears = "oneDNN" if self.linears == "prepacked" else "torch"
        return f"{self.layout}, linear layers of {linears}, {cores}"


@dataclass(frozen=True)
class Plans:
    """The plans for a number of threads."""

    short: Plan
    bulk: Plan


class Packed:
    """All texts of a batch as one sequence, with attention inside each text alone.

    Needs no padding and no attention mask. Texts of equal length, which are neighbours in a sorted batch, share one
    call of the attention kernel. How the linear layers compute and by how many cores is timed on the model itself, once
    for each number of threads that torch is set to, for short queries and for batches.
    """

    def __init__(self, name: str, model: Any) -> None:
        """Take a model over: its attention and its linear layers are replaced, and its pooler is left out.

        Raises:
            RuntimeError: Or another error, if this model or this build of torch does not allow it.
        """
        register_packed_attention()
        self.name = name
        self.model = model
        if getattr(model, "pooler", None) is not None:
            model.pooler = None  # it computes a second output, which no text's vector is made of
        self.weights = linear_weights(model)
        make_switchable(model)
        model.set_attn_implementation(PACKED_ATTENTION)
        kind = model.config.model_type
        self.padding = int(model.config.pad_token_id or 0)
        self.offset = self.padding + 1 if kind in OFFSET_POSITIONS else 0
        self.token_types = kind not in ("distilbert",)
        self.proven: tuple[Plan, ...] = (Plan(),)
        """Plans whose states are known to be equal, in the order of preference; cores make no difference to them."""
        self._sample: Items = ()
        self._plans: dict[int, Plans] = {}
        self._lock = RLock()

    def settle(self, proven: Sequence[Plan], sample: Items) -> None:
        """Choose among plans that are proven equal, now for the threads of today, later for those that are set then.

        Args:
            proven: Plans, the preferred first.
            sample: Tokenized texts, which what is timed is made of.
        """
        self.proven, self._sample = tuple(proven), sample
        plans = self._plans_of_threads()
        kept: Collection[Linears] = {plans.short.linears, plans.bulk.linears}
        keep_forms(self.model, kept)
        self.proven = tuple(plan for plan in self.proven if plan.linears in kept)

    def states(self, items: Items, layers: Sequence[int], plan: Plan | None = None) -> tuple[Any, list[int]]:
        """Compute by the plan for this many tokens, or by another."""
        lengths = [len(item["input_ids"]) for item in items]
        if plan is None:
            plans = self._plans_of_threads()
            plan = plans.short if sum(lengths) <= SHORT_TOKENS else plans.bulk
        return self._run(plan, items, lengths, layers, LEAST_SHARE), lengths

    def describe(self) -> dict[str, object]:
        """Return the engine, the number of threads, and the plans for short queries and for batches."""
        torch = require("torch", extra="text")
        plans = self._plans_of_threads()
        return {
            "backend": "torch",
            "device": "cpu",
            "precision": "fp32",
            "threads": torch.get_num_threads(),
            "short texts": str(plans.short),
            "batches": str(plans.bulk),
        }

    def _plans_of_threads(self) -> Plans:
        threads = require("torch", extra="text").get_num_threads()
        plans = self._plans.get(threads)
        if plans is None:
            with self._lock:
                plans = self._plans.get(threads)
                if plans is None:
                    plans = self._plans[threads] = self._find_plans(threads)
        return plans

    def _find_plans(self, threads: int) -> Plans:
        if not self._sample or self.weights < FEWEST_WEIGHTS:
            return Plans(self.proven[0], self.proven[0])
        torch = require("torch", extra="text")
        query = [shorten_item(self._sample[0], QUERY_TOKENS)]
        least, most = TIMED_TOKENS
        batch = repeat_items(self._sample, max(least, min(most, TIMED_PRODUCTS // max(1, self.weights))))
        packed = [plan for plan in self.proven if plan.layout == "packed"]
        several: tuple[Cores, ...] = ("one", "all") if threads > 1 else ("all",)
        with torch.inference_mode():
            short = self._fastest([replace(plan, cores=cores) for plan in packed for cores in several], query)
            bulk = self._fastest(packed, batch)
            others = [plan for plan in self.proven if plan.layout == "padded" and plan.linears == bulk.linears]
            if threads > 1:
                others.insert(0, replace(bulk, cores="streams"))
            bulk = self._fastest([bulk, *others], batch)
        _log.debug("%s, threads: %d; short texts: %s; batches: %s", printable(self.name), threads, short, bulk)
        return Plans(short, bulk)

    def _fastest(self, plans: Sequence[Plan], items: Items) -> Plan:
        lengths = [len(item["input_ids"]) for item in items]
        return find_fastest(plans, lambda plan: self._run(plan, items, lengths, (-1,), 1), TIMED_SECONDS)

    def _run(self, plan: Plan, items: Items, lengths: list[int], layers: Sequence[int], least_share: int) -> Any:
        torch = require("torch", extra="text")
        threads = torch.get_num_threads()
        if threads == 1 or plan.cores == "all":
            return self._compute(plan, items, layers)
        shares = [slice(None)] if plan.cores == "one" else divide_texts(lengths, threads, least_share)
        if plan.cores == "streams" and len(shares) == 1:
            return self._compute(plan, items, layers)
        each = 1 if plan.cores == "one" else None
        return torch.cat(run_streams(lambda share: self._compute(plan, items[share], layers), shares, each))

    def _compute(self, plan: Plan, items: Items, layers: Sequence[int]) -> Any:
        torch = require("torch", extra="text")
        ids = [item["input_ids"] for item in items]
        if plan.layout == "packed":
            rows, mask = [[token for text in ids for token in text]], None
            places = [[place for text in ids for place in range(len(text))]]
        else:
            longest = max(len(text) for text in ids)
            rows = [[*text, *[self.padding] * (longest - len(text))] for text in ids]
            places = [list(range(longest))] * len(ids)
            mask = torch.arange(longest) < torch.tensor([len(text) for text in ids])[:, None]
        features = {"input_ids": torch.tensor(rows), "position_ids": torch.tensor(places) + self.offset}
        if self.token_types:
            features["token_type_ids"] = torch.zeros_like(features["input_ids"])
        lengths = [len(text) for text in ids] if mask is None else []
        with _Batch(lengths, mask), UseLinears(plan.linears):
            states = average_layers(self.name, self.model, features, layers)
        return states[0] if mask is None else states[mask]


def plans_to_prove() -> list[Plan]:
    """Return every layout with every form of the linear layers, the preferred first."""
    return [Plan(layout, linears) for layout in ("packed", "padded") for linears in LINEARS]


def shorten_item(item: Any, tokens: int) -> dict[str, Any]:
    """Return the first tokens of a tokenized text."""
    return {"input_ids": list(item["input_ids"])[:tokens]}


def repeat_items(items: Items, tokens: int) -> list[dict[str, Any]]:
    """Return tokenized texts again and again until they have this many tokens, the longest first."""
    repeated: list[dict[str, Any]] = []
    total = 0
    while total < tokens:
        item = shorten_item(items[len(repeated) % len(items)], tokens - total)
        repeated.append(item)
        total += len(item["input_ids"])
    return sorted(repeated, key=lambda item: -len(item["input_ids"]))


_current = threading.local()


class _Batch:
    """Tells the attention function, which the model calls deep inside, where texts begin and end."""

    def __init__(self, lengths: list[int], mask: Any) -> None:
        self.lengths = lengths
        self.mask = None if mask is None else mask[:, None, None, :]

    def __enter__(self) -> None:
        _current.lengths, _current.mask = self.lengths, self.mask

    def __exit__(self, *exception: object) -> None:
        _current.lengths = _current.mask = None


def attend_within_texts(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, scaling: float | None = None, **unused: Any
) -> tuple[Any, None]:
    """Compute scaled dot-product attention inside each text of a batch, packed or padded.

    Args:
        module: The layer that asks.
        query: Shape (1, heads, tokens of all texts, head dimension), or (n, heads, tokens, head dimension) of a padded
            batch; `key` and `value` alike.
        key: See `query`.
        value: See `query`.
        attention_mask: Not needed: no token of a text is padding, and that of a padded batch is known.
        scaling: Factor of the logits; 1 over the root of the head dimension if None.
        **unused: What other attention functions of transformers are given.

    Returns:
        Shape (n, tokens, heads, head dimension), and no weights.
    """
    torch = require("torch", extra="text")
    attend = torch.nn.functional.scaled_dot_product_attention
    lengths: list[int] = _current.lengths
    if _current.mask is not None or len(lengths) == 1:
        attended = attend(query, key, value, attn_mask=_current.mask, scale=scaling)
        return attended.transpose(1, 2), None
    heads, width = query.shape[1], query.shape[3]
    pieces, start = [], 0
    for length, group in groupby(lengths):
        count = len(list(group))
        end = start + length * count
        q, k, v = (
            part[0, :, start:end].reshape(heads, count, length, width).transpose(0, 1) for part in (query, key, value)
        )
        attended = attend(q, k, v, scale=scaling)
        pieces.append(attended.transpose(1, 2).reshape(length * count, heads, width))
        start = end
    return torch.cat(pieces).unsqueeze(0), None


def register_packed_attention() -> None:
    """Make `attend_within_texts` known to transformers; without a mask function, masks stay None."""
    transformers = require("transformers", extra="text")
    transformers.AttentionInterface.register(PACKED_ATTENTION, attend_within_texts)
