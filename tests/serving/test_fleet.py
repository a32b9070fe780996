"""Several servers search one shared store while another process writes to it."""

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from chroma_server import ChromaServer
from loopback_server import Start

import senseweave as sw
from senseweave.retrieval.search.words import keeping
from senseweave.retrieval.search.words.tokens import parse_words
from senseweave.retrieval.stores import watching
from senseweave.testing import toy_space

Open = Callable[[], sw.Index]
"""Opens the index anew, as another process does."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChromaServer]:
    started = ChromaServer(tmp_path_factory.mktemp("server"))
    yield started
    started.kill()


@pytest.fixture(scope="module")
def stand_in() -> Iterator[Any]:
    """What stands in for a Qdrant server."""
    pytest.importorskip("qdrant_client")
    from qdrant_server import qdrant_server

    with qdrant_server() as running:
        yield running


@pytest.fixture(params=["chroma", "qdrant", pytest.param("postgresql", marks=pytest.mark.integration)])
def open_index(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Open]:
    monkeypatch.setattr(keeping, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(keeping, "LONG_SECONDS", float("inf"))
    prefix = re.sub(r"[^a-z]", "", request.node.name)[:40]
    if request.param == "chroma":
        monkeypatch.setattr(watching, "LOOK_SECONDS", 0.0)
        address = f"http://127.0.0.1:{request.getfixturevalue('server').port}"
    elif request.param == "qdrant":
        monkeypatch.setattr(watching, "LOOK_SECONDS", 0.0)
        address = f"qdrant+{request.getfixturevalue('stand_in').url}"
    else:
        postgres = request.getfixturevalue("postgres")
        from senseweave.retrieval.stores import pgvector

        monkeypatch.setattr(pgvector, "SEEN_WITHIN", -1.0)
        address = postgres.url(postgres.database())
    with contextlib.ExitStack() as stack:

        def opened() -> sw.Index:
            store = stack.enter_context(contextlib.closing(sw.stores.connect(address)))
            return stack.enter_context(sw.Index(store, spaces=[toy_space()], prefix=prefix))

        yield opened


def names(client: httpx.Client, query: str = "dogs bark in the yard") -> list[str]:
    answer = client.post("/api/search", json={"query": query, "k": 20, "modalities": ["text"]})
    assert answer.status_code == 200, answer.text
    return [Path(hit["source"]).name for hit in answer.json()["hits"]]


def scores(index: sw.Index, **options: str) -> list[tuple[str, float]]:
    return [(hit.id, hit.score) for hit in index.search("dogs bark in the yard", k=20, **options)]


def found_by_words(index: sw.Index, query: str) -> list[str]:
    """Return the sources of texts that a search finds by its words."""
    index.search(query, words=True)
    (name,) = (found.name for found in index._store.descriptions.values() if found.modality == "text")
    ids = [identifier for identifier, _ in index._words.search(name, parse_words(query), 10)]
    return [record.source for record in index.records(ids=ids)]


def test_two_servers_answer_with_what_a_writer_has_just_written(
    open_index: Open, own_files: Path, start: Start
) -> None:
    first, second = (start(open_index(), read_only=True) for _ in range(2))
    writer = open_index()
    assert names(first) == names(second) == []
    writer.add(own_files)
    assert names(first) == names(second) == ["dogs.txt", "cats.txt"]
    (own_files / "dogs.txt").write_text("A train leaves at noon.")
    (own_files / "yard.txt").write_text("Dogs bark in the yard.")
    assert writer.add(own_files).replaced == 1
    assert names(first)[0] == names(second)[0] == "yard.txt"
    writer.delete(sources=own_files / "yard.txt")
    assert sorted(names(first)) == sorted(names(second)) == ["cats.txt", "dogs.txt"]
    for server in (first, second):
        assert server.get("/api/info").json()["records"] == len(writer)
        assert server.post("/api/texts", json={"texts": [{"text": "a note"}]}).status_code in (404, 405)


def test_scores_follow_the_statistics_that_a_writer_estimates_and_learns(open_index: Open, own_files: Path) -> None:
    writer = open_index()
    reader = open_index()
    assert reader.search("dogs") == []
    writer.add(own_files)
    assert scores(reader) == scores(writer)
    assert {hit.calibration for hit in reader.search("dogs", k=20)} == {
        hit.calibration for hit in writer.search("dogs", k=20)
    }
    writer.calibrate(labels=[("dogs bark", "dogs.txt"), ("cats sleep", "cats.txt")])
    assert scores(reader, fusion="platt") == scores(writer, fusion="platt")


def test_a_long_add_does_not_undo_what_was_learned_meanwhile(open_index: Open, own_files: Path) -> None:
    other, writer = open_index(), open_index()
    other.add(own_files)

    def learn(media: sw.Text) -> dict[str, bool]:
        if media.source == "note 0":
            other.calibrate(labels=[("dogs bark", "dogs.txt"), ("cats sleep", "cats.txt")])
        return {}

    writer.add([sw.Text(f"note {number} on trains", source=f"note {number}") for number in range(40)], metadata=learn)
    described = open_index()._store.descriptions.values()
    cells = [cell for description in described for cell in description.calibration["cells"].values()]
    assert cells
    assert all("slope" in cell for cell in cells)
    text = next(description for description in described if description.modality == "text")
    assert text.calibration["documents"] == 42, "the statistics are those of the grown collection"


def test_words_that_others_wrote_are_found_though_the_number_of_records_is_the_same(open_index: Open) -> None:
    writer, reader = open_index(), open_index()
    writer.add([sw.Text("pump K100-A leaks", source="first"), sw.Text("a quiet day", source="second")])
    assert found_by_words(reader, "K100-A") == ["first"]
    writer.delete(sources="first")
    writer.add(sw.Text("valve X200-B leaks", source="third"))
    assert found_by_words(reader, "X200-B") == ["third"]


@pytest.mark.parametrize("open_index", ["qdrant"], indirect=True)
def test_a_long_comparison_of_words_is_not_made_for_every_write_of_others(
    open_index: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "LONG_SECONDS", -1.0)
    monkeypatch.setattr(keeping, "PAUSE", 10**9)
    writer, reader = open_index(), open_index()
    writer.add(sw.Text("pump K100-A leaks", source="first"))
    assert found_by_words(reader, "K100-A") == ["first"]
    writer.add(sw.Text("valve X200-B leaks", source="second"))
    assert found_by_words(reader, "X200-B") == []
    reader.add(sw.Text("relay Z300-C leaks", source="third"))
    assert found_by_words(reader, "Z300-C") == ["third"], "its own are there at once"


def test_originals_that_are_on_another_machine_are_answered_with_the_reason(
    open_index: Open, own_files: Path, start: Start
) -> None:
    writer = open_index()
    writer.add([own_files, sw.Text("only words", source="https://example.org/page")])
    client = start(open_index(), read_only=True)
    record = next(record for record in writer.records() if record.source == str(own_files / "dogs.txt"))
    assert client.get(f"/api/records/{record.id}/original").content == b"Dogs bark in the yard."
    own_files.rename(own_files.with_name("elsewhere"))
    answer = client.get(f"/api/records/{record.id}/original")
    assert answer.status_code == 410
    assert "on another machine" in answer.json()["error"]["message"]
    words = next(record for record in writer.records() if record.source == "https://example.org/page")
    answer = client.get(f"/api/records/{words.id}/original")
    assert answer.status_code == 404
    assert "no file of this machine" in answer.json()["error"]["message"]
    assert "dogs.txt" in names(client), "it is found all the same"
