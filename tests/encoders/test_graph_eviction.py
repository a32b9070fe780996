"""The size of the cache of graphs: what was used longest ago goes, and nothing that a process uses or makes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filelock import FileLock

from senseweave.encoders.runtime.backends import eviction
from senseweave.encoders.runtime.backends.cache import Entry, GraphKey, find_entry, make_entry
from senseweave.errors import SenseweaveError

SIZE = 1000
CHILD = """
import os, sys
from senseweave.encoders.runtime.backends.cache import GraphKey, find_entry, make_entry

def make(folder):
    (folder / "model.onnx").write_bytes(bytes(1000))
    return {}

for name in sys.argv[2:]:
    entry = make_entry(GraphKey("quick", lambda: {"name": name}), make)
    assert (entry.folder / "model.onnx").read_bytes() == bytes(1000), name
if sys.argv[1] == "hold":
    print("held", flush=True)
    sys.stdin.read()
    assert (entry.folder / "model.onnx").read_bytes() == bytes(1000)
if sys.argv[1] == "fork":
    if (child := os.fork()) == 0:
        sys.exit()
    os.waitpid(child, 0)
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("SENSEWEAVE_CACHE", str(tmp_path / "cache"))
    limit_to(monkeypatch, 2.9 * SIZE)
    return tmp_path / "cache" / "graphs"


def limit_to(monkeypatch, size: float) -> None:
    monkeypatch.setenv("SENSEWEAVE_CACHE_GB", str(size / 1e9))


def key(name: str) -> GraphKey:
    return GraphKey("quick", lambda: {"name": name})


def make(folder: Path) -> dict[str, object]:
    (folder / "model.onnx").write_bytes(bytes(SIZE))
    return {}


def make_elsewhere(*names: str, then: str = "end") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, then, *names]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def age(root: Path, name: str, seconds: float) -> None:
    """Let an entry have been used some seconds before now."""
    place = key(name).folder(root)
    then = place.stat().st_mtime - seconds
    os.utime(place, (then, then))


def kept(root: Path, *names: str) -> list[str]:
    return [name for name in names if key(name).folder(root).is_dir()]


def test_what_was_used_longest_ago_goes_when_a_further_graph_is_made(root):
    assert make_elsewhere("first", "second").wait() == 0
    age(root, "first", 50)
    age(root, "second", 100)
    make_entry(key("third"), make)
    assert kept(root, "first", "second", "third") == ["first", "third"]


def test_a_use_counts_as_much_as_the_making(root):
    assert make_elsewhere("first", "second").wait() == 0
    age(root, "first", 100)
    age(root, "second", 50)
    assert make_elsewhere("first").wait() == 0  # which is there, and is only read
    make_entry(key("third"), make)
    assert kept(root, "first", "second", "third") == ["first", "third"]


@pytest.mark.parametrize(
    "then", ["hold", pytest.param("fork", marks=pytest.mark.skipif(os.name == "nt", reason="fork"))]
)
def test_what_another_process_uses_stays_until_it_ends_or_is_killed(root, then, monkeypatch):
    limit_to(monkeypatch, 0)
    user = make_elsewhere("used", then=then)
    assert user.stdout.readline() == "held\n"
    age(root, "used", 100)
    make_entry(key("new"), make)
    assert kept(root, "used", "new") == ["used", "new"]
    user.send_signal(signal.SIGKILL)
    user.communicate()
    make_entry(key("newer"), make)
    assert kept(root, "used", "new", "newer") == ["new", "newer"]
    assert len(list((root / eviction.USES).iterdir())) == 2, "what the killed kept locked is gone"


def test_processes_that_have_ended_leave_one_file_at_most(root):
    for _ in range(3):
        assert make_elsewhere("one").wait() == 0
    assert len(list((root / eviction.USES).iterdir())) == 1


def test_what_is_found_is_in_use_as_well(root, monkeypatch):
    assert make_elsewhere("found").wait() == 0
    assert find_entry(key("found")) is not None
    limit_to(monkeypatch, 0)
    assert make_elsewhere("new").wait() == 0
    assert kept(root, "found", "new") == ["found", "new"]


def test_what_is_being_made_or_removed_is_left_alone(root, monkeypatch):
    assert make_elsewhere("made again").wait() == 0
    limit_to(monkeypatch, 0)
    with FileLock(f"{key('made again').folder(root)}.lock"):
        make_entry(key("new"), make)
        assert kept(root, "made again", "new") == ["made again", "new"]
    make_entry(key("newer"), make)
    assert kept(root, "made again", "new", "newer") == ["new", "newer"]


def test_what_killed_processes_left_is_counted_and_goes(root, monkeypatch):
    half = root / "quick" / f".partial-{key('half').folder(root).name}-abcdefgh"
    gone = root / ".evicted-1234"
    for folder in (half, gone):
        folder.mkdir(parents=True)
        make(folder)
    limit_to(monkeypatch, SIZE * 1.5)
    make_entry(key("new"), make)
    assert (half.exists(), gone.exists(), kept(root, "new")) == (False, False, ["new"])


def test_processes_that_make_and_evict_at_once_each_have_their_graphs(root, monkeypatch):
    names = [f"graph {number}" for number in range(6)]
    processes = [make_elsewhere(*names[first:], *names[:first]) for first in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    limit_to(monkeypatch, 0)
    make_entry(key("last"), make)
    assert kept(root, "last", *names) == ["last"]


def test_threads_may_ask_for_one_graph_at_once(root):
    with ThreadPoolExecutor(8) as threads:
        entries: list[Entry] = list(threads.map(lambda _: make_entry(key("one"), make), range(16)))
    assert {entry.folder for entry in entries} == {key("one").folder(root)}


def test_a_graph_that_a_user_deletes_is_made_and_kept_again(root, monkeypatch):
    make_entry(key("mine"), make)
    shutil.rmtree(root)
    make_entry(key("mine"), make)
    limit_to(monkeypatch, 0)
    assert make_elsewhere("new").wait() == 0
    assert kept(root, "mine") == ["mine"]


@pytest.mark.parametrize("given", ["plenty", "-1", "nan", "inf"])
def test_a_limit_that_is_no_size_is_an_error_before_anything_is_made(root, given, monkeypatch):
    monkeypatch.setenv("SENSEWEAVE_CACHE_GB", given)
    with pytest.raises(SenseweaveError, match=f"SENSEWEAVE_CACHE_GB must be a number of gigabytes .* not '{given}'"):
        make_entry(key("new"), make)
    assert not kept(root, "new")


def test_the_cache_says_where_it_is_and_how_large(root, monkeypatch):
    make_entry(key("one"), make)
    facts = eviction.describe_cache()
    size = sum(file.stat().st_size for file in key("one").folder(root).iterdir())
    assert (facts["folder"], facts["graphs"], facts["graph_bytes"]) == (str(root.parent), 1, size)
    assert facts["graph_bytes_limit"] == int(2.9 * SIZE)
    monkeypatch.setenv("SENSEWEAVE_CACHE", "")
    assert eviction.describe_cache()["folder"] is None
