"""Files and folders as a Ray Dataset of their paths and bytes, read under a policy."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from senseweave.display import printable
from senseweave.errors import MediaError
from senseweave.extras import require
from senseweave.media import MediaPolicy
from senseweave.media.collecting import is_single
from senseweave.media.forms.inputs import as_source
from senseweave.scale.inputs import PATH, column_values, list_inputs, path_dataset

if TYPE_CHECKING:
    import pyarrow as pa
    from ray.data import Dataset

FILE_PATH: Final = "path"
BYTES: Final = "bytes"
FILES_AT_ONCE: Final = 16
"""Files whose bytes a task holds at a time."""


def file_dataset(given: Any, policy: MediaPolicy, errors: str, task_cpus: float) -> Dataset:
    """Return a dataset of the `path` and `bytes` of files; one that cannot be read has no bytes, and a reason.

    Args:
        given: Paths and URLs of files and folders.
        policy: What may be read.
        errors: Name of the column of reasons.
        task_cpus: Processors of a task that reads.

    Raises:
        TypeError: If it is neither a path nor several.
    """
    paths = [given] if is_single(given) else list(given)
    if wrong := next((path for path in paths if not isinstance(path, str | os.PathLike)), None):
        msg = f"expected a Ray Dataset, or paths and URLs of files and folders, not {type(wrong).__name__}"
        raise TypeError(msg)
    ray = require("ray", extra="ray", feature="senseweave.scale")
    found, failed = list_inputs(paths, policy)
    data = path_dataset(found, ray.cluster_resources().get("CPU", 1.0)) if found else None
    parts = []
    if data is not None:
        read: Any = partial(read_files, policy=policy, errors=errors)
        parts.append(data.map_batches(read, batch_size=FILES_AT_ONCE, batch_format="pyarrow", num_cpus=task_cpus))
    if failed or not parts:
        rows = _table([error.source for error in failed], [None] * len(failed), [str(e) for e in failed], errors)
        parts.append(ray.data.from_arrow(rows))
    return parts[0].union(*parts[1:]) if len(parts) > 1 else parts[0]


def read_files(rows: pa.Table, *, policy: MediaPolicy, errors: str) -> pa.Table:
    """Return the paths, bytes and reasons of files."""
    names = [os.fsdecode(path) for path in column_values(rows, PATH)]
    contents: list[bytes | None] = []
    reasons: list[str | None] = []
    for name in names:
        content, reason = None, None
        try:
            source = as_source(name, policy)
            content = source.read() if source is not None else None
        except MediaError as error:
            reason = str(error)
        contents.append(content)
        reasons.append(reason)
    return _table(names, contents, reasons, errors)


def _table(names: list[str], contents: list[bytes | None], reasons: list[str | None], errors: str) -> pa.Table:
    arrow = require("pyarrow", extra="ray", feature="senseweave.scale")
    return arrow.table(
        {
            FILE_PATH: arrow.array([printable(name) for name in names], arrow.string()),
            BYTES: arrow.array(contents, arrow.large_binary()),
            errors: arrow.array([reason and printable(reason) for reason in reasons], arrow.string()),
        }
    )
