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
from senseweave.media import MODALITIES, Media, MediaPolicy, Modality, Text
from senseweave.media.collecting import as_media
from senseweave.scale.cluster import Concurrency, actor_options, check_devices, check_portable, require_ray
from senseweave.scale.deaths import Watch, start_record
from senseweave.scale.files import BYTES, FILE_PATH, file_dataset
from senseweave.scale.inputs import check_columns, column_names, column_values, is_dataset
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
        column: What is embedded: texts or the bytes of text files; paths, bytes, arrays or whatever else the space
            takes for the modality. None for the only column, or the bytes of files.
        modality: Of the column.
        role: `document` or `query`.
        output: Name of the new column: lists of float32 of one length, null where an item could not be embedded.
        errors: Name of the column of reasons, null where there is a vector.
        on_error: `column` keeps going and says in the column of errors what could not be embedded; `raise` ends.
        concurrency: How many actors hold the model, or the least and the most.
        num_gpus: GPUs of each actor; a fraction lets several share one.
        batch_size: Rows that an actor embeds together.
        policy: What may be read: of files and folders, and where the column holds paths or URLs; the space's if None.

    Raises:
        ImportError: If Ray is not installed.
        TypeError: If the space cannot be sent to other processes, or the input is neither a dataset nor paths.
        ValueError: If the column is not there or its name is taken, the space is loaded on several devices, or an
            argument is impossible.
    """
    check_choice("modality", modality, MODALITIES)
    check_choice("role", role, ROLES)
    check_choice("on_error", on_error, ON_ITEM_ERROR)
    require_ray("senseweave.scale.embed")
    if output == errors:
        msg = f"output and errors are two columns and cannot both be named {output!r}"
        raise ValueError(msg)
    loaded = load(space) if isinstance(space, str) else space
    loaded.encoder(modality)
    check_devices([loaded])
    check_portable([loaded])
    options, task_cpus = actor_options(concurrency, num_gpus, batch_size)
    chosen_policy = policy or loaded.policy
    if is_dataset(dataset):
        given: Any = dataset
        chosen = _chosen_column(given, column, (output, errors))
    else:
        given = file_dataset(dataset, chosen_policy, errors, task_cpus)
        chosen = _file_column(column, (output, errors))
    settings = {"space": loaded, "column": chosen, "modality": modality, "role": role, "output": output}
    settings |= {"errors": errors, "on_error": on_error, "policy": chosen_policy, "record": start_record()}
    embedded: Dataset = given.map_batches(Embedder, fn_constructor_kwargs=settings, batch_format="pyarrow", **options)
    return embedded


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
        record: Any,
    ) -> None:
        """Load the model; the arguments are those of `embed`, and the actor that counts the deaths of processes."""
        self._space = space
        self._column = column
        self._modality: Modality = modality
        self._role: Role = role
        self._names = output, errors
        self._on_error = on_error
        self._policy = policy
        self._record = record
        space.load(modality)

    def __call__(self, rows: pa.Table) -> pa.Table:
        """Return rows with their vectors and errors."""
        watch = Watch(self._record, rows)
        if watch.is_repeated:
            arrow = require("pyarrow", extra="ray", feature="senseweave.scale")
            done = arrow.concat_tables([self._embed_alone(rows.slice(at, 1), watch, at) for at in range(rows.num_rows)])
        else:
            done = self._embed(rows)
        watch.end()
        return done

    def _embed_alone(self, row: pa.Table, watch: Watch, at: int) -> pa.Table:
        """Return a row with its vector and error, unless it has ended too many processes."""
        if (reason := watch.reach(at)) is None:
            return self._embed(row)
        if self._on_error == "raise":
            raise MediaError(self._column, reason)
        none = np.zeros((0, self._space.dimension), np.float32)
        return with_vectors(row, self._names, none, [], [reason], self._space.dimension)

    def _embed(self, rows: pa.Table) -> pa.Table:
        media: list[Media] = []
        positions: list[int] = []
        reasons: list[str | None] = [None] * rows.num_rows
        if self._names[1] in rows.column_names:  # of files: those that could not be read say so there
            reasons = rows[self._names[1]].to_pylist()
            rows = rows.drop_columns([self._names[1]])
        for position, value in enumerate(column_values(rows, self._column)):
            if (reason := reasons[position]) is not None:
                if self._on_error == "raise":
                    raise MediaError(*reason.split(": ", 1))
                continue
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
        if self._modality == "text" and isinstance(value, bytes | bytearray | memoryview):
            return Text.open(bytes(value), policy=self._policy)
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


def _chosen_column(data: Dataset, column: str | None, added: tuple[str, str]) -> str:
    """Return the column of a dataset that is embedded, after checking that it is there and the new names are free."""
    names = column_names(data)
    if column is None:
        column = names[0] if names is not None and len(names) == 1 else BYTES
    check_columns(data, [column])
    _check_free(names or [], added)
    return column


def _file_column(column: str | None, added: tuple[str, str]) -> str:
    """Return the column of files that is embedded."""
    if column not in (None, FILE_PATH, BYTES):
        msg = f"files have no column {column!r}; they have: {FILE_PATH}, {BYTES}"
        raise ValueError(msg)
    _check_free([FILE_PATH, BYTES], added)
    return column or BYTES


def _check_free(names: Iterable[str], added: tuple[str, str]) -> None:
    for name in added:
        if name in names:
            msg = f"the dataset has a column {name!r} already; choose other names by output= and errors="
            raise ValueError(msg)
