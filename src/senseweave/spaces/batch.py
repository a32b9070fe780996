"""The result of encoding a batch: vectors, descriptions, truncation and failures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from senseweave.arguments import check_choice
from senseweave.encoders.base import ROLES, Similarity
from senseweave.errors import EncodingError, MediaError
from senseweave.media import Media, Modality

LAYER_NORM_EPSILON = 1e-5
"""The default of `torch.nn.functional.layer_norm`."""


class EmbeddedItem(NamedTuple):
    """What was made of one item of a batch.

    Attributes:
        vector: Its vector.
        description: The transcript or label line from which an encoder made it, or None.
    """

    vector: list[float]
    description: str | None


@dataclass
class Batch:
    """Vectors of the items that could be encoded.

    Attributes:
        vectors: Shape (len(kept), dimension), float32.
        kept: Positions in the input of the rows of `vectors`, ascending.
        descriptions: The transcript or label line of each row, or None for encoders that make none.
        dropped: Tokens that truncation removed from each row's text.
        failed: An error for each item that is not in `kept`, with its position.
    """

    vectors: np.ndarray
    kept: list[int]
    descriptions: list[str | None]
    dropped: list[int]
    failed: list[MediaError] = field(default_factory=list)

    def outcomes(self) -> list[EmbeddedItem | MediaError]:
        """Return what was made of each item of the input, in order; for items that failed, the error."""
        found: dict[int, EmbeddedItem | MediaError] = {error.position or 0: error for error in self.failed}
        for position, vector, description in zip(self.kept, self.vectors.tolist(), self.descriptions, strict=True):
            found[position] = EmbeddedItem(vector, description)
        return [found[position] for position in range(len(found))]


def unit_rows(vectors: np.ndarray, *, allow_zero: bool = False) -> np.ndarray:
    """Scale rows to length 1.

    Args:
        vectors: Shape (n, dimension), or (dimension,) for a single row.
        allow_zero: Whether rows of length 0 are left as they are.

    Returns:
        Shape (n, dimension), float32.

    Raises:
        EncodingError: If a row has length 0 and that is not allowed.
    """
    rows = np.atleast_2d(np.asarray(vectors, dtype=np.float32))
    norms = row_lengths(rows)
    has_length = norms > 0
    if not has_length.all():
        if not allow_zero:
            msg = "a vector of length 0 cannot be normalized"
            raise EncodingError(msg)
        norms = np.where(has_length, norms, 1)
    unit: np.ndarray = rows / norms
    return unit


def row_lengths(rows: np.ndarray) -> np.ndarray:
    """Return the length of each row, shape (n, 1): `np.linalg.norm` without what it checks, for a single query."""
    lengths: np.ndarray = np.sqrt(np.add.reduce(rows * rows, axis=1, keepdims=True))
    return lengths


def compare(a: np.ndarray, b: np.ndarray, similarity: Similarity) -> np.ndarray:
    """Return the similarity of every row of `a` with every row of `b`, shape (len(a), len(b)), float32.

    Args:
        a: Shape (n, dimension).
        b: Shape (m, dimension).
        similarity: `cosine`, `dot`, or `euclidean` or `manhattan` for the negative distance.

    Raises:
        TypeError: If texts are given in place of vectors.
        ValueError: If the dimensions differ.
    """
    left, right = _rows(a), _rows(b)
    if left.shape[-1] != right.shape[-1]:
        msg = (
            f"vectors of {left.shape[-1]} and of {right.shape[-1]} dimensions cannot be compared; embed both with "
            "one space"
        )
        raise ValueError(msg)
    if similarity == "cosine":
        return np.asarray(unit_rows(left) @ unit_rows(right).T)
    if similarity == "dot":
        return np.asarray(left @ right.T)
    order = 2 if similarity == "euclidean" else 1
    distances = [np.linalg.norm(right - row, ord=order, axis=1) for row in left]
    return -np.asarray(distances, np.float32).reshape(len(left), len(right))


def _rows(vectors: np.ndarray) -> np.ndarray:
    """Return vectors as rows, shape (n, dimension), float32."""
    rows = np.asarray(vectors)
    if rows.dtype.kind in "US":
        msg = "similarity compares vectors, not texts; embed them first: space.similarity(space.embed_text([...]), ...)"
        raise TypeError(msg)
    return np.atleast_2d(rows.astype(np.float32, copy=False))


def layer_norm(vectors: np.ndarray) -> np.ndarray:
    """Return rows with mean 0 and variance 1, as a layer norm without weights makes them (Ba et al. 2016)."""
    centered = vectors - vectors.mean(axis=1, keepdims=True)
    normed: np.ndarray = centered / np.sqrt((centered**2).mean(axis=1, keepdims=True) + LAYER_NORM_EPSILON)
    return normed


def merge_batches(
    groups: Mapping[Modality, Sequence[int]], batches: Mapping[Modality, Batch], total: int, dimension: int
) -> Batch:
    """Put the batches of the modalities back into the order of the input.

    Args:
        groups: By modality, the positions in the input of the items of its batch.
        batches: By modality.
        total: Number of items of the input.
        dimension: Of the vectors.
    """
    rows: dict[int, tuple[np.ndarray, str | None, int]] = {}
    failed: dict[int, MediaError] = {}
    for modality, batch in batches.items():
        positions = groups[modality]
        for row, kept in enumerate(batch.kept):
            rows[positions[kept]] = (batch.vectors[row], batch.descriptions[row], batch.dropped[row])
        for error in batch.failed:
            position = positions[error.position or 0]
            failed[position] = error.at(position, total)
    kept_positions = sorted(rows)
    vectors = [rows[i][0] for i in kept_positions]
    return Batch(
        vectors=np.stack(vectors) if vectors else np.zeros((0, dimension), np.float32),
        kept=kept_positions,
        descriptions=[rows[i][1] for i in kept_positions],
        dropped=[rows[i][2] for i in kept_positions],
        failed=[failed[i] for i in sorted(failed)],
    )


def group_by_modality(media: Sequence[Media], find_encoder: Callable[[Modality], object]) -> dict[Modality, list[int]]:
    """Return the positions of media by modality.

    Args:
        media: What is to be embedded.
        find_encoder: Raises UnsupportedModalityError for modalities that the space does not embed; asked for those of
            all media, and of the parts of fused media.

    Raises:
        TypeError: If an item is not media; the message names it by its number.
        UnsupportedModalityError: If the space does not embed an item's modality.
    """
    groups: dict[Modality, list[int]] = {}
    for position, item in enumerate(media):
        if not isinstance(item, Media):
            msg = (
                f"item {position + 1} is {type(item).__name__}, not media: "
                "wrap it in sw.Text, sw.Image, sw.Audio or sw.Video"
            )
            raise TypeError(msg)
        for modality in sorted(item.modalities):
            find_encoder(modality)
        groups.setdefault(item.modality, []).append(position)
    return groups


def check_choices(role: str, on_error: str) -> None:
    """Raise `ValueError` if a role or a way to treat errors is unknown."""
    if role not in ROLES:
        msg = f"role must be one of {', '.join(ROLES)}, not {role!r}"
        raise ValueError(msg)
    check_choice("on_error", on_error)
