"""Hayhooks serves the example pipelines over HTTP: it indexes into local Chroma and answers from there."""

import threading
import time
from pathlib import Path

import pytest

hayhooks = pytest.importorskip("hayhooks", reason="needs hayhooks")
uvicorn = pytest.importorskip("uvicorn", reason="needs uvicorn")
httpx = pytest.importorskip("httpx", reason="needs httpx")

EXAMPLES = Path(__file__).parents[1] / "examples"
INDEXING = "\ninputs:\n  sources: converter.sources\noutputs:\n  written: writer.documents_written\n"
QUERYING = "\ninputs:\n  query: [retriever.query, prompt.query]\noutputs:\n  documents: retriever.documents\n"


@pytest.fixture
def server(tmp_path, monkeypatch):
    """The address of a Hayhooks server that runs in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HAYHOOKS_PIPELINES_DIR", str(tmp_path / "pipelines"))
    (tmp_path / "pipelines").mkdir()
    running = uvicorn.Server(uvicorn.Config(hayhooks.create_app(), host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not running.started:
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.05)
    yield f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    running.should_exit = True
    thread.join(timeout=30)


@pytest.mark.integration
def test_hayhooks_indexes_into_local_chroma_and_answers_from_there(server, tmp_path, photo):
    (tmp_path / "note.txt").write_text("The dog is asleep on the sofa.")

    def post(path, **values):
        answer = httpx.post(f"{server}/{path}", json=values, timeout=120)
        assert answer.status_code == 200, answer.text
        return answer.json()

    for name, file, declared in (("index", "indexing.yaml", INDEXING), ("ask", "querying.yaml", QUERYING)):
        # Chroma keeps clients by their path as it was given, and other tests run in folders of the same name.
        source = (EXAMPLES / file).read_text().replace("path: chroma", f"path: {tmp_path / 'chroma'}") + declared
        assert post("deploy-yaml", name=name, source_code=source, save_file=False)["success"]
    written = post("index/run", sources=[str(tmp_path / "note.txt"), str(photo)])["result"]
    assert written["writer"] == {"documents_written": 2}
    assert post("index/run", sources=["note.txt"])["result"]["writer"] == {"documents_written": 1}
    documents = post("ask/run", query="Where does the dog sleep?")["result"]["retriever"]["documents"]
    assert len(documents) == 2
    assert documents[0]["content"] == "The dog is asleep on the sofa."
    assert {document["meta"]["modality"] for document in documents} == {"text", "image"}
