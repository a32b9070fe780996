"""Writes to Chroma: small where an event loop waits for its turn, and in full batches where none does."""

from types import SimpleNamespace

import chromadb
import numpy as np
import pytest

import senseweave as sw
from senseweave.concurrency import abandoned_when, in_thread
from senseweave.retrieval.chroma_writer import ChromaWriter
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.stores import pacing
from senseweave.retrieval.stores.pacing import LEAST, TURN, WRITTEN, Pace


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until a test moves it."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(pacing, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    return clock


def sizes(pace, count, clock, seconds):
    """Return the sizes of the parts of a write that takes `seconds` for each call."""
    found = []
    for part in pace.parts(range(count)):
        found.append(len(part))
        clock.now += seconds
    assert sum(found) == count
    return found


def test_where_no_event_loop_waits_all_is_one_part(clock):
    assert sizes(Pace(), 640, clock, 10 * TURN) == [640]


def test_slow_writes_become_small_and_fast_writes_large_again(clock):
    pace = Pace()
    with abandoned_when(lambda: False):
        assert sizes(pace, 10 * LEAST, clock, TURN / 100) == [LEAST, 2 * LEAST, 4 * LEAST, 3 * LEAST]
        assert sizes(pace, 6 * LEAST + 3 * WRITTEN, clock, TURN / 100) == [6 * LEAST, *3 * [WRITTEN]]
        assert sizes(pace, 2 * WRITTEN, clock, 10 * TURN) == [WRITTEN, *(WRITTEN // LEAST) * [LEAST]]


@pytest.fixture
def written(clock, monkeypatch):
    """The sizes of all `upsert` calls of Chroma, of which each seems to take long."""
    found = []
    original = chromadb.Collection.upsert

    def upsert(collection, *args, **options):
        found.append(len(options["ids"]))
        clock.now += 10 * TURN
        return original(collection, *args, **options)

    monkeypatch.setattr(chromadb.Collection, "upsert", upsert)
    return found


async def test_an_awaited_add_writes_little_at_a_time_and_all_of_it(tmp_path, space, written):
    texts = [sw.Text(f"word{n} and word{n + 1}") for n in range(WRITTEN)]
    with sw.Index(tmp_path / "index", spaces=[space]) as index:
        await index.aadd(texts)
        assert written == [LEAST] * (WRITTEN // LEAST)
        assert len(index) == WRITTEN
        assert {hit.text for hit in index.search("word7", k=2)} == {"word6 and word7", "word7 and word8"}
        written.clear()
        index.add([sw.Text(f"another{n}") for n in range(WRITTEN)])
        assert written == [WRITTEN]


async def test_the_writer_to_a_frameworks_collection_keeps_the_pace_too(tmp_path, written, own_chroma):
    collection = chromadb.PersistentClient(str(tmp_path)).create_collection("theirs", embedding_function=None)
    records = [Record(str(n), np.ones(2, np.float32), "text", {"n": n}) for n in range(3 * LEAST)]
    await in_thread(ChromaWriter(collection).write, records)
    assert written == [LEAST] * 3
    assert collection.count() == len(records)
    written.clear()
    ChromaWriter(collection).write(records)
    assert written == [3 * LEAST]
