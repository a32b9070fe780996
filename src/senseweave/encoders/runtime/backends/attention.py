"""FlashAttention 2 where it is installed: taken only if the model's states stay as they were."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from senseweave.display import printable
from senseweave.extras import require

FLASH: Final = "flash_attention_2"
LEAST_COSINE: Final = 0.999
"""Of the states of a token by both kinds of attention, in 16 bits."""

_log = logging.getLogger(__name__)


def use_flash_attention(name: str, model: Any, states: Callable[[], Any]) -> None:
    """Let a model attend by FlashAttention 2, if it is installed and the model computes in 16 bits on CUDA.

    Args:
        name: What logs call the model.
        model: Of transformers, in eval mode, on its device.
        states: Returns the model's states of a sample, shape (tokens, dimension).
    """
    torch = require("torch", extra="text")
    utilities = require("transformers.utils", extra="text")
    in_half = model.dtype in (torch.float16, torch.bfloat16)
    if model.device.type == "cuda" and in_half and utilities.is_flash_attn_2_available():
        change_attention(name, model, states, FLASH)


def change_attention(name: str, model: Any, states: Callable[[], Any], attention: str) -> bool:
    """Let a model attend in another way, and return whether it does; not if its states change, or it cannot.

    Args:
        name: What logs call the model.
        model: Of transformers, in eval mode, on its device.
        states: Returns the model's states of a sample, shape (tokens, dimension).
        attention: What transformers calls the way, such as `flash_attention_2`.
    """
    torch = require("torch", extra="text")
    before = model.config._attn_implementation
    with torch.inference_mode():
        expected = states().float()
        try:
            model.set_attn_implementation(attention)
            found = states().float()
            cosine = float(torch.nn.functional.cosine_similarity(found, expected).min())
            reason = f"a token's states have a cosine of {cosine:.4f} with those of {before}"
        except Exception as error:  # compiled operators and model code may fail in any way; what was there remains
            cosine, reason = -1.0, f"{type(error).__name__}: {error}"
    if cosine >= LEAST_COSINE and model.config._attn_implementation == attention:
        return True
    model.set_attn_implementation(before)
    _log.info("%s: attends by %s, not %s: %s", printable(name), before, attention, printable(reason))
    return False
