"""What an index holds, compared with what it should hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import chromadb.api.fastapi
import chromadb.api.rust  # noqa: F401  (what a child needs is imported before it is forked; that starts no thread)
import numpy as np
from figures import Figures
from PIL import Image
from tiny_space import COLOURS, make_space

import senseweave as sw

ROOT: Final = Path(__file__).resolve().parents[2]
State = Counter[tuple[str, ...]]
"""Records as (modality, source, text)."""


def open_index(folder: Path, modalities: Sequence[str] = ("text", "image"), **options: Any) -> sw.Index:
    """Open an index of the small space of the tests."""
    return sw.Index(folder, spaces=[make_space(modalities=modalities)], **options)


def held(index: sw.Index) -> State:
    """Return the records of an index."""
    found: State = Counter()
    for description in index._store.descriptions.values():
        for record in index._store.get(description):
            found[description.modality, str(record.metadata.get("source")), record.text or ""] += 1
    return found


def faults_of_records(index: sw.Index, before: State, after: State) -> tuple[list[str], list[str]]:
    """Compare an index with its states before and after a call that may have been cut off.

    Args:
        index: An open index.
        before: Its state after the last call that was reported as finished.
        after: Its state after the next.

    Returns:
        What is lost: records of both states, and sources of both of which nothing is there. What is doubled: records
        that are there twice, or in neither state.
    """
    now = held(index)
    lost = [str(record) for record in (before & after) if not now[record]]
    sources = {record[:2] for record in now}
    kept = {record[:2] for record in before} & {record[:2] for record in after}
    lost += [str(source) for source in kept - sources]
    doubled = [str(record) for record, number in now.items() if number > 1]
    doubled += [str(record) for record in now if record not in before and record not in after]
    return lost, doubled


def wrong_vectors(index: sw.Index, least: float = 0.999) -> list[str]:
    """Return the texts that a search does not find, and those whose vectors are not those of their words.

    Args:
        index: An open index.
        least: Similarity of a vector to the right one. A flipped sign leaves a vector's length as it is, so that nobody
            can tell a damaged vector from a whole one.
    """
    space = index.spaces["tiny"]
    wrong = []
    for description in index._store.descriptions.values():
        records = list(index._store.get(description, vectors=True)) if description.modality == "text" else []
        texts = [record.text or "" for record in records]
        if texts:
            expected = space.embed_text(texts, role="document")
            stored = np.stack([record.vector for record in records])
            wrong += [texts[i] for i in np.flatnonzero((expected * stored).sum(axis=1) < least)]
        for text in texts[:: len(texts) // 12 + 1]:
            hits = index.search(text, k=3, modalities={"text"})
            if text not in [hit.text for hit in hits]:
                wrong.append(f"not found: {text}")
    return wrong


def checked(index: sw.Index, before: State, after: State) -> dict[str, list[str]]:
    """Return what is lost, doubled or wrong in an index whose last call may have been cut off."""
    lost, doubled = faults_of_records(index, before, after)
    report = index.verify()
    return {"lost": lost, "doubled": doubled, "wrong": wrong_vectors(index) + [str(line) for line in report.problems]}


def count_faults(figures: Figures, faults: dict[str, list[str]], where: str) -> None:
    """Add what `checked` returned to the figures of a step."""
    for kind, found in faults.items():
        figures.count(kind, f"{where}: {found[:2]}", len(found))


def one_line(error: BaseException) -> bool:
    """Return whether an error is senseweave's and one line."""
    return isinstance(error, sw.SenseweaveError) and "\n" not in str(error)


def notes(count: int, first: int = 0) -> list[sw.Text]:
    """Return texts with sources, each with a word of its own."""
    return [sw.Text(f"record number{n} subject{n % 31}", source=f"s{n}") for n in range(first, first + count)]


def write_files(folder: Path, numbers: Iterable[int], version: int = 0) -> list[Path]:
    """Write small files, each tenth of them a picture, and return their paths."""
    folder.mkdir(exist_ok=True)
    written = []
    for number in numbers:
        if number % 10 == 9:
            path = folder / f"picture{number:05}.png"
            picture = Image.new("RGB", (8, 8), tuple(COLOURS.values())[(number // 10 + version) % len(COLOURS)])
            picture.putpixel((0, 0), (number % 256, number // 256, version))
            picture.save(path)
        else:
            path = folder / f"note{number:05}.txt"
            path.write_text(f"file number{number} version{version} subject{number % 37}")
        written.append(path)
    return written
