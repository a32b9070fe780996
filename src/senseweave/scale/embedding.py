"""Vectors for a column of a Ray Dataset; actors hold the model once."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from senseweave.arguments import check_choice
from senseweave.encoders.base import ROLES, Role
from senseweave.errors import MediaError
from senseweave.extras import require
from senseweave.media import MODALITIES, Media, MediaPolicy, Modality
from senseweave.media.collecting import as_media
from senseweave.scale.cluster import Concurrency, actor_options, require_ray
from senseweave.scale.inputs import column_values, input_dataset
from senseweave.spaces.loading import load
from senseweave.spaces.space import Space

if TYPE_CHECKING:
    import pyarrow as pa
    from ray.data import Dataset

OnItemError = Literal["column", "raise"]
ON_ITEM_ERROR: Final = ("column", "raise")


def embed(
    dataset: Dataset | str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    space: str | Space,
    *,
    column: str | None = None,
    modality: Modality = "text",
    role: Role = "document",
    output: str = "vector",
    errors: str = "error",
    on_error: OnItemError = "column",
    concurrency: Concurrency = 1,
    num_gpus: float = 0.0,
    batch_size: int = 256,
    policy: MediaPolicy | None = None,
) -> Dataset:
    """Return a Ray Dataset with a vector for each row, as `space.embed_text` and its siblings give it in one process.

    Vectors are computed when the result is read: write it with `write_parquet`, or iterate over it.

    Args:
        dataset: A Ray Dataset; or files and folders, which become one with the columns `path` and `bytes`.
        space: The name of a model, or a loaded space; each actor loads it once.
        column: What is embedded: texts, paths, bytes, arrays or whatever else the space takes for the modality. None
            for the only column, or the bytes of files.
        modality: Of the column.
        role: `document` or `query`.
        output: Name of the new column: lists of float32 of one length, null where an item could not be embedded.
        errors: Name of the column of reasons, null where there is a vector.
        on_error: `column` keeps going and says in the column of errors what could not be embedded; `raise` ends.
        concurrency: How many actors hold the model, or the least and the most.
        num_gpus: GPUs of each actor; a fraction lets several share one.
        batch_size: Rows that an actor embeds together.
        policy: What may be read where the column holds paths or URLs.

    Raises:
        ImportError: If Ray is not installed.
        ValueError: If the column is not there or its name is taken, or an argument is impossible.
    """
    check_choice("modality", modality, MODALITIES)
    check_choice("role", role, ROLES)
    check_choice("on_error", on_error, ON_ITEM_ERROR)
    require_ray("senseweave.scale.embed")
    loaded = load(space) if isinstance(space, str) else space
    loaded.encoder(modality)
    options, task_cpus = actor_options(concurrency, num_gpus, batch_size)
    given = input_dataset(dataset, task_cpus)
    names = given.schema().names
    chosen = _chosen_column(names, column)
    for name in (output, errors):
        if name in names:
            msg = f"the dataset has a column {name!r} already; choose other names by output= and errors="
            raise ValueError(msg)
    settings = {"space": loaded, "column": chosen, "modality": modality, "role": role, "output": output}
    settings |= {"errors": errors, "on_error": on_error, "policy": policy or loaded.policy}
    return given.map_batches(Embedder, fn_constructor_kwargs=settings, batch_format="pyarrow", **options)


class Embedder:
    """Embeds batches of rows in a process of Ray that holds the model."""

    def __init__(
        self,
        space: Space,
        column: str,
        modality: Modality,
        role: Role,
        output: str,
        errors: str,
        on_error: OnItemError,
        policy: MediaPolicy,
    ) -> None:
        """Load the model; the arguments are those of `embed`."""
        self._space = space
        self._column = column
        self._modality: Modality = modality
        self._role: Role = role
        self._names = output, errors
        self._on_error = on_error
        self._policy = policy
        space.load(modality)

    def __call__(self, rows: pa.Table) -> pa.Table:
        """Return rows with their vectors and errors."""
        media: list[Media] = []
        positions: list[int] = []
        reasons: list[str | None] = [None] * rows.num_rows
        for position, value in enumerate(column_values(rows, self._column)):
            try:
                media.append(self._media(value))
                positions.append(position)
            except (MediaError, TypeError) as error:
                if self._on_error == "raise":
                    raise
                reasons[position] = str(error)
        batch = self._space.encode(media, role=self._role, on_error="raise" if self._on_error == "raise" else "skip")
        for failure in batch.failed:
            reasons[positions[failure.position or 0]] = f"{failure.source}: {failure.reason}"
        at = [positions[kept] for kept in batch.kept]
        return with_vectors(rows, self._names, batch.vectors, at, reasons, self._space.dimension)

    def _media(self, value: Any) -> Media:
        if value is None:
            raise MediaError(self._column, "is null: there is nothing to embed")
        return as_media(self._modality, value, self._policy)


def with_vectors(
    rows: pa.Table,
    names: tuple[str, str],
    vectors: np.ndarray,
    positions: list[int],
    reasons: list[str | None],
    dimension: int,
) -> pa.Table:
    """Return rows with a column of vectors and a column of errors.

    Args:
        rows: The rows.
        names: Of the two columns.
        vectors: Shape (len(positions), dimension), float32.
        positions: The row of each vector.
        reasons: By row, why there is no vector, or None.
        dimension: Of the vectors.
    """
    arrow = require("pyarrow", extra="ray", feature="senseweave.scale")
    full = np.zeros((rows.num_rows, dimension), np.float32)
    full[positions] = vectors
    missing = np.ones(rows.num_rows, bool)
    missing[positions] = False
    column = arrow.FixedSizeListArray.from_arrays(arrow.array(full.ravel()), dimension, mask=arrow.array(missing))
    return rows.append_column(names[0], column).append_column(names[1], arrow.array(reasons, arrow.string()))


def _chosen_column(names: list[str], column: str | None) -> str:
    if column is None:
        column = names[0] if len(names) == 1 else "bytes"
    if column not in names:
        msg = f"the dataset has no column {column!r}; it has: {', '.join(names)}"
        raise ValueError(msg)
    return column
