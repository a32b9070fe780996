"""The lock of a folder: held by one writer at a time, however the writer ends, and the counter beside it."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from senseweave.errors import StoreError
from senseweave.retrieval.stores.lock import FolderLock

HOLDER = """
import sys
from pathlib import Path
from senseweave.retrieval.stores.lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
with lock.held(5):
    lock.advance()
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_another_process_is_waited_for_and_named(tmp_path, holder):
    lock = FolderLock(tmp_path)
    assert lock.busy()
    with pytest.raises(StoreError, match=rf"last writer: {holder.pid}\); waited 0\.1 seconds"), lock.held(0.1):
        pass
    threading.Timer(0.2, holder.stdin.close).start()
    with lock.held(30):
        assert lock.generation() == 1


def test_a_process_that_is_killed_leaves_the_lock_free(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    lock = FolderLock(tmp_path)
    assert not lock.busy()
    with lock.held(0):
        assert lock.advance() == 2


def test_the_thread_that_holds_it_may_hold_it_again_and_keeps_it_until_the_last_end(tmp_path):
    lock, other = FolderLock(tmp_path), FolderLock(tmp_path)
    with lock.held(0):
        with lock.held(0):
            assert other.busy()
        assert other.busy()
        lock.advance()
    assert not other.busy()


def test_another_thread_of_the_same_lock_waits_however_long_it_takes(tmp_path):
    lock = FolderLock(tmp_path)
    order = []

    def write():
        with lock.held(0):
            order.append("second")

    with lock.held(0):
        thread = threading.Thread(target=write)
        thread.start()
        thread.join(0.3)
        order.append("first")
    thread.join(30)
    assert order == ["first", "second"]


def test_its_own_holder_is_not_busy_and_a_folder_that_nobody_wrote_to_neither(tmp_path):
    lock = FolderLock(tmp_path)
    assert not lock.busy()
    assert list(tmp_path.iterdir()) == []
    with lock.held(0):
        assert not lock.busy()


def test_writes_are_counted_by_the_holder_alone(tmp_path):
    lock, reader = FolderLock(tmp_path), FolderLock(tmp_path)
    assert reader.generation() == 0
    with pytest.raises(StoreError, match="is not locked"):
        lock.advance()
    for number in (1, 2):
        with lock.held(0):
            assert lock.advance() == number
        assert reader.generation() == number


def test_the_counter_of_an_index_of_0_1_goes_on(tmp_path):
    lock = FolderLock(tmp_path)
    lock.path.write_bytes(b"%012d %012d\n" % (41, 7))
    with lock.held(0):
        assert lock.advance() == 42
    assert FolderLock(tmp_path).generation() == 42
