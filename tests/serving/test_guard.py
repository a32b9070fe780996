"""Who is let in: hosts, origins, tokens, and how much they may send."""

import base64
import io
import json
import socket
import threading
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from loopback_server import Start
from PIL import Image

import senseweave as sw
from senseweave.serving import bodies, guard
from senseweave.serving.settings import ServeSettings, is_loopback

TOKEN = "a-token-of-some-length"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_an_address_of_this_machine_needs_no_token(host: str) -> None:
    assert is_loopback(host)
    ServeSettings(host=host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", "localhost.example.org"])
def test_another_address_needs_a_token(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(ValueError, match="pass a token"):
        ServeSettings(host=host)
    ServeSettings(host=host, token=TOKEN)


def test_a_token_is_long_and_never_shown() -> None:
    with pytest.raises(ValueError, match="at least 16") as caught:
        ServeSettings(token="short-secret")
    assert "short-secret" not in str(caught.value)
    assert TOKEN not in repr(ServeSettings(token=TOKEN))


def test_another_host_name_is_refused_which_ends_dns_rebinding(client: httpx.Client) -> None:
    for host in ("evil.example", "evil.example:8765", "localhost.evil.example", "", "127.0.0.1.evil.example"):
        answer = client.get("/api/info", headers={"host": host})
        assert answer.status_code in (400, 421), host
    for host in ("localhost:1234", "127.0.0.1", "[::1]:80", "192.168.1.5:8765"):
        assert client.get("/api/info", headers={"host": host}).status_code == 200, host


def test_two_host_headers_are_refused(client: httpx.Client) -> None:
    url = client.base_url
    with socket.create_connection((url.host, url.port)) as connection:
        connection.sendall(
            b"GET /api/info HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
        )
        status = connection.makefile("rb").readline()
    assert b" 400 " in status or b" 421 " in status


def test_a_name_can_be_allowed(start: Start, index: sw.Index) -> None:
    client = start(index, allowed_hosts=frozenset({"media.example"}))
    assert client.get("/api/info", headers={"host": "media.example:8765"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
    ids=str,
)
def test_another_site_changes_nothing(
    start: Start, own_index: sw.Index, headers: dict[str, str], tmp_path: Path
) -> None:
    client = start(own_index, uploads=tmp_path / "uploads")
    before = len(own_index)
    requests = [
        client.post("/api/files", files=[("files", ("a.txt", b"planted"))], headers=headers),
        client.post("/api/texts", json={"texts": [{"text": "planted"}]}, headers=headers),
        client.delete("/api/sources", params={"source": str(next(iter(own_index.sources())))}, headers=headers),
    ]
    assert [answer.status_code for answer in requests] == [403, 403, 403]
    assert len(own_index) == before


def test_a_form_of_another_site_is_not_taken_for_json(start: Start, own_index: sw.Index) -> None:
    body = b'{"texts": [{"text": "planted"}]}'
    answer = start(own_index).post("/api/texts", content=body, headers={"content-type": "text/plain"})
    assert answer.status_code == 422
    assert own_index.search("planted", k=1)[0].text != "planted"


def test_the_own_page_may_change_things(start: Start, own_index: sw.Index) -> None:
    client = start(own_index)
    origin = str(client.base_url).rstrip("/")
    headers = {"origin": origin, "sec-fetch-site": "same-origin"}
    answer = client.post("/api/texts", json={"texts": [{"text": "mine"}]}, headers=headers)
    assert answer.status_code == 200


def test_with_a_token_nothing_answers_without_it(start: Start, index: sw.Index) -> None:
    client = start(index, token=TOKEN)
    identifier = next(index.records()).id
    paths = [route.path for route in client_routes(client, {"authorization": f"Bearer {TOKEN}"})]
    closed = [path.replace("{identifier}", identifier) for path in paths if path not in ("/healthz", "/readyz")]
    for path in [*closed, "/openapi.json"]:
        for headers in ({}, {"authorization": "Bearer wrong-token-of-length"}, {"authorization": TOKEN}):
            answer = client.request("GET", path, headers=headers, params={"token": TOKEN})
            assert answer.status_code == 401, path
    assert client.get("/healthz").status_code == 200
    assert client.get("/api/info", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200


def client_routes(client: httpx.Client, headers: dict[str, str]) -> list[httpx.URL]:
    return [httpx.URL(path) for path in client.get("/openapi.json", headers=headers).json()["paths"]]


def test_every_answer_has_headers_of_security(client: httpx.Client) -> None:
    for answer in (client.get("/api/info"), client.get("/nowhere"), client.post("/api/search", json={})):
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in answer.headers


def test_what_is_larger_than_the_policy_allows_is_refused(start: Start, index: sw.Index) -> None:
    client = start(index, upload_policy=sw.MediaPolicy(max_bytes=100_000))
    big = b"\0" * 150_000
    assert client.post("/api/search/upload", files=[("files", ("a.wav", big))]).status_code == 413
    encoded = base64.b64encode(big).decode()
    assert client.post("/api/search", json={"parts": [{"audio": encoded}]}).status_code == 413
    without_length = (big[at : at + 10_000] for at in range(0, len(big), 10_000))
    answer = client.post("/api/search", content=without_length, headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert client.get("/healthz").status_code == 200


def test_pixels_are_limited_too(start: Start, index: sw.Index) -> None:
    client = start(index, upload_policy=sw.MediaPolicy(max_pixels=100))
    drawn = io.BytesIO()  # of its own: vectors of what is in the index are known
    Image.new("RGB", (20, 20), "teal").save(drawn, "PNG")
    upload = [("files", ("a.png", drawn.getvalue()))]
    answer = client.post("/api/search/upload", files=upload)
    assert answer.status_code == 413
    assert "max_pixels" in answer.json()["error"]["message"]


def test_a_body_that_will_be_too_large_is_refused_before_it_comes(client: httpx.Client) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port or 80)) as connection:
        head = b"POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        connection.sendall(head + b"Content-Length: 999999999999\r\n\r\n")
        assert b" 413 " in connection.makefile("rb").readline()


def test_large_bodies_wait_until_others_are_answered(start: Start, index: sw.Index) -> None:
    client = start(index, upload_policy=sw.MediaPolicy(max_bytes=100_000))
    address = (client.base_url.host, client.base_url.port or 80)
    head = b"POST /api/search/upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    held = [socket.create_connection(address) for _ in range(4)]
    for connection in held:
        connection.sendall(head + b"Content-Length: 100000\r\n\r\n")
    large = json.dumps({"query": "a", "k": 1}).ljust(90_000).encode()

    def ask() -> int:
        return client.post("/api/search", content=large, headers={"content-type": "application/json"}).status_code

    while ask() != 503:  # until all four have arrived
        pass
    assert client.post("/api/search", json={"query": "a"}).status_code == 200
    for connection in held:
        connection.close()
    while ask() == 503:
        pass
    assert ask() == 200


def test_a_large_body_is_read_in_a_thread(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []
    load = json.loads

    def loads(text: bytes) -> object:
        threads.append(threading.current_thread().name)
        return load(text)

    monkeypatch.setattr(bodies, "json", SimpleNamespace(loads=loads))
    for size in (0, 100_000):
        body = json.dumps({"input": "a"}).ljust(size).encode()
        answer = client.post("/v1/embeddings", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 200
    assert [name.startswith("senseweave-serve") for name in threads] == [False, True]


@pytest.mark.parametrize(
    "origin", ["null", "", "http://[", "//localhost", "http://localhost.evil.example", "http://evil.example#localhost"]
)
def test_an_odd_origin_is_another_site(client: httpx.Client, origin: str) -> None:
    answer = client.post("/api/search", json={"query": "a"}, headers={"origin": origin})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "cross_site"


def test_a_body_that_does_not_come_is_given_up_and_its_place_is_free(
    start: Start, index: sw.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(guard, "SLOWEST_RATE", 1_000_000)
    client = start(index, upload_policy=sw.MediaPolicy(max_bytes=100_000))
    address = (client.base_url.host, client.base_url.port or 80)
    for path, kind in (
        (b"/api/search", b"application/json"),
        (b"/api/search/upload", b"multipart/form-data; boundary=x"),
        (b"/login", b"application/x-www-form-urlencoded"),
    ):
        head = b"POST " + path + b" HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + kind
        for _ in range(5):  # one more than the budget holds
            with socket.create_connection(address) as connection:
                connection.sendall(head + b"\r\nContent-Length: 100000\r\n\r\n")
                answer = connection.makefile("rb").read()
            assert b" 408 " in answer.split(b"\r\n")[0]
            assert b"too slowly" in answer


@pytest.mark.parametrize("charset", ["unicode_escape", "raw_unicode_escape", "idna", "punycode", "undefined", "utf-7"])
@pytest.mark.parametrize("path", ["/login", "/api/search/upload"])
def test_a_form_in_an_odd_charset_is_an_error_of_the_client(
    start: Start, index: sw.Index, path: str, charset: str
) -> None:
    client = start(index, token=TOKEN)
    field = b"token" if path == "/login" else b"request"
    parts = [
        b'Content-Disposition: form-data; name="' + field + b'"\r\n\r\n\\ud800..\xff',
        b'Content-Disposition: form-data; name="files"; filename="\\ud800.png"\r\n\r\nwords',
    ]
    body = b"".join(b"--x\r\n" + part + b"\r\n" for part in parts) + b"--x--\r\n"
    kind = f"multipart/form-data; boundary=x; charset={charset}"
    answer = client.post(path, content=body, headers={"content-type": kind, "authorization": f"Bearer {TOKEN}"})
    assert 400 <= answer.status_code < 500
