"""Searching over HTTP finds what `Index.search` finds, with all of its options."""

import base64
import contextlib
import inspect
import json
from pathlib import Path

import httpx
import pytest
from loopback_server import Start

import senseweave as sw
from senseweave.retrieval.stores.lock import FolderLock
from senseweave.testing import toy_space


def found(answer: httpx.Response) -> list[tuple[str, float]]:
    assert answer.status_code == 200, answer.text
    return [(hit["id"], round(hit["score"], 5)) for hit in answer.json()["hits"]]


def expected(hits: list[sw.Hit]) -> list[tuple[str, float]]:
    return [(hit.id, round(hit.score, 5)) for hit in hits]


def test_words_find_what_the_index_finds(client: httpx.Client, index: sw.Index) -> None:
    answer = client.post("/api/search", json={"query": "dogs bark", "k": 4})
    assert found(answer) == expected(index.search("dogs bark", k=4))
    first = answer.json()["hits"][0]
    assert first["rank"] == 1
    assert first["text"] == "Dogs bark in the yard."
    assert first["source"].endswith("dogs.txt")
    assert first["calibration"]


def test_every_option_of_a_search_is_an_option_of_the_api(client: httpx.Client) -> None:
    schema = client.get("/openapi.json").json()["components"]["schemas"]["SearchRequest"]["properties"]
    arguments = set(inspect.signature(sw.Index.search).parameters) - {"self"}
    assert arguments <= set(schema)
    assert "sources" not in arguments
    assert all(schema[name].get("description") for name in arguments)


@pytest.mark.parametrize(
    "options",
    [
        {"modalities": ["image"]},
        {"filter": {"mime_type": "image/png"}},
        {"fusion": "rrf"},
        {"offset": 2},
        {"group": True},
        {"diversity": 0.5},
        {"quota": {"audio": 2}},
        {"fusion": "weighted_rrf", "weights": {"audio": 3}},
        {"min_score": 0.0},
        {"words": True},
    ],
    ids=lambda options: next(iter(options)),
)
def test_an_option_changes_the_search_as_it_does_in_python(
    client: httpx.Client, index: sw.Index, options: dict[str, object]
) -> None:
    answer = client.post("/api/search", json={"query": "dogs", "k": 5, **options})
    assert found(answer) == expected(index.search("dogs", k=5, **options))


def test_parts_of_words_and_encoded_media_are_weighted(client: httpx.Client, index: sw.Index, files: Path) -> None:
    data = (files / "sample-0.png").read_bytes()
    encoded = base64.b64encode(data).decode()
    for value in (encoded, f"data:image/png;base64,{encoded}"):
        parts = [{"text": "dogs", "weight": 0.5}, {"image": value, "weight": 2}]
        answer = client.post("/api/search", json={"parts": parts, "k": 5})
        assert found(answer) == expected(index.search(sw.Query([("dogs", 0.5), (sw.Image(data), 2)]), k=5))


def test_uploads_are_parts_that_the_request_may_weigh(client: httpx.Client, index: sw.Index, files: Path) -> None:
    picture, sound = files / "sample-0.png", files / "sample-1.wav"
    uploads = [("files", (path.name, path.read_bytes())) for path in (picture, sound)]
    answer = client.post("/api/search/upload", files=uploads)
    assert found(answer) == expected(index.search(sw.Query([sw.Image(picture), sw.Audio(sound)])))
    weights = json.dumps({"k": 3, "query": "cats", "parts": [{"file": 1, "weight": -0.5}]})
    answer = client.post("/api/search/upload", files=uploads, data={"request": weights})
    asked = sw.Query(["cats", (sw.Audio(sound), -0.5), sw.Image(picture)])
    assert found(answer) == expected(index.search(asked, k=3))


def test_more_like_a_record_finds_it_first(client: httpx.Client, index: sw.Index) -> None:
    for hit in index.search("dogs", k=11):
        answer = client.post("/api/search", json={"parts": [{"like": hit.id}], "k": 1, "modalities": [hit.modality]})
        assert answer.json()["hits"][0]["id"] == hit.id


def test_words_that_are_matched_are_named(client: httpx.Client) -> None:
    hit = client.post("/api/search", json={"query": "where do dogs bark", "words": True, "k": 1}).json()["hits"][0]
    assert [word.lower() for word in hit["matched_words"]] == ["dogs", "bark"]


def test_a_record_is_a_part_beside_others(client: httpx.Client, index: sw.Index) -> None:
    (cats,) = [record for record in index.records() if record.source.endswith("cats.txt")]
    for weight, first in ((0.2, "cats.txt"), (5, "dogs.txt")):
        parts = [{"like": cats.id}, {"text": "Dogs bark in the yard.", "weight": weight}]
        answer = client.post("/api/search", json={"parts": parts, "modalities": ["text"]})
        assert answer.json()["hits"][0]["source"].endswith(first)
    refused = client.post("/api/search", json={"parts": [{"like": cats.id, "weight": -1}]})
    assert refused.status_code == 422


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({}, "send a query"),
        ({"query": " "}, "cannot be empty"),
        ({"query": "a", "k": 0}, "k: "),
        ({"query": "a", "k": 10**9}, "k: "),
        ({"query": "a", "fusion": "magic"}, "magic"),
        ({"query": "a", "colour": 1}, "colour: "),
        ({"query": "a", "rerank": "some/model"}, "rerankers"),
        ({"query": "a", "filter": {"$bad": 1}}, "$bad"),
        ({"parts": [{"text": "a", "image": "aaaa"}]}, "exactly one"),
        ({"parts": [{"file": 0}]}, "no file 0"),
        ({"parts": [{"image": "/etc/passwd"}]}, "image"),
        ({"parts": [{"image": "file:///etc/passwd"}]}, "base64"),
        ({"parts": [{"image": "http://127.0.0.1/a.png"}]}, "fetches no URLs"),
        ({"parts": [{"text": "a", "weight": 0}]}, "weight"),
    ],
)
def test_what_cannot_be_searched_for_is_an_error_that_says_why(
    client: httpx.Client, request_: dict[str, object], says: str
) -> None:
    answer = client.post("/api/search", json=request_)
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert says in error["message"]
    assert "root:" not in answer.text


def test_an_unknown_record_is_not_found(client: httpx.Client) -> None:
    assert client.post("/api/search", json={"parts": [{"like": "0" * 32}]}).status_code == 404


def test_a_reranker_is_used_if_the_server_was_started_with_it(start: Start, index: sw.Index) -> None:
    client = start(index, rerankers=("no/such-model",))
    assert client.get("/api/info").json()["rerankers"] == ["no/such-model"]
    answer = client.post("/api/search", json={"query": "a", "rerank": "no/such-model"})
    assert answer.status_code == 500  # there is no such model, and the server's log says so
    assert answer.json()["error"]["type"] == "server_error"


@pytest.mark.parametrize("weight", [1e300, -1e300, 1e-320])
def test_a_weight_without_sense_is_refused_beside_a_record_too(
    client: httpx.Client, index: sw.Index, weight: float
) -> None:
    identifier = next(record.id for record in index.records())
    for parts in ([{"text": "a", "weight": weight}], [{"like": identifier, "weight": weight}]):
        answer = client.post("/api/search", json={"parts": [*parts, {"text": "b"}]})
        assert answer.status_code == 422
        assert "a weight must be from" in answer.json()["error"]["message"]


def test_a_million_faults_are_not_listed_one_by_one(client: httpx.Client) -> None:
    answer = client.post("/api/search", json={"query": "a", "modalities": list(range(20_000))})
    assert answer.status_code == 422
    assert "more" in answer.json()["error"]["message"]
    assert len(answer.content) < 4000


def test_an_error_quotes_the_beginning_of_what_was_sent(client: httpx.Client) -> None:
    answer = client.post("/api/search", json={"query": "a", "fusion": "x" * 100_000})
    assert answer.status_code == 422
    assert "unknown fusion method 'xxx" in answer.json()["error"]["message"]
    assert len(answer.content) < 4000


def test_a_search_has_few_files(client: httpx.Client, files: Path) -> None:
    data = (files / "sample-0.png").read_bytes()
    answer = client.post("/api/search/upload", files=[("files", ("a.png", data))] * 17)
    assert answer.status_code == 422
    assert "at most 16 files" in answer.json()["error"]["message"]


def test_a_filter_of_many_levels_in_an_address_is_an_error_of_the_client(client: httpx.Client) -> None:
    for path in ("/api/records", "/api/sources"):
        assert client.get(path, params={"filter": "[" * 20_000}).status_code == 422


@pytest.mark.parametrize("written", [True, False])
def test_an_empty_index_says_whether_it_is_being_written_to(tmp_path: Path, start: Start, written: bool) -> None:
    with sw.Index(tmp_path / "index", spaces=[toy_space()]) as empty:
        client = start(empty)
        with FolderLock(tmp_path / "index").held(10) if written else contextlib.nullcontext():
            info = client.get("/api/info").json()
            found = client.post("/api/search", json={"query": "a dog"}).json()
        assert found["hits"] == []
        assert info["note"] == found["note"]
        assert info["note"].startswith("The index is empty")
        assert ("files are being added to it" in info["note"]) == written


def test_an_index_with_records_is_not_called_empty(client: httpx.Client) -> None:
    assert "note" not in client.get("/api/info").json()
    nothing = client.post("/api/search", json={"query": "a dog", "filter": {"source": "nowhere"}}).json()
    assert nothing["hits"] == []
    assert "note" not in nothing
