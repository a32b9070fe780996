"""The index on an event loop: adds queue without taking threads, and stop with their tasks, leaving the index whole."""

import asyncio
import threading
import time

import pytest

import senseweave as sw
from senseweave.concurrency import THREADS
from senseweave.retrieval.records.writing import BUFFER
from senseweave.retrieval.stores.lock import FolderLock
from senseweave.spaces.space import Space

SECONDS = 60


@pytest.fixture
def slow(tiny):
    """A space whose encoder waits for a permit before each batch."""

    class Slow(tiny.HashedWords):
        batch_budget = 2000

        def __init__(self):
            super().__init__()
            self.permits = threading.Semaphore(0)
            self.batches = []

        def forward(self, batch):
            assert self.permits.acquire(timeout=SECONDS)
            self.batches.append(len(batch))
            return super().forward(batch)

    return Space("slow", {"text": Slow()}, cache_size=0)


async def until(condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.005)


def permit(space, batches=100_000):
    space.encoders["text"].permits.release(batches)


async def test_40_adds_leave_the_event_loops_threads_and_searches_alone(tmp_path, slow, space):
    with sw.Index(tmp_path / "index", spaces=[slow]) as index, sw.Index(tmp_path / "b", spaces=[space]) as other:
        other.add([sw.Text("tomato")])
        adds = [asyncio.ensure_future(index.aadd([sw.Text(f"text {n}")])) for n in range(40)]
        await until(lambda: FolderLock(tmp_path / "index").busy())
        assert await asyncio.wait_for(asyncio.to_thread(lambda: "free"), SECONDS) == "free"
        assert (await asyncio.wait_for(other.asearch("tomato", k=1), SECONDS))[0].text == "tomato"
        await asyncio.wait_for(other.aadd([sw.Text("carrot")]), SECONDS)
        writers = [thread for thread in threading.enumerate() if thread.name.startswith("senseweave-write")]
        assert len(writers) <= THREADS
        permit(slow)
        reports = await asyncio.gather(*adds)
        assert [report.added for report in reports] == [1] * 40
        assert len(index) == 40


async def test_a_cancelled_add_stops_between_batches_and_a_later_one_completes_it(tmp_path, slow):
    texts = [sw.Text(f"text number {n}", source=f"source {n}") for n in range(3 * BUFFER["text"])]
    with sw.Index(tmp_path / "index", spaces=[slow]) as index:
        task = asyncio.ensure_future(index.aadd(texts))
        permit(slow, 2)
        await until(lambda: len(slow.encoders["text"].batches) == 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        permit(slow, 1)  # for the batch that had begun
        lock = FolderLock(tmp_path / "index")
        await until(lambda: not lock.busy())
        assert len(slow.encoders["text"].batches) <= 3
        assert len(index) < len(texts)
        permit(slow)
        report = await asyncio.wait_for(index.aadd(texts), SECONDS)
        assert not report.failed
        assert len(index) == len(texts)
        assert index.search("text number 7", k=1)[0].text == "text number 7"


async def test_an_add_that_was_cancelled_while_it_waited_writes_nothing(tmp_path, slow):
    with sw.Index(tmp_path / "index", spaces=[slow]) as index:
        first = asyncio.ensure_future(index.aadd([sw.Text("first")]))
        await until(lambda: FolderLock(tmp_path / "index").busy())
        dropped = asyncio.ensure_future(index.aadd([sw.Text("dropped")]))
        await asyncio.sleep(0)
        dropped.cancel()
        permit(slow)
        await asyncio.gather(first, dropped, return_exceptions=True)
        await index.aadd([sw.Text("last")])
        assert {hit.text for hit in index.search("text", k=5)} == {"first", "last"}


async def test_an_add_that_waits_for_another_process_stops_waiting_when_it_is_cancelled(tmp_path, space):
    with sw.Index(tmp_path / "index", spaces=[space], lock_timeout=SECONDS) as index:
        elsewhere = FolderLock(tmp_path / "index")
        with elsewhere.held(1):
            task = asyncio.ensure_future(index.aadd([sw.Text("cancelled")]))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda: index._store.store._connection.lock._threads.acquire(timeout=0))
            index._store.store._connection.lock._threads.release()
        await asyncio.wait_for(index.aadd([sw.Text("later")]), SECONDS)
        assert [hit.text for hit in index.search("later", k=5)] == ["later"]


async def test_a_cancelled_embedding_stops_between_batches_and_others_get_theirs(slow):
    task = asyncio.ensure_future(slow.aembed_text([f"{'word ' * 50} {n}" for n in range(200)]))
    permit(slow, 1)
    await until(lambda: slow.encoders["text"].batches)
    task.cancel()
    permit(slow, 2)
    after = await asyncio.wait_for(asyncio.gather(slow.aembed_text(["after"])), SECONDS)
    assert after[0].shape == (1, 64)
    assert len(slow.encoders["text"].batches) <= 3


async def test_a_long_request_gives_the_vectors_of_the_synchronous_method(space):
    texts = [f"text {n}" for n in range(700)]
    assert (await space.aembed_text(texts) == space.embed_text(texts)).all()
