"""Check and read the files of a Chroma vector segment (an HNSW graph) without trusting them.

Chroma loads these files in native code that follows whatever links they hold: a scribbled byte ends the process. The
layout is that of hnswlib as Chroma 1.x writes it. This module needs NumPy alone, so that it also runs in a child.
"""

from __future__ import annotations

import io
import pickle
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

IDS: Final = "index_metadata.pickle"
"""The file that maps record ids to labels; Chroma writes it last, when the graph is first saved."""
FILES: Final = ("header.bin", "data_level0.bin", "length.bin", "link_lists.bin", IDS)
"""The files of a saved vector segment."""
HEADER: Final = struct.Struct("<i6QiI3QdQ")
MAXIMUM_LINKS: Final = 1 << 14
"""Largest plausible number of neighbors of a record; hnswlib keeps their count in 16 bits."""

LENGTH_TOLERANCE: Final = 5e-6
"""How far the length of a vector may be from 1 in a graph of cosines; Chroma's are within 3e-7."""


class DamageError(Exception):
    """A file of a vector segment is missing, cut off or scribbled; the message says which."""


class UnreadableError(DamageError):
    """The database cannot be read at all, so that nothing can be rebuilt from it."""


@dataclass(frozen=True)
class Graph:
    """The header of an HNSW graph.

    Attributes:
        capacity: Number of records for which there is room.
        count: Number of records, deleted ones included.
        size: Bytes of a record in `data_level0.bin`: its links, its vector and its label.
        label_at: Where the label begins in these bytes.
        vector_at: Where the vector begins.
        top: Highest level of the graph, -1 where it is empty.
        entry: Position of the record at which searches begin.
        links: Most neighbors of a record on a level above the lowest.
        lowest_links: Most neighbors on the lowest level.
    """

    capacity: int
    count: int
    size: int
    label_at: int
    vector_at: int
    top: int
    entry: int
    links: int
    lowest_links: int

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return (self.label_at - self.vector_at) // 4

    @property
    def rows(self) -> np.dtype[Any]:
        """The layout of a record on the lowest level."""
        return np.dtype(
            [
                ("neighbors", "<u2"),
                ("flags", "<u2"),
                ("links", "<u4", (self.lowest_links,)),
                ("vector", "<f4", (self.dimension,)),
                ("label", "<u8"),
            ]
        )


def read_header(folder: Path) -> Graph:
    """Return the header of a segment's graph.

    Raises:
        DamageError: If it is missing, or its values contradict each other.
    """
    data = _read(folder, "header.bin")
    if len(data) != HEADER.size:
        msg = f"header.bin has {len(data)} bytes instead of {HEADER.size}"
        raise DamageError(msg)
    version, offset, capacity, count, size, label_at, vector_at, top, entry, links, lowest, again, _, _ = HEADER.unpack(
        data
    )
    graph = Graph(capacity, count, size, label_at, vector_at, top, entry, links, lowest)
    possible = (
        version == 1
        and offset == 0
        and count <= capacity < 1 << 32
        and 0 < links <= MAXIMUM_LINKS
        and lowest == 2 * links
        and again == links
        and vector_at == 4 + 4 * lowest
        and label_at > vector_at
        and (label_at - vector_at) % 4 == 0
        and size == label_at + 8
        and ((count == 0) if top < 0 else (top < 64 and entry < count))
    )
    if not possible:
        msg = "header.bin holds impossible values"
        raise DamageError(msg)
    return graph


def check_graph(folder: Path, dimension: int | None = None, *, cosine: bool = True) -> Graph:
    """Return the header of a segment's graph, after checking that every link leads to a record.

    Args:
        folder: Of the segment.
        dimension: Length that its vectors should have; None where it is not known.
        cosine: Whether the graph is one of cosines: then vectors have length 1, and their lengths are kept beside.

    Raises:
        DamageError: If a file is missing or cut off, or a link leads nowhere.
    """
    graph = read_header(folder)
    if dimension is not None and graph.dimension != dimension:
        msg = f"header.bin says vectors of {graph.dimension} dimensions, the database says {dimension}"
        raise DamageError(msg)
    rows = _rows(folder, graph)
    _check_links("data_level0.bin", rows["neighbors"], rows["links"], graph.count)
    if len(np.unique(rows["label"])) != graph.count:
        msg = "data_level0.bin holds a label twice"
        raise DamageError(msg)
    if graph.count:
        if cosine:
            _lengths(folder, graph)
        _check_upper_levels(folder, graph)
    return graph


def read_ids(folder: Path) -> dict[str, int]:
    """Return the label of each record id; a pickle that asks for any code is refused, not run.

    Raises:
        DamageError: If the file is missing, cut off, or holds anything else.
    """
    try:
        values = _PlainUnpickler(io.BytesIO(_read(folder, IDS))).load()
        labels = values["id_to_label"]
        if all(type(name) is str and type(label) is int for name, label in labels.items()):
            return dict(labels)
    except DamageError:
        raise
    except Exception as error:
        msg = f"{IDS} cannot be read ({type(error).__name__})"
        raise DamageError(msg) from error
    msg = f"{IDS} does not map ids to labels"
    raise DamageError(msg)


def read_vectors(folder: Path, dimension: int | None = None, *, cosine: bool = True) -> tuple[list[str], np.ndarray]:
    """Return the ids of a segment's records and their vectors as they were written, shape (n, dimension), float32.

    Links are not followed, and may be damaged. Left out are records that the file does not hold, and vectors of cosines
    that do not have length 1 in it.

    Raises:
        DamageError: If the vectors cannot be read.
    """
    graph = read_header(folder)
    if dimension is not None and graph.dimension != dimension:
        msg = f"header.bin says vectors of {graph.dimension} dimensions, the database says {dimension}"
        raise DamageError(msg)
    rows = _rows(folder, graph)
    ids = read_ids(folder)
    known, positions = _positions(rows, ids)
    names = [name for name, there in zip(ids, known, strict=True) if there]
    vectors = rows["vector"][positions]
    if not cosine:
        return names, vectors
    with np.errstate(all="ignore"):  # whatever the scribbled bytes are as numbers
        norms = np.linalg.norm(vectors, axis=1)
        sound = (abs(norms - 1) < LENGTH_TOLERANCE) | (norms == 0)
        vectors = vectors[sound] * _lengths(folder, graph)[positions[sound], None]
    return [name for name, kept in zip(names, sound, strict=True) if kept], vectors


def check_ids(folder: Path, graph: Graph) -> None:
    """Check that a segment's graph holds a record for each id.

    Raises:
        DamageError: If it does not, or the ids cannot be read.
    """
    known, _ = _positions(_rows(folder, graph), read_ids(folder))
    if not known.all():
        msg = f"{IDS} names {(~known).sum()} records that data_level0.bin does not hold"
        raise DamageError(msg)


class _PlainUnpickler(pickle.Unpickler):
    """Reads dicts, strings and numbers: without classes and functions a pickle can run nothing."""

    def find_class(self, module: str, name: str) -> Any:
        msg = f"{IDS} asks for {module}.{name}, which is not run"
        raise DamageError(msg)


def _lengths(folder: Path, graph: Graph) -> np.ndarray:
    """Return the length that each vector of a graph of cosines had when it was written.

    Raises:
        DamageError: If a length is missing, or impossible.
    """
    data = _read(folder, "length.bin")
    if len(data) < 4 * graph.count:
        msg = f"length.bin has {len(data)} bytes instead of {4 * graph.count}"
        raise DamageError(msg)
    lengths = np.frombuffer(data, "<f4", graph.count)
    if not np.isfinite(lengths).all() or (lengths < 0).any():
        msg = "length.bin holds impossible lengths"
        raise DamageError(msg)
    return lengths


def _check_upper_levels(folder: Path, graph: Graph) -> None:
    """Check the links above the lowest level, which only some records have.

    Raises:
        DamageError: If one leads nowhere, or to a record that is not on that level.
    """
    data, block, at = _read(folder, "link_lists.bin"), 4 + 4 * graph.links, 0
    levels = np.zeros(graph.count, np.int64)
    lists: list[bytes] = []
    for record in range(graph.count):
        (size,) = struct.unpack_from("<I", data, at) if at + 4 <= len(data) else (1,)
        at += 4
        if size % block or at + size > len(data):
            msg = "link_lists.bin is cut off or scribbled"
            raise DamageError(msg)
        if size:
            levels[record] = size // block
            lists.append(data[at : at + size])
            at += size
    if levels.max() != graph.top or levels[graph.entry] != graph.top:
        msg = "link_lists.bin does not fit header.bin"
        raise DamageError(msg)
    layout = np.dtype([("neighbors", "<u2"), ("flags", "<u2"), ("links", "<u4", (graph.links,))])
    blocks = np.frombuffer(b"".join(lists), layout)
    _check_links("link_lists.bin", blocks["neighbors"], blocks["links"], graph.count)
    owners = np.repeat(np.arange(graph.count), levels)
    level = np.arange(len(blocks)) - (np.cumsum(levels) - levels)[owners] + 1
    used = np.arange(graph.links) < blocks["neighbors"][:, None]
    if (levels[blocks["links"][used]] < np.broadcast_to(level[:, None], used.shape)[used]).any():
        msg = "link_lists.bin links a record on a level that it is not on"
        raise DamageError(msg)


def _check_links(file: str, counts: np.ndarray, links: np.ndarray, records: int) -> None:
    used = np.arange(links.shape[1]) < counts[:, None]
    if (counts > links.shape[1]).any() or (links[used] >= records).any():
        msg = f"{file} holds links to records that do not exist"
        raise DamageError(msg)


def _positions(rows: np.ndarray, ids: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return for each id whether its label is in some rows, once, and the positions of those that are."""
    labels = np.fromiter(ids.values(), np.int64, len(ids))
    there = rows["label"].astype(np.int64)
    order = np.argsort(there, kind="stable")
    first = np.searchsorted(there[order], labels)
    known = np.searchsorted(there[order], labels, side="right") == first + 1  # twice is as bad as never
    return known, order[first[known]]


def _rows(folder: Path, graph: Graph) -> np.ndarray:
    path = folder / "data_level0.bin"
    size = path.stat().st_size if path.is_file() else -1
    if size < graph.count * graph.size:
        found = "is missing" if size < 0 else f"has {size} bytes instead of {graph.count * graph.size}"
        msg = f"data_level0.bin {found}"
        raise DamageError(msg)
    if not graph.count:
        return np.zeros(0, graph.rows)
    return np.memmap(path, graph.rows, mode="r", shape=(graph.count,))


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError:
        msg = f"{name} is missing"
    except OSError as error:
        msg = f"{name} cannot be read ({error.strerror})"
    raise DamageError(msg)
