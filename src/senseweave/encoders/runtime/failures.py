"""What an encoder's model fails on: a number type that it has no kernels for, or an item that it cannot compute."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from senseweave.display import printable, shorten
from senseweave.encoders.base import Encoded, Encoder, Prepared
from senseweave.encoders.runtime.torch_runtime import check_fork_failure, is_half
from senseweave.errors import EncodingError, ModelError

_OF_TYPE: Final = re.compile(r"dtype|scalar type|not implemented for|BFloat16|Half", re.IGNORECASE)
_OF_MACHINE: Final = re.compile(r"memory|CUDA error|cuDNN|shutdown|can't start new thread", re.IGNORECASE)
"""Failures of the machine, which the next item would meet too."""

_log = logging.getLogger(__name__)


@contextmanager
def preparing() -> Iterator[None]:
    """Turn what a library's own preparation raises at an odd item into an error of that item, within a `with` block.

    Raises:
        EncodingError: If the preparation fails at a value.
    """
    try:
        yield
    except (ValueError, ArithmeticError, IndexError) as error:
        msg = f"the model's own preparation cannot take it: {type(error).__name__}: {shorten(str(error), 200)}"
        raise EncodingError(msg) from error


def compute(encoder: Encoder, batch: Sequence[Prepared]) -> Encoded:
    """Return what an encoder computes of a batch.

    Raises:
        ModelError: If the model has no kernels for the number type that it was loaded in.
        EncodingError: If it cannot compute the batch; one of its items may be the reason.
    """
    with computing(encoder):
        return encoder.forward(batch)


@contextmanager
def computing(encoder: Encoder) -> Iterator[None]:
    """Let an encoder compute inside the block, and say plainly on what it fails.

    Raises:
        ModelError: If the model has no kernels for the number type that it was loaded in, or stands on a CUDA device
            that the parent of this process has used.
        EncodingError: If it cannot compute what it was given.
    """
    try:
        yield
    except (RuntimeError, IndexError) as error:  # torch raises these; a text may be too short for pooling layers
        check_fork_failure(error)
        said = shorten(str(error).partition("\n")[0], 200)
        dtype = _half_type(encoder.identity())
        if dtype is not None and _OF_TYPE.search(said):
            msg = f"the model cannot compute in {dtype} ({said}); load it with dtype='float32'"
            raise ModelError(msg) from error
        if _OF_MACHINE.search(said):
            raise
        _log.info("a batch of %s failed", printable(type(encoder).__name__), exc_info=error)
        msg = f"the model cannot compute it: {type(error).__name__}: {said}"
        raise EncodingError(msg) from error


def _half_type(identity: Mapping[str, Any]) -> str | None:
    """Return the half type that an encoder, or a model inside it, was loaded in; None if there is none."""
    dtype = identity.get("dtype")
    if isinstance(dtype, str) and is_half(dtype):
        return dtype
    inner = (_half_type(value) for value in identity.values() if isinstance(value, Mapping))
    return next((found for found in inner if found is not None), None)
