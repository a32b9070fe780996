"""Servers of embeddings that answer with something else: each text fails alone, with both names."""

import asyncio
import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

import senseweave as sw
from senseweave.encoders.runtime.server_answers import AnswerFormatError, read_rows

WIDTH = 4
KEY = "sk-planted-77aa"
BAD = "bad"
"""The text that a spoilt server answers wrongly to; to all others it answers rightly."""


def vector(text):
    return [float(len(text)), 1.0, 2.0, float(ord(text[-1]))]


def packed(values):
    return base64.b64encode(np.asarray(values, "<f4").tobytes()).decode()


def row(index, value):
    return {"object": "embedding", "index": index, "embedding": value}


SPOILT_ROWS = {
    "null": None,
    "an empty list": [],
    "a word": "none",
    "a number": 7,
    "an object": {"a": 1},
    "nested lists": [[1.0, 2.0, 3.0, 4.0]],
    "a null among the numbers": [1.0, None, 2.0, 3.0],
    "a word among the numbers": [1.0, "x", 2.0, 3.0],
    "numbers as words": ["1.0", "2.0", "3.0", "4.0"],
    "a truth value": [True, 1.0, 2.0, 3.0],
    "not a number": [float("nan")] * WIDTH,
    "infinite": [float("inf"), 1.0, 2.0, 3.0],
    "beyond float32": [1e300, 1.0, 2.0, 3.0],
    "beyond float64": [10**400, 1, 2, 3],
    "zeros": [0.0] * WIDTH,
    "too short": [1.0, 2.0],
    "too long": [1.0] * 9,
    "base64 that is none": "%%%%",
    "base64 cut off": packed([1, 2, 3, 4])[:-3],
    "base64 of odd bytes": base64.b64encode(b"12345").decode(),
    "base64 of nothing": "",
    "base64 too short": packed([1, 2]),
    "base64 of NaN": packed([np.nan] * WIDTH),
}
SPOILT_ANSWERS = {
    "an error": b'{"error": {"message": "model is overloaded", "code": 503}}',
    "an error as a word": b'{"error": "out of memory"}',
    "an error beside data": b'{"error": {"message": "partial"}, "data": []}',
    "no data": b'{"object": "list"}',
    "data null": b'{"data": null}',
    "data empty": b'{"data": []}',
    "data an object": b'{"data": {"0": [1, 2, 3, 4]}}',
    "a list": b"[1, 2, 3]",
    "a word": b'"sorry"',
    "null": b"null",
    "nothing": b"",
    "a page": b"<!doctype html><html><body>Bad gateway</body></html>",
    "half of it": b'{"data": [{"index": 0, "embed',
    "bytes": bytes(range(128, 256)),
    "deeply nested": b"[" * 100_000,
    "rows that are no objects": b'{"data": [[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]]}',
    "too many rows": json.dumps({"data": [row(i, [1.0] * WIDTH) for i in range(9)]}).encode(),
    "rows beyond the texts": json.dumps({"data": [row(i + 70, [1.0] * WIDTH) for i in range(3)]}).encode(),
}


class Server:
    """Answers rightly, but for the row or the whole answer of requests with the bad text."""

    def __init__(self):
        self.spoilt_row, self.spoilt_answer, self.requests, self.left_out = ..., None, [], False
        self.status, self.breaks_off = 200, False
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                texts = json.loads(self.rfile.read(int(self.headers["content-length"])))["input"]
                server.requests.append(texts)
                payload = server.answer(texts)
                bad = BAD in texts
                self.send_response(server.status if bad else 200)
                self.send_header("content-type", "text/html" if payload.startswith(b"<") else "application/json")
                self.send_header("content-length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload[: len(payload) // 2] if bad and server.breaks_off else payload)

            def log_message(self, *arguments):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer(self, texts):
        if self.spoilt_answer is not None and BAD in texts:
            return self.spoilt_answer
        rows = [
            row(i, self.spoilt_row if text == BAD and self.spoilt_row is not ... else vector(text))
            for i, text in enumerate(texts)
            if not (self.left_out and text == BAD)
        ]
        return json.dumps({"object": "list", "data": rows, "model": "m", "usage": {}}).encode()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    running = Server()
    yield running
    running.http.shutdown()
    running.http.server_close()


@pytest.fixture
def space(server):
    return sw.load("openai:some-model", base_url=server.url, max_retries=0, timeout=20.0, cache_size=0)


def encode(space, texts):
    return space.encode([sw.Text(text) for text in texts], on_error="skip")


def encode_off_the_loop(space, texts):
    return asyncio.run(space.aencode([sw.Text(text) for text in texts], on_error="skip"))


@pytest.fixture(params=[encode, encode_off_the_loop])
def check(request):
    return lambda space, server: check_by(request.param, space)


def check_by(encode, space):
    texts = ["aa", "bb", BAD, "dd", "ee"]
    batch = encode(space, texts)
    assert batch.kept == [0, 1, 3, 4]
    expected = np.array([vector(texts[at]) for at in batch.kept])
    np.testing.assert_allclose(batch.vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)
    (error,) = batch.failed
    assert error.position == 2
    assert KEY not in str(error)
    with pytest.raises(sw.MediaError, match="item 3 of 5"):
        space.embed_text(texts)
    with pytest.raises(sw.MediaError, match="item 3 of 5"):
        asyncio.run(space.aembed_text(texts))
    return str(error)


@pytest.mark.parametrize("value", SPOILT_ROWS.values(), ids=SPOILT_ROWS)
def test_a_row_that_is_no_vector_is_an_error_of_its_text(space, server, check, value):
    server.spoilt_row = value
    message = check(space, server)
    assert len(message) < 400


@pytest.mark.parametrize("answer", SPOILT_ANSWERS.values(), ids=SPOILT_ANSWERS)
def test_an_answer_that_is_no_list_of_vectors_is_an_error_of_the_text_that_causes_it(space, server, check, answer):
    server.spoilt_answer = answer
    message = check(space, server)
    assert "openai:some-model" in message
    assert server.url in message


def test_a_row_that_is_missing_is_an_error_of_its_text(space, server, check):
    server.left_out = True
    assert "no vector for this text" in check(space, server)


SPOKEN = json.dumps({"error": {"message": f"no: Bearer {KEY}"}}).encode()
"""An error that repeats the key, as some servers do."""


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_status_that_refuses_a_text_is_an_error_of_that_text(space, server, check, status):
    server.status, server.spoilt_answer = status, SPOKEN
    message = check(space, server)
    assert f"the server answered {status}" in message
    assert "[key]" in message


@pytest.mark.parametrize("encode", [encode, encode_off_the_loop])
@pytest.mark.parametrize("status", [402, 408, 409, 418, 429, 500, 502, 503, 504, 529])
def test_a_status_of_the_server_fails_the_request_and_keeps_the_others(server, encode, status):
    server.status, server.spoilt_answer = status, SPOKEN
    options = {"base_url": server.url, "max_retries": 0, "batch_tokens": 2, "cache_size": 0}
    batch = encode(sw.load("openai:some-model", **options), ["aa", BAD, "cc", "dd"])
    assert batch.kept
    assert 1 in {error.position for error in batch.failed}
    assert all(f"answered {status}" in str(error) and KEY not in str(error) for error in batch.failed)


@pytest.mark.parametrize("encode", [encode, encode_off_the_loop])
@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_wrong_key_or_address_ends_the_call_without_the_key(space, server, encode, status):
    server.status, server.spoilt_answer = status, SPOKEN
    with pytest.raises(sw.ModelError, match=f"answered {status}") as error:
        encode(space, ["aa", BAD])
    assert KEY not in str(error.getrepr(style="long", showlocals=False))


@pytest.mark.parametrize("encode", [encode, encode_off_the_loop])
def test_an_answer_that_breaks_off_fails_the_request_and_names_the_server(space, server, encode):
    server.breaks_off = True
    assert space.dimension == WIDTH
    batch = encode(space, ["aa", BAD])
    assert {error.position for error in batch.failed} == {0, 1}
    assert all(server.url in str(error) and KEY not in str(error) for error in batch.failed)


def test_rows_without_numbers_are_taken_in_order(space, server):
    server.answer = lambda texts: json.dumps({"data": [{"embedding": vector(text)} for text in texts]}).encode()
    np.testing.assert_allclose(space.embed_text(["aa"]), space.embed_text(["aa", "bbb"])[:1], atol=1e-6)


def test_a_server_that_refuses_everything_is_not_asked_for_every_text(space, server):
    assert space.dimension == WIDTH
    server.requests.clear()
    server.answer = lambda texts: b'{"error": {"message": "down for repairs"}}'
    batch = space.encode([sw.Text(f"text {i}") for i in range(500)], on_error="skip")
    assert len(batch.failed) == 500
    assert all("down for repairs" in error.reason for error in batch.failed)
    assert len(server.requests) < 30


def test_a_server_that_never_answers_rightly_is_named(space, server):
    server.answer = lambda texts: b"<html>"
    with pytest.raises(sw.ModelError, match=r"openai:some-model.*no JSON \(text/html\)"):
        space.embed_text(["a"])


def test_an_error_in_the_middle_quotes_little():
    with pytest.raises(AnswerFormatError) as caught:
        read_rows(b"x" * 10_000, "text/plain; charset=utf-8", 1)
    assert len(str(caught.value)) < 150
