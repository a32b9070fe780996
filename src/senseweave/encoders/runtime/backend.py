"""What computes token states: the model as it is, or packed without padding where that is proven to be equal."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Protocol

from senseweave.encoders.runtime.streams import run_streams, shares_of
from senseweave.encoders.runtime.tokenization import OFFSET_POSITIONS, Tokeniser, least, position_limit
from senseweave.extras import require

TOLERANCE = 1e-5
"""Greatest difference that the packed backend may show to the plain one, relative to the largest state."""
PACKED_TYPES = ("bert", "roberta", "xlm-roberta", "camembert", "electra", "distilbert")
"""Model types whose attention sees every token of its text, and whose positions can be given: what packing needs."""
SAMPLE_TOKENS = 48
"""The longest text of the proof; models of `PACKED_TYPES` compute longer ones no differently."""
WORTH_SHARING = 250_000_000
"""Multiplications, some 3 ms of a core, below which sharing every product among cores costs more than it gains."""
PACKED_ATTENTION = "senseweave_packed"

Items = Sequence[Mapping[str, Any]]
"""Tokenised texts: dictionaries of lists, at least `input_ids` and `attention_mask`."""


class TextBackend(Protocol):
    """Computes token states of tokenised texts. Another way to compute is another class with this one method."""

    def states(self, items: Items, layers: Sequence[int]) -> tuple[Any, list[int]]:
        """States of the true tokens of all texts, one after the other.

        Returns:
            A torch tensor of shape (tokens of all texts, dimension), float32, averaged over `layers`, and the number
            of tokens of each text.
        """


class Padded:
    """The model as it is, each batch padded to its longest text."""

    def __init__(self, name: str, model: Any, tokeniser: Tokeniser) -> None:
        self.name = name
        self.model = model
        self.tokeniser = tokeniser

    def states(self, items: Items, layers: Sequence[int]) -> tuple[Any, list[int]]:
        """Pad, compute, and leave the padding out."""
        features = self.tokeniser.pad(items, self.model.device)
        states = states_of(self.name, self.model, features, layers)
        mask = features["attention_mask"].bool()
        return states[mask], mask.sum(dim=1).tolist()


class Packed:
    """All texts of a batch as one sequence, with attention inside each text alone, and prepacked linear layers.

    Needs no padding and no attention mask. Texts of equal length, which are neighbours in a sorted batch, share one
    call of the attention kernel.
    """

    def __init__(self, name: str, model: Any, tokeniser: Tokeniser) -> None:
        """Take a model over: its attention and its linear layers are replaced.

        Raises:
            RuntimeError: Or another error, if this model or this build of torch does not allow it.
        """
        register_packed_attention()
        self.weights = linear_weights(model)
        model.set_attn_implementation(PACKED_ATTENTION)
        prepack_linears(model)
        self.name = name
        self.model = model
        kind = model.config.model_type
        self.offset = (model.config.pad_token_id or 0) + 1 if kind in OFFSET_POSITIONS else 0
        self.token_types = kind not in ("distilbert",)

    def states(self, items: Items, layers: Sequence[int]) -> tuple[Any, list[int]]:
        """Concatenate and compute: a large batch in several streams, a short query on one core."""
        torch = require("torch", extra="text")
        lengths = [len(one["input_ids"]) for one in items]
        threads = torch.get_num_threads()
        shares = shares_of(lengths, threads)
        few = sum(lengths) * self.weights < WORTH_SHARING
        if threads == 1 or (len(shares) == 1 and not few):
            return self._states(items, layers), lengths
        results = run_streams(lambda share: self._states(items[share], layers), shares, 1 if few else None)
        return torch.cat(results), lengths

    def _states(self, items: Items, layers: Sequence[int]) -> Any:
        torch = require("torch", extra="text")
        lengths = [len(one["input_ids"]) for one in items]
        places = [place + self.offset for length in lengths for place in range(length)]
        features = {
            "input_ids": torch.tensor([[i for one in items for i in one["input_ids"]]]),
            "position_ids": torch.tensor([places]),
        }
        if self.token_types:
            features["token_type_ids"] = torch.zeros_like(features["input_ids"])
        with _Lengths(lengths):
            states = states_of(self.name, self.model, features, layers)
        return states[0]


def choose_backend(name: str, model: Any, tokeniser: Tokeniser) -> TextBackend:
    """The packed backend where it can run and is proven equal on this very model, else the plain one.

    Args:
        name: What errors call the model.
        model: Of transformers, in eval mode, on its device.
        tokeniser: Its tokenizer.
    """
    torch = require("torch", extra="text")
    plain = Padded(name, model, tokeniser)
    on_cpu = model.device.type == "cpu" and model.dtype == torch.float32
    if not on_cpu or model.config.model_type not in PACKED_TYPES or getattr(model.config, "is_decoder", False):
        return plain
    sample = _sample(tokeniser, model.config.to_dict())
    layers = (-1, 0, 1)
    attention = model.config._attn_implementation
    linears = {key: module for key, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    with torch.inference_mode():
        expected, lengths = plain.states(sample, layers)
        try:
            packed = Packed(name, model, tokeniser)
            found, packed_lengths = packed.states(sample, layers)
            close = (found - expected).abs().max() <= TOLERANCE * max(1.0, float(expected.abs().max()))
            if packed_lengths == lengths and bool(close):
                return packed
        except Exception:  # noqa: S110  (private operators and model code may fail in any way; the plain one remains)
            pass
    for key, module in linears.items():
        model.set_submodule(key, module)
    model.set_attn_implementation(attention)
    return plain


def states_of(name: str, model: Any, features: Mapping[str, Any], layers: Sequence[int]) -> Any:
    """Token states averaged over layers, shape (n, tokens, dimension), float32.

    Args:
        name: What errors call the model.
        model: Of transformers, on the device of `features`.
        features: Its input.
        layers: -1 is the last, 0 the input of the first.

    Raises:
        ValueError: If there is no such layer.
    """
    if tuple(layers) == (-1,):
        return model(**features).last_hidden_state.float()
    torch = require("torch", extra="text")
    hidden = model(**features, output_hidden_states=True).hidden_states
    impossible = [layer for layer in layers if not -len(hidden) <= layer < len(hidden)]
    if impossible:
        msg = f"{name} has layers 0 to {len(hidden) - 1}, or -1 to -{len(hidden)} from the last, not {impossible}"
        raise ValueError(msg)
    return torch.stack([hidden[layer].float() for layer in layers]).mean(dim=0)


_current = threading.local()


class _Lengths:
    """Tells the attention function, which the model calls deep inside, where texts begin and end."""

    def __init__(self, lengths: list[int]) -> None:
        self.lengths = lengths

    def __enter__(self) -> None:
        _current.lengths = self.lengths

    def __exit__(self, *exception: object) -> None:
        _current.lengths = None


def attend_within_texts(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, scaling: float | None = None, **unused: Any
) -> tuple[Any, None]:
    """Scaled dot-product attention inside each text of a packed batch.

    Args:
        module: The layer that asks.
        query: Shape (1, heads, tokens of all texts, head dimension); `key` and `value` alike.
        key: See `query`.
        value: See `query`.
        attention_mask: Not needed: every token of a text is a true one.
        scaling: Factor of the logits; one over the root of the head dimension if None.
        **unused: What other attention functions of transformers are given.

    Returns:
        Shape (1, tokens of all texts, heads, head dimension), and no weights.
    """
    torch = require("torch", extra="text")
    lengths: list[int] = _current.lengths
    heads, width = query.shape[1], query.shape[3]
    pieces, start = [], 0
    for length, group in groupby(lengths):
        count = len(list(group))
        end = start + length * count
        q, k, v = (
            part[0, :, start:end].reshape(heads, count, length, width).transpose(0, 1) for part in (query, key, value)
        )
        attended = torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=scaling)
        pieces.append(attended.transpose(1, 2).reshape(length * count, heads, width))
        start = end
    return torch.cat(pieces).unsqueeze(0), None


def register_packed_attention() -> None:
    """Make `attend_within_texts` known to transformers; without a mask function, masks are left as given: none."""
    transformers = require("transformers", extra="text")
    transformers.AttentionInterface.register(PACKED_ATTENTION, attend_within_texts)


def prepack_linears(model: Any) -> None:
    """Replace each linear layer by oneDNN's, whose weights are laid out once for its kernels.

    On two cores of an AMD EPYC it does 105 GFLOP/s a core where `torch.nn.Linear`, by MKL, does 90. The operators are
    private to torch, so that this must be proven on each model before it is used (`choose_backend`).
    """
    torch = require("torch", extra="text")
    operators = torch.ops.mkldnn

    class PrepackedLinear(torch.nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self, linear: Any) -> None:
            super().__init__()
            self.in_features, self.out_features = linear.in_features, linear.out_features
            self.bias = linear.bias
            self.packed = operators._reorder_linear_weight(linear.weight.detach(), None)

        def forward(self, states: Any) -> Any:
            return operators._linear_pointwise(states, self.packed, self.bias, "none", [], "")

    for name, module in list(model.named_modules()):
        if type(module) is torch.nn.Linear:
            model.set_submodule(name, PrepackedLinear(module))


def linear_weights(model: Any) -> int:
    """The multiplications that one token costs in the linear layers of a model."""
    torch = require("torch", extra="text")
    linears = (module for module in model.modules() if isinstance(module, torch.nn.Linear))
    return sum(one.in_features * one.out_features for one in linears)


def _sample(tokeniser: Tokeniser, config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Texts of lengths that come alone and twice, tokenised."""
    sentence = "to see whether two ways of computing agree, some texts are short and others are long "
    texts = [sentence * 2, sentence * 2, sentence, "some texts", "are short", "agree"]
    return [one.data for one in tokeniser.prepare(texts, least(SAMPLE_TOKENS, position_limit(config)))]
