"""A server answers others while one request takes long, and ends when what it is answering is done."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

import senseweave as sw
from senseweave.retrieval.stores.collections import Collections
from senseweave.serving.app import create_app
from senseweave.serving.server import make_server
from senseweave.serving.settings import ServeSettings
from senseweave.testing import ToyEncoder

REQUESTS: dict[str, Callable[[httpx.Client, str], httpx.Response]] = {
    "search": lambda client, _: client.post("/api/search", json={"query": "something that was never asked for"}),
    "like": lambda client, identifier: client.post("/api/search", json={"parts": [{"like": identifier}]}),
    "embeddings": lambda client, _: client.post("/v1/embeddings", json={"input": "something that is new"}),
    "records": lambda client, _: client.get("/api/records"),
    "sources": lambda client, _: client.get("/api/sources"),
    "original": lambda client, identifier: client.get(f"/api/records/{identifier}/original"),
    "thumbnail": lambda client, identifier: client.get(f"/api/records/{identifier}/thumbnail"),
    "delete": lambda client, identifier: client.delete(f"/api/records/{identifier}"),
    "add": lambda client, _: client.post("/api/texts", json={"texts": [{"text": "a new text"}]}),
}


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Let whatever reads the store or prepares media wait: whether something waits, and what lets it go on."""
    waiting, free = threading.Event(), threading.Event()
    get, prepare = Collections.get, ToyEncoder.prepare

    def wait(function: Any) -> Any:
        def waited(*args: Any, **options: Any) -> Any:
            waiting.set()
            free.wait(60)
            return function(*args, **options)

        return waited

    monkeypatch.setattr(Collections, "get", wait(get))
    monkeypatch.setattr(ToyEncoder, "prepare", wait(prepare))
    yield waiting, free
    free.set()


@pytest.mark.parametrize("name", REQUESTS)
def test_the_server_answers_others_meanwhile(
    name: str, own_index: sw.Index, start: Any, gate: tuple[threading.Event, threading.Event]
) -> None:
    waiting, free = gate
    free.set()
    identifier = next(record.id for record in own_index.records(modalities=["image"]))
    client = start(own_index)
    while client.get("/readyz").status_code != 200:
        time.sleep(0.01)
    waiting.clear()
    free.clear()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(REQUESTS[name], client, identifier)
        assert waiting.wait(60)
        try:
            assert client.get("/healthz").status_code == 200
            assert not answer.done()
        finally:
            free.set()
        assert answer.result().status_code == 200


def test_what_is_being_answered_ends_before_the_server(
    tmp_path: Path, own_index: sw.Index, gate: tuple[threading.Event, threading.Event]
) -> None:
    waiting, free = gate
    settings = ServeSettings()
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as pool:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = make_server(create_app(own_index, settings), settings)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        body = {"input": "something that is new"}
        answer = pool.submit(httpx.post, f"{url}/v1/embeddings", json=body, timeout=120, trust_env=False)
        assert waiting.wait(60)
        server.should_exit = True
        while listening.fileno() != -1:  # until nobody can connect any more
            time.sleep(0.01)
        assert not answer.done()
        free.set()
        assert answer.result().status_code == 200
        thread.join()
