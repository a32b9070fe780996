"""Ways to damage the folder of an index of many notes."""

import os
import random
import sqlite3

from senseweave.retrieval.integrity.vector_files import IDS

NOTES = 1100
"""More than the thousand after which Chroma writes its vector index to disk."""


def vectors(folder):
    """The one folder of vector files."""
    (found,) = (path.parent for path in folder.glob(f"*/{IDS}"))
    return found


def scribble(file, count=200, seed=0):
    """Overwrite bytes at random places."""
    data, chance = bytearray(file.read_bytes()), random.Random(seed)
    for _ in range(count):
        data[chance.randrange(len(data))] = chance.randrange(256)
    file.write_bytes(data)


def cut(file):
    """Cut a file off in its middle."""
    os.truncate(file, file.stat().st_size // 2)


def found_by_own_text(index):
    return sum(
        any(hit.source == f"s{i}" for hit in index.search(f"record number{i} subject{i % 31}", k=3))
        for i in range(0, NOTES, 11)
    )


def change_database(folder, *statements):
    connection = sqlite3.connect(folder / "chroma.sqlite3")
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
