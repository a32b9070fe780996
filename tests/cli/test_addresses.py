"""Commands on an index that is on a Chroma server, named by its address."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from chroma_server import ChromaServer
from command_line import piped, served

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Iterator[str]:
    """The address of a server with an index of two texts and a picture."""
    server = ChromaServer(tmp_path_factory.mktemp("server"))
    address = f"http://127.0.0.1:{server.port}"
    files = [
        corpus / "texts" / "library.txt",
        corpus / "texts" / "washing-machine.md",
        corpus / "images" / "photo-01.jpg",
    ]
    done = piped("index", *files, "--into", address)
    assert done.returncode == 0, done.stderr
    assert f"{address} holds" in done.stdout
    yield address
    server.kill()


def test_an_index_at_an_address_is_searched_listed_and_verified(address: str, tmp_path: Path) -> None:
    hits = json.loads(piped("search", address, "when does the library open", "--json").stdout)
    assert Path(hits[0]["source"]).name == "library.txt"
    assert json.loads(piped("info", address, "--json").stdout)["place"] == address
    listed = {Path(entry["source"]).name for entry in json.loads(piped("list", address, "--json").stdout)}
    assert listed == {"library.txt", "washing-machine.md", "photo-01.jpg"}
    assert piped("verify", address).returncode == 0
    assert piped("export", address, tmp_path / "all.jsonl").returncode == 0
    assert piped("import", tmp_path / "all.jsonl", "--into", tmp_path / "folder").returncode == 0
    assert json.loads(piped("info", tmp_path / "folder", "--json").stdout)["records"] > 0
    assert not list(Path.cwd().glob("http*")), "no folder is made of the address"


def test_what_needs_a_folder_and_what_is_no_address_say_so(address: str, tmp_path: Path) -> None:
    done = piped("repair", address)
    assert (done.returncode, "needs the folder of an index" in done.stderr) == (2, True)
    done = piped("search", "http://ann:geheim-123@127.0.0.1:1", "a dog", folder=tmp_path)
    assert done.returncode == 2
    assert "SENSEWEAVE_CHROMA_TOKEN" in done.stderr
    assert "geheim-123" not in done.stderr
    for wrong, says in (("ftp://127.0.0.1/x", "not the address of a store"), ("http:/127.0.0.1", "not an address")):
        done = piped("index", Path(__file__), "--into", wrong, folder=tmp_path)
        assert done.returncode == 2
        assert says in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_server_of_an_index_at_an_address_searches_and_explores(address: str) -> None:
    pytest.importorskip("fastapi", reason="the extra serve is not installed")
    with (
        served(address, "--read-only") as url,
        httpx.Client(base_url=url, timeout=120, trust_env=False) as client,
    ):
        answer = client.post("/api/search", json={"query": "when does the library open", "k": 1})
        assert answer.json()["hits"][0]["source"].endswith("library.txt")
        assert client.get("/api/info").json()["uploads"] is False
        assert client.get("/api/duplicates").json()["groups"] == []
