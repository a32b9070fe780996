"""Index on a Ray cluster: tasks read and decode, actors embed, and this process writes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from senseweave.errors import MediaError
from senseweave.extras import require
from senseweave.media import MODALITIES, MediaPolicy, Modality
from senseweave.media.forms.source import Pages
from senseweave.media.kinds.picture_text import Ocr
from senseweave.retrieval.index import Index
from senseweave.retrieval.report import Report
from senseweave.retrieval.stores.addresses import is_address
from senseweave.scale.actors import ChunkEmbedder
from senseweave.scale.cluster import Concurrency, actor_options, check_devices, check_portable, require_ray
from senseweave.scale.deaths import start_record
from senseweave.scale.inputs import Columns, check_columns, is_dataset, list_inputs, path_dataset
from senseweave.scale.known import read_known
from senseweave.scale.reading import Job, read_rows
from senseweave.scale.writing import EmbeddedIngest
from senseweave.spaces.space import Space
from senseweave.stores import connect

if TYPE_CHECKING:
    from ray.data import Dataset


def index(
    data: Dataset | str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    into: Any,
    space: str | Space | Sequence[str | Space] | None = None,
    *,
    column: str | Sequence[str] | None = None,
    modality: Modality | None = None,
    source: str | None = None,
    metadata: Sequence[str] = (),
    concurrency: Concurrency = 1,
    num_gpus: float = 0.0,
    batch_size: int = 128,
    failures: str | os.PathLike[str] | None = "failures.parquet",
    policy: MediaPolicy | None = None,
    encoding: str | None = None,
    ocr: Ocr | None = None,
    pages: Pages = "separate",
    overlap: float = 0.0,
    characters: int | None = None,
    character_overlap: int = 0,
) -> Report:
    """Index files, places of object stores or a Ray Dataset on a Ray cluster; records are those of `Index.add`.

    What the index holds already is not embedded again, so that the same call completes what an earlier call began.
    This process is the only writer, and holds the writing lock of the index until the end; it may be killed and the
    call made again. A task or an actor that dies is run again by Ray.

    Args:
        data: Files and folders that every node sees under the same path, URLs of files and folders that fsspec reads
            (where the policy allows the scheme), or a Ray Dataset with a `column`.
        into: The index, or the place of an index as `senseweave.Index` takes it: a folder, a client or a store, or
            the address of a server that `senseweave.stores.connect` opens.
        space: Of a new index; None for what the index was created with, or `starter`.
        column: Of a dataset: what is indexed. Several, such as `["jpg", "txt"]` of WebDataset, are indexed each by
            itself; a null is passed over. None for `bytes`.
        modality: Of the column. None detects it from bytes, and takes a string for a path or URL; with `text` a string
            is the text itself.
        source: Of a dataset: the column that says what a row is filed under, such as `path` or `__key__`; with several
            columns followed by a point and the column's name. What the index reads from paths and URLs in the column
            is filed under these.
        metadata: Of a dataset: columns whose values are kept with the records.
        concurrency: How many actors hold the models, or the least and the most.
        num_gpus: GPUs of each actor; a fraction lets several share one.
        batch_size: Chunks that an actor embeds together.
        failures: Parquet file for the inputs that could not be indexed, written at the end; None for none.
        policy: What may be read; the index's own policy if None.
        encoding: As in `Index.add`, like `ocr`, `pages`, `overlap`, `characters` and `character_overlap`.
        ocr: In which pictures writing is read; None for the index's own choice.
        pages: What is kept of pages of a PDF.
        overlap: Seconds that neighbouring windows of audio and video share.
        characters: Most characters per passage of text.
        character_overlap: Characters that neighbouring passages share, at most.

    Returns:
        Counts of records and the list of failures, which raise nothing.

    Raises:
        ImportError: If Ray is not installed.
        StoreError: If another process writes for longer than the index's lock timeout.
        TypeError: If a space cannot be sent to other processes.
        ValueError: If a space is loaded on several devices, or an argument is impossible, such as a file of failures
            that cannot be written.
    """
    ray = require_ray("senseweave.scale.index")
    if isinstance(into, Index) and space is not None:
        msg = "space= is for an index that this call opens; an open Index has its spaces: Index(..., spaces=[...])"
        raise ValueError(msg)
    if failures is not None:
        _check_failures_file(failures)
    columns = _columns(data, column, modality, source, metadata)
    if isinstance(into, Index):
        check_devices(into.spaces.values())  # before Ray is started
    options, task_cpus = actor_options(concurrency, num_gpus, batch_size)
    with ExitStack() as stack:
        opened = into if isinstance(into, Index) else stack.enter_context(_opened(into, space, policy))
        chosen = policy or opened.policy
        reading: dict[str, Any] = {
            "encoding": encoding,
            "ocr": opened._ocr if ocr is None else ocr,
            "pages": pages,
            "overlap": overlap,
            "characters": characters,
            "character_overlap": character_overlap,
        }
        spaces, store = opened.spaces, opened._store
        check_devices(spaces.values())
        check_portable(spaces.values())
        with store.writing():
            ingest = EmbeddedIngest(store, spaces, policy=chosen, on_error="skip", **reading)
            if columns is None:
                paths, ingest.report.failed = list_inputs(data, chosen)
                rows: Any = path_dataset(paths, ray.cluster_resources().get("CPU", 1.0)) if paths else None
            else:
                rows = data
            fingerprints = tuple(loaded.fingerprint for loaded in spaces.values())
            record = start_record()
            job = ray.put(
                Job(tuple(spaces.values()), chosen, read_known(store), columns, reading, fingerprints, record)
            )
            try:
                report = ingest.take(_embedded(rows, job, options, task_cpus) if rows is not None else ())
            finally:
                opened._calibration.renew()
    if failures is not None:
        write_failures(report.failed, Path(failures))
    return report


def _check_failures_file(place: str | os.PathLike[str]) -> None:
    """Check before anything is read that failures can be written at the end.

    Raises:
        ValueError: If they cannot.
    """
    path = Path(place)
    reason = None
    if "://" in os.fspath(place):
        reason = "is a URL; name a local file, or None for none"
    elif path.is_dir():
        reason = "is a folder; name a file in it"
    elif not path.absolute().parent.is_dir():
        reason = "is in a folder that does not exist"
    elif not os.access(path.absolute().parent, os.W_OK):
        reason = "is in a folder that cannot be written to"
    if reason is not None:
        msg = f"failures={os.fspath(place)!r} {reason}"
        raise ValueError(msg)


def write_failures(failed: Sequence[MediaError], path: Path) -> None:
    """Write failures to a Parquet file with the columns `source`, `reason` and `kind`, replacing it as a whole."""
    arrow = require("pyarrow", extra="ray", feature="senseweave.scale.index")
    parquet = require("pyarrow.parquet", extra="ray", feature="senseweave.scale.index")
    names = arrow.schema([("source", arrow.string()), ("reason", arrow.string()), ("kind", arrow.string())])
    rows = [
        {"source": _readable(error.source), "reason": _readable(error.reason), "kind": type(error).__name__}
        for error in failed
    ]
    partial = path.with_name(f"{path.name}.partial")
    parquet.write_table(arrow.Table.from_pylist(rows, schema=names), partial)
    os.replace(partial, path)


@contextmanager
def _opened(place: Any, spaces: Any, policy: MediaPolicy | None) -> Iterator[Index]:
    """Give the index in a folder, a client, a store or the store at an address for the duration of a block."""
    with ExitStack() as stack:
        if isinstance(place, str) and is_address(place):
            place = stack.enter_context(closing(connect(place)))
        yield stack.enter_context(Index(place, spaces=spaces, policy=policy))


def _embedded(rows: Any, job: Any, options: dict[str, Any], task_cpus: float) -> Iterable[Any]:
    """Return tables of chunks with their vectors; Ray holds reading back while they are not taken."""
    read = rows.map_batches(
        read_rows,
        fn_kwargs={"job": job},
        batch_size=None,
        batch_format="pyarrow",
        num_cpus=task_cpus,
    )
    embedded = read.map_batches(ChunkEmbedder, fn_constructor_args=(job,), batch_format="pyarrow", **options)
    batches: Iterable[Any] = embedded.iter_batches(batch_size=None, batch_format="pyarrow")
    return batches


def _columns(
    data: Any,
    column: str | Sequence[str] | None,
    modality: Modality | None,
    source: str | None,
    metadata: Sequence[str],
) -> Columns | None:
    """Return which columns of a dataset hold what; None for paths.

    Raises:
        ValueError: If a column is not there, or columns are named for paths.
    """
    if isinstance(metadata, str):
        msg = f"metadata must be a list of columns, not the string {metadata!r}"
        raise ValueError(msg)
    if modality is not None and modality not in MODALITIES:
        msg = f"{modality!r} is not a modality; the modalities are {', '.join(MODALITIES)}"
        raise ValueError(msg)
    if not is_dataset(data):
        if column is not None or source is not None or metadata or modality is not None:
            msg = "column, modality, source and metadata are for a Ray Dataset, and paths were given"
            raise ValueError(msg)
        return None
    content = ("bytes",) if column is None else (column,) if isinstance(column, str) else tuple(dict.fromkeys(column))
    if not content:
        msg = "column=[] names no column of the dataset; name at least one"
        raise ValueError(msg)
    check_columns(data, (*content, *metadata, *([source] if source is not None else ())))
    return Columns(content, modality, source, tuple(metadata))


def _readable(text: str) -> str:
    """Return a text that can be written as UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()
