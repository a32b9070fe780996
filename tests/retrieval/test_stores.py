"""The store protocol: an index works alike on Chroma, in memory, and on a store from outside the package."""

import chromadb
import numpy as np
import pytest

import senseweave as sw
from senseweave.errors import StoreError
from senseweave.retrieval import Index
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.stores.base import StoredRecord, VectorStore
from senseweave.retrieval.stores.chroma import ChromaStore
from senseweave.retrieval.stores.conditions import matches
from senseweave.retrieval.stores.filters import parse_filter
from senseweave.retrieval.stores.memory import MemoryStore
from senseweave.spaces import Space
from senseweave.testing.toys import ToyEncoder, toy_space


class ListStore:
    """A store from outside: records in a list, searched one by one."""

    folder = None
    place = "a list"
    version = 0

    def __init__(self):
        self.rows = {}
        self.notes = {}

    def writing(self):
        import contextlib

        return contextlib.nullcontext()

    def collections(self):
        return {name: dict(values) for name, values in self.notes.items()}

    def make(self, name, metadata, dimension):
        self.rows.setdefault(name, [])
        return dict(self.notes.setdefault(name, dict(metadata)))

    def save_metadata(self, name, metadata):
        self.notes[name] = dict(metadata)

    def drop(self, name):
        del self.rows[name], self.notes[name]

    def upsert(self, name, records):
        written = {record.id for record in records}
        self.rows[name] = [row for row in self.rows[name] if row.id not in written] + list(records)

    def update_metadata(self, name, changes):
        for row in self.rows[name]:
            for key, value in changes.get(row.id, {}).items():
                row.metadata.pop(key, None)
                if value is not None:
                    row.metadata[key] = value

    def get(self, name, *, ids=None, condition=None, limit=None, offset=0, vectors=False):
        found = [row for row in self.rows[name] if (ids is None or row.id in ids) and matches(condition, row.metadata)]
        end = None if limit is None else offset + limit
        return [
            StoredRecord(row.id, dict(row.metadata), row.text, vector=row.vector if vectors else None)
            for row in found[offset:end]
        ]

    def query(self, name, vectors, k, *, condition=None, with_vectors=False):
        found = []
        for vector in vectors:
            rows = [
                StoredRecord(row.id, dict(row.metadata), row.text, float(vector @ row.vector), row.vector)
                for row in self.rows[name]
                if matches(condition, row.metadata)
            ]
            found.append(sorted(rows, key=lambda row: -row.similarity)[:k])
        return found

    def count(self, name):
        return len(self.rows[name])

    def delete(self, name, ids):
        self.rows[name] = [row for row in self.rows[name] if row.id not in ids]

    def close(self):
        raise AssertionError("a store that was given stays open")


@pytest.mark.parametrize("make", [MemoryStore, ListStore])
def test_an_index_on_another_store_finds_what_one_on_chroma_finds(make, index, space, corpus_folder, tmp_path):
    store = make()
    assert isinstance(store, VectorStore)
    (tmp_path / "again.png").write_bytes((corpus_folder / "red.png").read_bytes())
    index.add(tmp_path / "again.png")
    with Index(store, spaces=[space]) as other:
        assert other.add(corpus_folder).added == 12
        assert other.add(tmp_path / "again.png").copies == 1
        for options in ({}, {"filter": {"modality": {"ne": "text"}}}, {"group": True}, {"diversity": 0.5}):
            found = [(hit.sources, hit.span, round(hit.score, 3)) for hit in other.search("red", k=6, **options)]
            expected = [(hit.sources, hit.span, round(hit.score, 3)) for hit in index.search("red", k=6, **options)]
            assert found == expected
        assert other.add(corpus_folder).added == 0
        assert other.delete(sources=corpus_folder / "song.wav") == 3
        other.export(tmp_path / "all.jsonl")
        assert other.info()["place"] == store.place
        remaining = len(other)
    with Index(store) as again:  # remembers its spaces only by name, and this one was not made by load
        assert len(again) == remaining
        with pytest.raises(StoreError, match="was not created by"):
            again.search("red")


def rows(store):
    return [
        Record(f"{n}", np.eye(4, dtype=np.float32)[n % 4] + n / 10, f"text {n}", {"n": n, "even": n % 2 == 0, "s": "x"})
        for n in range(5)
    ]


@pytest.fixture(params=["chroma", "memory"])
def store(request, own_chroma):
    made = MemoryStore() if request.param == "memory" else ChromaStore(chromadb.EphemeralClient())
    made.make(f"protocol-{request.param}", {"about": "it"}, 4)
    made.name = f"protocol-{request.param}"
    made.upsert(made.name, rows(made))
    yield made
    made.drop(made.name)


FILTERS = [
    None,
    {"n": 3},
    {"n": {"gte": 2, "lt": 4}},
    {"n": [1, 4]},
    {"even": True},
    {"not": {"n": [1, 4]}},
    {"missing": {"ne": 1}},
    {"missing": {"gt": 1}},
    {"or": [{"n": 0}, {"and": [{"even": False}, {"n": {"gt": 2}}]}]},
    {"s": {"nin": ["y", "z"]}},
]


@pytest.mark.parametrize("given", FILTERS, ids=repr)
def test_stores_agree_on_what_a_condition_holds_for(store, given):
    condition = parse_filter(given)
    expected = [row.id for row in rows(store) if matches(condition, row.metadata)]
    assert sorted(row.id for row in store.get(store.name, condition=condition)) == expected
    (found,) = store.query(store.name, np.ones((1, 4), np.float32), 10, condition=condition)
    assert sorted(row.id for row in found) == expected


def test_an_upsert_replaces_a_record_whole(store):
    store.upsert(store.name, [Record("1", np.ones(4, np.float32), "new", {"m": 1})])
    (row,) = store.get(store.name, ids=["1", "none"])
    assert (row.text, row.metadata) == ("new", {"m": 1})


def test_metadata_are_changed_and_removed_by_name(store):
    store.update_metadata(store.name, {"2": {"s": None, "t": "y"}})
    (row,) = store.get(store.name, ids=["2"])
    assert row.metadata == {"n": 2, "even": True, "t": "y"}


def test_records_are_listed_in_pages_and_searched_nearest_first(store):
    everything = [row.id for row in store.get(store.name)]
    assert [row.id for at in range(0, 6, 2) for row in store.get(store.name, limit=2, offset=at)] == everything
    (found,) = store.query(store.name, np.eye(4, dtype=np.float32)[:1], 2, with_vectors=True)
    assert found[0].similarity >= found[1].similarity
    assert found[0].vector.shape == (4,)
    store.delete(store.name, ["0", "none"])
    assert store.count(store.name) == 4
    assert store.collections()[store.name]["about"] == "it"


def test_a_missing_collection_is_a_store_error(store):
    with pytest.raises(StoreError):
        store.count("no-such-collection")


def named_space(name):
    return Space(name, {"text": ToyEncoder("text")})


@pytest.mark.parametrize(
    "second",
    [
        lambda store: Index(store, spaces=[named_space("a-b")]),
        lambda store: Index(store, spaces=[named_space("b.")], prefix="a-"),
        lambda store: Index(store, spaces=[named_space("b"), named_space("b_")], prefix="a-"),
    ],
    ids=["a prefix that goes on in a name", "names alike but for signs", "both in one index"],
)
def test_two_spaces_never_share_a_collection(second):
    store = sw.stores.Memory()
    first = Index(store, spaces=[named_space("b")], prefix="a-")
    first.add(sw.Text("a note"))
    with pytest.raises(StoreError, match=r"'a-b-text' holds the space 'b'.*another prefix.*another name"):
        second(store).add(sw.Text("of another"))
    assert [hit.text for hit in first.search("note", k=5)] == ["a note"]


def test_indexes_whose_prefixes_begin_alike_are_apart(store):
    prefixes = ["a", "a-", "A", "x" * 70 + "1", "x" * 70 + "2"]
    indexes = [Index(store, spaces=[toy_space(modalities=("text",))], prefix=prefix) for prefix in prefixes]
    for index, prefix in zip(indexes, prefixes, strict=True):
        index.add(sw.Text(f"of {prefix}"))
    found = [[hit.text for hit in index.search("of", k=9)] for index in indexes]
    assert found == [[f"of {prefix}"] for prefix in prefixes]


@pytest.mark.parametrize("prefix", ["\ud800", "ä" * 101, None, 3], ids=ascii)
def test_a_prefix_that_no_store_takes_is_refused_before_anything_is_made(prefix, tmp_path):
    with pytest.raises(ValueError, match="prefix must be a str of at most 200 bytes"):
        Index(tmp_path / "index", spaces=[toy_space()], prefix=prefix)
    assert not list(tmp_path.iterdir())


def test_records_in_memory_are_searched_by_media_too(space, corpus_folder):
    with Index(MemoryStore(), spaces=[space]) as index:
        index.add(corpus_folder)
        assert index.search(sw.Image(corpus_folder / "red.png"), k=1)[0].source.endswith("red.png")


def test_another_package_brings_a_store_by_its_name(tmp_path, monkeypatch):
    info = tmp_path / "shelf_store-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shelf-store\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[senseweave.stores]\nShelf = shelf_store:Shelf\nMemory = shelf_store:Shelf\n"
    )
    (tmp_path / "shelf_store.py").write_text(
        "import senseweave as sw\n\n\nclass Shelf(sw.stores.Memory):\n    place = 'a shelf'\n"
    )
    with pytest.raises(AttributeError, match="installed are Chroma, Memory"):
        _ = sw.stores.Shelf
    monkeypatch.syspath_prepend(tmp_path)
    assert isinstance(sw.stores.Shelf(), VectorStore)
    assert sw.stores.Memory is MemoryStore
    assert "Shelf" in dir(sw.stores)
