"""Number types of 16 bits: every model is measured against float32, and refused if it loses too much."""

import logging

import numpy as np
import pytest
from tiny_text import TEXTS, save_model

import senseweave as sw
from senseweave.encoders.base import Encoded, Prepared
from senseweave.encoders.runtime import half_types
from senseweave.encoders.runtime.half_types import LEAST_COSINE, MEASURED_ITEMS, HalfProof, embed_samples
from senseweave.testing import ToyEncoder

pytestmark = pytest.mark.filterwarnings("ignore")


class Rounded(ToyEncoder):
    """An encoder whose vectors are turned by as much as it is told, or overflow."""

    def __init__(self, modality="text", *, noise=0.0, overflows=False):
        super().__init__(modality)
        self.noise, self.overflows = noise, overflows
        self.computed = 0

    def forward(self, batch):
        rows = super().forward(batch).vectors
        self.computed += len(rows)
        turned = np.roll(rows, 1, axis=1) * self.noise
        return Encoded(np.full_like(rows, np.inf) if self.overflows else rows + turned)


def proof(half, full, size=0):
    return HalfProof("a-model", half, "float16", lambda: full, size=size)


def prepared(count):
    return ToyEncoder("text").prepare([f"text {number}" for number in range(count)], "document")


@pytest.mark.parametrize("modality", ["text", "image", "audio", "video"])
def test_samples_of_every_modality_are_measured(modality):
    vectors = embed_samples(ToyEncoder(modality))
    assert len(vectors) >= 3
    assert all(vector is not None for vector in vectors)
    proof(Rounded(modality, noise=0.01), Rounded(modality)).load()
    with pytest.raises(
        sw.ModelError, match=rf"a-model loses too much in float16: the {modality} vector .* a cosine of 0"
    ):
        proof(Rounded(modality, noise=0.9), Rounded(modality)).load()


def test_what_overflows_in_16_bits_alone_is_refused():
    with pytest.raises(sw.ModelError, match="numbers that overflow"):
        proof(Rounded(overflows=True), Rounded()).load()
    proof(Rounded(overflows=True), Rounded(overflows=True)).load()  # a fault of the weights, which each item reports


def test_what_is_embedded_first_is_measured_and_then_no_more():
    half, full = Rounded(), Rounded()
    measured = proof(half, full)
    for count in (10, 10, 10):
        batch = prepared(count)
        measured.check(batch, half.forward(batch))
    assert full.computed == MEASURED_ITEMS
    measured = proof(half, full)
    half.noise = 0.9
    batch = prepared(3)
    for _ in range(2):
        with pytest.raises(sw.ModelError, match="loses too much"):
            measured.check(batch, half.forward(batch))


def test_a_model_too_large_for_a_copy_is_not_measured(caplog):
    with caplog.at_level(logging.INFO):
        measured = proof(Rounded(noise=0.9), Rounded(), size=half_types.MEASURED_BYTES + 1)
    measured.load()
    measured.check(prepared(1), Encoded(np.ones((1, 32), np.float32)))
    assert "too large to measure in float16" in caplog.text


def test_a_copy_that_does_not_fit_into_memory_ends_the_measurement_and_nothing_else(caplog):
    class Full(Rounded):
        def forward(self, batch):
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")

    measured = proof(Rounded(noise=0.9), Full())
    with caplog.at_level(logging.INFO):
        measured.load()
    measured.check([Prepared(np.ones(32))], Encoded(np.ones((1, 32), np.float32)))
    assert "no memory to measure" in caplog.text


def test_a_model_is_measured_when_it_is_loaded_and_its_copy_is_freed(tmp_path):
    space = sw.load(f"contextual:{save_model(tmp_path, 'Bert')}", dtype="bfloat16", device="cpu", cache_size=0)
    exact = sw.load(f"contextual:{tmp_path}", device="cpu", cache_size=0)
    encoder = space.encoder("text")
    space.load()
    assert encoder.proof._copy._backend._value is not None
    texts = [f"{text} {number}" for text in TEXTS for number in range(5)]
    cosines = (space.embed_text(texts) * exact.embed_text(texts)).sum(axis=1)
    assert LEAST_COSINE <= cosines.min() < 1
    assert encoder.proof._copy._backend._value is None
    assert exact.encoder("text").proof is None


def test_token_vectors_of_a_model_that_loses_too_much_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(half_types, "LEAST_COSINE", 0.99999)
    space = sw.load(f"tokens:{save_model(tmp_path, 'Bert')}", dtype="bfloat16", device="cpu")
    with pytest.raises(sw.ModelError, match="loses too much in bfloat16"):
        space.embed_tokens(TEXTS)


def test_the_size_of_weights_is_that_of_a_folder_or_a_file(tmp_path):
    folder = save_model(tmp_path, "Bert")
    size = (folder / "model.safetensors").stat().st_size
    assert half_types.weights_size(str(folder)) == half_types.weights_size(f"any//{folder}/model.safetensors") == size
    assert half_types.weights_size("nobody/no-such-model") == 0
