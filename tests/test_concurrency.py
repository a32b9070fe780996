"""The library's own threads: bounded, named, apart from the event loop's, given up with their callers, gone at exit."""

import asyncio
import contextvars
import gc
import subprocess
import sys
import threading
import time

import pytest
from children import run_in_child

from senseweave.concurrency import (
    FEW,
    CallAbandoned,
    Pool,
    Queue,
    abandoned_when,
    checkpoint,
    in_thread,
    in_thread_if_many,
    run_in,
)

SECONDS = 30
name = contextvars.ContextVar("name", default="nobody")


@pytest.fixture
def pool():
    made = Pool("senseweave-test", 2)
    yield made
    made.close()


@pytest.fixture
def gate():
    """An event for which calls wait, set at the end whatever happens."""
    event = threading.Event()
    yield event
    event.set()


async def until(condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.005)


async def test_a_call_runs_in_a_named_thread_with_the_callers_context_variables():
    name.set("somebody")
    assert await in_thread(lambda: (threading.current_thread().name[:15], name.get())) == (
        "senseweave-read",
        "somebody",
    )


async def test_arguments_are_passed_and_errors_reach_the_caller():
    assert await in_thread(divmod, 7, 4) == (1, 3)
    assert await in_thread(sorted, [2, 3, 1], reverse=True) == [3, 2, 1]
    with pytest.raises(ZeroDivisionError):
        await in_thread(divmod, 1, 0)


async def test_no_more_threads_than_the_pool_has_and_the_event_loops_own_stay_free(pool, gate):
    calls = [asyncio.ensure_future(run_in(pool, gate.wait)) for _ in range(50)]
    await until(lambda: sum(thread.name.startswith("senseweave-test") for thread in threading.enumerate()) == 2)
    assert await asyncio.wait_for(asyncio.to_thread(lambda: "free"), SECONDS) == "free"
    gate.set()
    assert all(await asyncio.gather(*calls))
    assert sum(thread.name.startswith("senseweave-test") for thread in threading.enumerate()) == 2


async def test_a_call_that_waits_is_dropped_with_its_task(pool, gate):
    ran = []
    first = [asyncio.ensure_future(run_in(pool, gate.wait)) for _ in range(2)]
    dropped = asyncio.ensure_future(run_in(pool, ran.append, "dropped"))
    kept = asyncio.ensure_future(run_in(pool, ran.append, "kept"))
    await asyncio.sleep(0.02)
    dropped.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dropped
    gate.set()
    await asyncio.gather(*first, kept)
    assert ran == ["kept"]


async def test_a_running_call_ends_at_the_first_checkpoint_after_its_task_was_cancelled(pool):
    steps, ended = [], threading.Event()

    def work():
        try:
            while True:
                steps.append(1)
                checkpoint()
                time.sleep(0.002)
        finally:
            ended.set()

    task = asyncio.ensure_future(run_in(pool, work))
    await until(lambda: steps)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(ended.wait, SECONDS)


def test_a_checkpoint_raises_inside_a_block_that_is_given_up_and_nowhere_else():
    checkpoint()
    with abandoned_when(lambda: False):
        checkpoint()
    with pytest.raises(CallAbandoned), abandoned_when(lambda: True):
        checkpoint()
    checkpoint()


def test_no_handler_of_errors_takes_a_call_that_was_given_up_for_a_failure():
    assert not issubclass(CallAbandoned, Exception)


async def test_a_call_from_a_thread_of_the_pool_does_not_wait_for_another(pool):
    def nested():
        return asyncio.run(run_in(pool, lambda: asyncio.run(run_in(pool, lambda: "inner"))))

    calls = [run_in(pool, nested) for _ in range(4)]
    assert await asyncio.wait_for(asyncio.gather(*calls), SECONDS) == ["inner"] * 4


async def test_a_pool_that_was_closed_starts_again(pool):
    assert await run_in(pool, lambda: 1) == 1
    pool.close()
    assert await run_in(pool, lambda: 2) == 2


def test_threads_end_with_the_last_reference_to_their_pool():
    pool = Pool("senseweave-dropped", 2)
    threads = {pool.submit(threading.current_thread).result() for _ in range(4)}
    del pool
    gc.collect()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


async def test_calls_of_a_queue_run_in_their_order_one_at_a_time(pool):
    queue, order, running = Queue(pool), [], []

    def work(n):
        running.append(n)
        assert running == [n]
        time.sleep(0.001)
        order.append(n)
        running.remove(n)

    await asyncio.gather(*(run_in(queue, work, n) for n in range(30)))
    assert order == list(range(30))


async def test_a_queue_occupies_one_thread_so_that_others_get_theirs(pool, gate):
    busy, free = Queue(pool), Queue(pool)
    calls = [asyncio.ensure_future(run_in(busy, gate.wait)) for _ in range(20)]
    assert await asyncio.wait_for(run_in(free, lambda: "done"), SECONDS) == "done"
    assert await asyncio.wait_for(run_in(pool, lambda: "done"), SECONDS) == "done"
    gate.set()
    await asyncio.gather(*calls)


async def test_queues_that_share_a_thread_take_turns(gate):
    pool, order = Pool("senseweave-test", 1), []
    first, second = Queue(pool), Queue(pool)
    calls = [asyncio.ensure_future(run_in(first, gate.wait))]
    await asyncio.sleep(0)
    for letter, queue in (("a", first), ("a", first), ("b", second), ("b", second)):
        calls.append(asyncio.ensure_future(run_in(queue, order.append, letter)))
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*calls)
    assert order == ["b", "a", "b", "a"]
    pool.close()


async def test_a_failed_and_a_dropped_call_let_the_queue_go_on(pool, gate):
    queue = Queue(pool)
    held = asyncio.ensure_future(run_in(queue, gate.wait))
    dropped = asyncio.ensure_future(run_in(queue, gate.wait))
    failed = asyncio.ensure_future(run_in(queue, divmod, 1, 0))
    last = asyncio.ensure_future(run_in(queue, lambda: "last"))
    await asyncio.sleep(0.02)
    dropped.cancel()
    gate.set()
    results = await asyncio.gather(held, dropped, failed, last, return_exceptions=True)
    assert [type(result) for result in results] == [bool, asyncio.CancelledError, ZeroDivisionError, str]


async def test_few_items_stay_on_the_event_loop_and_many_do_not():
    here = threading.current_thread().name
    assert await in_thread_if_many([0] * FEW, lambda: threading.current_thread().name) == here
    for items in ([0] * (FEW + 1), None):
        assert (await in_thread_if_many(items, lambda: threading.current_thread().name)).startswith("senseweave-read")


def test_a_child_starts_threads_of_its_own_and_answers_what_it_asks(pool, gate):
    queue = Queue(pool)
    waiting = [queue.submit(gate.wait) for _ in range(3)] + [pool.submit(gate.wait) for _ in range(5)]

    def child():
        assert asyncio.run(run_in(queue, lambda: "queue")) == "queue"
        assert asyncio.run(run_in(pool, lambda: "pool")) == "pool"
        assert asyncio.run(in_thread(lambda: "read")) == "read"

    run_in_child(child)
    gate.set()
    assert all(future.result(SECONDS) for future in waiting)


@pytest.mark.slow
def test_a_process_ends_although_calls_run_and_wait():
    program = """
import threading, time
from senseweave.concurrency import WRITING, Queue, abandoned_when, checkpoint, run_in
import asyncio

def work():
    while True:
        checkpoint()
        time.sleep(0.01)

async def main():
    queue = Queue(WRITING)
    global tasks
    tasks = [queue.submit(lambda: run()) for _ in range(5)]
    tasks += [WRITING.submit(lambda: time.sleep(1)) for _ in range(500)]
    await asyncio.sleep(0.2)

def run():
    with abandoned_when(lambda: False):
        work()

asyncio.run(main())
print("ending", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=SECONDS)
    assert (done.stdout, done.returncode) == ("ending\n", 0), done.stderr
