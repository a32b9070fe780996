"""The starter's relatives: features of one modality, and what is refused by name."""

import films
import numpy as np
import pytest
from PIL import Image

import senseweave as sw
from senseweave.errors import ModelError


@pytest.mark.parametrize(
    ("name", "modality", "dimension"), [("image-features", "image", 1280), ("sound-features", "audio", 1024)]
)
def test_a_relative_is_a_space_of_one_modality_with_a_fingerprint_of_its_own(name, modality, dimension):
    space = sw.load(f"starter:{name}")
    assert (set(space.modalities), space.dimension) == ({modality}, dimension)
    others = [sw.load(other).fingerprint for other in ("starter", "starter:image-features", "starter:sound-features")]
    assert others.count(space.fingerprint) == 1


def test_windows_are_in_the_fingerprint_of_sounds():
    name = "starter:sound-features"
    assert sw.load(name).fingerprint == sw.load(name, window_seconds=15).fingerprint
    assert sw.load(name).fingerprint != sw.load(name, window_seconds=5).fingerprint


def test_a_relative_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(ModelError, match=r"no 'starter:image-feature'; .*did you mean 'starter:image-features'\?"):
        sw.load("starter:image-feature")


@pytest.mark.parametrize(
    ("name", "options", "has"),
    [
        ("image-features", {"max_length": 8}, "max_length; it has: device"),
        ("image-features", {"window_seconds": 5.0}, "window_seconds; it has: device"),
        ("sound-features", {"segment_seconds": 5.0}, "segment_seconds; it has: device, window_seconds"),
        ("sound-features", {"dtype": "float16"}, "dtype; it has: device"),
    ],
)
def test_an_option_that_a_relative_does_not_have_is_refused_with_those_it_has(name, options, has):
    with pytest.raises(TypeError, match=f"has no option {has}"):
        sw.load(f"starter:{name}", **options)


@pytest.mark.integration
def test_videos_are_seen_by_the_features_of_their_frames(corpus, tmp_path):
    space = sw.load("frames:starter:image-features", device="cpu")
    with Image.open(corpus / "images" / "photo-01.jpg") as photo:
        picture = photo.convert("RGB").resize((320, 240))
    film = films.write(tmp_path / "still.mkv", np.stack([np.asarray(picture)] * 20))
    seen, other = space.embed_image([picture, corpus / "images" / "photo-02.jpg"]) @ space.embed_video([film])[0]
    assert seen > 0.95 > other + 0.2


@pytest.mark.integration
def test_an_index_of_features_finds_the_picture_that_was_made_smaller(corpus, tmp_path):
    photos = sorted((corpus / "images").glob("photo-*.jpg"))
    small = tmp_path / "small.jpg"
    with Image.open(photos[3]) as photo:
        photo.convert("RGB").resize((photo.width // 2, photo.height // 2)).save(small, quality=60)
    with sw.Index(tmp_path / "index", spaces=["starter:image-features"]) as index:
        index.add(photos)
        first, second = index.search(sw.Image(small), k=2)
    assert first.source == str(photos[3])
    assert first.score > second.score + 0.1


@pytest.mark.integration
def test_a_text_asked_of_features_is_refused_by_name(corpus, tmp_path):
    with sw.Index(tmp_path / "index", spaces=["starter:image-features"]) as index:
        index.add([next((corpus / "images").glob("photo-*.jpg"))])
        with pytest.raises(sw.errors.UnsupportedModalityError, match="text"):
            index.search("a dog")
