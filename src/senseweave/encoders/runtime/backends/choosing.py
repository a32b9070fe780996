"""Which backend of torch computes a model: packed where that is proven equal on the model itself, else padded."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from senseweave.display import printable
from senseweave.encoders.runtime.backends.attention import use_flash_attention
from senseweave.encoders.runtime.backends.base import TextBackend
from senseweave.encoders.runtime.backends.torch_packed import Packed, Plan, plans_to_prove
from senseweave.encoders.runtime.backends.torch_padded import Padded
from senseweave.encoders.runtime.tokenization import Tokenizer, least, position_limit
from senseweave.extras import require

TOLERANCE = 1e-5
"""Greatest difference between the states of the packed and the padded backend, relative to the largest state."""
PACKED_TYPES = ("bert", "roberta", "xlm-roberta", "camembert", "electra", "distilbert")
"""Model types whose attention sees every token of its text and that take positions as input: what packing needs."""
SAMPLE_TOKENS = 48
"""The longest text of the proof; models of `PACKED_TYPES` compute longer texts no differently."""

_log = logging.getLogger(__name__)
_logged: set[tuple[str, str]] = set()


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
        use_flash_attention(name, model, lambda: plain.states(_sample(tokenizer, model.config.to_dict()), (-1,))[0])
        return plain
    torch = require("torch", extra="text")
    sample = _sample(tokenizer, model.config.to_dict())
    attention, pooler = model.config._attn_implementation, getattr(model, "pooler", None)
    linears = {key: module for key, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    with torch.inference_mode():
        expected, lengths = plain.states(sample, (-1, 0, 1))
        try:
            packed = Packed(name, model)
            proven, reason = _prove(packed, sample, expected, lengths)
            if proven:
                packed.settle(proven, sample)
                return packed
        except Exception as error:  # private operators and model code may fail in any way; the padded backend remains
            reason = f"packing failed with {type(error).__name__}: {error}"
    if pooler is not None:
        model.pooler = pooler
    for key, module in linears.items():
        model.set_submodule(key, module)
    model.set_attn_implementation(attention)
    log_padding(name, reason, level=logging.WARNING)
    return plain


def _prove(packed: Packed, sample: Any, expected: Any, lengths: list[int]) -> tuple[list[Plan], str]:
    """Return the plans whose states equal the expected states; if there is no packed one, none, and the reason."""
    proven: list[Plan] = []
    reasons: list[str] = []
    for plan in plans_to_prove():
        try:
            found, found_lengths = packed.states(sample, (-1, 0, 1), plan)
        except Exception as error:  # private operators and model code may fail in any way
            reasons.append(f"packing failed with {type(error).__name__}: {error}")
            continue
        difference = float((found - expected).abs().max()) / max(1.0, float(expected.abs().max()))
        if found_lengths == lengths and difference <= TOLERANCE:
            proven.append(plan)
        else:
            reasons.append(
                f"packed states differ from padded states by {difference:.1e}, more than {TOLERANCE:.0e} ({plan})"
            )
    if not any(plan.layout == "packed" for plan in proven):
        return [], reasons[0]
    return proven, ""


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


def _sample(tokenizer: Tokenizer, config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return tokenized texts, of lengths that come alone and twice."""
    sentence = "to see whether two ways of computing agree, some texts are short and others are long "
    texts = [sentence * 2, sentence * 2, sentence, "some texts", "are short", "agree"]
    return [text.data for text in tokenizer.prepare(texts, least(SAMPLE_TOKENS, position_limit(config)))]
