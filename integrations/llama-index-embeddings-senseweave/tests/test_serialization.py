"""`to_dict`, `from_dict` and pickle rebuild the model, through JSON and in other processes."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest
from llama_index.core.callbacks import CallbackManager
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.rate_limiter import TokenBucketRateLimiter
from llama_index.core.schema import TextNode
from llama_index.core.storage.kvstore import SimpleKVStore
from llama_index.embeddings.senseweave import MediaNodeParser, SenseweaveEmbedding, media_node
from sensible import embedded

import senseweave as sw

OPTIONS: dict[str, Any] = {
    "model_name": "openai:text-embedding-3-small",
    "device": "cpu",
    "dtype": "float32",
    "revision": "main",
    "dimensions": 64,
    "normalize": False,
    "max_length": 77,
    "batch_tokens": 512,
    "cache_size": 10,
    "load_options": {"base_url": "http://localhost:1", "timeout": 3},
    "policy": sw.MediaPolicy(root="/srv/media", trusted_hosts={"intranet:80"}, mime_types=("image/*",), max_bytes=10),
    "embed_batch_size": 7,
    "num_workers": 2,
}


def rebuilt(model: SenseweaveEmbedding, **given: Any) -> SenseweaveEmbedding:
    return SenseweaveEmbedding.from_dict(json.loads(json.dumps(model.to_dict())), **given)


def test_every_option_survives_json_and_pickle() -> None:
    model = SenseweaveEmbedding(**OPTIONS)
    with pytest.raises(sw.TrustError, match="server"):
        rebuilt(model)
    with sw.trust("server"):
        restored = rebuilt(model)
    for again in (restored, pickle.loads(pickle.dumps(model))):
        assert {name: getattr(again, name) for name in OPTIONS} == OPTIONS
    assert rebuilt(SenseweaveEmbedding(root="/srv/media", network=True)).media_policy == sw.MediaPolicy(
        root="/srv/media", network=True
    )


def test_several_devices_survive_json_and_share_the_work() -> None:
    model = rebuilt(SenseweaveEmbedding(device=["cpu", "cpu"]))
    assert model.device == ["cpu", "cpu"]
    assert model.space.devices == ("cpu", "cpu")


def test_the_defaults_are_the_starter_without_network() -> None:
    model = SenseweaveEmbedding()
    assert model.model_name == "starter"
    assert model.media_policy == sw.MediaPolicy()
    assert rebuilt(model).to_dict() == model.to_dict()


def test_what_cannot_be_written_down_is_left_out_of_the_dict() -> None:
    model = SenseweaveEmbedding(
        callback_manager=CallbackManager([]),
        embeddings_cache=SimpleKVStore(),
        rate_limiter=TokenBucketRateLimiter(requests_per_minute=60),
        load_options={"api_key": "sk-very-secret", "headers": {"Authorization": "secret"}, "pooling": "cls"},
    )
    assert "secret" not in json.dumps(model.to_dict())
    assert rebuilt(model).load_options == {"pooling": "cls"}
    assert pickle.loads(pickle.dumps(model)).load_options == model.load_options


def test_options_that_contradict_each_other_are_errors(space: sw.Space) -> None:
    with pytest.raises(ValueError, match="either policy or root and network"):
        SenseweaveEmbedding(policy=sw.MediaPolicy(), network=True)
    with pytest.raises(ValueError, match="device in load_options have fields of their own"):
        SenseweaveEmbedding(load_options={"device": "cpu"})
    with pytest.raises(ValueError, match="device, pooling cannot be changed on a loaded space"):
        SenseweaveEmbedding(space=space, device="cpu", load_options={"pooling": "cls"})


def test_a_model_of_a_loaded_space_is_rebuilt_with_the_space_and_with_no_other(space: sw.Space) -> None:
    model = SenseweaveEmbedding(space=space)
    assert rebuilt(model, space=space).get_text_embedding("red") == model.get_text_embedding("red")
    with pytest.raises(ValueError, match=f"was created from a space with fingerprint {model.fingerprint}"):
        rebuilt(model, space=sw.Space("other", {"text": space.encoders["text"]}))


@pytest.mark.integration
def test_a_process_of_a_pool_embeds_alike(embed_model: SenseweaveEmbedding, files: Any) -> None:
    given = ["red", files["image"][0].read_bytes(), files["image"][1], files["audio"][0]]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(embedded, embed_model, *given).result() == embedded(embed_model, *given)


@pytest.mark.integration
def test_a_pipeline_with_workers_embeds_alike(embed_model: SenseweaveEmbedding, files: Any) -> None:
    def nodes() -> list[Any]:
        return [media_node("image", files["image"][0]), TextNode(text="red"), media_node("audio", files["audio"][0])]

    parallel = IngestionPipeline(transformations=[embed_model]).run(nodes=nodes(), num_workers=2)
    assert [node.embedding for node in parallel] == [node.embedding for node in embed_model(nodes())]


def test_the_parser_is_read_from_a_pickle_without_a_network(tmp_path: Any) -> None:
    (tmp_path / "parser.pickle").write_bytes(pickle.dumps(MediaNodeParser()))
    program = "import pickle, sys; print(type(pickle.load(open(sys.argv[1], 'rb')).text_parser).__name__)"
    nowhere = dict.fromkeys(["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"], "http://127.0.0.1:9")
    child = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "parser.pickle")],
        capture_output=True,
        text=True,
        env={**os.environ, **nowhere},
        check=False,
    )
    assert child.stdout.strip() == "SentenceSplitter", child.stderr


def test_a_pickle_holds_the_parser_of_text_that_was_given_or_changed() -> None:
    given = MediaNodeParser(text_parser=SentenceSplitter(chunk_size=64, chunk_overlap=8))
    changed = MediaNodeParser()
    changed.text_parser.include_metadata = False
    for parser in (given, changed):
        again = pickle.loads(pickle.dumps(parser))
        assert again.text_parser.to_dict() == parser.text_parser.to_dict()
