"""The result of encoding a batch: vectors, and all that a caller should know about how they came to be."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from senseweave.errors import MediaError


@dataclass
class Batch:
    """Vectors of the items that could be encoded.

    Attributes:
        vectors: Shape (len(kept), dimension), float32.
        kept: Positions in the input of the rows of `vectors`, ascending.
        descriptions: The transcript or label line of each row, or None for encoders that make none.
        dropped: Tokens that truncation removed from each row's text.
        failed: One error per item that is not in `kept`, each with its position.
    """

    vectors: np.ndarray
    kept: list[int]
    descriptions: list[str | None]
    dropped: list[int]
    failed: list[MediaError] = field(default_factory=list)
