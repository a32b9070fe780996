"""Every model type that `contextual` lists: it loads, cuts, and gives a text the same vector alone and in any batch."""

import shutil
import warnings

import numpy as np
import pytest
from tiny_every_type import EVERY_TYPE
from tiny_text import TEXTS
from tiny_types import save_type

import senseweave as sw
from senseweave.encoders.families.contextual import ENCODER_DECODER_TYPES, ENCODER_TYPES
from senseweave.encoders.runtime.tokenization import RELATIVE_POSITIONS
from senseweave.testing import EncoderContract

SEES_PADDING = {"big_bird", "convbert", "fnet", "funnel", "mobilebert", "nystromformer", "yoso"}
"""Types whose layers see padding, by their architecture, which the library finds by trying; BigBird attends in
another way to short texts."""
UNLIMITED = (*RELATIVE_POSITIONS, "funnel")


class TestEveryType(EncoderContract):
    cases = EVERY_TYPE


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("kind", ["deberta", "fnet", "mra"])
def test_a_half_type_that_a_model_has_no_kernels_for_is_refused_by_name(kind, dtype, tmp_path):
    space = sw.load(f"contextual:{save_type(tmp_path, kind)}", dtype=dtype, device="cpu")
    with pytest.raises(sw.ModelError, match=f"cannot compute in {dtype}.*load it with dtype='float32'"):
        space.embed_text(TEXTS)


def test_a_text_too_short_for_the_layers_of_a_model_is_an_error_of_its_own(tmp_path):
    blocks = {"block_sizes": [1, 1, 1], "block_repeats": [1, 1, 1]}
    space = sw.load(f"contextual:{save_type(tmp_path, 'funnel', **blocks)}", cache_size=0)
    batch = space.encode([sw.Text(text) for text in (TEXTS[1], "a", "b", TEXTS[3])], on_error="skip")
    assert batch.kept == [0, 3]
    assert all(error.reason.startswith("the model cannot compute it: RuntimeError") for error in batch.failed)
    np.testing.assert_allclose(batch.vectors, space.embed_text([TEXTS[1], TEXTS[3]]), atol=1e-5)
    with pytest.raises(sw.MediaError, match="item 2 of 2"):
        space.embed_text([TEXTS[1], "a"])


@pytest.fixture(scope="module", params=(*ENCODER_TYPES, *ENCODER_DECODER_TYPES))
def folder(request, tmp_path_factory):
    return request.param, save_type(tmp_path_factory.mktemp("model"), request.param)


@pytest.fixture(scope="module")
def loaded(folder):
    kind, path = folder
    return kind, sw.load(f"contextual:{path}", cache_size=0)


def test_a_text_has_the_same_vector_alone_and_in_any_batch(loaded):
    kind, space = loaded
    together = space.embed_text(TEXTS)
    alone = np.concatenate([space.embed_text([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(space.embed_text(TEXTS[::-1])[::-1], alone, atol=1e-5)
    batching = space.encoder("text")._batching()
    assert (batching != "any") == (kind in SEES_PADDING)


def test_a_text_longer_than_the_model_is_cut_and_reported(loaded):
    kind, space = loaded
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        batch = space.encode([sw.Text("a dog and a fox " * 100)])
    assert np.isfinite(batch.vectors).all()
    assert (batch.dropped[0] == 0) == (kind in UNLIMITED or space.encoder("text").max_length is None)


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_padding_on_the_left_as_it_was_saved_changes_nothing(kind, tmp_path):
    from transformers import AutoTokenizer

    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64} if kind == "gpt2" else {}
    right = save_type(tmp_path / "right", kind, **sizes)
    left = shutil.copytree(right, tmp_path / "left")
    tokenizer = AutoTokenizer.from_pretrained(left, padding_side="left")
    tokenizer.save_pretrained(left)
    for scheme in ("contextual", "tokens"):
        spaces = [sw.load(f"{scheme}:{folder}", cache_size=0) for folder in (left, right)]
        np.testing.assert_allclose(spaces[0].embed_text(TEXTS), spaces[1].embed_text(TEXTS), atol=1e-5)


@pytest.mark.parametrize("kind", ["bert", "fnet", "convbert", "gpt2"])
@pytest.mark.parametrize("pooling", ["mean", "cls", "lasttoken"])
def test_modules_of_sentence_transformers_see_no_padding_either(kind, pooling, tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import AutoTokenizer

    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64} if kind == "gpt2" else {}
    base = save_type(tmp_path / "base", kind, **sizes)
    AutoTokenizer.from_pretrained(base, padding_side="left").save_pretrained(base)
    transformer = Transformer(str(base))
    model = SentenceTransformer(modules=[transformer, Pooling(32, pooling_mode=pooling)], device="cpu")
    model.save(str(tmp_path / "model"))
    space = sw.load(str(tmp_path / "model"), cache_size=0)
    alone = np.concatenate([space.embed_text([text]) for text in TEXTS])
    np.testing.assert_allclose(space.embed_text(TEXTS), alone, atol=1e-5)
    reference = np.stack([model.encode([text])[0] for text in TEXTS])
    reference /= np.linalg.norm(reference, axis=1, keepdims=True)
    np.testing.assert_allclose(alone, reference, atol=1e-5)


def test_tokens_see_no_padding_either(tmp_path):
    space = sw.load(f"tokens:{save_type(tmp_path, 'convbert')}", cache_size=0)
    for together, text in zip(space.embed_tokens(TEXTS), TEXTS, strict=True):
        np.testing.assert_allclose(together.vectors, space.embed_tokens([text])[0].vectors, atol=1e-4)


def test_a_nystromformer_that_transformers_cannot_compute_is_refused_by_name(tmp_path):
    folder = save_type(tmp_path, "nystromformer", num_landmarks=4, segment_means_seq_len=16)
    with pytest.raises(sw.ModelError, match="nystromformer"):
        sw.load(f"contextual:{folder}").embed_text(["a dog"])


BIG_BIRD = {"attention_type": "block_sparse", "block_size": 4, "num_random_blocks": 1, "max_position_embeddings": 128}
"""Sparse attention from 29 tokens on."""


def pool_by_transformers(folder, texts):
    """The mean state of each text by a model that has seen no other (documentation of BigBirdModel)."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, rows = AutoTokenizer.from_pretrained(folder), []
    for text in texts:
        model = AutoModel.from_pretrained(folder).eval()
        with torch.inference_mode():
            rows.append(model(**tokenizer([text], return_tensors="pt")).last_hidden_state[0].mean(dim=0).numpy())
    vectors = np.stack(rows)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def save_with_pooling(folder):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    model = SentenceTransformer(modules=[Transformer(str(folder)), Pooling(32)], device="cpu")
    model.save(str(folder / "model"))
    return folder / "model"


@pytest.mark.parametrize("scheme", ["contextual", "tokens", "sentence"])
def test_sparse_attention_of_a_long_text_is_kept_whatever_was_computed_before(scheme, tmp_path):
    texts = ["a dog", "a dog and a fox " * 12, "rain on the roof", "the quick brown fox " * 9]
    folder = save_type(tmp_path, "big_bird", **BIG_BIRD)
    expected = pool_by_transformers(folder, texts)
    space = sw.load(f"{scheme}:{save_with_pooling(folder) if scheme == 'sentence' else folder}", cache_size=0)
    np.testing.assert_allclose(space.embed_text(texts), expected, atol=1e-5)
    for text, row in zip(texts, expected, strict=True):
        np.testing.assert_allclose(space.embed_text([text])[0], row, atol=1e-5)


def save_reformer(folder):
    """Attention by random hashing."""
    chunks = {"axial_pos_shape": [8, 8], "axial_pos_embds_dim": [16, 16], "num_buckets": 4, "num_hashes": 1}
    chunks |= {"lsh_attn_chunk_length": 8, "local_attn_chunk_length": 8, "attn_layers": ["local", "lsh"]}
    return save_type(folder, "reformer", attention_head_size=8, feed_forward_size=32, is_decoder=False, **chunks)


def test_a_model_that_computes_at_random_is_refused_by_name(tmp_path):
    space = sw.load(f"contextual:{save_reformer(tmp_path)}")
    assert space.dimension == 64
    with pytest.raises(sw.ModelError, match=r"another vector each time \(its layers choose at random\)"):
        space.embed_text(TEXTS)


def test_a_decoder_that_wants_more_than_a_text_is_refused_by_name(tmp_path):
    sizes = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 4, "decoder_attention_heads": 4}
    folder = save_type(tmp_path, "pegasus", d_model=32, encoder_ffn_dim=32, decoder_ffn_dim=32, **sizes)
    with pytest.raises(sw.ModelError, match="cannot compute a model of type pegasus from a text alone"):
        sw.load(f"contextual:{folder}").embed_text(TEXTS)
