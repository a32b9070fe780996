"""What computes token states: the model as it is, or packed without padding where that is proven to be equal."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Protocol

from senseweave.display import printable
from senseweave.encoders.runtime.streams import divide_texts, run_streams
from senseweave.encoders.runtime.tokenization import OFFSET_POSITIONS, Tokenizer, fixed_length, least, position_limit
from senseweave.errors import ModelError
from senseweave.extras import require

TOLERANCE = 1e-5
"""Greatest difference between the states of the packed and the padded backend, relative to the largest state."""
PACKED_TYPES = ("bert", "roberta", "xlm-roberta", "camembert", "electra", "distilbert")
"""Model types whose attention sees every token of its text and that take positions as input: what packing needs."""
SAMPLE_TOKENS = 48
"""The longest text of the proof; models of `PACKED_TYPES` compute longer texts no differently."""
WORTH_SHARING = 250_000_000
"""Multiplications, some 3 ms of a core, below which sharing every product among cores costs more than it gains."""
PACKED_ATTENTION = "senseweave_packed"

_log = logging.getLogger(__name__)
_logged: set[tuple[str, str]] = set()

Items = Sequence[Mapping[str, Any]]
"""Tokenized texts: dictionaries of lists, at least `input_ids` and `attention_mask`."""


class TextBackend(Protocol):
    """Computes token states of tokenized texts. Another way to compute is another class with this method."""

    def states(self, items: Items, layers: Sequence[int]) -> tuple[Any, list[int]]:
        """Return the states of the true tokens of all texts, in order.

        Returns:
            A torch tensor of shape (tokens of all texts, dimension), float32, averaged over `layers`, and the number
            of tokens of each text.
        """


class Padded:
    """The model as it is, each batch padded to its longest text."""

    def __init__(self, name: str, model: Any, tokenizer: Tokenizer) -> None:
        self.name = name
        self.model = model
        self.tokenizer = tokenizer
        self._length = fixed_length(model.config.to_dict())

    def states(self, items: Items, layers: Sequence[int]) -> tuple[Any, list[int]]:
        """Pad, compute, and leave the padding out."""
        features = self.tokenizer.pad(items, self.model.device, self._length)
        try:
            states = average_layers(self.name, self.model, features, layers)
        except RuntimeError as error:
            if self._length is None:
                raise
            kind = self.model.config.model_type
            msg = f"{self.name}: transformers cannot compute a {kind} of this configuration ({error})"
            raise ModelError(msg) from error
        mask = features["attention_mask"].bool()
        return states[mask], mask.sum(dim=1).tolist()


class Packed:
    """All texts of a batch as one sequence, with attention inside each text alone, and prepacked linear layers.

    Needs no padding and no attention mask. Texts of equal length, which are neighbours in a sorted batch, share one
    call of the attention kernel.
    """

    def __init__(self, name: str, model: Any, tokenizer: Tokenizer) -> None:
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
        lengths = [len(item["input_ids"]) for item in items]
        threads = torch.get_num_threads()
        shares = divide_texts(lengths, threads)
        few = sum(lengths) * self.weights < WORTH_SHARING
        if threads == 1 or (len(shares) == 1 and not few):
            return self._states(items, layers), lengths
        results = run_streams(lambda share: self._states(items[share], layers), shares, 1 if few else None)
        return torch.cat(results), lengths

    def _states(self, items: Items, layers: Sequence[int]) -> Any:
        torch = require("torch", extra="text")
        lengths = [len(item["input_ids"]) for item in items]
        places = [place + self.offset for length in lengths for place in range(length)]
        features = {
            "input_ids": torch.tensor([[i for item in items for i in item["input_ids"]]]),
            "position_ids": torch.tensor([places]),
        }
        if self.token_types:
            features["token_type_ids"] = torch.zeros_like(features["input_ids"])
        with _Lengths(lengths):
            states = average_layers(self.name, self.model, features, layers)
        return states[0]


def choose_backend(name: str, model: Any, tokenizer: Tokenizer) -> TextBackend:
    """Return the packed backend if it runs and equals the padded backend on this very model, else the padded.

    Logs why a model is not packed: at level INFO where packing is not for it, at WARNING where it was tried and failed.

    Args:
        name: What logs and errors call the model.
        model: Of transformers, in eval mode, on its device.
        tokenizer: The model's tokenizer.
    """
    plain = Padded(name, model, tokenizer)
    reason = why_not_packed(model)
    if reason is not None:
        log_padding(name, reason)
        return plain
    torch = require("torch", extra="text")
    sample = _sample(tokenizer, model.config.to_dict())
    layers = (-1, 0, 1)
    attention = model.config._attn_implementation
    linears = {key: module for key, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    with torch.inference_mode():
        expected, lengths = plain.states(sample, layers)
        try:
            packed = Packed(name, model, tokenizer)
            found, packed_lengths = packed.states(sample, layers)
            difference = float((found - expected).abs().max()) / max(1.0, float(expected.abs().max()))
            if packed_lengths == lengths and difference <= TOLERANCE:
                return packed
            reason = f"packed states differ from padded states by {difference:.1e}, more than {TOLERANCE:.0e}"
        except Exception as error:  # private operators and model code may fail in any way; the padded backend remains
            reason = f"packing failed with {type(error).__name__}: {error}"
    for key, module in linears.items():
        model.set_submodule(key, module)
    model.set_attn_implementation(attention)
    log_padding(name, reason, level=logging.WARNING)
    return plain


def log_padding(name: str, reason: str, *, level: int = logging.INFO) -> None:
    """Log why a model's texts are padded rather than packed; once per model and reason in a process."""
    if (name, reason) not in _logged:
        _logged.add((name, reason))
        _log.log(
            level,
            "%s: texts are padded to one length instead of packed, which is slower: %s",
            printable(name),
            printable(reason),
        )


def why_not_packed(model: Any) -> str | None:
    """Return why a transformers model cannot be packed, or None if packing can be tried."""
    torch = require("torch", extra="text")
    if model.device.type != "cpu":
        return f"the model is on {model.device.type}, and packing is for the CPU"
    if model.dtype != torch.float32:
        return f"the weights are {str(model.dtype).removeprefix('torch.')}, and packing is for float32"
    if model.config.model_type not in PACKED_TYPES:
        return f"model type {model.config.model_type!r} is not among {', '.join(PACKED_TYPES)}"
    if getattr(model.config, "is_decoder", False):
        return "the model is a decoder, whose tokens do not see the whole text"
    return None


def average_layers(name: str, model: Any, features: Mapping[str, Any], layers: Sequence[int]) -> Any:
    """Return token states averaged over layers, shape (n, tokens, dimension), float32.

    Args:
        name: What errors call the model.
        model: Of transformers, on the device of `features`.
        features: Its input.
        layers: -1 is the last, 0 the input of the first.

    Raises:
        ValueError: If there is no such layer.
        ModelError: If the model needs more than a text.
    """
    last = tuple(layers) == (-1,)
    try:
        output = model(**features) if last else model(**features, output_hidden_states=True)
    except (ValueError, TypeError) as error:  # decoders that want more than a text
        kind = model.config.model_type
        msg = f"{name}: transformers cannot compute a model of type {kind} from a text alone ({error})"
        raise ModelError(msg) from error
    if last:
        return output.last_hidden_state.float()
    torch = require("torch", extra="text")
    hidden = output.hidden_states
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
    """Compute scaled dot-product attention inside each text of a packed batch.

    Args:
        module: The layer that asks.
        query: Shape (1, heads, tokens of all texts, head dimension); `key` and `value` alike.
        key: See `query`.
        value: See `query`.
        attention_mask: Not needed: no token of a text is padding.
        scaling: Factor of the logits; 1 over the root of the head dimension if None.
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
    """Make `attend_within_texts` known to transformers; without a mask function, masks stay None."""
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
    """Return the number of multiplications that a token costs in the linear layers of a model."""
    torch = require("torch", extra="text")
    linears = (module for module in model.modules() if isinstance(module, torch.nn.Linear))
    return sum(linear.in_features * linear.out_features for linear in linears)


def _sample(tokenizer: Tokenizer, config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return tokenized texts, of lengths that come alone and twice."""
    sentence = "to see whether two ways of computing agree, some texts are short and others are long "
    texts = [sentence * 2, sentence * 2, sentence, "some texts", "are short", "agree"]
    return [text.data for text in tokenizer.prepare(texts, least(SAMPLE_TOKENS, position_limit(config)))]
