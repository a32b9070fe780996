"""Whether the padding of a batch, or its other texts, change what a model computes: proven on the model itself."""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np

from senseweave.display import printable
from senseweave.encoders.base import Prepared
from senseweave.errors import ModelError

DEFAULT_BATCH_TOKENS: Final = 2048
"""Padded tokens per batch: enough for the kernels, few enough for the caches of a CPU; larger batches suit a GPU
(`benchmarks/text_throughput.py --batch-tokens` compares)."""
Batching = Literal["any", "equal", "alone"]
"""Which texts may share a batch: any, those of equal length alone, or none."""
BATCHINGS: Final[tuple[Batching, ...]] = ("any", "equal", "alone")
"""From the freest."""
TOLERANCE: Final = 1e-5
"""Greatest difference between unit vectors of a text alone and in a batch that is rounding, in float32."""
HALF_TOLERANCE: Final = 4e-3
"""The same in `float16` and `bfloat16`: tiny models round by up to 1.5e-3, and padding that is seen shows from 8e-3."""
SENTENCE: Final = "to see whether its neighbors in a batch change a text, some texts are short and others are long "
SAMPLES: Final = (SENTENCE * 3, SENTENCE, "some texts", "neighbors")
"""Texts of different lengths, the first so much longer that padding would show."""

_log = logging.getLogger(__name__)
_numbers = itertools.count()


def find_batching(
    name: str, forward: Callable[[Sequence[Prepared]], np.ndarray], sample: Sequence[Prepared], *, half: bool = False
) -> Batching:
    """Return which texts may share a batch of a model, so that a text's vector is the same alone and in any batch.

    Models that mask padding everywhere may see `any` batch. Convolutions, Fourier transforms and hashing see it.

    Args:
        name: What logs call the model.
        forward: Computes the vectors of a batch, shape (n, dimension).
        sample: Prepared texts of different lengths.
        half: Whether the model computes in half precision.

    Raises:
        ModelError: If the model gives a text another vector each time.
    """
    usable = [item for item in sample if item.error is None]
    tolerance = HALF_TOLERANCE if half else TOLERANCE
    try:
        alone = np.concatenate([_unit(forward([item])) for item in usable])
    except ModelError:
        raise
    except Exception:
        return "equal"
    if usable and not np.isfinite(alone).all():
        return "equal"  # each text is an error of its own, and there is nothing to compare
    if usable and _differs(forward, usable[:1], alone[:1], tolerance):
        msg = f"{name} gives a text another vector each time (its layers choose at random); use another model"
        raise ModelError(msg)
    if _differs(forward, usable, alone, tolerance):
        twice = all(
            not _differs(forward, [item] * 2, np.stack([row, row]), tolerance)
            for item, row in zip(usable, alone, strict=True)
        )
        batching: Batching = "equal" if twice else "alone"
        _log.info("%s: only texts of %s share a batch, because padding changes its vectors", printable(name), batching)
        return batching
    return "any"


def bucket(batching: Batching, length: int) -> Hashable:
    """Return the bucket of a text, so that it shares batches with those alone that leave its vector as it is."""
    if batching == "any":
        return None
    return length if batching == "equal" else ("alone", next(_numbers))


def switches_attention(config: Mapping[str, Any]) -> bool:
    """Return whether a model of this configuration attends in another way to short texts than to long texts."""
    return config.get("attention_type") == "block_sparse"


def restore_attention(model: Any) -> bool:
    """Make every call begin with the attention that a model was saved with; return whether it switches by length.

    BigBird in transformers (modeling_big_bird.py) changes from sparse to full attention at a short text, and never
    back: the vector of a long text would depend on what came before, and that of a short text on its batch.

    Args:
        model: Of transformers, or a part of one.
    """
    whole = hasattr(model, "get_input_embeddings") and hasattr(model, "set_attention_type")  # rather than a layer
    if not whole or not switches_attention(model.config.to_dict()):
        return False
    forward = model.forward

    @functools.wraps(forward)
    def forward_sparsely(*arguments: Any, **options: Any) -> Any:
        model.set_attention_type("block_sparse")
        return forward(*arguments, **options)

    model.forward = forward_sparsely  # rather than a hook, which sentence-transformers passes by
    return True


def _differs(
    forward: Callable[[Sequence[Prepared]], np.ndarray],
    batch: Sequence[Prepared],
    expected: np.ndarray,
    tolerance: float,
) -> bool:
    try:
        found = _unit(forward(batch))
    except Exception:
        return True
    return found.shape != expected.shape or not np.abs(found - expected).max(initial=0.0) <= tolerance


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=-1, keepdims=True)
    unit: np.ndarray = vectors / np.where(lengths > 0, lengths, 1.0)
    return unit
