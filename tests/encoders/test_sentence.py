"""Sentence models: their own modules, their own way with prompts, and nothing of their own run unasked."""

from __future__ import annotations

import json
import logging
import re
import warnings

import numpy as np
import pytest
import tiny_text
from tiny_sentence import save_sentence_model

import senseweave as sw
from senseweave.encoders.parts.sentence_folders import read_dimension
from senseweave.encoders.runtime.checkpoint import Checkpoint
from senseweave.errors import PromptWarning


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "model"
    path.mkdir()
    return path


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("how", "expected"),
    [({}, 32), ({"dense": 24}, 24), ({"pooling": ("max", "mean")}, 64), ({"dense": 8, "normalize": False}, 8)],
)
def test_the_dimension_is_read_without_loading_the_weights(folder, how, expected):
    name = save_sentence_model(folder, **how)
    assert read_dimension(Checkpoint(name, folder)) == expected
    space = sw.load(name, device="cpu")
    assert space.dimension == expected
    assert space.encoder("text")._loaded._value is None


def test_a_model_with_prompts_for_other_tasks_alone_warns_when_it_is_loaded(folder):
    name = save_sentence_model(folder, prompts={"STS": "Compare: "})
    with pytest.warns(PromptWarning, match="saved with the prompts STS"):
        sw.load(name, device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sw.load(name, device="cpu", prompts={})


def test_given_prompts_replace_those_of_the_model(folder):
    name = save_sentence_model(folder, prompts={"query": "query: ", "document": "passage: "})
    space = sw.load(name, device="cpu", prompts={"query": "find: "}, cache_size=0)
    plain = sw.load(name, device="cpu", prompts={}, cache_size=0)
    np.testing.assert_allclose(space.embed_text(["a"], role="query"), plain.embed_text(["find: a"]), atol=1e-6)
    np.testing.assert_allclose(space.embed_text(["a"]), plain.embed_text(["a"]), atol=1e-6)
    assert space.fingerprint != plain.fingerprint


def test_the_prompt_counts_towards_the_length_and_is_kept_when_the_text_is_cut(folder):
    name = save_sentence_model(folder, prompts={"query": "query: ", "document": ""})
    space = sw.load(name, device="cpu", max_length=8, cache_size=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        queries, documents = (
            space.encode([sw.Text("a small dog runs on the grass")], role=r) for r in ("query", "document")
        )
    assert queries.dropped[0] > documents.dropped[0] > 0


def test_routes_of_queries_and_documents_are_taken_by_role(folder):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Router, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    sides = {}
    for side, seed in (("query", 1), ("document", 2)):
        base = folder.parent / side
        tiny_text.SEED, before = seed, tiny_text.SEED
        tiny_text.save_model(base, "Bert")
        tiny_text.SEED = before
        sides[side] = [Transformer(str(base)), Pooling(32, "mean")]
    router = Router.for_query_document(query_modules=sides["query"], document_modules=sides["document"])
    model = SentenceTransformer(modules=[router], device="cpu")
    model.save(str(folder))
    space = sw.load(f"sentence:{folder}", device="cpu", cache_size=0)
    texts = ["a dog", "rain falls on the roof of the old house"]
    np.testing.assert_allclose(space.embed_text(texts, role="query"), unit(model.encode_query(texts)), atol=1e-5)
    np.testing.assert_allclose(space.embed_text(texts), unit(model.encode_document(texts)), atol=1e-5)


def test_python_code_of_a_checkpoint_is_not_run_unless_asked(folder):
    name = save_sentence_model(folder)
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["type"] = "own_module.Own"
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "own_module.py").write_text("raise SystemExit('this code was run')")
    space = sw.load(f"sentence:{name}", device="cpu")
    with pytest.raises(sw.ModelError, match="trust_remote_code"):
        space.embed_text(["a"])


OWN_CODE = """
from torch import nn
from transformers import AutoModel, AutoTokenizer

class Transformer(nn.Module):
    tasks = {"retrieval.query": 5, "retrieval.passage": 11, "text-matching": 17}

    def __init__(self, folder):
        super().__init__()
        self.auto_model = AutoModel.from_pretrained(folder)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.max_seq_length = 64

    def forward(self, features, task=None):
        states = self.auto_model(features["input_ids"], features["attention_mask"]).last_hidden_state
        features["token_embeddings"] = states.roll(self.tasks[task or "text-matching"], dims=2)
        return features

    def tokenize(self, texts, padding=True):
        return self.tokenizer(texts, padding=padding, truncation=True, max_length=64, return_tensors="pt")

    def get_word_embedding_dimension(self):
        return 32

    def save(self, folder):
        self.auto_model.save_pretrained(folder)

    @staticmethod
    def load(folder, **options):
        return Transformer(folder)
"""
"""A module as Jina v3 brings it: its own Python, and an adapter that is chosen by the name of a task."""


@pytest.fixture
def own_code(folder):
    """A folder named as Jina v3, whose first module is code of its own."""
    model = folder / "jina-embeddings-v3"
    save_sentence_model(model)
    modules = json.loads((model / "modules.json").read_text())
    modules[0] |= {"type": "custom_st.Transformer", "kwargs": ["task"]}
    (model / "modules.json").write_text(json.dumps(modules))
    (model / "custom_st.py").write_text(OWN_CODE)
    return model


def test_code_of_a_checkpoint_that_is_trusted_is_given_the_task_of_the_role(own_code):
    from sentence_transformers import SentenceTransformer

    space = sw.load(str(own_code), device="cpu", trust_remote_code=True, cache_size=0)
    model = SentenceTransformer(str(own_code), device="cpu", trust_remote_code=True)
    texts = ["a dog", "rain falls on the roof of the old house"]
    asked = {
        "query": ("retrieval.query", "Represent the query for retrieving evidence documents: "),
        "document": ("retrieval.passage", "Represent the document for retrieval: "),
    }
    for role, (task, prompt) in asked.items():
        expected = model.encode(texts, task=task, prompt=prompt)  # card of jina-embeddings-v3
        np.testing.assert_allclose(space.embed_text(texts, role=role), expected, atol=1e-5)
        np.testing.assert_allclose(space.embed_text(texts[:1], role=role), expected[:1], atol=1e-5)
    assert (space.dimension, space.max_length) == (32, 64)


def test_code_of_a_checkpoint_that_is_not_trusted_is_named_with_what_to_do(own_code):
    space = sw.load(str(own_code), device="cpu")
    with pytest.raises(sw.ModelError, match="load it with trust_remote_code=True if you trust"):
        space.embed_text(["a dog"])


def test_dense_layers_without_weights_are_refused(folder):
    name = save_sentence_model(folder, dense=24)
    (weights,) = (file for file in folder.glob("*_Dense/*.safetensors"))
    weights.unlink()
    with pytest.raises(sw.ModelError, match="cannot be loaded"):
        sw.load(name, device="cpu").embed_text(["a"])


def test_a_checkpoint_of_speech_is_not_taken_for_text(folder):
    import transformers

    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2}
    config = transformers.WhisperConfig(
        **sizes, decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, vocab_size=100, pad_token_id=0,
        bos_token_id=1, eos_token_id=2, decoder_start_token_id=1, suppress_tokens=[], begin_suppress_tokens=[],
    )  # fmt: skip
    transformers.WhisperModel(config).save_pretrained(folder)
    transformers.WhisperFeatureExtractor().save_pretrained(folder)
    with pytest.raises(sw.ModelError):
        sw.load(f"sentence:{folder}", device="cpu").embed_text(["a"])


def test_loading_by_the_library_is_still_its_own_affair(folder):
    import transformers

    tiny_text.save_model(folder, "Bert")
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace('"num_hidden_layers": 3', '"num_hidden_layers": 4'))
    space = sw.load(f"sentence:{folder}", device="cpu")
    loader = transformers.PreTrainedModel.__dict__["from_pretrained"]
    with pytest.raises(sw.WeightsError, match=r"layer\.3"):
        space.embed_text(["a"])
    assert transformers.PreTrainedModel.__dict__["from_pretrained"] is loader
    logging.disable(logging.WARNING)
    model = transformers.AutoModel.from_pretrained(folder)
    both = transformers.AutoModel.from_pretrained(folder, output_loading_info=True)
    logging.disable(logging.NOTSET)
    assert model.config.num_hidden_layers == 4
    assert len(both) == 2


@pytest.mark.parametrize("lost", ["encoder.layer.1.output.dense.weight", "embeddings.word_embeddings.weight"])
def test_a_model_that_lacks_a_single_weight_is_refused(folder, lost):
    from safetensors.torch import load_file, save_file

    tiny_text.save_model(folder, "Bert")
    weights = load_file(folder / "model.safetensors")
    del weights[lost]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(sw.WeightsError, match=re.escape(lost)):
        sw.load(f"sentence:{folder}", device="cpu").embed_text(["a"])
