"""Notes that each have a number of their own, for indexes with a sparse space, and what is kept of them."""

import contextlib

import senseweave as sw
from senseweave.retrieval.search.sparse.space_vectors import text_digest
from senseweave.retrieval.search.sparse.vector_file import VectorFile, sparse_files
from senseweave.retrieval.search.words.base import word_row

NUMBERS = [f"n{number}" for number in range(900)]
TEXTS = ["rain on the roof", "a small dog", "n7 n8", "the hall was red"]
WORDS = [
    *dict.fromkeys(word for text in TEXTS for word in text.split() if word not in NUMBERS),
    "valve",
    "looked",
    "at",
    "something",
    *NUMBERS,
]
"""What the sparse space of these tests weighs."""


def note(number):
    """Return a note with a number of its own."""
    return sw.Text(f"Valve n{number} of hall {number % 5} was looked at.", source=f"note {number}")


def finds(index, number):
    """Return whether a search finds the note of a number by its sparse vector."""
    hits = index.search(f"n{number}", k=1)
    return bool(hits) and hits[0].text.startswith(f"Valve n{number} ") and hits[0].score > 3


def held(folder):
    """Return the digests in the file of sparse vectors by collection and id."""
    (path,) = sparse_files(folder)
    with contextlib.closing(VectorFile(path)) as file:
        assert set(file.numbers()) == {number for name in file.collections() for _, number in file.records(name)}
        return {name: file.digests(name) for name in file.collections()}


def kept(index):
    """Return the digests of the texts of an index's records by collection and id, as `held` should."""
    found = {
        description.name: {record.id: text_digest(word_row(record).text) for record in index._store.get(description)}
        for description in index._store.descriptions.values()
    }
    return {name: digests for name, digests in found.items() if digests}
