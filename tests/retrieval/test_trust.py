"""An index may come from anywhere: what its metadata ask for is refused unless the caller allows it."""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import warm_python
from json_server import JsonHandler

import senseweave as sw
from senseweave.retrieval.index_spaces import recorded_spaces
from senseweave.retrieval.stores.description import Description, collection_name
from senseweave.spaces import recorded
from senseweave.testing.toys import toy_space


@pytest.fixture(autouse=True)
def _nothing_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_chroma: None) -> None:
    monkeypatch.setenv("SENSEWEAVE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(recorded, "_written", {})


def rewrite(folder: Path, space: str, options: dict[str, Any] | None) -> Path:
    """Write other spaces into the metadata of an index, as a stranger could."""
    import chromadb

    client = chromadb.PersistentClient(str(folder))
    for collection in client.list_collections():
        metadata = {key: value for key, value in collection.metadata.items() if not key.startswith("hnsw:")}
        changed = {**metadata, "space": space, "options": json.dumps(options)}
        name = collection_name("", space, metadata["modality"])
        collection.modify(name=name if name != collection.name else None, metadata=changed)
    client.close()
    return folder


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """The folder of an index that a stranger wrote, whose space is not known here."""
    with sw.Index(tmp_path / "theirs", spaces=[toy_space(modalities=("text",))]) as index:
        index.add([sw.Text("their text")])
    return tmp_path / "theirs"


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A model folder whose Python file leaves a mark when it is run."""
    folder = tmp_path / "trap"
    folder.mkdir()
    auto_map = {"AutoConfig": "code.Config", "AutoModel": "code.Model", "AutoTokenizer": "code.Tokenizer"}
    (folder / "config.json").write_text(json.dumps({"model_type": "trap", "hidden_size": 8, "auto_map": auto_map}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"auto_map": {"AutoTokenizer": ["code.Tokenizer", None]}}))
    (folder / "code.py").write_text(f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\n")
    (folder / "pytorch_model.bin").write_bytes(b"")
    return folder


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """A server that speaks the protocol of OpenAI, and the keys that it was sent."""
    seen: list[str] = []

    class Handler(JsonHandler):
        def respond(self, request: dict[str, Any]) -> None:
            seen.append(str(self.headers.get("authorization")))
            rows = [{"object": "embedding", "index": i, "embedding": [0.1] * 8} for i in range(len(request["input"]))]
            usage = {"prompt_tokens": 1, "total_tokens": 1}
            self.answer(200, {"object": "list", "model": "m", "usage": usage, "data": rows})

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=listening.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{listening.server_address[1]}/v1", seen
    listening.shutdown()
    listening.server_close()
    thread.join()


def test_no_python_file_of_a_stranger_runs(theirs: Path, trap: Path, tmp_path: Path) -> None:
    rewrite(theirs, f"contextual:{trap}", {"trust_remote_code": True})
    with pytest.raises(sw.TrustError) as caught:
        sw.Index.open(theirs)
    assert set(caught.value.kinds) == {"path", "code"}
    with pytest.raises(sw.TrustError):
        sw.Index.open(theirs, trust="path")
    assert not (tmp_path / "ran").exists()
    with sw.Index.open(theirs, trust=True) as index, pytest.raises(sw.SenseweaveError):
        index.search("text")  # what it names is no model, but it is run
    assert (tmp_path / "ran").exists()


def test_nothing_is_sent_to_a_server_of_a_stranger(
    theirs: Path, server: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, seen = server
    monkeypatch.setenv("MY_SECRET", "users-secret")
    rewrite(theirs, "openai:m", {"base_url": url, "key_variable": "MY_SECRET", "max_retries": 0})
    with pytest.raises(sw.TrustError, match="MY_SECRET"):
        sw.Index.open(theirs)
    assert seen == []
    with sw.Index.open(theirs, trust="server") as index, pytest.raises(sw.FingerprintError):
        index.search("text")


def test_a_space_of_a_stranger_is_not_loaded_beside_one_that_is_passed(
    theirs: Path, server: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, seen = server
    monkeypatch.setenv("MY_SECRET", "users-secret")
    rewrite(theirs, "openai:m", {"base_url": url, "key_variable": "MY_SECRET"})
    with sw.Index(theirs, spaces=[toy_space(modalities=("text",))]) as index:
        assert [collection["records"] for collection in index.info()["collections"]]
        for use in (lambda: index.search("my question"), lambda: index.add([sw.Text("my text")])):
            with pytest.raises(sw.TrustError):
                use()
    assert seen == []


def test_no_model_of_a_hub_is_fetched_unasked(theirs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    fetched: list[bool] = []

    def snapshot_download(name: str, **options: Any) -> str:
        fetched.append(not options.get("local_files_only"))
        msg = "no network"
        raise OSError(msg)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    rewrite(theirs, "stranger/model", {})
    with pytest.raises(sw.TrustError, match="downloads the model 'stranger/model'"):
        sw.Index.open(theirs)
    assert fetched == []
    with sw.Index.open(theirs, trust="download") as index, pytest.raises(sw.ModelError):
        index.search("text")
    assert fetched == [True]


def test_a_model_in_the_local_cache_is_loaded_from_there_alone(theirs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    offline: list[Any] = []

    def snapshot_download(name: str, **options: Any) -> str:
        offline.append(options.get("local_files_only"))
        msg = "incomplete"
        raise OSError(msg)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: "config.json")
    rewrite(theirs, "owner/model", {})
    with sw.Index.open(theirs) as index, pytest.raises(sw.ModelError):
        index.search("text")
    assert offline == [True]


def test_a_folder_that_its_user_named_opens_again_and_a_copy_of_it_does_not(
    tmp_path: Path, static_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sw.Index(tmp_path / "mine", spaces=[str(static_model)]) as index:
        index.add([sw.Text("my text")])
    with sw.Index.open(tmp_path / "mine") as index:
        assert len(index.search("text")) == 1
    moved = shutil.copytree(static_model, tmp_path / "elsewhere")
    rewrite(tmp_path / "mine", str(moved), {})
    with pytest.raises(sw.TrustError, match="elsewhere"):
        sw.Index.open(tmp_path / "mine")
    rewrite(tmp_path / "mine", str(static_model), {})
    monkeypatch.setenv("SENSEWEAVE_DATA", str(tmp_path / "another-user"))
    with pytest.raises(sw.TrustError):
        sw.Index.open(tmp_path / "mine")
    with sw.Index.open(tmp_path / "mine", trust="path") as index:
        assert len(index.search("text")) == 1
    with sw.Index(tmp_path / "mine", spaces=[str(static_model)]) as index:
        assert len(index.search("text")) == 1


def test_a_refused_index_can_be_looked_at_and_its_folder_is_closed(theirs: Path) -> None:
    rewrite(theirs, "openai:m", {})
    with pytest.raises(sw.TrustError):
        sw.Index.open(theirs)
    with sw.Index.open(theirs, spaces=[]) as index:
        assert len(index) == 1
        assert index.info()["spaces"] == ["openai:m"]


@pytest.mark.parametrize(
    "change",
    [
        {"options": "not json"},
        {"options": "[1]"},
        {"options": "[" * 100_000},
        {"calibration": "3"},
        {"dimension": "many"},
        {"dimension": 0},
        {"modality": "smell"},
        {"senseweave": "new"},
        {"space": None},
    ],
)
def test_metadata_that_no_index_writes_are_an_error(change: dict[str, Any]) -> None:
    good = Description("toy-text", "toy", "text", "f", 8).to_metadata()
    values = {key: value for key, value in {**good, **change}.items() if value is not None}
    with pytest.raises(sw.StoreError, match="toy-text"):
        Description.from_metadata("toy-text", values)


@pytest.fixture(scope="module")
def static_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of random weights."""
    tokenizers = pytest.importorskip("tokenizers")
    model2vec = pytest.importorskip("model2vec")
    folder = tmp_path_factory.mktemp("static")
    words = {word: number for number, word in enumerate(["[UNK]", "my", "text", "dog", "street"])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    vectors = np.random.default_rng(0).normal(size=(len(words), 16)).astype(np.float32)
    model2vec.StaticModel(vectors, tokenizer).save_pretrained(folder)
    return folder


def test_the_command_line_refuses_and_allows(theirs: Path, static_model: Path, tmp_path: Path) -> None:
    def run(*arguments: object) -> Any:
        return warm_python.run(
            "-c", "from senseweave.cli import main; main()", *map(str, arguments), env={**os.environ}
        )

    rewrite(theirs, str(static_model), {})
    refused = run("search", theirs, "text")
    assert refused.returncode == 2
    assert "reads a model from the path" in " ".join(refused.stderr.split())
    assert "--trust" in refused.stderr
    assert run("info", theirs).returncode == 0
    allowed = run("search", theirs, "text", "--trust", "path")
    assert allowed.returncode == 2
    assert "fingerprint" in allowed.stderr
    unknown = run("search", theirs, "text", "--trust", "everything")
    assert unknown.returncode == 2
    assert "'everything'" in unknown.stderr


@pytest.mark.parametrize("options", [{"max_length": -1}, {"max_length": "long"}, {"layers": [1]}, {"no_such": None}])
def test_impossible_recorded_options_are_an_error_of_the_index(theirs: Path, options: dict[str, Any]) -> None:
    rewrite(theirs, "starter", options)
    with sw.Index.open(theirs) as index, pytest.raises(sw.StoreError, match="starter"):
        index.search("text")


def test_an_export_of_a_stranger_brings_no_server_into_an_index(
    theirs: Path, tmp_path: Path, server: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, seen = server
    monkeypatch.setenv("MY_SECRET", "users-secret")
    rewrite(theirs, "openai:m", {"base_url": url, "key_variable": "MY_SECRET", "max_retries": 0})
    with sw.Index.open(theirs, spaces=[]) as index:
        index.export(tmp_path / "export.jsonl")
    with sw.Index(tmp_path / "mine", spaces=[toy_space(modalities=("text",))]) as mine:
        mine.add([sw.Text("my own")])
        with pytest.raises(sw.TrustError, match="MY_SECRET"):
            mine.import_(tmp_path / "export.jsonl")
        assert len(mine) == 1
        assert len(mine.search("my private question")) == 1
        assert seen == []
        assert mine.import_(tmp_path / "export.jsonl", trust="server") == 1
        with pytest.raises(sw.TrustError):
            mine.search("my private question")
    assert seen == []


def test_repair_loads_no_space_for_records_of_another_fingerprint(static_model: Path) -> None:
    place = recorded_spaces("index")
    space = sw.load(str(static_model))
    first = Description("a-text", space.name, "text", space.fingerprint, space.dimension, {})
    assert place(first) is space
    with pytest.raises(sw.FingerprintError):
        place(replace(first, fingerprint="another"))


def test_records_are_deleted_although_the_space_of_the_index_cannot_be_loaded(tmp_path, space):
    with sw.Index(tmp_path / "index", spaces=[space]) as index:
        index.add([sw.Text(f"text {n}", source=str(n)) for n in range(40)])
    with sw.Index.open(tmp_path / "index", spaces=[]) as index:
        assert index.delete(sources=[str(n) for n in range(39)]) == 39
        with pytest.raises(sw.StoreError, match="it was not created by"):
            index.search("text")
    with sw.Index.open(tmp_path / "index", spaces=[space]) as index:
        assert [hit.text for hit in index.search("text", k=5)] == ["text 39"]


@pytest.mark.parametrize(
    "change",
    [
        {"cells": 5},
        {"cells": {"text": {"mean": 0.1, "std": "x"}}},
        {"cells": {"text": {"mean": 0.1, "std": -1.0}}},
        {"cells": {"text": {"mean": [], "std": 1.0}}},
        {"cells": {"text": {}}},
        {"centre": "<f4:AAAA"},
        {"centre": 5},
        {"documents": "many"},
        {"queries": {"text": 5}},
    ],
    ids=repr,
)
def test_statistics_that_no_index_writes_are_passed_over_and_made_anew(theirs: Path, change: dict[str, Any]) -> None:
    import chromadb

    client = chromadb.PersistentClient(str(theirs))
    for collection in client.list_collections():
        kept = json.loads(collection.metadata["calibration"])
        metadata = {key: value for key, value in collection.metadata.items() if not key.startswith("hnsw:")}
        collection.modify(metadata={**metadata, "calibration": json.dumps({**kept, **change})})
    client.close()
    with sw.Index.open(theirs, spaces=[toy_space(modalities=("text",))]) as index:
        assert index.search("their text")[0].text == "their text"
        assert index.info()["records"] == 1
        index.add([sw.Text("another text")])
        assert index.search("their text")[0].text == "their text"
