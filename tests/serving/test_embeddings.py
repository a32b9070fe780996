"""`/v1/embeddings` gives any client of OpenAI the vectors of a space."""

import base64
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from loopback_server import Start

import senseweave as sw
from senseweave.serving.embeddings import cut
from senseweave.testing import ToyEncoder, toy_space

TEXTS = ["dogs bark in the yard", "cats sleep"]


@pytest.fixture
def space(index: sw.Index) -> sw.Space:
    return index.spaces["toy-0"]


@pytest.fixture
def address(client: httpx.Client) -> str:
    return f"{str(client.base_url).rstrip('/')}/v1"


def vectors(answer: httpx.Response) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert [entry["index"] for entry in data] == list(range(len(data)))
    return np.array([entry["embedding"] for entry in data], dtype=np.float32)


def test_texts_get_their_vectors(client: httpx.Client, space: sw.Space) -> None:
    answer = client.post("/v1/embeddings", json={"model": "toy-0", "input": TEXTS})
    np.testing.assert_allclose(vectors(answer), space.embed_text(TEXTS), atol=1e-6)
    assert answer.json()["model"] == "toy-0"
    assert answer.json()["usage"] == {"prompt_tokens": 7, "total_tokens": 7}
    single = client.post("/v1/embeddings", json={"input": TEXTS[0]})
    np.testing.assert_allclose(vectors(single), space.embed_text(TEXTS[:1]), atol=1e-6)


def test_base64_holds_the_same_numbers(client: httpx.Client, space: sw.Space) -> None:
    answer = client.post("/v1/embeddings", json={"input": TEXTS, "encoding_format": "base64"}).json()
    rows = [np.frombuffer(base64.b64decode(entry["embedding"]), dtype="<f4") for entry in answer["data"]]
    np.testing.assert_allclose(np.stack(rows), space.embed_text(TEXTS), atol=1e-6)


@pytest.mark.parametrize(
    "asked", [{"input_type": "query"}, {"task": "retrieval.query"}, {"input_type": "search_query"}]
)
def test_queries_are_embedded_as_queries(client: httpx.Client, space: sw.Space, asked: dict[str, str]) -> None:
    answer = client.post("/v1/embeddings", json={"input": TEXTS, **asked})
    np.testing.assert_allclose(vectors(answer), space.embed_text(TEXTS, role="query"), atol=1e-6)
    assert not np.allclose(vectors(answer), space.embed_text(TEXTS), atol=1e-3)


def test_media_in_the_form_of_jina(client: httpx.Client, space: sw.Space, files: Path) -> None:
    paths = {"image": files / "sample-0.png", "audio": files / "sample-1.wav", "video": files / "sample-2.mp4"}
    items: list[dict[str, str]] = [
        {modality: base64.b64encode(path.read_bytes()).decode()} for modality, path in paths.items()
    ]
    answer = client.post("/v1/embeddings", json={"input": [*items, {"text": "cats sleep"}]})
    media = [sw.Image(paths["image"]), sw.Audio(paths["audio"]), sw.Video(paths["video"]), sw.Text("cats sleep")]
    np.testing.assert_allclose(vectors(answer), space.embed(media), atol=1e-6)


def test_media_in_the_form_of_vllm(client: httpx.Client, space: sw.Space, files: Path) -> None:
    uri = "data:image/png;base64," + base64.b64encode((files / "sample-0.png").read_bytes()).decode()
    sound = base64.b64encode((files / "sample-1.wav").read_bytes()).decode()
    picture: dict[str, Any] = {"type": "image_url", "image_url": {"url": uri}}
    words = {"type": "text", "text": "cats sleep"}
    heard = {"type": "input_audio", "input_audio": {"data": sound, "format": "wav"}}
    cases = [
        ([picture], sw.Image(files / "sample-0.png")),
        ([heard], sw.Audio(files / "sample-1.wav")),
        ("cats sleep", sw.Text("cats sleep")),
        ([picture, words], sw.fuse({"image": files / "sample-0.png", "text": "cats sleep"})),
    ]
    for content, media in cases:
        answer = client.post("/v1/embeddings", json={"messages": [{"role": "user", "content": content}]})
        np.testing.assert_allclose(vectors(answer), space.embed([media]), atol=1e-6)


@pytest.mark.parametrize(
    ("asked", "status", "says"),
    [
        ({"input": [[1, 2], [3]]}, 422, "token ids"),
        ({"input": [1, 2]}, 422, "check_embedding_ctx_length=False"),
        ({"input": "a", "model": "text-embedding-3-small"}, 404, "this server has: toy-0"),
        ({}, 422, "either input or messages"),
        ({"input": []}, 422, "1 to 2048"),
        ({"input": ["a"] * 2049}, 422, "2048"),
        ({"input": "a", "dimensions": 33}, 422, "at most 32"),
        ({"input": "a", "dimensions": 0}, 422, "dimensions"),
        ({"input": "a", "input_type": "poem"}, 422, "input_type"),
        ({"input": [{"image": "/etc/passwd"}]}, 422, "not an image"),
        ({"input": [{"image": "file:///etc/passwd"}]}, 422, "base64"),
        ({"input": [{"image": "https://example.org/a.png"}]}, 422, "fetches no URLs"),
        ({"input": [{"image": "AAAA", "text": "a"}]}, 422, "one of"),
        ({"input": ["a", {"image": base64.b64encode(b"words").decode()}]}, 422, "item 2 of 2"),
        ({"messages": [{"role": "user", "content": [{"type": "file"}]}]}, 422, "image_url"),
        ({"messages": []}, 422, "no content"),
        ({"messages": [{"content": 5}]}, 422, "content of a message"),
        ({"messages": [{"content": {"text": "a"}}]}, 422, "content of a message"),
    ],
)
def test_what_cannot_be_embedded_is_an_error_in_the_form_of_openai(
    client: httpx.Client, asked: dict[str, Any], status: int, says: str
) -> None:
    answer = client.post("/v1/embeddings", json=asked)
    assert answer.status_code == status
    assert says in answer.json()["error"]["message"]
    assert {"message", "type", "code", "param"} == set(answer.json()["error"])


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("normed", [True, False])
def test_fewer_dimensions_are_those_of_a_space_loaded_with_them(normalize: bool, normed: bool) -> None:
    encoder = type("Normed", (ToyEncoder,), {"layer_norm_before_cut": normed})("text")
    whole = sw.Space("whole", {"text": encoder}, normalize=normalize)
    short = sw.Space("short", {"text": encoder}, normalize=normalize, dimensions=8)
    np.testing.assert_allclose(cut(whole, whole.embed_text(TEXTS), 8), short.embed_text(TEXTS), atol=1e-5)


def test_models_are_listed(start: Start, index: sw.Index) -> None:
    client = start(index, spaces={"another/one": toy_space(1, ["text"])})
    listed = client.get("/v1/models").json()["data"]
    assert [entry["id"] for entry in listed] == ["toy-0", "another/one"]
    assert client.get("/v1/models/another/one").json()["modalities"] == ["text"]
    answer = client.post("/v1/embeddings", json={"model": "another/one", "input": TEXTS})
    np.testing.assert_allclose(vectors(answer), toy_space(1, ["text"]).embed_text(TEXTS), atol=1e-6)
    refused = client.post("/v1/embeddings", json={"model": "another/one", "input": [{"image": "AAAA"}]})
    assert refused.status_code == 422
    assert client.get("/v1/models/none").status_code == 404


def test_requests_that_come_together_are_computed_together(start: Start, index: sw.Index) -> None:
    sizes: list[int] = []
    first, waiting = threading.Event(), threading.Event()

    class Slow(ToyEncoder):
        batch_budget = 64

        def prepare(self, items: Any, role: Any) -> Any:
            sizes.append(len(items))
            first.set()
            waiting.wait(60)
            return super().prepare(items, role)

    space = sw.Space("slow", {"text": Slow("text")})
    client = start(index, spaces={"slow": space})
    ask = {"model": "slow"}
    with ThreadPoolExecutor(9) as pool:
        futures = [pool.submit(client.post, "/v1/embeddings", json={**ask, "input": "first"})]
        first.wait(60)
        futures += [pool.submit(client.post, "/v1/embeddings", json={**ask, "input": f"text {at}"}) for at in range(8)]
        while len(space._coalescer._waiting) < 8:
            time.sleep(0.01)
        waiting.set()
        answers = [future.result() for future in futures]
    assert sizes == [1, 8]
    expected = toy_space(0, ["text"]).embed_text(["first", *(f"text {at}" for at in range(8))])
    np.testing.assert_allclose(np.concatenate([vectors(answer) for answer in answers]), expected, atol=1e-6)


def test_the_openai_package(address: str, space: sw.Space, files: Path) -> None:
    openai = pytest.importorskip("openai", reason="the openai package is not installed")
    client = openai.OpenAI(base_url=address, api_key="none", max_retries=0)
    for form in ({}, {"encoding_format": "float"}):  # it asks for base64 by itself
        answer = client.embeddings.create(model="toy-0", input=TEXTS, **form)
        np.testing.assert_allclose([entry.embedding for entry in answer.data], space.embed_text(TEXTS), atol=1e-6)
    encoded = base64.b64encode((files / "sample-0.png").read_bytes()).decode()
    answer = client.embeddings.create(model="toy-0", input=[{"image": encoded}])
    np.testing.assert_allclose([answer.data[0].embedding], space.embed_image([files / "sample-0.png"]), atol=1e-6)
    assert [model.id for model in client.models.list()] == ["toy-0"]
    with pytest.raises(openai.NotFoundError, match="this server has: toy-0"):
        client.embeddings.create(model="gpt", input="a")


def test_the_openai_package_sends_the_token(start: Start, index: sw.Index) -> None:
    openai = pytest.importorskip("openai", reason="the openai package is not installed")
    token = "a-token-of-some-length"
    url = f"{str(start(index, token=token).base_url).rstrip('/')}/v1"
    answer = openai.OpenAI(base_url=url, api_key=token, max_retries=0).embeddings.create(model="toy-0", input="a")
    assert len(answer.data[0].embedding) == 32
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=url, api_key="wrong", max_retries=0).embeddings.create(model="toy-0", input="a")


def test_langchain(address: str, space: sw.Space) -> None:
    library = pytest.importorskip("langchain_openai", reason="langchain-openai is not installed")
    model = library.OpenAIEmbeddings(
        base_url=address, api_key="none", model="toy-0", check_embedding_ctx_length=False, max_retries=0
    )
    np.testing.assert_allclose(model.embed_documents(TEXTS), space.embed_text(TEXTS), atol=1e-6)
    np.testing.assert_allclose(model.embed_query(TEXTS[0]), space.embed_text(TEXTS)[0], atol=1e-6)


def test_llama_index(address: str, space: sw.Space) -> None:
    library = pytest.importorskip(
        "llama_index.embeddings.openai", reason="llama-index-embeddings-openai is not installed"
    )
    model = library.OpenAIEmbedding(api_base=address, api_key="none", model_name="toy-0", max_retries=0)
    np.testing.assert_allclose(model.get_text_embedding_batch(TEXTS), space.embed_text(TEXTS), atol=1e-6)
    np.testing.assert_allclose(model.get_query_embedding(TEXTS[1]), space.embed_text(TEXTS)[1], atol=1e-6)


def test_haystack(address: str, space: sw.Space) -> None:
    library = pytest.importorskip("haystack.components.embedders", reason="haystack is not installed")
    utils = pytest.importorskip("haystack.utils")
    model = library.OpenAITextEmbedder(
        api_key=utils.Secret.from_token("none"), model="toy-0", api_base_url=address, max_retries=0
    )
    result = model.run(TEXTS[0])
    np.testing.assert_allclose(result["embedding"], space.embed_text(TEXTS)[0], atol=1e-6)
    assert result["meta"]["usage"]["prompt_tokens"] == 5


def test_words_are_counted_in_a_thread(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []

    def count(text: str) -> int:
        threads.append(threading.current_thread().name)
        return 1

    monkeypatch.setattr("senseweave.serving.embeddings.count_words", count)
    answer = client.post("/v1/embeddings", json={"input": ["a dog", "a cat"]})
    assert answer.json()["usage"]["prompt_tokens"] == 2
    assert all(name.startswith("senseweave-serve") for name in threads)
