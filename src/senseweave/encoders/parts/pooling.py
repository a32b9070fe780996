"""Pooling: from the states of a text's tokens to one vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from senseweave.encoders.runtime.backends.base import average_layers
from senseweave.extras import require

Pooling = Literal["cls", "mean", "max", "last"]
POOLINGS: tuple[Pooling, ...] = ("cls", "mean", "max", "last")


def pool(states: Any, lengths: Sequence[int], pooling: Pooling) -> Any:
    """Reduce token states to one vector per text.

    Args:
        states: torch tensor, shape (tokens of all texts, dimension), float32: the texts in order.
        lengths: Number of tokens of each text.
        pooling: `cls` is the first token (Devlin et al. 2018, arXiv 1810.04805), `mean` the mean and `max` the greatest
            of each component over all tokens (Reimers and Gurevych 2019, arXiv 1908.10084, section 3), `last` the last
            token (Wang et al. 2023, arXiv 2401.00368, for causal models).

    Returns:
        torch tensor, shape (n, dimension).
    """
    torch = require("torch", extra="text")
    texts = states.split(list(lengths))
    if pooling == "mean":
        return torch.stack([tokens.mean(dim=0) for tokens in texts])
    if pooling == "max":
        return torch.stack([tokens.amax(dim=0) for tokens in texts])
    return torch.stack([tokens[-1 if pooling == "last" else 0] for tokens in texts])


def pooling_module(name: str, model: Any, layers: Sequence[int], pooling: Pooling) -> Any:
    """Return a torch module of a model and its pooling, which takes padded ids and their mask and gives vectors.

    It computes what `pool` does of the true tokens, in operations that an exporter understands.

    Args:
        name: What errors call the model.
        model: Of transformers.
        layers: See `average_layers`.
        pooling: See `pool`.
    """
    torch = require("torch", extra="text")

    class Pooled(torch.nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            features = {"input_ids": input_ids, "attention_mask": attention_mask}
            states = average_layers(name, self.model, features, layers)
            if pooling == "cls":
                return states[:, 0]
            if pooling == "last":
                places = attention_mask.sum(dim=1) - 1
                return states[torch.arange(states.shape[0]), places]
            true = attention_mask.unsqueeze(-1).bool()
            if pooling == "max":
                return states.masked_fill(~true, -torch.inf).amax(dim=1)
            return states.masked_fill(~true, 0.0).sum(dim=1) / attention_mask.sum(dim=1, keepdim=True)

    return Pooled().eval()
