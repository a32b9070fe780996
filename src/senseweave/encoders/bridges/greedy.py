"""Greedy generation whose result does not hang on rounding: near ties are decided in float64."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from senseweave.encoders.parts.backbone import Backbone
from senseweave.encoders.runtime.torch_runtime import is_half, pick_dtype
from senseweave.errors import EncodingError
from senseweave.extras import require
from senseweave.forking import Lock

NEAR_TIE: Final = 1e-3
"""Difference of the two best scores, relative to the best, below which float32 decides nothing: the order of sums
depends on the number of threads, and changes scores by some 1e-5 of their size."""
MOST_PARAMETERS: Final = 1_000_000_000
"""Larger models are not computed in float64, for which they would need 8 GB and more."""


class Greedy:
    """Generates the likeliest token at each step, the same from run to run and with any number of threads.

    Where the two best tokens of a step are nearly equal, the text is generated again in float64, whose rounding is a
    billion times finer. Half types round more coarsely than that helps against, and some devices have no float64.
    """

    def __init__(self, backbone: Backbone, max_new_tokens: int) -> None:
        """Generate with a model.

        Args:
            backbone: A model of transformers with `generate`.
            max_new_tokens: Where a text ends at the latest.
        """
        self._backbone = backbone
        self._max_new_tokens = max_new_tokens
        self._lock = Lock()

    @property
    def deterministic(self) -> bool:
        """Whether equal inputs give equal texts with any number of threads; loads the model."""
        if is_half(self._backbone.dtype):
            return False
        model = self._backbone()
        return bool(model.device.type != "mps" and model.num_parameters() <= MOST_PARAMETERS)

    def __call__(self, inputs: Mapping[str, Any]) -> Any:
        """Return the tokens of one text, shape (tokens,), those of the prompt included.

        Args:
            inputs: Of `generate`, for one image.

        Raises:
            EncodingError: If scores are not finite: the likeliest of those would be any token.
        """
        with self._lock as interrupted:
            if interrupted:  # the parent of this process may have been in float64 when it forked
                self._backbone().to(self._dtype)
            output = self._generate(inputs)
            if self._has_near_tie(output.logits) and self.deterministic:
                with self._in_float64():
                    output = self._generate(inputs)
        return output.sequences[0]

    @property
    def _dtype(self) -> Any:
        return pick_dtype(self._backbone.dtype, extra=self._backbone.extra)

    def _generate(self, inputs: Mapping[str, Any]) -> Any:
        torch = require("torch", extra=self._backbone.extra)
        with self._backbone.inference():
            output = self._backbone().generate(
                **{name: self._backbone.to_device(tensor) for name, tensor in inputs.items()},
                do_sample=False,
                num_beams=1,
                max_new_tokens=self._max_new_tokens,
                return_dict_in_generate=True,
                output_logits=True,
            )
        if not all(torch.isfinite(scores).all() for scores in output.logits):
            name = self._backbone.checkpoint.name
            msg = f"{name} gave scores that are not finite; a lower precision may overflow: try float32"
            raise EncodingError(msg)
        return output

    def _has_near_tie(self, logits: Any) -> bool:
        torch = require("torch", extra=self._backbone.extra)
        best = torch.stack([scores[0] for scores in logits]).topk(2).values
        return bool((best[:, 0] - best[:, 1] <= NEAR_TIE * best.abs().max(dim=1).values).any())

    @contextmanager
    def _in_float64(self) -> Iterator[None]:
        """Compute in float64 inside the block; weights come back as they were, bit by bit."""
        model = self._backbone()
        model.to(require("torch", extra=self._backbone.extra).float64)
        try:
            yield
        finally:
            model.to(self._dtype)
