"""The starter's text encoder without torch: ids as transformers gives them, vectors as the torch encoder computes."""

from __future__ import annotations

import numpy as np
import pytest

import senseweave as sw
from senseweave.encoders.families import starter
from senseweave.encoders.families.contextual import ContextualText
from senseweave.encoders.parts.minilm import MiniLM
from senseweave.encoders.runtime import onnx_session
from senseweave.encoders.runtime.onnx_session import compute_threads
from senseweave.encoders.runtime.tokenization import Tokenizer

pytestmark = pytest.mark.integration

ODD = (
    "",
    " \t\n ",
    "a dog",
    "A Dog RUNS, don't it?",
    "Straße, naïve café, ﬁnance, ǅ, İstanbul",
    "日本語のテキスト 漢字かな交じり文",
    "안녕하세요 세계",
    "emoji 🦊👩‍👩‍👧‍👦 🇩🇪",
    "[SEP] begins [MASK]ed text [CLS] with [PAD] marks [UNK]",
    "[sep] ##ing ##s",
    "\x00\x01\x7f control\u200b characters\ufeff\ufffd \u202e",
    "e\u0301 against \u00e9",
    "a" * 101,
    "x" * 5000,
    "word " * 3000,
    "!?.,;" * 400,
    "مرحبا بالعالم שלום עולם नमस्ते",
    "\U0001d54a\U00010000 beyond the plane",
)


@pytest.fixture(scope="module")
def light() -> MiniLM:
    encoder = sw.load("starter", cache_size=0).encoder("text")
    assert isinstance(encoder, MiniLM)
    return encoder


@pytest.fixture(scope="module")
def heavy(light: MiniLM) -> ContextualText:
    return ContextualText(light.checkpoint, pooling="mean", device="cpu", max_length=256)


@pytest.mark.parametrize("limit", [2, 3, 16, 256, 512])
def test_ids_and_lost_tokens_are_those_of_transformers(light, limit):
    reference = Tokenizer.load(light.checkpoint).prepare(ODD, limit)
    encoder = MiniLM(light.checkpoint, max_length=limit, batch_tokens=2048)
    together = encoder.prepare(ODD, "document")
    alone = [encoder.prepare([text], "document")[0] for text in ODD]
    for found in (together, alone):
        assert [list(item.data) for item in found] == [item.data["input_ids"] for item in reference]
        assert [item.dropped for item in found] == [item.dropped for item in reference]
        assert [item.cost for item in found] == [item.cost for item in reference]


def test_vectors_and_identity_are_those_of_the_torch_encoder(light, heavy):
    mine, theirs = light.prepare(ODD, "document"), heavy.prepare(ODD, "document")
    found, expected = light.forward(mine).vectors, heavy.forward(theirs).vectors
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max())
    cosines = (found * expected).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(expected, axis=1)
    assert cosines.min() > 1 - 1e-6
    assert light.identity() == heavy.identity()
    assert (light.dimension, light.max_length) == (heavy.dimension, heavy.max_length)


def test_a_text_has_the_same_vector_alone_and_beside_longer_texts(light):
    prepared = light.prepare(ODD, "query")
    together = light.forward(prepared).vectors
    for row, item in enumerate(prepared):
        np.testing.assert_allclose(light.forward([item]).vectors[0], together[row], rtol=0, atol=2e-6)


def test_no_more_tokens_are_read_than_there_are_positions(light):
    encoder = MiniLM(light.checkpoint, max_length=2000, batch_tokens=2048)
    (item,) = encoder.prepare(["word " * 3000], "document")
    assert (encoder.max_length, item.cost, item.dropped) == (512, 512, 2490)
    assert np.isfinite(encoder.forward([item]).vectors).all()


@pytest.mark.parametrize("device", ["cuda", "mps", "cuda:1"])
def test_another_device_is_torchs(device):
    assert type(starter.build(device=device)["text"]) is ContextualText


@pytest.mark.parametrize(("device", "variable", "kind"), [
    ("cpu", None, MiniLM), ("cpu:0", None, MiniLM), (None, "cpu", MiniLM), (None, "cuda", ContextualText),
    ("cpu", "cuda", MiniLM), (None, None, MiniLM),
])  # fmt: skip
def test_the_device_of_the_environment_counts_where_none_is_given(monkeypatch, device, variable, kind):
    monkeypatch.delenv("SENSEWEAVE_DEVICE", raising=False)
    if variable:
        monkeypatch.setenv("SENSEWEAVE_DEVICE", variable)
    assert type(starter.build(device=device)["text"]) is kind


def test_a_closed_encoder_computes_again(light):
    item = light.prepare(["a dog"], "query")
    before = light.forward(item).vectors
    light.close()
    np.testing.assert_array_equal(light.forward(light.prepare(["a dog"], "query")).vectors, before)


def test_info_says_what_computes():
    space = sw.load("starter:image-features")
    facts = {"backend": "onnx", "device": "cpu", "threads": compute_threads()}
    assert space.info()["backends"] == {"image": facts}
    assert sw.load("starter").encoder("text").describe_backend() == {**facts, "precision": "fp32"}


@pytest.mark.parametrize(("threads", "tokens"), [(1, 512), (2, 1024), (64, 2048)])
def test_batches_grow_with_the_cores(monkeypatch, threads, tokens):
    monkeypatch.setattr(onnx_session, "compute_threads", lambda: threads)
    assert starter.build()["text"].batch_budget == tokens
    assert starter.build(batch_tokens=300)["text"].batch_budget == 300
