"""The description at /openapi.json says what the server answers."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from loopback_server import Start

import senseweave as sw

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
TOKEN = "a-token-of-some-length"
RECORD = "/api/records/{identifier}"
LOADING = ("/readyz",)
"""Paths whose answer depends on what is loaded."""


@pytest.fixture
def description(client: httpx.Client) -> dict[str, Any]:
    return dict(client.get("/openapi.json").json())


def check(answer: httpx.Response, path: str, method: str, description: dict[str, Any]) -> None:
    """Check that an answer has a described status, type and form."""
    responses = description["paths"][path][method]["responses"]
    status = str(answer.status_code)
    described = responses.get(status) or responses[f"{status[0]}XX"]
    kind = answer.headers["content-type"].partition(";")[0]
    contents = described["content"]
    assert kind in contents or "*/*" in contents, (path, kind, list(contents))
    if kind == "application/json" and kind in contents:
        schema = {**contents[kind]["schema"], "components": description["components"]}
        jsonschema.validate(answer.json(), schema)


def test_every_answer_is_as_described(client: httpx.Client, index: sw.Index, description: dict[str, Any]) -> None:
    names = {modality: record.id for record in index.records() for modality in [record.modality]}
    asked = {path for path, methods in description["paths"].items() if "get" in methods and path not in LOADING}
    explored = {path for path in asked if path in ("/map", "/api/duplicates", "/api/clusters")}
    for path in sorted(asked - explored):
        for identifier in (*names.values(), "none"):
            url = path.format(identifier=identifier, name=identifier if identifier == "none" else "toy-0")
            check(client.get(url), path, "get", description)
    for path, body in {
        "/api/search": {"query": "dogs", "words": True, "group": True},
        "/v1/embeddings": {"input": ["a", "b"], "encoding_format": "base64"},
    }.items():
        check(client.post(path, json=body), path, "post", description)
        check(client.post(path, json={"k": 0, "dimensions": 0}), path, "post", description)


def test_every_change_is_as_described(start: Start, own_index: sw.Index, tmp_path: Path) -> None:
    client = start(own_index, uploads=tmp_path / "uploads")
    description = client.get("/openapi.json").json()
    added = client.post("/api/files", files=[("files", ("a.txt", b"words")), ("files", ("b.txt", b""))])
    assert added.json()["failed"]
    check(added, "/api/files", "post", description)
    check(client.post("/api/files"), "/api/files", "post", description)
    check(client.post("/api/texts", json={"texts": [{"text": "a"}]}), "/api/texts", "post", description)
    identifier = next(record.id for record in own_index.records())
    for answer in (client.delete(f"/api/records/{identifier}"), client.delete("/api/records/none")):
        check(answer, RECORD, "delete", description)
    check(client.delete("/api/sources", params={"source": "none"}), "/api/sources", "delete", description)


def test_a_read_only_server_describes_nothing_that_changes_something(description: dict[str, Any]) -> None:
    methods = {(method, path) for path, named in description["paths"].items() for method in named}
    asking = {"/api/search", "/api/search/upload", "/v1/embeddings"}
    assert {path for method, path in methods if method != "get"} == asking


def test_a_token_is_described_where_there_is_one(start: Start, index: sw.Index, description: dict[str, Any]) -> None:
    assert "securitySchemes" not in description["components"]
    client = start(index, token=TOKEN, read_only=True)
    described = client.get("/openapi.json", headers={"authorization": f"Bearer {TOKEN}"}).json()
    (scheme,) = described["components"]["securitySchemes"].values()
    assert scheme["scheme"] == "bearer"
    for path in ("/api/search", "/v1/embeddings"):
        assert described["paths"][path]["post"]["security"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/api/files", "/api/texts", "/api/sources", "/api/nothing", "/healthz", "/", "/mcp"])
def test_what_no_route_answers_is_an_error_in_the_same_form(client: httpx.Client, method: str, path: str) -> None:
    answer = client.request(method, path)
    if answer.status_code < 400:
        assert method == "GET"
    else:
        assert set(json.loads(answer.content)["error"]) == {"message", "type", "code", "param"}
