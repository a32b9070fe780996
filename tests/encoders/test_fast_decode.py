"""JPEGs are decoded at a part of their size only where that is asked for, and the fingerprint says so."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest
from PIL import Image as PILImage

import senseweave as sw
from senseweave.errors import FingerprintError, ModelError
from senseweave.retrieval import Index


def photo(width, height, seed=0, **options):
    """A JPEG that is smooth, as photos are beside the size of a pixel."""
    rng = np.random.default_rng(seed)
    picture = PILImage.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8))
    file = io.BytesIO()
    picture.resize((width, height), PILImage.Resampling.BICUBIC).save(file, "JPEG", quality=90, **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    from tiny_image_text import make_clip

    return make_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def decoded(monkeypatch):
    """The sizes at which images come out of decoding."""
    sizes = []
    real = sw.Image.decode

    def decode(self, **options):
        image = real(self, **options)
        sizes.append(image.size)
        return image

    monkeypatch.setattr(sw.Image, "decode", decode)
    return sizes


def test_a_large_jpeg_is_decoded_smaller_and_its_vector_stays_near(clip, decoded):
    exact = sw.load(clip, device="cpu", cache_size=0)
    fast = sw.load(clip, device="cpu", cache_size=0, fast_decode=True)
    side = exact.encoder("image").image_side
    data = photo(side * 40, side * 30)
    near = fast.embed_image([data])[0] @ exact.embed_image([data])[0]
    assert decoded == [(side * 5, -(-side * 30 // 8)), (side * 40, side * 30)]
    assert near > 0.999


@pytest.mark.parametrize("times", [1, 2, 3.9])
def test_what_would_be_less_than_twice_the_size_that_the_model_sees_is_decoded_as_it_is(clip, decoded, times):
    fast = sw.load(clip, device="cpu", cache_size=0, fast_decode=True)
    side = int(fast.encoder("image").image_side * times)
    data = photo(side + 7, side)
    exact = sw.load(clip, device="cpu", cache_size=0)
    np.testing.assert_allclose(fast.embed_image([data]), exact.embed_image([data]), atol=1e-6)
    assert set(decoded) == {(side + 7, side)}


def test_other_images_are_decoded_as_they_are(clip, decoded):
    picture = np.random.default_rng(1).integers(0, 256, (400, 500, 3), dtype=np.uint8)
    png = io.BytesIO()
    PILImage.fromarray(picture).save(png, "PNG")
    fast = sw.load(clip, device="cpu", cache_size=0, fast_decode=True)
    exact = sw.load(clip, device="cpu", cache_size=0)
    vectors = fast.embed_image([png.getvalue(), picture])
    np.testing.assert_allclose(vectors, exact.embed_image([picture, picture]), atol=1e-6)
    assert set(decoded) == {(500, 400)}


def test_a_photo_on_its_side_is_upright_and_large_enough(clip, decoded):
    exif = PILImage.Exif()
    exif[0x0112] = 6
    fast = sw.load(clip, device="cpu", cache_size=0, fast_decode=True)
    side = fast.encoder("image").image_side
    fast.embed_image([photo(side * 40, side * 4, exif=exif)])
    assert decoded == [(side * 2, side * 20)]


def test_the_fingerprint_says_it_and_nothing_else_changes_it(clip):
    exact = sw.load(clip, device="cpu")
    assert sw.load(clip, device="cpu", fast_decode=True).fingerprint != exact.fingerprint
    assert sw.load(clip, device="cpu", fast_decode=False) is exact


def test_an_index_opens_with_what_it_was_made_with(clip, tmp_path):
    fast = sw.load(clip, device="cpu", fast_decode=True)
    (tmp_path / "photo.jpg").write_bytes(photo(900, 700))
    Index(tmp_path / "index", spaces=[fast]).add([tmp_path / "photo.jpg"])
    opened = Index.open(tmp_path / "index")
    (space,) = opened.spaces.values()
    assert space.fingerprint == fast.fingerprint
    with pytest.raises(FingerprintError):
        Index(tmp_path / "index", spaces=[sw.load(clip, device="cpu")])


def test_a_pickled_space_decodes_alike(clip):
    fast = sw.load(clip, device="cpu", cache_size=7, fast_decode=True)
    again = pickle.loads(pickle.dumps(fast))
    assert again.encoder("image").decode_options == fast.encoder("image").decode_options


@pytest.mark.parametrize("value", [1, "yes", None])
def test_it_is_true_or_false(clip, value):
    with pytest.raises(TypeError, match="fast_decode must be True or False"):
        sw.load(clip, fast_decode=value)


def test_a_model_without_images_says_so(tmp_path):
    from tiny_sentence import save_sentence_model

    with pytest.raises(ModelError, match="has no image encoder; leave fast_decode out"):
        sw.load(save_sentence_model(tmp_path), fast_decode=True)
