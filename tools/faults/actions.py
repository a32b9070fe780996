"""What is killed: each action is a few steps on an index, which can be repeated from any of them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import chromadb
from records import make_space, notes, open_index, write_files

import senseweave as sw
from senseweave.media import Text
from senseweave.retrieval.records.conversion import COPY_OF, SUFFIX

Step = Callable[[sw.Index], object]


@dataclass(frozen=True)
class Action:
    """An action that a process carries out until it is killed.

    Attributes:
        name: What it is.
        kills: How many of forty kills it gets.
        prepare: Fills an empty folder with what the action begins with.
        steps: Returns the steps on the index `index` in that folder.
        size: Returns the number of records after the last step.
        damaged: Whether the index is damaged until the last step has ended.
        old: Whether records may be there twice until the last step has ended, as version 0.1 or as converted.
    """

    name: str
    kills: int
    prepare: Callable[[Path], object]
    steps: Callable[[Path], list[Step]]
    size: Callable[[Path], int]
    damaged: bool = False
    old: bool = False


def fill(place: Path, count: int = 1300) -> None:
    """Make an index of texts."""
    with open_index(place / "index") as index:
        index.add(notes(count))


def prepare_adding(place: Path) -> None:
    """Write files, and make an index that holds a few texts."""
    write_files(place / "files", range(1250))
    fill(place, 20)


def adding(place: Path) -> list[Step]:
    """Add files, a few hundred in each call, one call of them larger than what Chroma keeps in its queue."""
    files = sorted((place / "files").iterdir())
    bounds = (0, 100, 1200, 1210, 1250)
    return [lambda index, part=files[a:b]: index.add(part) for a, b in itertools.pairwise(bounds)]


def prepare_replacing(place: Path) -> None:
    """Index a folder of files."""
    write_files(place / "files", range(400))
    with open_index(place / "index") as index:
        index.add(place / "files")
        index.add(notes(20))


def replacing(place: Path) -> list[Step]:
    """Change, remove and write files, and sync the index with their folder."""

    def change(index: sw.Index, version: int) -> None:
        chance = random.Random(version)
        files = place / "files"
        write_files(files, chance.sample(range(400), 120), version)
        write_files(files, range(400 + 20 * version, 420 + 20 * version), version)
        for path in files.iterdir():
            if hash_bucket(path.name, version) == 0:
                path.unlink()
        index.add(files, sync=True)

    return [partial(change, version=version) for version in range(1, 5)]


def hash_bucket(name: str, version: int) -> int:
    """Return a number from 0 to 19 that a name and a version determine in every process."""
    return random.Random(f"{name} {version}").randrange(20)


def deleting(place: Path) -> list[Step]:
    """Delete by source and by condition."""
    del place
    by_source = [
        lambda index, n=n: index.delete(sources=[f"s{i}" for i in range(n, n + 60)]) for n in range(0, 900, 60)
    ]
    by_filter = [
        lambda index, n=n: index.delete(filter={"source": [f"s{i}" for i in range(n, n + 90)]}) for n in (900, 990)
    ]
    return [*by_source, *by_filter]


def calibrating(place: Path) -> list[Step]:
    """Learn from queries and labels, again and again."""
    del place

    def learn(index: sw.Index, turn: int) -> None:
        if turn % 2:
            index.calibrate(labels=[(f"number{n}", f"s{n}") for n in range(turn, turn + 12)])
        else:
            index.calibrate([f"subject{n} number{turn}" for n in range(20)])
        index.search("record number7", k=3, fusion="platt" if turn else None)

    return [partial(learn, turn=turn) for turn in range(8)]


def prepare_repair(place: Path) -> None:
    """Damage the vectors of an index."""
    fill(place)
    (file,) = (place / "index").glob("*/data_level0.bin")
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 3] + bytes(len(data) - len(data) // 3))


def repairing(place: Path) -> list[Step]:
    """Repair the index."""
    del place
    return [lambda index: index.repair()]


def prepare_conversion(place: Path) -> None:
    """Make an index as version 0.1 wrote it: a third of the contents has a second source, in a second collection."""
    space = make_space(modalities=("text", "image"))
    with open_index(place / "index") as index:
        description = index._store.descriptions["tiny", "text"]
    description.format = 1
    client = chromadb.PersistentClient(str(place / "index"))
    client.delete_collection(description.name)
    both = [
        client.create_collection(description.name, metadata=description.to_metadata(), embedding_function=None),
        client.create_collection(
            description.name + SUFFIX, metadata={COPY_OF: description.name}, embedding_function=None
        ),
    ]
    for first in range(0, 1500, 500):
        texts = [f"record number{n} subject{n % 31}" for n in range(first, first + 500)]
        vectors = space.embed_text(texts, role="document")
        for number, collection in enumerate(both):
            rows = [n for n in range(500) if not number or n % 3 == 0]
            collection.add(
                ids=[f"{number}{first + n:031x}" for n in rows],
                embeddings=vectors[rows],
                documents=[texts[n] if not number else f"again{first + n}" for n in rows],
                metadatas=[old_metadata(texts[n], first + n, number, description.fingerprint) for n in rows],
            )
    client.close()


def old_metadata(text: str, n: int, copy: int, fingerprint: str) -> dict[str, object]:
    """Return the metadata of a record of 0.1, or of a further source of its content."""
    source = f"again{n}" if copy else f"s{n}"
    values = {"modality": "text", "source": source, "sha256": Text(text).sha256, "mime_type": "text/plain"}
    return {**values, "fingerprint": fingerprint, "added_at": 1.0 + n, **({COPY_OF: f"0{n:031x}"} if copy else {})}


def converting(place: Path) -> list[Step]:
    """Write to an index of 0.1, which converts it first."""
    del place
    return [lambda index: index.add(sw.Text("a new note", source="new"))]


def prepare_import(place: Path) -> None:
    """Export an index, and make another."""
    fill(place)
    with open_index(place / "index") as index:
        index.export(place / "all.jsonl.gz")
    for path in sorted((place / "index").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    fill(place, 40)


def importing(place: Path) -> list[Step]:
    """Import an export."""
    return [lambda index: index.import_(place / "all.jsonl.gz")]


ACTIONS: Final = (
    Action("add", 8, prepare_adding, adding, lambda place: 20 + 1250),
    Action(
        "sync and replace", 8, prepare_replacing, replacing, lambda place: 20 + len(list((place / "files").iterdir()))
    ),
    Action("delete", 6, fill, deleting, lambda place: 1300 - 1080),
    Action("calibration", 5, fill, calibrating, lambda place: 1300),
    Action("repair", 5, prepare_repair, repairing, lambda place: 1300, damaged=True),
    Action("conversion", 5, prepare_conversion, converting, lambda place: 1500 + 3 * 167 + 1, old=True),
    Action("import", 3, prepare_import, importing, lambda place: 1300),
)
