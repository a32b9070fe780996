"""A store in Qdrant: what is Qdrant's own about it."""

import base64
import json
import os
import pickle
import re
import shutil
import sqlite3
import subprocess
import sys
import traceback
from pathlib import Path

import numpy as np
import pytest

import senseweave as sw
from senseweave.errors import StoreError
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.stores import qdrant, qdrant_cursors, qdrant_points, watching
from senseweave.retrieval.stores.addresses import QDRANT_KEY
from senseweave.retrieval.stores.filters import parse_filter

pytest.importorskip("qdrant_client", reason="needs qdrant-client")
KEY = "planted-key-7d1f0a93"
pytestmark = pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection:UserWarning")


def records(count, start=0):
    return [Record(f"r{n}", np.eye(4, dtype=np.float32)[n % 4], f"text {n}", {"n": n}) for n in range(start, count)]


@pytest.fixture
def server():
    from qdrant_server import qdrant_server

    with qdrant_server(key=KEY) as running:
        yield running


@pytest.fixture
def store(server):
    opened = sw.stores.Qdrant(server.url, api_key=KEY, timeout=5)
    opened.make("notes", {"about": "it"}, 4)
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path):
    """A folder of local Qdrant with some records, closed."""
    opened = sw.stores.Qdrant(tmp_path / "store")
    opened.make("notes", {"about": "it"}, 4)
    opened.upsert("notes", records(3))
    opened.close()
    return tmp_path / "store"


def failure(act):
    with pytest.raises(StoreError) as raised:
        act()
    message = str(raised.value)
    assert "\n" not in message
    assert KEY not in "".join(traceback.format_exception(raised.value))
    return message


def test_a_folder_that_is_open_says_so_to_another_store_and_another_process(folder):
    store = sw.stores.Qdrant(folder)
    try:
        assert f"{folder}: this folder is open already" in failure(lambda: sw.stores.Qdrant(folder))
        program = f"import senseweave as sw\nsw.stores.Qdrant({str(folder)!r})"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100)
        assert "this folder is open already, in another process" in done.stderr.splitlines()[-1]
    finally:
        store.close()
    sw.stores.Qdrant(folder).close()


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def write_pickle(folder, content):
    with sqlite3.connect(folder / "collection" / "notes" / "storage.sqlite") as database:
        key = base64.b64encode(pickle.dumps("0" * 8, protocol=4)).decode()
        database.execute("INSERT INTO points VALUES (?, ?)", (key, content))
    database.close()


def test_a_folder_whose_points_would_run_code_is_not_opened(folder, tmp_path):
    write_pickle(folder, pickle.dumps(Evil(str(tmp_path / "ran"))))
    message = failure(lambda: sw.stores.Qdrant(folder))
    assert "collection 'notes' holds what is not a point (it asks for posix.mkdir)" in message
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"\x80\x04.", b"no pickle", pickle.dumps([1, 2])[:-3]], ids=repr)
def test_a_folder_with_damaged_points_is_not_opened(folder, content):
    write_pickle(folder, content)
    assert "holds what is not a point" in failure(lambda: sw.stores.Qdrant(folder))


def test_a_table_that_may_answer_differently_each_time_is_not_read(folder):
    with sqlite3.connect(folder / "collection" / "notes" / "storage.sqlite") as database:
        database.execute("ALTER TABLE points RENAME TO kept")
        database.execute("CREATE VIEW points AS SELECT id, point FROM kept")
    database.close()
    assert "is not kept as Qdrant keeps it" in failure(lambda: sw.stores.Qdrant(folder))


@pytest.mark.parametrize(
    "name", ["meta.json", ".lock", "collection", "collection/notes", "collection/notes/storage.sqlite"]
)
def test_a_folder_with_links_is_not_opened(folder, tmp_path, name):
    (folder / name).rename(tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    assert f"{name} is a link" in failure(lambda: sw.stores.Qdrant(folder))


@pytest.mark.parametrize("name", ["../../elsewhere", "/elsewhere", "..", ""])
def test_a_collection_that_is_kept_elsewhere_is_not_opened(folder, tmp_path, name):
    catalog = json.loads((folder / "meta.json").read_text())
    catalog["collections"][name] = catalog["collections"]["notes"]
    (folder / "meta.json").write_text(json.dumps(catalog))
    assert "is not the name of a folder in it" in failure(lambda: sw.stores.Qdrant(folder))


def test_an_empty_path_is_not_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="the path of the Qdrant store is empty"):
        sw.stores.Qdrant("")
    assert os.listdir() == []


def test_folders_of_others_are_left_alone(tmp_path, folder):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    assert "holds something else than a Qdrant store" in failure(lambda: sw.stores.Qdrant(tmp_path / "mine"))
    assert os.listdir(tmp_path / "mine") == ["letter.txt"]
    assert "is a file" in failure(lambda: sw.stores.Qdrant(tmp_path / "mine" / "letter.txt"))
    assert "holds a Qdrant store" in failure(lambda: sw.Index(folder))
    (folder / "meta.json").write_text("{")
    assert "meta.json is damaged" in failure(lambda: sw.stores.Qdrant(folder))


@pytest.mark.parametrize(
    ("place", "options", "message"),
    [
        ("ftp://host", {}, "is not the URL of a Qdrant server"),
        (f"http://user:{KEY}@host:6333", {}, "pass a key as api_key="),
        (f"https://host:6333/?api_key={KEY}", {}, "pass a key as api_key="),
        (":memory:", {"api_key": KEY}, "api_key and headers are for a server"),
        (":memory:", {"indexed": {"year": "number"}}, "must be one of keyword, integer, float, bool"),
    ],
)
def test_a_place_that_is_none_is_refused_without_its_secrets(place, options, message):
    with pytest.raises(ValueError, match=message) as raised:
        sw.stores.Qdrant(place, **options)
    assert KEY not in str(raised.value)
    with pytest.raises(TypeError, match="is opened by a URL, a folder"):
        sw.stores.Qdrant(3)


REFUSALS = [
    (401, f"Invalid API key {KEY}", "refuses access"),
    (403, "Forbidden: Write access to collection required", "refuses access"),
    (400, 'Index required but not found for "metadata.year"', "name it in indexed="),
    (413, "Payload Too Large", "refuses a request of this size"),
    (400, f"Bad request: {KEY}", "refuses a request (400: Bad request: [redacted])"),
    (500, "Service internal error: No space left on device: WAL", "failed (500: Service internal error"),
    (404, "Not found: Collection `notes` doesn't exist!", "is gone"),
]


@pytest.mark.parametrize(("status", "words", "expected"), REFUSALS, ids=[words for _, words, _ in REFUSALS])
def test_what_a_server_refuses_is_one_line_without_the_key(server, store, status, words, expected):
    server.refusal = status, words
    acts = [
        store.collections,
        lambda: store.count("notes"),
        lambda: store.upsert("notes", records(1)),
        lambda: store.query("notes", np.eye(4)[:1], 3),
        lambda: store.delete("notes", ["r1"]),
    ]
    for act in acts:
        message = failure(act)
        assert message.startswith(f"qdrant+{server.url}: ")
        assert expected in message
    server.refusal = None


def test_a_wrong_key_and_a_server_that_is_not_there_say_so(server):
    with_wrong = sw.stores.Qdrant(server.url, api_key=f"{KEY}-wrong")
    assert "refuses access (Must provide an API key" in failure(with_wrong.collections)
    gone = sw.stores.Qdrant("http://127.0.0.1:9", api_key=KEY, timeout=2)
    assert "the Qdrant server does not answer" in failure(gone.collections)
    for opened in (with_wrong, gone):
        assert KEY not in repr(opened)
        assert KEY not in opened.place


def test_a_server_is_opened_by_its_address_with_the_key_of_the_environment(server, monkeypatch):
    address = f"qdrant+{server.url}"
    monkeypatch.delenv(QDRANT_KEY, raising=False)
    assert "refuses access" in failure(sw.stores.connect(address).collections)
    monkeypatch.setenv(QDRANT_KEY, KEY)
    store = sw.stores.connect(address)
    assert isinstance(store, qdrant.QdrantStore)
    assert store.collections() == {}
    assert store.place == sw.stores.Qdrant(server.url, api_key=KEY).place == address
    assert sw.stores.Qdrant(store.place, api_key=KEY).collections() == {}
    store.close()
    for given in (f"qdrant+http://ann:{KEY}@host:6333", f"qdrant+https://host?api_key={KEY}"):
        assert QDRANT_KEY in failure(lambda given=given: sw.stores.connect(given))
    said = failure(lambda: sw.stores.connect("qdrant+http://ann@host:6333"))
    assert "without a user name" in said
    assert QDRANT_KEY in said


def test_an_index_never_keeps_the_key(server, store, space, tmp_path):
    with sw.Index(store, spaces=[space]) as index:
        index.add([sw.Text("tomato", source="t")])
        index.export(tmp_path / "all.jsonl")
        assert KEY not in f"{index!r} {index.info()} {(tmp_path / 'all.jsonl').read_text()} {store.collections()}"
        assert KEY not in f"{index.verify()!r} {index.search('tomato')!r}"


def test_a_server_too_old_to_keep_metadata_is_told_by_its_version(store, monkeypatch):
    monkeypatch.setattr(type(store), "_metadata", lambda self, name: None)
    assert "Qdrant does from version 1.16 on" in failure(lambda: store.make("more", {"a": 1}, 4))
    assert "more" not in store.collections()


def test_collections_of_others_are_seen_as_such_and_asked_about_once(server, store):
    from qdrant_client import models

    server.client.create_collection("theirs", models.VectorParams(size=4, distance=models.Distance.COSINE))
    assert store.collections() == {"notes": {"about": "it"}, "theirs": {}}
    server.requests.clear()
    assert store.collections() == {"notes": {"about": "it"}, "theirs": {}}
    assert server.requests == [("GET", "/collections"), ("GET", "/collections/notes")]
    assert store.make("theirs", {"about": "mine"}, 4) == {}
    assert server.client.collection_exists("theirs")


def test_what_another_process_learns_is_seen_by_an_open_index(server, store, space, monkeypatch):
    other = sw.stores.Qdrant(server.url, api_key=KEY)
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.0)
    with sw.Index(store, spaces=[space]) as index, sw.Index(other, spaces=[space]) as rival:
        index.add([sw.Text("tomato soup", source="a"), sw.Text("onion soup", source="b")])
        before = [description.calibration for description in index._store.descriptions.values()]
        rival.calibrate(labels=[("tomato", "a"), ("onion", "b")])
        learned = [description.calibration for description in index._store.descriptions.values()]
        assert learned != before
        assert learned == [description.calibration for description in rival._store.descriptions.values()]
    other.close()


def test_a_server_indexes_what_filters_ask_for(server):
    store = sw.stores.Qdrant(server.url, api_key=KEY, indexed={"year of issue": "integer"})
    store.make("notes", {}, 4)
    store.upsert("notes", records(2))
    store.upsert("notes", records(3))
    asked = [path for method, path in server.requests if path.endswith("/index?wait=true")]
    assert len(asked) == len(qdrant_points.DEFAULT_INDEXES) + 1
    store.close()


def test_whole_numbers_are_matched_where_they_are_said_to_be_whole():
    filters = qdrant.QdrantFilters({"year": "integer"})
    matched = filters.translate(parse_filter({"year": [2023, 2024]})).should
    assert [condition.match.any for condition in matched] == [[2023, 2024]]
    ranges = qdrant.QdrantFilters({}).translate(parse_filter({"year": [2023, 2024]})).should
    assert [(condition.range.gte, condition.range.lte) for condition in ranges] == [(2023, 2023), (2024, 2024)]


def test_a_listing_goes_on_where_its_page_ended(server, store, monkeypatch):
    monkeypatch.setattr(qdrant_cursors, "SKIPPED", 3)
    store.upsert("notes", records(20))
    everything = [record.id for record in store.get("notes")]
    server.requests.clear()
    pages = [[record.id for record in store.get("notes", limit=5, offset=at)] for at in range(0, 20, 5)]
    assert [each for page in pages for each in page] == everything
    assert len(server.requests) == 4
    again = sw.stores.Qdrant(server.url, api_key=KEY)
    assert [record.id for record in again.get("notes", limit=5, offset=10)] == everything[10:15]
    again.delete("notes", everything[:5])  # unknown to the first store, whose next page begins at the same record
    assert [record.id for record in store.get("notes", limit=5, offset=10)] == everything[10:15]
    again.close()


def test_requests_are_kept_below_what_a_server_takes(server, store):
    store.make("wide", {}, 1024)
    vectors = np.random.default_rng(0).normal(size=(1500, 1024)).astype(np.float32)
    store.upsert("wide", [Record(f"w{n}", vector, "ö" * 2000, {"n": n}) for n, vector in enumerate(vectors)])
    assert store.count("wide") == 1500
    written = [path for method, path in server.requests if method == "PUT" and path.endswith("/points?wait=true")]
    assert len(written) > 3


def test_a_client_that_was_given_stays_open(server):
    from qdrant_client import QdrantClient

    client = QdrantClient(":memory:")
    store = sw.stores.Qdrant(client)
    store.make("notes", {"about": "it"}, 4)
    store.close()
    assert client.collection_exists("notes")
    remote = QdrantClient(url=server.url, api_key=KEY, check_compatibility=False)
    given = sw.stores.Qdrant(remote)
    assert given.place == f"qdrant+{server.url}"
    assert given.secrets == (KEY,)
    given.close()
    assert remote.get_collections().collections == []
    client.close()


def test_the_code_of_the_page_of_stores_runs(server, corpus, tmp_path, monkeypatch, capsys):
    text = (Path(__file__).parents[2] / "docs" / "stores.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "notes").mkdir()
    shutil.copy(corpus / "images" / "photo-01.jpg", tmp_path / "notes" / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SENSEWEAVE_QDRANT_KEY", KEY)
    assert sum("https://qdrant.internal:6333" in block for block in blocks) == 2
    for block in blocks:
        exec(block.replace("https://qdrant.internal:6333", server.url), {"__name__": "__page__"})
    assert ["photo.jpg" in line for line in capsys.readouterr().out.splitlines()] == [True, True]


def test_langchain_reads_the_records(server, store):
    langchain_qdrant = pytest.importorskip("langchain_qdrant")
    from langchain_core.embeddings import DeterministicFakeEmbedding

    store.upsert("notes", records(3))
    chain = langchain_qdrant.QdrantVectorStore(
        server.client, "notes", embedding=DeterministicFakeEmbedding(size=4), validate_collection_config=False
    )
    (document,) = chain.similarity_search_by_vector([1.0, 0.0, 0.0, 0.0], k=1)
    assert (document.page_content, document.metadata["n"]) == ("text 0", 0)


def test_metadata_of_a_collection_are_one_value_that_is_replaced(server, store):
    store.save_metadata("notes", {"b": 2})
    assert json.loads(server.client.get_collection("notes").config.metadata["senseweave"]) == {"b": 2}
    assert store.collections()["notes"] == {"b": 2}
