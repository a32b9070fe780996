"""Indexes in other processes: forked after use, during an add, before a server's workers start, and pickled."""

import asyncio
import json
import multiprocessing
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from children import run_in_child, start_child

import senseweave as sw
from senseweave.errors import StoreError
from senseweave.retrieval.stores.lock import FolderLock

HERE = Path(__file__).parent
SECONDS = 60
"""How long another process may take."""


@pytest.fixture
def used(tmp_path, space):
    """An index that was written, searched and used from an event loop."""
    with sw.Index(tmp_path / "index", spaces=[space]) as index:
        index.add([sw.Text(f"tomato number {number}", source=f"text-{number}") for number in range(40)])
        index.search("tomato")
        asyncio.run(index.asearch("tomato"))
        asyncio.run(space.aembed_text(["tomato"]))
        yield index


def test_a_child_embeds_searches_and_counts(used, space):
    expected = space.embed_text(["a new text"])

    def child():
        assert (space.embed_text(["a new text"]) == expected).all()
        assert (asyncio.run(space.aembed_text(["a new text"])) == expected).all()
        assert used.search("tomato number 7", k=1)[0].source == "text-7"
        assert asyncio.run(used.asearch("tomato number 8", k=1))[0].source == "text-8"
        assert len(used) == 40

    run_in_child(child)
    assert used.search("tomato number 7", k=1)[0].source == "text-7"


def test_a_parent_finds_what_its_child_added_and_a_child_what_a_grandchild_added(used):
    def grandchild():
        used.add([sw.Text("potato", source="grandchild")])

    def child():
        used.add([sw.Text("carrot", source="child")])
        asyncio.run(used.aadd([sw.Text("leek", source="child, later")]))
        run_in_child(grandchild, SECONDS)
        assert used.search("potato", k=1)[0].source == "grandchild"

    run_in_child(child, 2 * SECONDS)
    assert len(used) == 43
    assert used.search("carrot", k=1)[0].source == "child"
    used.add([sw.Text("onion", source="parent")])
    assert used.search("onion", k=1)[0].source == "parent"


def test_a_child_that_ends_like_a_program_ends(used):
    process = multiprocessing.get_context("fork").Process(target=_search_and_exit, args=(used,))
    process.start()
    process.join(SECONDS)
    process.kill()
    assert process.exitcode == 0


def test_a_child_that_never_uses_the_index_ends_like_a_program_too(tmp_path):
    program = """
import os, sys, time
sys.path.insert(0, sys.argv[2])
from tiny_space import make_space
import senseweave as sw
index = sw.Index(sys.argv[1], spaces=[make_space()])
index.add([sw.Text("tomato")])
index.search("tomato")
pid = os.fork()
if not pid:
    sys.exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "index", HERE], capture_output=True, text=True, timeout=SECONDS
    )
    assert (done.stdout, done.returncode) == ("7\n", 0), done.stderr


def test_a_child_forked_during_an_add_does_not_keep_the_folder_locked(tmp_path, tiny):
    class Slow(tiny.HashedWords):
        def forward(self, batch):
            time.sleep(0.3)
            return super().forward(batch)

    with sw.Index(tmp_path / "index", spaces=[sw.spaces.Space("slow", {"text": Slow()})], lock_timeout=20) as index:
        adding = threading.Thread(target=index.add, args=([sw.Text(f"text {n}") for n in range(1100)],))
        adding.start()
        lock = FolderLock(tmp_path / "index")
        deadline = time.monotonic() + 20
        while not lock.busy() and time.monotonic() < deadline:
            time.sleep(0.01)
        pid = start_child(lambda: time.sleep(SECONDS))
        try:
            adding.join(SECONDS)
            assert not lock.busy()
            index.add([sw.Text("after the add")])
            assert len(index) == 1101
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def test_a_child_forked_while_the_parent_holds_the_lock_leaves_it_with_the_parent(tmp_path):
    lock = FolderLock(tmp_path)
    with lock.held(1):

        def child():
            with pytest.raises(StoreError, match=rf"last writer: {os.getppid()}"), lock.held(0.1):
                pass

        lock.advance()
        run_in_child(child)
        assert FolderLock(tmp_path).busy()
    run_in_child(lambda: lock.held(1).__enter__())
    assert not lock.busy()


def test_a_client_of_a_folder_that_was_given_is_opened_again_in_a_child(tmp_path, space):
    chromadb = pytest.importorskip("chromadb")
    with sw.Index(chromadb.PersistentClient(str(tmp_path / "given")), spaces=[space]) as index:
        index.add([sw.Text("tomato", source="t")])
        run_in_child(lambda: index.search("tomato", k=1)[0].source == "t" or 1 / 0)
        assert index.search("tomato", k=1)[0].source == "t"


def test_a_client_in_memory_says_at_once_what_to_do_in_a_child(space):
    chromadb = pytest.importorskip("chromadb")
    with sw.Index(chromadb.EphemeralClient(), spaces=[space], prefix="forked-") as index:
        index.add([sw.Text("tomato")])

        def child():
            with pytest.raises(StoreError, match="EphemeralClient of Chroma does not work in a forked process"):
                index.search("tomato")

        run_in_child(child)


def test_a_store_in_memory_is_a_copy_in_a_child(space):
    index = sw.Index(sw.stores.Memory(), spaces=[space])
    index.add([sw.Text("tomato")])

    def child():
        index.add([sw.Text("carrot")])
        assert len(index) == 2

    run_in_child(child)
    assert len(index) == 1


def _search_and_exit(index):
    assert index.search("tomato number 7", k=1)[0].source == "text-7"
    sys.exit(0)


def _count(index):
    return len(index), index.search("tomato", k=1)[0].text


@pytest.mark.integration
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_of_a_pool_take_an_index(tmp_path, method):
    with sw.Index(tmp_path / "index") as index:
        index.add([sw.Text("tomato")])
        index.search("tomato")
        with multiprocessing.get_context(method).Pool(1) as pool:
            assert pool.apply_async(_count, (index,)).get(2 * SECONDS) == (1, "tomato")


@pytest.mark.integration
def test_an_index_is_pickled_by_its_folder_and_its_spaces(tmp_path):
    with sw.Index(tmp_path / "index", prefix="mine-", lock_timeout=3) as index:
        index.add([sw.Text("tomato")])
        with pickle.loads(pickle.dumps(index)) as again:
            assert again.search("tomato", k=1)[0].text == "tomato"
            assert (again._options["prefix"], again._options["lock_timeout"]) == ("mine-", 3)


def test_an_index_elsewhere_says_why_it_is_not_pickled(space):
    index = sw.Index(sw.stores.Memory(), spaces=[space])
    with pytest.raises(TypeError, match="cannot pickle an index in memory: open both in the other"):
        pickle.dumps(index)


SERVER = """
import asyncio, json, os, sys
sys.path.insert(0, {here!r})
from tiny_space import make_space
import senseweave as sw

space = make_space()
index = sw.Index({place!r}, spaces=[space])
index.add([sw.Text("tomato", source="preloaded")])
index.search("tomato")
asyncio.run(space.aembed_text(["warm"]))

def app(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    vector = asyncio.run(space.aembed_text([name]))
    asyncio.run(index.aadd([sw.Text("written by " + name, source=name)]))
    hit = index.search("written by " + name, k=1)[0]
    start_response("200 OK", [("Content-Type", "application/json")])
    answer = {{"source": hit.source, "pid": os.getpid(), "dimension": vector.shape[1]}}
    return [json.dumps(answer).encode()]
"""


def test_workers_of_a_server_that_loaded_the_application_before_it_forked(tmp_path, space):
    """What gunicorn --preload does: the index is open and used before there are workers."""
    (tmp_path / "served.py").write_text(SERVER.format(here=str(HERE), place=str(tmp_path / "index")))
    command = [sys.executable, "-m", "gunicorn", "--preload", "-w", "2", "-b", "127.0.0.1:0", "--no-control-socket"]
    server = subprocess.Popen(
        [*command, "--graceful-timeout", "5", "served:app"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    killer = threading.Timer(SECONDS, server.kill)
    killer.start()
    try:
        lines = iter(server.stderr.readline, "")
        address = next(match[0] for line in lines if (match := re.search(r"http://127[^ ]+", line)))
        answers = [json.load(urllib.request.urlopen(f"{address}/caller-{n}", timeout=30)) for n in range(12)]
        assert [answer["source"] for answer in answers] == [f"caller-{n}" for n in range(12)]
        assert server.pid not in {answer["pid"] for answer in answers}
        server.terminate()
        server.communicate(timeout=SECONDS)
        assert server.returncode == 0
    finally:
        server.kill()
        killer.cancel()
    with sw.Index(tmp_path / "index", spaces=[space]) as index:
        assert len(index) == 13
