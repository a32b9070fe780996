"""Pooling: from the states of a text's tokens to one vector."""

from __future__ import annotations

from typing import Any, Literal

Pooling = Literal["cls", "mean", "max", "last"]
POOLINGS: tuple[Pooling, ...] = ("cls", "mean", "max", "last")


def pool(states: Any, mask: Any, pooling: Pooling) -> Any:
    """Reduce token states to one vector per text.

    Args:
        states: torch tensor, shape (n, tokens, dimension), float32.
        mask: 1 for true tokens and 0 for padding on either side, shape (n, tokens).
        pooling: `cls` is the first true token (Devlin et al. 2018, arXiv 1810.04805), `mean` the sum over true tokens
            divided by their number and `max` the greatest of each component (Reimers and Gurevych 2019,
            arXiv 1908.10084, section 3), `last` the last true token (Wang et al. 2023, arXiv 2401.00368, for causal
            models).

    Returns:
        torch tensor, shape (n, dimension).
    """
    if pooling == "mean":
        weights = mask.unsqueeze(-1).to(states.dtype)
        return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)
    if pooling == "max":
        return states.masked_fill(mask.unsqueeze(-1) == 0, float("-inf")).max(dim=1).values
    # argmax of a mask is the place of its first 1
    position = mask.shape[1] - 1 - mask.flip(1).argmax(dim=1) if pooling == "last" else mask.argmax(dim=1)
    return states[range(len(states)), position]
