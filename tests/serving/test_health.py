"""Whether a server lives, can answer, and what it counts."""

import time

import httpx
import pytest
from loopback_server import Start

import senseweave as sw


def test_a_server_lives_before_it_is_ready(start: Start, index: sw.Index, monkeypatch: pytest.MonkeyPatch) -> None:
    space = next(iter(index.spaces.values()))
    monkeypatch.setattr(type(space), "load", lambda *_: 1 / 0)
    client = start(index)
    while client.get("/readyz").json()["error"]["code"] == "loading":
        time.sleep(0.01)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "failed"
    assert client.get("/healthz").json() == {"status": "ok"}


def test_a_server_is_ready_once_its_models_are_loaded(client: httpx.Client) -> None:
    while client.get("/readyz").status_code == 503:
        time.sleep(0.01)
    assert client.get("/readyz").json() == {"status": "ready"}


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz"])
def test_what_watches_a_server_may_ask_for_headers_alone(client: httpx.Client, path: str) -> None:
    while client.get("/readyz").status_code == 503:
        time.sleep(0.01)
    answer = client.head(path)
    assert answer.status_code == 200
    assert answer.content == b""
    assert answer.headers["content-type"] == client.get(path).headers["content-type"]


def test_requests_are_counted_by_route_and_not_by_path(client: httpx.Client, index: sw.Index) -> None:
    client.get("/api/records/does-not-exist")
    client.get("/nowhere/at/all")
    lines = client.get("/metrics").text.splitlines()
    assert f"senseweave_records {float(len(index))}" in lines
    assert any('route="/api/records/{identifier}",status="404"' in line for line in lines)
    assert any('route="other",status="404"' in line for line in lines)
    assert not any("does-not-exist" in line or "nowhere" in line for line in lines)


def test_the_api_describes_itself(client: httpx.Client) -> None:
    described = client.get("/openapi.json").json()
    for path, operations in described["paths"].items():
        for operation in operations.values():
            assert operation.get("description") or operation.get("summary"), path
    assert client.get("/docs").status_code == 404  # its scripts would come from elsewhere
