"""Text by an embedding API, against a real HTTP server of this file that speaks the protocol."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import pickle
import threading
import time
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

import senseweave as sw
from senseweave.errors import TruncationWarning, UnsupportedModalityError

KEY = "sk-test-4f2a9c81d7"


def server_vector(text: str, width: int) -> np.ndarray:
    """What the server computes: a function of the text alone."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    return np.random.default_rng(seed).normal(size=width).astype(np.float32)


class Server:
    """A server of embeddings whose next answers a test can spoil."""

    def __init__(self) -> None:
        self.requests: list[dict] = []
        self.keys: list[str | None] = []
        self.spoilt: list[object] = []
        self.width = 16
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                server.requests.append(body)
                server.keys.append(self.headers.get("authorization"))
                status, answer, headers = server.answer(body, self.path)
                try:
                    payload = json.dumps(answer).encode()
                    self.send_response(status)
                    self.send_header("content-type", "application/json")
                    self.send_header("content-length", str(len(payload)))
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(payload)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # a client that waited no longer

            def log_message(self, *arguments: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer(self, body: dict, path: str) -> tuple[int, dict, dict[str, str]]:
        if self.spoilt:
            spoilt = self.spoilt.pop(0)
            if isinstance(spoilt, float):
                time.sleep(spoilt)
            else:
                return spoilt
        if path != "/v1/embeddings":
            return failure(404, "no such path")
        if any("poison" in text for text in body["input"]):
            return failure(400, f"one input is bad; your key is {KEY}")
        width = body.get("dimensions") or self.width
        data = []
        for index, text in enumerate(body["input"]):
            vector = server_vector(text, self.width)[:width]
            if body.get("encoding_format") == "base64":
                vector = base64.b64encode(vector.tobytes()).decode()
            else:
                vector = vector.tolist()
            data.append({"object": "embedding", "index": index, "embedding": vector})
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        return 200, {"object": "list", "data": data[::-1], "model": body["model"], "usage": usage}, {}


def failure(status: int, message: str, **headers: str) -> tuple[int, dict, dict[str, str]]:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, {"error": {"message": message, "type": "error", "code": None}}, names


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    running = Server()
    yield running
    running.http.shutdown()
    running.http.server_close()


@pytest.fixture
def space(server: Server) -> sw.Space:
    return sw.load("openai:some-model", base_url=server.url, max_retries=2, timeout=30.0, cache_size=0)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_vectors_are_the_servers_normalised_and_in_order(space, server):
    texts = ["b", "a much longer text than the others", "c", "b"]
    expected = unit(np.stack([server_vector(text, 16) for text in texts]))
    np.testing.assert_allclose(space.embed_text(texts), expected, atol=1e-6)
    np.testing.assert_allclose(np.concatenate([space.embed_text([text]) for text in texts]), expected, atol=1e-6)
    assert space.dimension == 16


def test_equal_texts_are_sent_once(space, server):
    space.embed_text(["the same"] * 5)
    assert [request["input"] for request in server.requests if request["input"] != ["dimension"]] == [["the same"]]


def test_requests_stay_under_the_limits_of_texts_and_tokens(server):
    space = sw.load("openai:some-model", base_url=server.url, batch_tokens=100, cache_size=0)
    texts = [f"text number {i} " + "x" * (i % 40) for i in range(60)]
    space.embed_text(texts)
    sent = [request["input"] for request in server.requests if request["input"] != ["dimension"]]
    assert sorted(text for batch in sent for text in batch) == sorted(texts)
    assert max(sum(len(text.encode()) for text in batch) for batch in sent) <= 100
    assert len(sent) < len(texts)


def test_no_request_has_more_than_2048_texts(server):
    space = sw.load("openai:some-model", base_url=server.url, cache_size=0)
    space.embed_text([str(i) for i in range(3000)])
    assert max(len(request["input"]) for request in server.requests) <= 2048


def test_dimensions_are_asked_of_models_that_can_shorten_and_cut_here_for_others(server):
    server.width = 1536
    small = sw.load("openai:text-embedding-3-small", base_url=server.url, dimensions=8, cache_size=0)
    np.testing.assert_allclose(small.embed_text(["a"]), unit(server_vector("a", 1536)[:8])[None], atol=1e-6)
    assert server.requests[-1]["dimensions"] == 8
    ada = sw.load("openai:text-embedding-ada-002", base_url=server.url, dimensions=8, cache_size=0)
    np.testing.assert_allclose(ada.embed_text(["a"]), unit(server_vector("a", 1536)[:8])[None], atol=1e-6)
    assert "dimensions" not in server.requests[-1]
    with pytest.raises(ValueError, match="between 1 and 1536"):
        sw.load("openai:text-embedding-3-small", base_url=server.url, dimensions=2000)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_request_is_sent_again_after_a_passing_failure(space, server, status):
    assert space.dimension == 16
    server.spoilt = [failure(status, "later", retry_after_ms="10"), failure(status, "later", retry_after_ms="10")]
    np.testing.assert_allclose(space.embed_text(["a"]), unit(server_vector("a", 16))[None], atol=1e-6)


def test_a_request_that_times_out_is_repeated(server):
    space = sw.load("openai:some-model", base_url=server.url, max_retries=4, timeout=2.0, cache_size=0)
    assert space.dimension == 16
    server.spoilt = [4.0]
    np.testing.assert_allclose(space.embed_text(["a"]), unit(server_vector("a", 16))[None], atol=1e-6)


def test_a_failure_that_lasts_says_what_the_server_said(space, server):
    assert space.dimension == 16
    server.spoilt = [failure(500, "the disk is full", retry_after_ms="1")] * 3
    with pytest.raises(sw.MediaError, match=r"item 1 of 1.*500.*the disk is full"):
        space.embed_text(["a"])


def test_one_bad_text_does_not_take_the_others_with_it(space):
    texts = [f"text {i}" for i in range(9)]
    texts[4] = "poison"
    batch = space.encode([sw.Text(text) for text in texts], on_error="skip")
    assert batch.kept == [0, 1, 2, 3, 5, 6, 7, 8]
    expected = unit(np.stack([server_vector(texts[i], 16) for i in batch.kept]))
    np.testing.assert_allclose(batch.vectors, expected, atol=1e-6)
    (error,) = batch.failed
    assert error.position == 4
    assert "one input is bad" in error.reason
    with pytest.raises(sw.MediaError, match="item 5 of 9"):
        space.embed_text(texts)


def test_requests_that_succeeded_before_a_failure_are_not_repeated(server):
    space = sw.load("openai:some-model", base_url=server.url, max_retries=0, batch_tokens=4, cache_size=100)
    assert space.dimension == 16
    with pytest.raises(sw.MediaError, match="item 3 of 3"):
        space.embed_text(["a longer text", "a long text", "poison"])
    server.requests.clear()
    space.embed_text(["a longer text", "a long text"])
    assert server.requests == []


def test_an_empty_text_is_reported_and_not_sent(space, server):
    batch = space.encode([sw.Text("a"), sw.Text("")], on_error="skip")
    assert batch.kept == [0]
    assert "empty" in batch.failed[0].reason


def test_long_texts_are_cut_by_the_served_models_tokenizer_and_reported(server, folder_of_a_tokenizer):
    space = sw.load(
        "openai:some-model", base_url=server.url, tokenizer=folder_of_a_tokenizer, max_length=6, cache_size=0
    )
    text = "a small dog runs on the green grass"
    with pytest.warns(TruncationWarning, match="longer than the 6 tokens"):
        batch = space.encode([sw.Text(text)])
    assert batch.dropped[0] > 0
    (sent,) = server.requests[-1]["input"]
    assert text.startswith(sent)
    assert sent != text


@pytest.fixture(scope="module")
def folder_of_a_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> str:
    from tiny_text import wordpiece_tokenizer

    folder = tmp_path_factory.mktemp("tokenizer")
    wordpiece_tokenizer(folder).save_pretrained(folder)
    return str(folder)


def test_roles_put_the_given_prompts_first(server):
    prompts = {"query": "query: ", "document": "passage: "}
    space = sw.load("openai:some-model", base_url=server.url, prompts=prompts, cache_size=0)
    space.embed_text(["a"], role="query")
    assert server.requests[-1]["input"] == ["query: a"]
    space.embed_text(["a"])
    assert server.requests[-1]["input"] == ["passage: a"]


def test_strings_are_sent_as_text_whatever_they_look_like(space, server, tmp_path):
    file = tmp_path / "dog.png"
    file.write_bytes(b"\x89PNG\r\n")
    traps = [str(file), "http://169.254.169.254/latest", "data:image/png;base64,AAAA"]
    space.embed_text(traps)
    assert sorted(server.requests[-1]["input"]) == sorted(traps)


def test_an_answer_that_is_not_finite_is_an_error(space, server):
    assert space.dimension == 16
    data = [{"object": "embedding", "index": 0, "embedding": [float("nan")] * 16}]
    server.spoilt = [(200, {"object": "list", "data": data, "model": "m", "usage": {}}, {})]
    with pytest.raises(sw.EncodingError, match="not finite"):
        space.embed_text(["a"])


def test_an_answer_of_another_length_is_an_error(space, server):
    assert space.dimension == 16
    server.width = 4
    with pytest.raises(sw.ModelError, match="answered 4 dimensions, not 16"):
        space.embed_text(["a"])


def test_a_wrong_key_or_model_is_an_error_at_once(space, server):
    server.spoilt = [failure(401, f"Incorrect API key provided: {KEY}")]
    with pytest.raises(sw.ModelError, match="401"):
        space.embed_text(["a"], on_error="skip")
    server.spoilt = [failure(404, "the model does not exist")]
    with pytest.raises(sw.ModelError, match="does not exist"):
        space.embed_text(["a"])


def test_openais_own_server_is_not_called_without_a_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    space = sw.load("openai:text-embedding-3-small", cache_size=1)
    assert space.dimension == 1536
    with pytest.raises(sw.ModelError, match="OPENAI_API_KEY"):
        space.embed_text(["a"])


def test_a_key_can_be_in_another_variable_and_cannot_be_an_argument(server, monkeypatch):
    monkeypatch.setenv("OTHER_KEY", "other-secret")
    space = sw.load("openai:some-model", base_url=server.url, key_variable="OTHER_KEY", cache_size=0)
    space.embed_text(["a"])
    assert server.keys[-1] == "Bearer other-secret"
    with pytest.raises(TypeError, match="api_key") as caught:
        sw.load("openai:some-model", base_url=server.url, api_key=KEY)
    assert KEY not in str(caught.value)


def test_the_key_is_in_no_representation_log_error_or_pickle(space, server, caplog):
    caplog.set_level(logging.DEBUG)
    space.embed_text(["a"])
    encoder = space.encoder("text")
    told = [repr(space), repr(encoder), str(vars(encoder)), space.fingerprint, str(encoder.identity()), caplog.text]
    told.append(pickle.dumps(space).decode("latin-1"))
    for trouble in (failure(401, f"Incorrect API key provided: {KEY}"), failure(400, f"bad: {KEY}")):
        server.spoilt = [trouble]
        with pytest.raises(sw.SenseweaveError) as caught:
            space.embed_text(["b"])
        error = caught.value
        told += [repr(error), "".join(traceback.format_exception(error)), pickle.dumps(error).decode("latin-1")]
        while error.__context__ is not None:
            error = error.__context__
            told.append(repr(vars(error)))
    assert len(told) >= 7 + 6
    assert server.keys[-1] == f"Bearer {KEY}"
    assert not [text for text in told if KEY in text]


def test_a_pickled_space_asks_the_same_server(space, server):
    copy = pickle.loads(pickle.dumps(space))
    np.testing.assert_array_equal(copy.embed_text(["a"]), space.embed_text(["a"]))
    assert copy.fingerprint == space.fingerprint


def test_the_fingerprint_tells_models_servers_and_lengths_apart(server):
    def fingerprint(name="openai:text-embedding-3-small", **options):
        return sw.load(name, **options).fingerprint

    known = [fingerprint(), fingerprint(dimensions=8), fingerprint("openai:text-embedding-3-large")]
    known.append(fingerprint(base_url="http://localhost:1/v1/"))
    assert len(set(known)) == 4
    assert fingerprint(base_url="http://localhost:1/v1") == known[3]


def test_other_modalities_are_refused(space):
    with pytest.raises(UnsupportedModalityError, match="it embeds: text"):
        space.embed_image([b""])
