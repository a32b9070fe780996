"""A database that another program keeps locked: an error within seconds that names it, and no hang."""

import contextlib
import subprocess
import sys
import threading
import time

import pytest

import senseweave as sw
from senseweave.errors import StoreError
from senseweave.retrieval import Index
from senseweave.retrieval.integrity import database, file_locks
from senseweave.retrieval.stores import chroma_connection

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists the locks of files")
HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN " + sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def locked(folder, kind):
    """Keep the database of a folder locked by another process, and yield its id."""
    command = [sys.executable, "-c", HOLD, str(folder / "chroma.sqlite3"), kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        try:
            yield holder.pid
        finally:
            holder.stdin.close()
            holder.wait(30)


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch):
    monkeypatch.setattr(chroma_connection, "PATIENCE", 0.3)
    monkeypatch.setattr(database, "PATIENCE", 0.3)


@pytest.fixture
def folder(tmp_path, space):
    with Index(tmp_path / "index", spaces=[space]) as index:
        index.add([sw.Text("a dog", source="dog")])
    return tmp_path / "index"


def refused(call, pid):
    """Check that a call fails soon, with one line that names the process."""
    began = time.monotonic()
    with pytest.raises(StoreError, match=f"process {pid} keeps the database locked") as caught:
        call()
    assert time.monotonic() - began < 10
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["EXCLUSIVE", "IMMEDIATE"])
def test_nothing_waits_for_a_program_that_keeps_the_database_locked(folder, space, kind):
    with Index(folder, spaces=[space], lock_timeout=0.3) as index:
        with locked(folder, kind) as pid:
            time.sleep(2 * chroma_connection.PROBED_EVERY)
            refused(lambda: index.search("a dog"), pid)
            refused(lambda: len(index), pid)
            refused(lambda: index.add([sw.Text("a cat", source="cat")]), pid)
            refused(lambda: index.delete(sources=["dog"]), pid)
            refused(lambda: Index.open(folder, spaces=[space]), pid)
            refused(index.verify, pid)
        assert index.add([sw.Text("a cat", source="cat")]).added == 1
        assert index.search("a dog")[0].text == "a dog"
        assert index.verify().ok


def test_a_lock_that_is_released_in_time_is_waited_for(folder, space, monkeypatch):
    monkeypatch.setattr(chroma_connection, "PATIENCE", 30)
    with Index(folder, spaces=[space], lock_timeout=30) as index, contextlib.ExitStack() as held:
        held.enter_context(locked(folder, "IMMEDIATE"))
        threading.Timer(0.5, held.pop_all().close).start()
        assert index.add([sw.Text("a cat", source="cat")]).added == 1


def test_an_open_database_is_asked_for_its_locks_without_the_list_of_all(folder, space, monkeypatch):
    with Index(folder, spaces=[space]) as index:
        monkeypatch.setattr(file_locks, "_LOCKS", folder / "nowhere")
        with locked(folder, "EXCLUSIVE") as pid:
            index._store.store._connection._probed = 0.0
            refused(lambda: index.search("a dog"), pid)


@pytest.mark.parametrize(("kind", "keeps_out"), [("EXCLUSIVE", {True, False}), ("IMMEDIATE", {True})])
def test_both_ways_to_ask_for_the_holder_of_a_lock_agree(folder, kind, keeps_out):
    database_file = folder / "chroma.sqlite3"
    with open(database_file, "rb") as file, locked(folder, kind) as pid:
        for writing in (True, False):
            expected = pid if writing in keeps_out else None
            assert file_locks._holder_by_descriptor(file.fileno(), writing=writing) == expected
            assert file_locks._listed_holder(database_file, writing=writing) == expected
            assert file_locks.lock_holder(database_file, writing=writing) == expected
    assert file_locks.lock_holder(database_file, writing=True) is None
