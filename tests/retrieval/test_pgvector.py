"""A store in PostgreSQL: what it keeps, lists and finds."""

import itertools
import random
import re
import shutil
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from postgres_server import run_sql

import senseweave as sw
from senseweave.errors import StoreError
from senseweave.retrieval import Index
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.stores.conditions import AllOf, AnyOf, Compare, matches
from senseweave.retrieval.stores.memory import MemoryStore
from senseweave.testing.store_samples import random_condition, random_metadata

pytest.importorskip("psycopg", reason="needs psycopg")
pytestmark = pytest.mark.integration
HOSTILE = [
    "'; DROP TABLE x; --",
    'a"b',
    "%s",
    "{}",
    "a\\b",
    "x' OR 'a'='a",
    "senseweave_records_1",
    "ä 日本 🦊",
    "a\0b",
    "\x1a0",
]


@pytest.fixture
def store(address):
    made = sw.stores.PgVector(address)
    yield made
    made.close()


@pytest.fixture
def collection(store):
    store.make("words", {"about": "it"}, 4)
    return "words"


def record(identifier, metadata=None, vector=(1, 0, 0, 0), text="a text"):
    return Record(identifier, np.asarray(vector, np.float32), text, metadata or {})


def indexes(address):
    return {name for (name,) in run_sql(address, "SELECT indexname FROM pg_indexes WHERE schemaname = 'senseweave'")}


def test_an_index_in_postgres_finds_what_one_in_memory_finds(store, space, corpus_folder, tmp_path):
    (tmp_path / "again.png").write_bytes((corpus_folder / "red.png").read_bytes())
    with Index(MemoryStore(), spaces=[space]) as plain, Index(store, spaces=[space]) as index:
        for opened in (plain, index):
            assert opened.add(corpus_folder).added == 12
            assert opened.add(tmp_path / "again.png").copies == 1
        for options in ({}, {"filter": {"modality": {"ne": "text"}}}, {"group": True}, {"diversity": 0.5}):
            found, expected = (
                [(hit.sources, hit.span, round(hit.score, 3)) for hit in opened.search("red", k=6, **options)]
                for opened in (index, plain)
            )
            assert found == expected
        assert index.add(corpus_folder).added == 0
        assert index.delete(sources=corpus_folder / "song.wav") == 3
        assert index.verify().ok
        index.export(tmp_path / "all.jsonl")
        with Index(MemoryStore(), spaces=[space]) as copy:
            copy.import_(tmp_path / "all.jsonl")
            assert len(copy) == len(index)
    with Index(store, spaces=[space]) as again:
        assert again.search("red", k=1)[0].sources == (str(corpus_folder / "red.png"), str(tmp_path / "again.png"))


VALUES = [
    0,
    1,
    -3,
    2**53 + 1,
    2**62,
    1 - 2**63,
    1.0,
    0.1,
    -0.5,
    2.0**53,
    2.0**62,
    1e16,
    1e22,
    1e300,
    5e-324,
    True,
    False,
]
TEXTS = ["", "1", "true", "null", "a", *HOSTILE]


@pytest.mark.parametrize("value", [*VALUES, *TEXTS], ids=repr)
def test_a_value_comes_back_as_it_was_with_its_type(store, collection, value):
    store.upsert(collection, [record("a", {"it": value})])
    (row,) = store.get(collection)
    assert (row.metadata["it"], type(row.metadata["it"])) == (value, type(value))
    assert store.get(collection, condition=Compare("it", "eq", value)) == [row]


@pytest.mark.parametrize(
    "text", [*TEXTS, random.Random(1).randbytes(40_000).hex(), "\0" * 3 + "\x1as"], ids=lambda text: repr(text[:20])
)
def test_ids_names_and_texts_come_back_as_they_were(store, text):
    name = text or "plain"
    store.make(name, {name: text}, 4)
    store.upsert(name, [record(text, {name: 1}, text=text), record(f"{text}.", text="")])
    assert store.collections() == {name: {name: text}}
    (row,) = store.get(name, ids=[text, "no such id"])
    assert (row.id, row.text, row.metadata) == (text, text, {name: 1})
    assert {row.id for row in store.query(name, np.ones((1, 4), np.float32), 5)[0]} == {text, f"{text}."}
    assert [row.id for row in store.get(name, condition=Compare(name, "in", (1, 2)))] == [text]
    assert [row.id for row in store.get(name, condition=Compare(name, "gt", 0))] == [text]
    store.update_metadata(name, {text: {name: None, "b": text}})
    assert store.get(name, ids=[text])[0].metadata == {"b": text}
    store.delete(name, [text])
    assert store.count(name) == 1
    store.drop(name)
    assert store.collections() == {}


def test_conditions_hold_in_postgres_for_what_they_hold_for_in_python(store, collection):
    choose = random.Random(7)
    fields = {field: [*VALUES, *TEXTS] for field in ("a", "b", "source", "sha256", "it's")}
    metadata = random_metadata(choose, 120, fields)
    store.upsert(collection, [record(f"{number:03}", values) for number, values in enumerate(metadata)])
    for _ in range(300):
        condition = random_condition(choose, fields)
        expected = [f"{number:03}" for number, values in enumerate(metadata) if matches(condition, values)]
        assert [row.id for row in store.get(collection, condition=condition)] == expected, condition


def test_a_condition_that_is_too_large_for_one_query_is_refused(store, collection):
    parts = tuple(Compare(f"field{number}", "eq", 1) for number in range(1000))
    for condition in (AllOf(parts), AnyOf(parts)):
        with pytest.raises(ValueError, match=r"filter|condition"):
            store.get(collection, condition=condition)


def test_an_upsert_replaces_a_record_whole_and_the_last_of_one_call_stays(store, collection):
    store.upsert(collection, [record("a", {"m": 1, "n": None}), record("b"), record("a", {"n": 2}, text="new")])
    store.upsert(collection, [record("b", {"x": "y"}, (0, 1, 0, 0), "newer")])
    first, second = store.get(collection, vectors=True)
    assert (first.text, first.metadata) == ("new", {"n": 2})
    assert (second.text, second.metadata, second.vector.tolist()) == ("newer", {"x": "y"}, [0, 1, 0, 0])
    assert second.vector.dtype == np.float32


def test_metadata_are_changed_and_removed_by_name(store, collection):
    store.upsert(collection, [record("a", {"m": 1, "n": 2}), record("b")])
    store.update_metadata(collection, {"a": {"n": None, "o": 1.0}, "none": {"p": 1}})
    assert [row.metadata for row in store.get(collection)] == [{"m": 1, "o": 1.0}, {}]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**70, "\ud800", [1]], ids=repr)
def test_a_value_that_cannot_be_kept_is_named_with_its_record_and_nothing_is_written(store, collection, value):
    with pytest.raises(ValueError, match=r"'second'.*'rating'"):
        store.upsert(collection, [record("first"), record("second", {"rating": value})])
    assert store.count(collection) == 0


def test_half_a_character_in_a_text_is_an_error_that_names_the_record(store, collection):
    with pytest.raises(ValueError, match=r"'first'.*surrogate"):
        store.upsert(collection, [record("first", text="\ud800")])


def test_many_large_records_are_written_by_one_call(store, collection):
    rows = [record(f"{number:05}", {"n": number}, text="word " * (number % 7) * 4000) for number in range(1203)]
    store.upsert(collection, rows)
    assert [(row.id, row.text) for row in store.get(collection)] == [(row.id, row.text) for row in rows]
    store.update_metadata(collection, {row.id: {"n": None} for row in rows})
    assert not any(row.metadata for row in store.get(collection))
    store.delete(collection, [row.id for row in rows[1:]])
    assert store.count(collection) == 1


def test_pages_follow_each_other_in_the_order_of_ids(store, collection, address):
    ids = ["B", "a", "Z", "ä", "aa", "0", "a b", "a-b", "é", "~"]
    store.upsert(collection, [record(identifier, {"even": n % 2 == 0}) for n, identifier in enumerate(ids)])
    expected = sorted(ids, key=str.encode)
    assert [row.id for row in store.get(collection)] == expected
    for size, start in itertools.product((1, 3, 10), (0, 4)):
        pages = [store.get(collection, limit=size, offset=at) for at in range(start, 12, size)]
        assert [row.id for page in pages for row in page] == expected[start:]
    condition = Compare("even", "eq", True)
    pages = [store.get(collection, condition=condition, limit=2, offset=at) for at in (0, 2, 4)]
    assert [row.id for page in pages for row in page] == [i for i in expected if ids.index(i) % 2 == 0]


def test_a_page_after_a_change_counts_what_is_there_now(store, collection):
    store.upsert(collection, [record(f"{number}") for number in range(8)])
    store.get(collection, limit=3)
    store.delete(collection, ["0", "1", "2"])
    assert [row.id for row in store.get(collection, limit=3, offset=3)] == ["6", "7"]


def test_the_nearest_come_first_and_equal_distances_by_id(store, collection):
    store.upsert(
        collection,
        [
            record("c", vector=(2, 0, 0, 0)),
            record("a", vector=(5, 0, 0, 0)),
            record("z", vector=(1, 1, 0, 0)),
            record("o", vector=(0, 0, 0, 0)),
            record("n", vector=(-1, 0, 0, 0)),
        ],
    )
    queries = np.asarray([(1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 0, 0)], np.float32)
    first, second, nothing = store.query(collection, queries, 5, with_vectors=True)
    assert [row.id for row in first] == ["a", "c", "z", "n", "o"]
    assert [row.similarity for row in first] == pytest.approx([1, 1, 0.5**0.5, -1, 0])
    assert second[0].id == "z"
    assert second[0].vector.tolist() == [1, 1, 0, 0]
    assert {row.similarity for row in nothing} == {0.0}
    assert store.query(collection, queries[:0], 5) == []
    assert [len(rows) for rows in store.query(collection, queries, 2)] == [2, 2, 2]


def clustered(count, dimension, seed=3):
    source = np.random.default_rng(seed)
    centers = source.normal(size=(20, dimension))
    return (centers[source.integers(20, size=count)] + 0.4 * source.normal(size=(count, dimension))).astype(np.float32)


def exact(vectors, query, k):
    similarities = (vectors @ query) / np.maximum(np.linalg.norm(vectors, axis=1), 1e-9)
    return [f"{number:05}" for number in np.argsort(-similarities, kind="stable")[:k]]


@pytest.mark.parametrize("dimension", [24, 2100])
def test_a_large_collection_gets_an_index_and_a_filter_loses_nothing(address, dimension):
    count = 600 if dimension > 2000 else 3000
    store = sw.stores.PgVector(address, exact_below=count)
    store.make("large", {}, dimension)
    vectors = clustered(count, dimension)
    vectors[-1] = 0  # which an index of cosines does not hold
    rows = [record(f"{n:05}", {"n": n, "rare": n % 300 == 0}, vector) for n, vector in enumerate(vectors)]
    store.upsert("large", rows[:-1])
    assert "senseweave_records_1_embedding" not in indexes(address)
    with store.writing():
        store.upsert("large", rows[-1:])
        assert "senseweave_records_1_embedding" not in indexes(address)
    assert "senseweave_records_1_embedding" in indexes(address)
    found = store.query("large", vectors[:20], 10)
    kept = [len({row.id for row in rows} & set(exact(vectors, vectors[at], 10))) for at, rows in enumerate(found)]
    assert sum(kept) >= 0.98 * 200
    assert found[0][0].id == "00000"
    (rare,) = store.query("large", vectors[:1], 10, condition=Compare("rare", "eq", True))
    assert len(rare) == count // 300
    by_index = "options=-c%20enable_seqscan%3Doff%20-c%20enable_bitmapscan%3Doff"
    with closing(sw.stores.PgVector(f"{address}?{by_index}")) as preferring:
        (last,) = preferring.query("large", vectors[:1], 5, condition=Compare("n", "gte", count - 5))
        assert {row.id for row in last} == {f"{n:05}" for n in range(count - 5, count)}
    (every,) = store.query("large", vectors[:1], count + 5)
    assert [row.id for row in every] == [*exact(vectors[:-1], vectors[0], count), f"{count - 1:05}"]
    store.close()


def test_an_index_whose_making_was_interrupted_is_made_again(address):
    store = sw.stores.PgVector(address, exact_below=50)
    store.make("large", {}, 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("senseweave.retrieval.stores.pgvector.make_indexes", lambda *given: False)
        store.upsert("large", [record(f"{number}", vector=np.eye(4)[number % 4] + 0.01) for number in range(60)])
    table = "senseweave.senseweave_records_1"
    run_sql(address, f"CREATE INDEX senseweave_records_1_embedding ON {table} (id)")
    run_sql(address, f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{table}_embedding'::regclass")
    store.upsert("large", [record("last")])
    ((definition,),) = run_sql(
        address, "SELECT indexdef FROM pg_indexes WHERE indexname = 'senseweave_records_1_embedding'"
    )
    assert "hnsw" in definition
    assert store.count("large") == 61
    store.close()


def test_an_index_that_cannot_be_made_is_a_warning_and_searches_go_on(address):
    store = sw.stores.PgVector(address, exact_below=10)
    store.make("large", {}, 4)
    # A table under the name of the index stands in its way.
    run_sql(address, "CREATE TABLE senseweave.senseweave_records_1_metadata ()")
    with pytest.warns(RuntimeWarning, match="already exists"):
        store.upsert("large", [record(f"{number}") for number in range(10)])
    assert len(store.query("large", np.ones((1, 4), np.float32), 20)[0]) == 10
    store.close()


@pytest.mark.parametrize("dimension", [0, 16_001])
def test_vectors_that_pgvector_does_not_store_are_refused(store, dimension):
    with pytest.raises(ValueError, match="16,000"):
        store.make("long", {}, dimension)
    assert store.collections() == {}


def test_a_vector_of_another_dimension_is_a_store_error(store, collection):
    with pytest.raises(StoreError, match=r"^postgresql://.*expected 4 dimensions, not 3"):
        store.upsert(collection, [record("a", vector=(1, 0, 0))])
    store.upsert(collection, [record("a")])
    with pytest.raises(StoreError, match="dimensions 4 and 3"):
        store.query(collection, np.ones((1, 3), np.float32), 1)


def test_collections_are_described_and_removed(store, collection):
    assert store.make(collection, {"other": 1}, 9) == {"about": "it"}
    store.save_metadata(collection, {"calibration": "{}", "folders": True})
    assert store.collections() == {collection: {"calibration": "{}", "folders": True}}
    store.drop(collection)
    for action in (
        lambda: store.count(collection),
        lambda: store.drop(collection),
        lambda: store.save_metadata(collection, {}),
        lambda: store.upsert(collection, []),
        lambda: store.get(collection),
    ):
        with pytest.raises(StoreError, match="no collection 'words'"):
            action()


def test_indexes_share_a_database_by_prefix_and_by_schema(address, space):
    with closing(sw.stores.PgVector(address)) as store, closing(sw.stores.PgVector(address, schema="o's")) as other:
        plain, prefixed = Index(store, spaces=[space]), Index(store, spaces=[space], prefix="a'; --")
        elsewhere = Index(other, spaces=[space])
        prefixed.add(sw.Text("a note"))
        assert [len(index) for index in (plain, prefixed, elsewhere)] == [0, 1, 0]
        plain.add([sw.Text("another note"), sw.Text("a third")])
        elsewhere.add(sw.Text("elsewhere"))
        plain.delete(filter={"modality": "text"})
        assert [len(index) for index in (plain, prefixed, elsewhere)] == [0, 1, 1]


@pytest.mark.parametrize("schema", ["", "a\0b", "a" * 64, None, 3], ids=repr)
def test_a_schema_that_postgres_would_take_otherwise_is_refused(address, schema):
    with pytest.raises(ValueError, match="schema must be"):
        sw.stores.PgVector(address, schema=schema)


def test_tables_of_a_newer_version_are_refused(address):
    sw.stores.PgVector(address).close()
    run_sql(address, "UPDATE senseweave.senseweave_state SET format = 99")
    with pytest.raises(StoreError, match="newer senseweave"):
        sw.stores.PgVector(address)


def test_the_code_of_the_page_runs(address, corpus, tmp_path, monkeypatch, capsys):
    text = (Path(__file__).parents[2] / "docs" / "postgresql.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert "postgresql://ann@127.0.0.1:5432/corpus" in block
    (tmp_path / "notes").mkdir()
    shutil.copy(corpus / "images" / "photo-01.jpg", tmp_path / "notes" / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    exec(block.replace("postgresql://ann@127.0.0.1:5432/corpus", address), {"__name__": "__page__"})
    assert "photo.jpg" in capsys.readouterr().out


def test_what_is_missing_is_told_with_the_install_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ImportError, match=r'pip install "senseweave\[pgvector\]"'):
        _ = sw.stores.PgVector
