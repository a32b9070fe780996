"""The cache of graphs: one maker at a time, and whole entries alone, whoever is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from senseweave.encoders.runtime.backends.cache import FACTS, GraphKey, find_entry, make_entry
from senseweave.errors import ModelError

KEY = GraphKey("quick", lambda: {"model.safetensors": "0" * 64})
CHILD = """
import os, signal, sys, time
from pathlib import Path
from senseweave.encoders.runtime.backends.cache import GraphKey, make_entry

def make(folder):
    (folder / "model.onnx").write_bytes(b"whole")
    with open(sys.argv[1], "a") as file:
        file.write("made\\n")
    if sys.argv[2] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.2)
    return {"limit": 64}

entry = make_entry(GraphKey("quick", lambda: {"model.safetensors": "0" * 64}), make)
print(entry.facts["limit"], (entry.folder / "model.onnx").read_bytes())
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("SENSEWEAVE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "graphs" / "quick"


def child(log: Path, what: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", CHILD, str(log), what], stdout=subprocess.PIPE, text=True)


def test_a_process_killed_while_it_writes_leaves_nothing_that_is_read(tmp_path, folder):
    log = tmp_path / "log"
    for count in (1, 2):
        process = child(log, "die")
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert find_entry(KEY) is None
        assert log.read_text().count("made") == count
    process = child(log, "live")
    assert process.communicate()[0] == "64 b'whole'\n"
    assert find_entry(KEY) is not None
    assert not list(folder.glob(".partial-*")), "what the killed left is gone"


def test_processes_at_once_make_one_graph(tmp_path):
    log = tmp_path / "log"
    processes = [child(log, "live") for _ in range(4)]
    assert [process.communicate()[0] for process in processes] == ["64 b'whole'\n"] * 4
    assert log.read_text() == "made\n"


def make(content: bytes):
    def write(folder: Path) -> dict[str, object]:
        (folder / "model.onnx").write_bytes(content)
        return {"limit": 64}

    return write


@pytest.mark.parametrize("damage", [b"", b"wrong", None])
def test_an_entry_whose_files_changed_is_no_entry_and_is_made_again(damage):
    entry = make_entry(KEY, make(b"first"))
    file = entry.folder / "model.onnx"
    if damage is None:
        file.unlink()
    else:
        file.write_bytes(damage)
    assert find_entry(KEY) is None
    again = make_entry(KEY, make(b"second"))
    assert (again.folder / "model.onnx").read_bytes() == b"second"
    assert make_entry(KEY, make(b"third")).folder == again.folder
    assert file.read_bytes() == b"second"


def test_an_entry_whose_facts_changed_is_no_entry_and_is_made_again():
    entry = make_entry(KEY, make(b"first"))
    file = entry.folder / FACTS
    file.write_text(file.read_text().replace('"limit": 64', '"limit": 61'))
    assert find_entry(KEY) is None
    assert make_entry(KEY, make(b"second")).facts["limit"] == 64
    assert (entry.folder / "model.onnx").read_bytes() == b"second"


def test_a_maker_that_fails_leaves_nothing(folder):
    def fail(place: Path) -> dict[str, object]:
        (place / "model.onnx").write_bytes(b"half")
        raise RuntimeError("no such operator")

    with pytest.raises(RuntimeError, match="no such operator"):
        make_entry(KEY, fail)
    assert find_entry(KEY) is None
    assert [path for path in folder.iterdir() if path.suffix != ".lock"] == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_full_disk_is_named_with_the_folder_and_what_to_do(folder):
    def fill(place: Path) -> dict[str, object]:
        Path("/dev/full").write_bytes(b"graph")
        return {}

    with pytest.raises(ModelError, match=r"graphs: no space is left .*SENSEWEAVE_CACHE") as caught:
        make_entry(KEY, fill)
    assert str(folder.parent) in str(caught.value)
    assert [path for path in folder.iterdir() if path.suffix != ".lock"] == []


def test_other_content_and_other_variants_have_entries_of_their_own():
    make_entry(KEY, make(b"first"))
    assert find_entry(GraphKey("quick", lambda: {"model.safetensors": "1" * 64})) is None
    assert find_entry(GraphKey("quick", KEY.content, "int8-onnx")) is None
    assert find_entry(GraphKey("slow", KEY.content)) is None


def test_weights_are_not_read_where_no_graph_of_their_sizes_is_kept():
    def content():
        raise AssertionError("weights were read")

    assert find_entry(GraphKey("quick", content)) is None


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_cannot_be_written_to_is_done_without(folder):
    folder.parent.parent.mkdir(mode=0o500)
    entry = make_entry(KEY, make(b"whole"))
    assert (entry.folder / "model.onnx").read_bytes() == b"whole"
    assert (entry.folder / FACTS).is_file()


def block(place: Path) -> None:
    """Keep an entry from being locked, as a folder does that cannot be written to, for every user."""
    lock = Path(f"{place}.lock")
    lock.unlink(missing_ok=True)
    lock.mkdir()


def test_an_entry_in_a_folder_that_cannot_be_written_to_is_read():
    entry = make_entry(KEY, make(b"first"))
    block(entry.folder)
    assert make_entry(KEY, make(b"second")).folder == entry.folder
    assert (entry.folder / "model.onnx").read_bytes() == b"first"


@pytest.mark.parametrize("cache", ["off", "blocked"])
def test_without_a_cache_a_graph_is_made_once_a_process(folder, monkeypatch, cache):
    if cache == "off":
        monkeypatch.setenv("SENSEWEAVE_CACHE", "")
    else:
        block(make_entry(KEY, make(b"damaged")).folder)
        (KEY.folder(folder.parent) / "model.onnx").unlink()
    key = GraphKey(cache, KEY.content) if cache == "off" else KEY
    first = make_entry(key, make(b"first"))
    assert make_entry(key, make(b"second")).folder == first.folder
    assert (first.folder / "model.onnx").read_bytes() == b"first"


FORKING = """
import os, sys
from senseweave.encoders.runtime.backends.cache import GraphKey, make_entry

def make(folder):
    (folder / "model.onnx").write_bytes(b"whole")
    return {}

def make_twice():
    entry = make_entry(GraphKey("quick", lambda: {}), make)
    print(entry.folder, flush=True)
    return entry

entry = make_twice()
child = os.fork()
if not child:
    make_twice()
    sys.exit(0)
os.waitpid(child, 0)
print((entry.folder / "model.onnx").read_bytes())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_child_leaves_its_parent_the_graphs_that_are_not_kept(monkeypatch):
    monkeypatch.setenv("SENSEWEAVE_CACHE", "")
    done = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, check=True)
    parent, child, read = done.stdout.splitlines()
    assert parent != child
    assert read == "b'whole'"
    assert not Path(parent).exists()
    assert not Path(child).exists()
