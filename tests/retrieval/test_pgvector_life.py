"""A store in PostgreSQL among other writers: nothing is lost, nothing is made twice, and changes are seen."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest
from postgres_server import run_sql
from programs import run_rivals

import senseweave as sw
from senseweave.errors import StoreError
from senseweave.retrieval import Index
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.stores.conditions import Compare

pytest.importorskip("psycopg", reason="needs psycopg")
pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
WRITER = """
import sys, itertools
import numpy as np
import senseweave as sw
from senseweave.retrieval.records.schema import Record
store = sw.stores.PgVector(sys.argv[1])
for turn in itertools.count():
    store.upsert("words", [Record(f"{n:04}", np.ones(4, np.float32), str(turn), {"turn": turn}) for n in range(1200)])
    print(turn, flush=True)
"""
"""Writes the same records again and again, each time all with the number of the turn."""


def record(identifier, **metadata):
    return Record(identifier, np.ones(4, np.float32), "a text", metadata)


def test_what_anybody_describes_anew_is_seen_and_what_is_written_is_not_news(open_store):
    one, two = open_store(), open_store()
    before = one.version, two.version
    one.make("words", {}, 4)
    one.save_metadata("words", {"a": 1})
    assert one.version != before[0]  # several indexes may share a store
    assert two.version != before[1]
    seen = one.version, two.version
    one.upsert("words", [record("a")])
    two.update_metadata("words", {"a": {"b": 1}})
    assert (one.version, two.version) == seen
    two.drop("words")
    assert one.version != seen[0]
    assert two.version != seen[1]


def test_a_version_is_asked_for_only_now_and_then(address):
    with closing(sw.stores.PgVector(address)) as one, closing(sw.stores.PgVector(address)) as two:
        one._looked = two._looked = float("inf")
        before = one.version
        two.make("words", {}, 4)
        assert one.version == before
        one._looked = 0.0
        assert one.version != before


def test_an_open_index_ranks_with_what_another_taught_it(open_store, space):
    first, second = (Index(open_store(), spaces=[space]) for _ in range(2))
    first.add([sw.Text("tomatoes need water"), sw.Text("the last train"), sw.Text("knead the dough")])
    second.calibrate(["a train", "red paint", "bread"])
    learned, seen = (
        [description.calibration for description in index._store.descriptions.values()] for index in (second, first)
    )
    assert any(learned)
    assert seen == learned
    assert [hit.text for hit in second.search("train", k=1)] == ["the last train"]


def test_a_collection_that_another_made_anew_is_found(open_store):
    one, two = open_store(), open_store()
    one.make("words", {}, 4)
    one.upsert("words", [record("a")])
    assert two.count("words") == 1
    two._looked = float("inf")
    one.drop("words")
    with pytest.raises(StoreError, match="no collection 'words'"):
        two.count("words")
    one.make("words", {}, 4)
    two.upsert("words", [record("b")])
    assert [row.id for row in one.get("words")] == ["b"]


def test_stores_that_are_opened_and_filled_at_once_make_one_of_everything(address):
    def work(number):
        with closing(sw.stores.PgVector(address)) as store:
            store.make("words", {"by": number}, 4)
            store.upsert("words", [record(f"{number}-{each}") for each in range(20)])
            return store.collections()["words"]

    with ThreadPoolExecutor(8) as threads:
        described = list(threads.map(work, range(8)))
    assert all(each == described[0] for each in described)
    with closing(sw.stores.PgVector(address)) as store:
        assert store.count("words") == 160
        assert len(store.collections()) == 1


def test_writers_of_the_same_records_in_other_orders_end(open_store):
    store = open_store(connections=8)
    store.make("words", {}, 4)
    ids = [f"{number:03}" for number in range(300)]

    def work(number):
        order = ids if number % 2 else ids[::-1]
        for turn in range(6):
            store.upsert("words", [record(each, by=number) for each in order])
            store.update_metadata("words", {each: {"turn": turn} for each in order})
            if number == 0:
                store.delete("words", order[:50])

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    store.upsert("words", [record(each, last=True) for each in ids])
    assert [row.id for row in store.get("words", condition=Compare("last", "eq", True))] == ids


def test_an_index_is_made_once_while_others_write(address):
    def work(number):
        with closing(sw.stores.PgVector(address, exact_below=200)) as store:
            store.make("words", {}, 4)
            vectors = np.random.default_rng(number).normal(size=(400, 4)).astype(np.float32)
            for at in range(0, 400, 40):
                rows = [Record(f"{number}-{n}", vectors[n], "", {}) for n in range(at, at + 40)]
                store.upsert("words", rows)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    with closing(sw.stores.PgVector(address, exact_below=200)) as store:
        assert store.count("words") == 1600
        assert store.table("words").indexed
        assert len(store.query("words", np.ones((1, 4), np.float32), 10)[0]) == 10
    (row,) = run_sql(address, "SELECT count(*) FROM pg_index WHERE NOT indisvalid")
    assert row == (0,)


def test_two_processes_with_eight_writers_lose_and_double_nothing(address, rivals, tiny):
    run_rivals(address, range(4), range(4, 8))
    with (
        closing(sw.stores.PgVector(address)) as store,
        Index(store, spaces=[tiny.make_space(modalities=("text",))]) as index,
    ):
        (description,) = index._store.descriptions.values()
        stored = [(row.metadata["source"], row.text) for row in index._store.get(description)]
        assert sorted(stored) == sorted(rivals.remaining(range(8)))
        assert index.verify().ok


def test_a_writer_that_is_killed_leaves_whole_calls(address, open_store):
    store = open_store()
    store.make("words", {}, 4)
    turns = set()
    for moment in range(4):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, address], stdout=subprocess.PIPE, text=True)
        for _ in range(moment + 1):
            assert writer.stdout.readline()
        if moment % 2:
            # In the middle of a call: the records are locked by its transaction.
            wait_for_lock(address, writer)
        writer.kill()
        writer.wait()
        writer.stdout.close()
        rows = store.get("words")
        assert len(rows) == 1200
        (turn,) = {(row.text, row.metadata["turn"]) for row in rows}
        turns.add(turn)
        store.upsert("words", [record("other")])
        store.delete("words", ["other"])
    assert turns


def wait_for_lock(address, writer):
    while writer.poll() is None:
        (row,) = run_sql(
            address,
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'senseweave' AND xact_start IS NOT NULL "
            "AND query LIKE 'INSERT%%'",
        )
        if row[0]:
            return
