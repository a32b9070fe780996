"""Writers that add and delete at once, on a server and in a folder: nothing is lost, and nothing is there twice."""

import json
import sqlite3
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from programs import run_rivals

import senseweave as sw
from senseweave.retrieval import Index
from senseweave.retrieval.records.schema import Record
from senseweave.stores import Memory

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
MAKER = """
import json, sqlite3, sys, time
time.sleep(0.7)
place, table, rows = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
with sqlite3.connect(place) as database:
    database.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
"""


def check(index, expected):
    """Check that an index holds each pair of source and text once, and finds each content once with all its sources."""
    (description,) = index._store.descriptions.values()
    records = list(index._store.get(description, vectors=True))
    assert Counter((record.metadata["source"], record.text) for record in records) == Counter(expected)
    assert len({record.id for record in records}) == len(records) == len(index)
    assert set(index.sources()) == {source for source, _ in expected}
    texts = {text for _, text in expected}
    hits = index.search("tree3 word3", k=len(expected) + 5)
    assert Counter(hit.text for hit in hits) == Counter(texts)
    for hit in hits:
        assert set(hit.sources) == {source for source, text in expected if text == hit.text}
    for text in texts:  # by the vector index, not by a scan
        assert index.search(text, k=1)[0].text == text


def test_eight_clients_of_a_server_lose_and_double_nothing(server, rivals, tiny):
    expected = rivals.remaining(range(8))
    assert len(expected) > 80
    run_rivals(server.port, (0, 1, 2, 3), (4, 5, 6, 7))
    index = Index(server.client(), spaces=[tiny.make_space(modalities=("text",))])
    check(index, expected)
    rivals.work(index, 3)  # its additions are there, and its deletions leave what others have
    check(index, expected)


def test_clients_that_read_a_new_collection_while_others_fill_it_get_an_answer(server, tiny):
    """Chroma has no vectors on disk or in memory for a moment, and says so instead of giving none."""
    spaces = [tiny.make_space(modalities=("text",))]

    def fill_and_read(prefix, client):
        index = Index(server.client(), spaces=spaces, prefix=prefix)
        for number in range(3):
            index.add([sw.Text(f"word{client} number{number}", source=f"{client} {number}")])
            (description,) = index._store.descriptions.values()
            index._store.page(description, 0, 10)
        return len(index)

    for turn in range(8):
        with ThreadPoolExecutor(8) as threads:
            counts = list(threads.map(fill_and_read, [f"turn{turn}-"] * 8, range(8)))
        assert max(counts) == 24


def test_two_processes_on_a_folder_lose_and_double_nothing(tmp_path, rivals, tiny):
    expected = rivals.remaining(range(4))
    run_rivals(tmp_path / "index", (0, 1), (2, 3))
    with Index(tmp_path / "index", spaces=[tiny.make_space(modalities=("text",))]) as index:
        check(index, expected)


@pytest.mark.parametrize("table", ["tenants", "databases"])
def test_a_folder_that_another_process_is_making_is_opened_once_it_is_made(tmp_path, tiny, table):
    Index(tmp_path / "index", spaces=[tiny.make_space()]).close()
    place = tmp_path / "index" / "chroma.sqlite3"
    with sqlite3.connect(place) as database:
        rows = database.execute(f"SELECT * FROM {table}").fetchall()
        database.execute(f"DELETE FROM {table}")
    database.close()
    # In a process of its own: two libraries of SQLite in one process do not see each other's locks.
    maker = subprocess.Popen([sys.executable, "-c", MAKER, str(place), table, json.dumps(rows)])
    with Index(tmp_path / "index", spaces=[tiny.make_space()]) as index:
        assert index.add(sw.Text("words", source="a")).added == 1
    assert maker.wait(timeout=60) == 0


def test_a_deletion_of_many_pages_misses_nothing_while_another_client_deletes(tiny, monkeypatch):
    store = Memory()
    index = Index(store, spaces=[tiny.make_space(modalities=("text",))])
    (description,) = index._store.descriptions.values()
    ids = [f"{number:032x}" for number in range(3500)]
    vector = np.ones(description.dimension, np.float32)
    store.upsert(description.name, [Record(i, vector, "x", {"source": "all", "modality": "text"}) for i in ids])
    get, asked = Memory.get, []

    def meanwhile(self, name, **options):
        page = get(self, name, **options)
        asked.append(len(page))
        if len(asked) == 1:  # another client deletes what this page holds
            self.delete(name, [record.id for record in page])
        return page

    monkeypatch.setattr(Memory, "get", meanwhile)
    assert index.delete(sources="all") == 3500
    assert len(index) == 0
