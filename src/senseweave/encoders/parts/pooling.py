"""Pooling: from the states of a text's tokens to one vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

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
