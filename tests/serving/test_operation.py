"""A server answers others while one request takes long, and ends when what it is answering is done."""

import queue
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from loopback_server import Start

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


class Gate:
    """Stops whatever reads the store or prepares media, each time, until it is let go on.

    Attributes:
        closed: Whether it stops anything.
        stopped: What waits: an event for each, which lets it go on.
    """

    def __init__(self) -> None:
        self.closed = False
        self.stopped: queue.Queue[threading.Event] = queue.Queue()

    def stop(self, function: Any) -> Any:
        """Return a function that waits before it does what another does."""

        def stopped(*args: Any, **options: Any) -> Any:
            if self.closed:
                free = threading.Event()
                self.stopped.put(free)
                free.wait(120)
            return function(*args, **options)

        return stopped


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    made = Gate()
    monkeypatch.setattr(Collections, "get", made.stop(Collections.get))
    monkeypatch.setattr(Collections, "query", made.stop(Collections.query))
    monkeypatch.setattr(ToyEncoder, "prepare", made.stop(ToyEncoder.prepare))
    return made


@pytest.mark.parametrize("name", REQUESTS)
def test_the_server_answers_others_meanwhile(name: str, own_index: sw.Index, start: Start, gate: Gate) -> None:
    identifier = next(record.id for record in own_index.records(modalities=["image"]))
    client = start(own_index)
    while client.get("/readyz").status_code != 200:
        time.sleep(0.01)
    stops = 0
    gate.closed = True
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(REQUESTS[name], client, identifier)
        while not answer.done():
            try:
                free = gate.stopped.get(timeout=0.05)
            except queue.Empty:
                continue
            try:
                assert client.get("/healthz", timeout=30).status_code == 200
                stops += 1
            finally:
                free.set()
    assert answer.result().status_code == 200
    assert stops


def test_what_is_being_answered_ends_before_the_server(own_index: sw.Index, gate: Gate) -> None:
    settings = ServeSettings()
    gate.closed = True
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as pool:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = make_server(create_app(own_index, settings), settings)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        body = {"input": "something that is new"}
        answer = pool.submit(httpx.post, f"{url}/v1/embeddings", json=body, timeout=120, trust_env=False)
        free = gate.stopped.get(timeout=60)
        gate.closed = False
        server.should_exit = True
        while listening.fileno() != -1:  # until nobody can connect any more
            time.sleep(0.01)
        assert not answer.done()
        free.set()
        assert answer.result().status_code == 200
        thread.join()
