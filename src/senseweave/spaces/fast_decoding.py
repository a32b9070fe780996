"""Photos that are decoded at a part of their size, where the model sees far less of them anyway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from senseweave.encoders.base import Encoder
from senseweave.errors import ModelError
from senseweave.media import Modality

TIMES_THE_SIDE: Final = 2
"""Least size of a decoded image, by what the model resizes it to: its filter then still averages over the pixels."""


def decode_smaller(name: str, encoders: Mapping[Modality, Encoder]) -> None:
    """Let the image encoder of a space have JPEGs decoded at 1/2, 1/4 or 1/8 of their size where enough is left.

    Raises:
        ModelError: If there is no image encoder, or its images are not resized to a known size.
    """
    encoder = encoders.get("image")
    side = encoder.image_side if encoder is not None else None
    if encoder is None or side is None:
        problem = "has no image encoder" if encoder is None else "does not resize images to one size that is known"
        msg = f"{name} {problem}; leave fast_decode out"
        raise ModelError(msg)
    # Into the instance itself: the setting is a cached property of some encoders and an attribute of others.
    vars(encoder)["decode_options"] = {**encoder.decode_options, "at_least": (TIMES_THE_SIDE * side,) * 2}


def decoded_at_least(encoders: Mapping[Modality, Encoder]) -> tuple[int, int] | None:
    """Return the least size at which the images of a space are decoded, or None if they are decoded as they are."""
    encoder = encoders.get("image")
    size = encoder.decode_options.get("at_least") if encoder is not None else None
    return size if isinstance(size, tuple) else None
