"""The interfaces of a backend: states of tokens as torch computes them, and vectors of whole inputs as graphs do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from senseweave.errors import ModelError
from senseweave.extras import require

Items = Sequence[Mapping[str, Any]]
"""Tokenized texts: dictionaries of lists, at least `input_ids` and `attention_mask`."""


class TextBackend(Protocol):
    """Computes token states of tokenized texts. Another way to compute is another class with these methods."""

    def states(self, items: Items, layers: Sequence[int]) -> tuple[Any, list[int]]:
        """Return the states of the true tokens of all texts, in order.

        Returns:
            A torch tensor of shape (tokens of all texts, dimension), float32, averaged over `layers`, and the number
            of tokens of each text.
        """

    def describe(self) -> dict[str, object]:
        """Return what computes, as plain values for `Space.info`."""


Collate = Callable[[Sequence[Any]], dict[str, np.ndarray]]
"""Turns prepared items into the inputs of a graph, by their names in it."""


class VectorBackend(Protocol):
    """Computes vectors of prepared items without torch: the whole model, pooling included, is one graph."""

    def vectors(self, items: Sequence[Any]) -> np.ndarray:
        """Return a vector for each item, shape (n, dimension), float32."""

    def describe(self) -> dict[str, object]:
        """Return what computes, as plain values for `Space.info`."""

    def load(self) -> None:
        """Make what computes now, so that the first call is as quick as the next."""

    def close(self) -> None:
        """Free what computes; the next call makes it again."""


class GraphInputs(Protocol):
    """How items of a modality become the inputs of a graph, without torch and transformers."""

    @property
    def unit(self) -> str:
        """What the items are called: `texts` or `images`."""

    @property
    def growing(self) -> Mapping[str, Sequence[int]]:
        """The graph's inputs by name, in their order, with the axes whose length differs from batch to batch."""

    def save(self, folder: Path) -> dict[str, object]:
        """Write into a folder, and return as plain values, what makes these inputs again in a later process."""

    def collate(self, items: Sequence[Any]) -> dict[str, np.ndarray]:
        """Return the inputs of a batch of prepared items."""

    def example(self) -> Sequence[Any]:
        """Return two prepared items that a graph can be traced with."""

    def proof_batches(self) -> list[Sequence[Any]]:
        """Return batches of prepared items; a graph is used only if its vectors of them equal those of torch."""

    def loss_sample(self) -> Sequence[Any]:
        """Return prepared items on which a lower precision is measured."""


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
