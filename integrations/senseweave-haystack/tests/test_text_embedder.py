"""SenseweaveTextEmbedder: a query in, a list of floats out."""

import asyncio

import numpy as np
import pytest
from haystack import Document
from haystack.utils import ComponentDevice, Secret
from haystack_integrations.components.embedders.senseweave import SenseweaveTextEmbedder

import senseweave as sw


def test_init_keeps_parameters_and_loads_nothing():
    embedder = SenseweaveTextEmbedder(model="no-such-scheme:x", dimensions=8)
    assert (embedder.model, embedder.dimensions, embedder.normalize, embedder.load_options) == (
        "no-such-scheme:x",
        8,
        None,
        {},
    )
    assert embedder._space is None


@pytest.mark.filterwarnings("ignore")
def test_a_model_saved_for_dot_products_has_the_vectors_and_the_fingerprint_of_senseweave(tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import StaticEmbedding
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    tokenizer = Tokenizer(WordLevel({"[UNK]": 0, "a": 1, "dog": 2, "barks": 3}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    static = StaticEmbedding(tokenizer, embedding_weights=np.arange(32, dtype=np.float32).reshape(4, 8))
    SentenceTransformer(modules=[static], similarity_fn_name="dot").save(str(tmp_path))
    embedder = SenseweaveTextEmbedder(model=str(tmp_path))
    space = sw.load(str(tmp_path))
    assert embedder.fingerprint == space.fingerprint
    vector = embedder.run(text="a dog barks")["embedding"]
    np.testing.assert_allclose(vector, space.embed_text(["a dog barks"], role="query")[0], atol=1e-6)
    assert np.linalg.norm(vector) > 2


def test_to_dict_holds_every_parameter_and_from_dict_restores_them(monkeypatch):
    monkeypatch.setenv("A_KEY", "secret")
    embedder = SenseweaveTextEmbedder(
        model="starter",
        dimensions=64,
        normalize=False,
        device=ComponentDevice.from_str("cpu"),
        api_key=Secret.from_env_var("A_KEY"),
        load_options={"max_length": 32},
    )
    data = embedder.to_dict()
    assert data == {
        "type": "haystack_integrations.components.embedders.senseweave.text_embedder.SenseweaveTextEmbedder",
        "init_parameters": {
            "model": "starter",
            "dimensions": 64,
            "normalize": False,
            "device": {"type": "single", "device": "cpu"},
            "api_key": {"type": "env_var", "env_vars": ["A_KEY"], "strict": True},
            "load_options": {"max_length": 32},
        },
    }
    assert SenseweaveTextEmbedder.from_dict(data).to_dict() == data
    assert "secret" not in str(data)


def test_a_pipeline_file_chooses_no_code_server_key_download_or_path(monkeypatch):
    monkeypatch.setenv("A_KEY", "secret")
    for options in (
        {"model": "openai:m"},
        {"model": "starter", "load_options": {"base_url": "http://127.0.0.1:1/v1"}},
        {"model": "starter", "load_options": {"trust_remote_code": True}},
        {"model": "openai:m", "api_key": {"type": "env_var", "env_vars": ["A_KEY"], "strict": True}},
        {"model": "stranger/model"},
        {"model": "/models/stranger"},
    ):
        data = SenseweaveTextEmbedder().to_dict()
        data["init_parameters"].update(options)
        with pytest.raises(sw.TrustError, match="SenseweaveTextEmbedder"):
            SenseweaveTextEmbedder.from_dict(data)
        with sw.trust():
            assert SenseweaveTextEmbedder.from_dict(data).model == options["model"]


def test_a_pickle_of_a_component_needs_no_further_word():
    import pickle

    embedder = SenseweaveTextEmbedder(model="openai:m", load_options={"base_url": "http://127.0.0.1:1/v1"})
    assert pickle.loads(pickle.dumps(embedder)).load_options == embedder.load_options


def test_a_token_given_in_the_open_is_not_written_down():
    with pytest.raises(ValueError, match="Cannot serialize token-based secret"):
        SenseweaveTextEmbedder(api_key=Secret.from_token("in-the-open")).to_dict()


@pytest.mark.integration
def test_warm_up_loads_once_and_a_second_component_shares_the_space():
    first, second = SenseweaveTextEmbedder(), SenseweaveTextEmbedder()
    first.warm_up()
    space = first._space
    first.warm_up()
    asyncio.run(second.warm_up_async())
    assert first._space is space is second._space


@pytest.mark.integration
def test_run_gives_the_vector_of_the_core():
    embedding = SenseweaveTextEmbedder().run(text="a dog on the grass")["embedding"]
    assert isinstance(embedding, list)
    assert all(type(value) is float for value in embedding)
    expected = sw.load("starter").embed_text(["a dog on the grass"], role="query")[0]
    np.testing.assert_allclose(embedding, expected, atol=1e-6)


@pytest.mark.integration
def test_a_device_is_resolved_when_the_model_is_loaded():
    plain = SenseweaveTextEmbedder().run(text="a cat")["embedding"]
    embedder = SenseweaveTextEmbedder(device=ComponentDevice.from_str("cpu"))
    assert embedder.run(text="a cat")["embedding"] == pytest.approx(plain, abs=1e-6)
    assert SenseweaveTextEmbedder().to_dict()["init_parameters"]["device"] is None


def test_a_key_is_read_when_the_model_is_loaded_and_no_sooner(monkeypatch):
    monkeypatch.delenv("A_KEY", raising=False)
    embedder = SenseweaveTextEmbedder(
        model="openai:text-embedding-3-small", api_key=Secret.from_env_var(["ANOTHER_KEY", "A_KEY"]), dimensions=256
    )
    with pytest.raises(ValueError, match="None of the following authentication environment variables are set"):
        embedder.warm_up()
    monkeypatch.setenv("A_KEY", "secret")
    embedder.warm_up()
    assert "secret" not in str(embedder.to_dict())
    with pytest.raises(ValueError, match="from_env_var"):
        SenseweaveTextEmbedder(api_key=Secret.from_token("in-the-open")).warm_up()


@pytest.mark.integration
async def test_run_async_gives_the_same_as_run():
    embedder = SenseweaveTextEmbedder()
    assert (await embedder.run_async(text="two boats"))["embedding"] == pytest.approx(
        embedder.run(text="two boats")["embedding"], abs=1e-6
    )


@pytest.mark.integration
def test_text_that_looks_like_a_path_is_text(photo):
    embedding = SenseweaveTextEmbedder().run(text=str(photo))["embedding"]
    np.testing.assert_allclose(embedding, sw.load("starter").embed_text([str(photo)])[0], atol=1e-6)


@pytest.mark.integration
def test_load_options_reach_the_model():
    long = "one two three four five six seven eight nine ten " * 3
    whole = SenseweaveTextEmbedder().run(text=long)["embedding"]
    with pytest.warns(sw.errors.TruncationWarning):
        cut = SenseweaveTextEmbedder(load_options={"max_length": 8}).run(text=long)["embedding"]
    assert not np.allclose(whole, cut, atol=1e-3)


@pytest.mark.integration
def test_an_unknown_load_option_is_refused_by_name():
    with pytest.raises(TypeError, match="colour"):
        SenseweaveTextEmbedder(load_options={"colour": "red"}).warm_up()


@pytest.mark.parametrize("wrong", [["a list"], None, 3, [Document(content="x")]])
def test_wrong_input_names_the_right_component(wrong):
    with pytest.raises(TypeError, match="SenseweaveDocumentEmbedder"):
        SenseweaveTextEmbedder().run(text=wrong)


@pytest.mark.integration
def test_after_close_the_next_run_loads_again():
    embedder = SenseweaveTextEmbedder()
    before = embedder.run(text="a cat")["embedding"]
    embedder.close()
    embedder.close()
    assert embedder._space is None
    assert embedder.run(text="a cat")["embedding"] == pytest.approx(before, abs=1e-6)


@pytest.mark.integration
def test_closing_one_component_leaves_the_model_to_the_other(monkeypatch):
    first, second = SenseweaveTextEmbedder(dimensions=48), SenseweaveTextEmbedder(dimensions=48)
    first.warm_up()
    second.warm_up()
    closed = []
    monkeypatch.setattr(second._space, "close", lambda: closed.append(True))
    first.close()
    assert closed == []
    asyncio.run(second.close_async())
    assert closed == [True]
