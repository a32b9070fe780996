"""The model as transformers computes it, each batch padded to its longest text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from senseweave.encoders.runtime.backends.attention import FLASH
from senseweave.encoders.runtime.backends.base import Items, average_layers
from senseweave.encoders.runtime.tokenization import Tokenizer, fixed_length
from senseweave.errors import ModelError

PRECISIONS: Final = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}
"""What the option `precision` calls torch's number types."""


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

    def describe(self) -> dict[str, object]:
        """Return the engine, the device and the number type, and the kind of attention where it is FlashAttention."""
        dtype = str(self.model.dtype).removeprefix("torch.")
        attention = self.model.config._attn_implementation
        return {
            "backend": "torch",
            "device": str(self.model.device),
            "precision": PRECISIONS.get(dtype, dtype),
            "texts": "padded",
            **({"attention": attention} if attention == FLASH else {}),
        }
