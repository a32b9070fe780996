"""A store that fails under an index: whatever the fault, each call raises one line that says what to do."""

import errno
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from chromadb.errors import ChromaError, InternalError, InvalidArgumentError, NotFoundError

import senseweave as sw
from senseweave.errors import SenseweaveError, StoreError
from senseweave.retrieval.stores.store_errors import PAUSES, ask_again, readable

HERE = Path(__file__).parent

FAULTY = """
import json, os, resource, shutil, signal, sys
sys.path.insert(0, sys.argv[1])
import senseweave as sw
from tiny_space import make_space

_, _, place, fault = sys.argv
folder = place + "/index"
database = folder + "/chroma.sqlite3"
space = make_space(modalities=("text",))
index = sw.Index(folder, spaces=[space])
index.add([sw.Text(f"text {n}", source=f"s{n}") for n in range(100)])
index.export(place + "/whole.jsonl")
size = os.path.getsize(database)
if fault == "full":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
if fault == "damaged":
    with open(database, "r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))
if fault == "truncated":
    os.truncate(database, 8192)
if fault == "gone":
    shutil.rmtree(folder)
if fault == "closed":
    index._store.store._connection.given.close()

uses = {
    "add": lambda: index.add([sw.Text(f"more {n} " + "x" * 200, source=f"m{n}") for n in range(600)]),
    "search": lambda: index.search("text 3"),
    "filter": lambda: index.search("text 3", filter={"source": "s3"}),
    "len": lambda: len(index),
    "delete": lambda: index.delete(sources="s1"),
    "export": lambda: index.export(place + "/other.jsonl"),
    "import": lambda: index.import_(place + "/whole.jsonl"),
    "info": lambda: index.info(),
    "sources": lambda: index.sources(),
    "calibrate": lambda: index.calibrate(["x"]),
}
for name, use in uses.items():
    try:
        use()
        answer = None
    except BaseException as error:
        answer = [isinstance(error, sw.SenseweaveError), type(error).__name__, str(error)]
    print(json.dumps([name, answer]), flush=True)
os._exit(0)
"""

SAYS = {
    "full": "the disk is full or fails",
    "damaged": "if it is damaged, restore it from an export",
    "truncated": "if it is damaged, restore it from an export",
    "gone": "the index is gone from this folder",
    "closed": "the Chroma client is closed",
}


@pytest.mark.parametrize("fault", SAYS)
def test_every_call_on_a_failing_store_is_one_line_that_says_what_to_do(fault, tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", FAULTY, str(HERE), str(tmp_path), fault], capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    answers = dict(json.loads(line) for line in ran.stdout.splitlines())
    raised = {name: answer for name, answer in answers.items() if answer is not None}
    assert "add" in raised
    assert len(raised) >= 6, answers  # the database answers some from what it has in memory
    for own, _, text in raised.values():
        assert own, raised
        assert "\n" not in text
        assert str(tmp_path) in text
    said = [name for name, (_, _, text) in raised.items() if SAYS[fault] in text]
    assert len(said) >= len(raised) - 1, raised  # an export fails at its own file
    assert not list(tmp_path.glob("*.jsonl.*")), "half an export"
    assert (tmp_path / "other.jsonl").exists() == ("export" not in raised), "half an export"


def test_a_server_that_goes_away_is_one_line_and_adding_again_completes_the_index(server, space):
    texts = [sw.Text(f"record r{n}", source=f"s{n}") for n in range(60)]
    index = sw.Index(server.client(), spaces=[space])
    index.add(texts[:30])
    server.kill()
    for use in (
        lambda: index.add(texts),
        lambda: index.search("record r7"),
        lambda: len(index),
        lambda: index.delete(sources="s1"),
        lambda: index.sources(),
        lambda: sw.Index(index._store.store.client, spaces=[space]),
    ):
        with pytest.raises(StoreError, match=r"the Chroma server does not answer .*; start it and try again") as raised:
            use()
        assert "\n" not in str(raised.value)
    server.start()
    assert index.search("record r7", k=1)[0].source == "s7"
    assert (index.add(texts).added, len(index)) == (30, 60)
    assert index.add(texts).added == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_one_line(tmp_path, space):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(SenseweaveError, match="may not be written to"):
            sw.Index(tmp_path / "index", spaces=[space])
    finally:
        tmp_path.chmod(0o700)


def test_an_index_in_a_file_is_one_line(tmp_path, space):
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "file", tmp_path / "file" / "index", tmp_path / ("n" * 300)):
        with pytest.raises(StoreError) as raised:
            sw.Index(place, spaces=[space])
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (sqlite3.OperationalError("database is locked"), "another program keeps the database locked"),
        (InternalError("(code: 5) database is locked"), "another program keeps the database locked"),
        (InternalError("(code: 1032) attempt to write a readonly database"), "may not be written to"),
        (sqlite3.DatabaseError("file is not a database"), "if it is damaged, restore it"),
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full or fails"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "the disk is full or fails"),
        (PermissionError(errno.EACCES, "Permission denied"), "may not be written to"),
        (OSError(errno.EIO, "Input/output error"), "the store cannot be used"),
        (httpx.ConnectError("refused"), "the Chroma server does not answer"),
        (httpx.ReadTimeout("timed out"), "the Chroma server does not answer"),
        (ConnectionResetError("reset"), "the Chroma server does not answer"),
        (ValueError("Could not connect to a Chroma server."), "the Chroma server does not answer"),
        (json.JSONDecodeError("no JSON", "<html>", 0), "the Chroma server does not answer"),
        (Exception("<html>502 Bad Gateway</html>"), "if it is damaged, restore it"),
        (InvalidArgumentError("Collection expecting embedding with dimension of 4, got 3"), "refuses a request"),
        (ChromaError("Payload too large"), "refuses a request of this size"),
        (NotFoundError("Collection [x] does not exist"), "a collection of this index is gone"),
        (type("PanicException", (BaseException,), {})("index out of bounds"), "if it is damaged, restore it"),
        (InternalError("first line\nsecond " * 1000), "first line"),
    ],
    ids=repr,
)
def test_an_error_of_the_database_is_one_line_with_a_place(error, says):
    with pytest.raises(StoreError, match=f"^somewhere: .*{says}") as raised, readable("somewhere"):
        raise error
    assert raised.value.__cause__ is error
    assert len(str(raised.value).splitlines()) == 1
    assert len(str(raised.value)) < 600


@pytest.mark.parametrize(
    "error", [ValueError("a filter"), TypeError("k"), KeyError("x"), KeyboardInterrupt()], ids=repr
)
def test_an_error_that_is_not_of_the_database_passes(error):
    with pytest.raises(type(error)) as raised, readable("somewhere"):
        raise error
    assert raised.value is error


@pytest.mark.parametrize("failures", [1, len(PAUSES)])
@pytest.mark.parametrize("says", ["Error finding id", "Error creating hnsw segment reader: Nothing found on disk"])
def test_a_question_is_asked_again_while_others_write(says, failures, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    errors = [InternalError(f"Error executing plan: Internal error: {says}")] * failures

    def ask():
        if errors:
            raise errors.pop()
        return "answer"

    assert ask_again(ask) == "answer"


def test_a_question_that_always_fails_or_fails_otherwise_is_not_asked_for_ever(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    asked = []
    for error in (InternalError("Error finding id"), InternalError("database disk image is malformed")):

        def ask(error=error):
            asked.append(error)
            raise error

        with pytest.raises(InternalError):
            ask_again(ask)
    assert len(asked) == len(PAUSES) + 1 + 1
