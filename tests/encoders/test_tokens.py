"""Token vectors with their places in the text, of every layer."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_text
from tiny_contextual import token_states
from tiny_text import GPT2, LLAMA, T5, bpe_tokenizer, causal_tokenizer, unigram_tokenizer, wordpiece_tokenizer

import senseweave as sw
from senseweave.errors import TruncationWarning

KINDS = {
    "bert-wordpiece": ("Bert", wordpiece_tokenizer, {}),
    "gpt2-bpe": ("GPT2", causal_tokenizer, GPT2),
    "llama-bpe": ("Llama", bpe_tokenizer, LLAMA),
    "t5-sentencepiece": ("T5", unigram_tokenizer, T5),
}
TEXTS = ["a small dog", "the quick brown fox jumps over the lazy dog", "rain falls, 12 times"]


@pytest.fixture(scope="module", params=list(KINDS))
def folder(request, tmp_path_factory):
    kind, tokenizer, config = KINDS[request.param]
    config = {key: value for key, value in config.items() if key not in ("poison", "missing")}
    return tiny_text.save_model(tmp_path_factory.mktemp(request.param), kind, tokenizer, **config)


@pytest.fixture(scope="module")
def space(folder):
    return sw.load(f"tokens:{folder}", device="cpu", cache_size=0)


def test_tokens_have_their_places_in_the_text(space):
    for found, text in zip(space.embed_tokens(TEXTS), TEXTS, strict=True):
        assert len(found) == len(found.tokens) == len(found.vectors) == len(found.spans)
        rebuilt = "".join(word for word, special in zip(found.words, found.special, strict=True) if not special)
        assert rebuilt.replace(" ", "") == text.replace(" ", "")


def test_an_empty_text_has_no_tokens_but_those_around_it(space):
    (found,) = space.embed_tokens([""])
    assert len(found) == len(found.vectors) == int(found.special.sum())
    assert found.vectors.shape[1] == space.dimension


@pytest.mark.parametrize("layer", [0, 1, 2, 3, -1, -2])
def test_states_of_each_layer_equal_transformers_on_the_text_alone(space, folder, layer):
    states = token_states(folder, TEXTS)
    for found, layers in zip(space.embed_tokens(TEXTS, layer=layer), states, strict=True):
        np.testing.assert_allclose(found.vectors, layers[layer].numpy(), atol=1e-5)


def test_the_matrix_gives_a_token_the_same_vector_in_every_context(space):
    first, second = space.embed_tokens(["a small dog", "dog small a"], layer="matrix")
    matrix = space.embedding_matrix()
    by_token = dict(zip(first.tokens, first.vectors, strict=True))
    for token, vector in zip(second.tokens, second.vectors, strict=True):
        if token in by_token:
            np.testing.assert_array_equal(vector, by_token[token])
        assert (np.abs(matrix - vector).sum(axis=1) < 1e-6).any()


def test_contextual_states_depend_on_the_context(space):
    first, second = space.embed_tokens(["rain falls on a dog", "she sings to a dog"])
    assert np.abs(first.vectors[-1] - second.vectors[-1]).max() > 1e-3


def test_a_layer_that_does_not_exist_is_an_error(space):
    with pytest.raises(ValueError, match="layers 0 to 3"):
        space.embed_tokens(["a"], layer=9)
    with pytest.raises(ValueError, match="number"):
        space.embed_tokens(["a"], layer="last")


def test_a_single_string_is_refused(space):
    with pytest.raises(TypeError, match="list of str"):
        space.embed_tokens("a dog")


def test_tokens_that_truncation_removes_are_counted(folder):
    space = sw.load(f"tokens:{folder}", device="cpu", max_length=5)
    with pytest.warns(TruncationWarning, match="5 tokens"):
        found, short = space.embed_tokens([TEXTS[1], "a"])
    assert len(found) == 5
    assert found.dropped > 0
    assert short.dropped == 0


def test_a_child_of_a_process_that_used_cuda_says_so(space, monkeypatch):
    import torch

    def fail(*arguments, **options):
        raise RuntimeError("CUDA error: initialization error")

    monkeypatch.setattr(space.encoder("text"), "forward_tokens", fail)
    monkeypatch.setattr(torch.cuda, "_is_in_bad_fork", lambda: True)
    with pytest.raises(sw.ModelError, match="forked from one that had used CUDA"):
        space.embed_tokens(TEXTS)
