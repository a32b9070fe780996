"""Rows of a Ray Dataset as inputs: files and folders, columns of bytes, paths, URLs or texts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from senseweave.errors import MediaError
from senseweave.extras import require
from senseweave.media import Image, Media, MediaPolicy, Modality, Text
from senseweave.media.collecting import MEDIA_CLASSES, input_sources
from senseweave.media.forms.inputs import undecoded
from senseweave.media.forms.objects import DecodedSource
from senseweave.media.forms.remote import RemoteSource
from senseweave.media.forms.source import BytesSource, FileSource
from senseweave.redaction import without_credentials

if TYPE_CHECKING:
    import pyarrow as pa
    from ray.data import Dataset

PATH = "senseweave_path"
"""Column of files in a dataset that is made of paths: bytes, since names need not be Unicode."""
LEAST_BLOCKS, FILES_A_BLOCK, MOST_BLOCKS = 4, 64, 5000
"""How files are dealt: blocks for each processor, files in each, and blocks at most."""


@dataclass(frozen=True)
class Columns:
    """Which columns of a dataset hold what.

    Attributes:
        content: Paths, URLs, bytes, arrays or, for texts, the words.
        modality: Of the content; None detects it, and takes strings for paths and URLs.
        source: What a row is filed under that is not a path or URL; None for a label made of the content.
        metadata: Values that are kept with every record.
    """

    content: tuple[str, ...]
    modality: Modality | None = None
    source: str | None = None
    metadata: tuple[str, ...] = ()

    def inputs(self, rows: pa.Table, policy: MediaPolicy) -> Iterator[tuple[Any, dict[str, Any]] | MediaError]:
        """Yield what `Index.add` takes for each row with its metadata; in place of what it cannot take, the error."""
        columns = {name: column_values(rows, name) for name in (*self.content, *self.metadata)}
        sources = column_values(rows, self.source) if self.source is not None else [None] * rows.num_rows
        for at, source in enumerate(sources):
            own = {name: value for name in self.metadata if (value := _plain(columns[name][at])) is not None}
            for name in self.content:
                value = columns[name][at]
                if value is None:  # a sample without this part
                    continue
                label = _label(source)
                if label is not None and len(self.content) > 1:
                    label = f"{label}.{name}"
                try:
                    yield self._input(value, label, policy), own
                except (MediaError, TypeError) as error:
                    reason = error.reason if isinstance(error, MediaError) else str(error)
                    yield MediaError(label or name, reason)

    def _input(self, value: Any, source: str | None, policy: MediaPolicy) -> Any:
        if isinstance(value, Mapping):  # media of the datasets library
            encoded = undecoded(value)
            source, value = source or value.get("path"), value if encoded is None else encoded
        if self.modality == "text" and isinstance(value, str):
            return Text(value, source=source)
        if isinstance(value, bytes | bytearray | memoryview):
            data = BytesSource(bytes(value), policy, name=source)
            if self.modality is None:
                return data
            made = Text.open if self.modality == "text" else MEDIA_CLASSES[self.modality]
            return made(data, policy=policy)
        if isinstance(value, str):
            return value
        if type(value).__module__.startswith("PIL.") and self.modality in (None, "image"):
            return Image(DecodedSource(value, "image", source), policy=policy)
        if self.modality is not None and self.modality != "text":
            return MEDIA_CLASSES[self.modality](DecodedSource(value, self.modality, source), policy=policy)
        expected = "a path, a URL or bytes, or with modality= a text or an array"
        raise MediaError(source or type(value).__name__, f"is {type(value).__name__}; expected {expected}")


def column_values(rows: pa.Table, name: str) -> Sequence[Any]:
    """Return the values of a column, tensors as arrays."""
    values: Any = rows[name]
    if isinstance(values.type, require("pyarrow", extra="ray", feature="senseweave.scale").BaseExtensionType):
        from ray.data.block import BlockAccessor

        return list(BlockAccessor.for_block(rows).to_numpy(name))
    listed: list[Any] = values.to_pylist()
    return listed


def path_dataset(paths: Sequence[str], processors: float) -> Dataset:
    """Return a dataset of paths and URLs in the column `PATH`."""
    data = require("ray.data", extra="ray", feature="senseweave.scale")
    blocks = min(len(paths), max(int(LEAST_BLOCKS * max(processors, 1)), len(paths) // FILES_A_BLOCK), MOST_BLOCKS)
    made: Dataset = data.from_items([{PATH: os.fsencode(path)} for path in paths], override_num_blocks=max(blocks, 1))
    return made


def list_inputs(given: Any, policy: MediaPolicy) -> tuple[list[str], list[MediaError]]:
    """Return the files in files, folders and places of object stores, and what cannot be listed.

    Args:
        given: Paths and URLs. A URL that fsspec reads may be a folder, whose files are listed.
        policy: What may be read.
    """
    paths: list[str] = []
    failed: list[MediaError] = []
    for source in input_sources(given, policy=policy):
        if isinstance(source, FileSource):
            paths.append(os.path.abspath(source.path))
        elif isinstance(source, RemoteSource):
            try:
                paths += _listed(source.url, policy)
            except MediaError as error:
                failed.append(error)
        elif isinstance(source, MediaError):
            failed.append(source)
        else:
            name = source.source if isinstance(source, Media) else source.name
            reason = "is not a path or URL; put media into a Ray Dataset, or add them with Index.add"
            raise MediaError(name, reason)
    return paths, failed


def check_columns(data: Dataset, names: Iterable[str]) -> None:
    """Check that a dataset has some columns; one without rows may not say which it has.

    Raises:
        ValueError: If it has not; the message names those that it has.
    """
    there = column_names(data)
    for name in names:
        if there is not None and name not in there:
            msg = f"the dataset has no column {name!r}; it has: {', '.join(there)}"
            raise ValueError(msg)


def column_names(data: Dataset) -> list[str] | None:
    """Return the names of the columns of a dataset, or None where there is no row to tell."""
    schema = data.schema()
    return list(schema.names) if schema is not None else None


def is_dataset(given: Any) -> bool:
    """Return whether something is a Ray Dataset."""
    return isinstance(given, require("ray.data", extra="ray", feature="senseweave.scale").Dataset)


def _listed(url: str, policy: MediaPolicy) -> Iterable[str]:
    """Return the URLs below a URL, or itself if it is a file or a web page.

    Raises:
        MediaError: If it cannot be listed.
    """
    scheme = url.partition("://")[0].lower()
    if scheme in ("http", "https") or scheme not in policy.filesystems:
        return [url]  # read, or refused, by the policy like any other
    fsspec = require("fsspec", extra="ray", feature=f"reading {scheme} URLs")
    try:
        filesystem, path = fsspec.core.url_to_fs(url)
        if not filesystem.isdir(path):
            return [url]
        return [str(filesystem.unstrip_protocol(name)) for name in sorted(filesystem.find(path))]
    except Exception as error:  # every filesystem has its own errors
        raise MediaError(without_credentials(url), f"cannot be listed ({type(error).__name__})") from None


def _label(source: Any) -> str | None:
    """Return what a row is filed under, or None if its source is missing."""
    if source is None or source != source:  # NaN stands for a missing value where pandas made the column
        return None
    return source.decode("utf-8", "replace") if isinstance(source, bytes) else str(source)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
