"""Captions, and text that stands in pictures, put images into a text space."""

import numpy as np
import pytest

import senseweave as sw
from senseweave.encoders.bridges.image_to_text import NO_TEXT, encode_whole
from senseweave.encoders.bridges.vision_language import READING_PROMPT
from senseweave.errors import ModelError

LINES = ["The quick brown fox", "Invoice 2024-17, total 99 EUR"]


@pytest.fixture(scope="module")
def text_model(tmp_path_factory):
    from tiny_text import save_model

    return str(save_model(tmp_path_factory.mktemp("text"), "Bert"))


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    from pictures import pictures

    return pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def sign():
    """A picture of two lines of text."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (600, 160), "white")
    font = ImageFont.load_default(size=36)
    for row, line in enumerate(LINES):
        ImageDraw.Draw(image).text((20, 10 + 70 * row), line, fill="black", font=font)
    return image


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    """Makes a tiny model that writes nonsense, but always the same: `captioner` or `vision_language`."""
    import tiny_bridges

    def made(kind):
        folder = tmp_path_factory.mktemp(kind)
        getattr(tiny_bridges, kind)(folder)
        return folder

    return made


def test_a_caption_is_the_description_of_its_image(text_model, writer, images):
    space = sw.load(f"bridge:{text_model}", image=f"caption:{writer('captioner')}", device="cpu", cache_size=0)
    batch = space.encode([sw.Image(path) for path in images])
    text = space.encoder("text")
    assert all(batch.descriptions)
    np.testing.assert_allclose(
        batch.vectors, [encode_whole(text, description) for description in batch.descriptions], atol=1e-5
    )


def test_what_a_vision_language_model_writes_depends_on_what_it_is_asked(text_model, writer, images):
    model = writer("vision_language")
    name, media = f"bridge:{text_model}", [sw.Image(images[0])]
    caption, read, asked = (
        sw.load(name, image=f"{kind}:{model}", prompt=prompt, device="cpu")
        for kind, prompt in (("caption", None), ("ocr", None), ("caption", READING_PROMPT))
    )
    assert caption.encode(media).descriptions != read.encode(media).descriptions
    assert asked.encode(media).descriptions == read.encode(media).descriptions
    assert len({space.fingerprint for space in (caption, read, asked)}) == 3


def test_models_that_take_no_prompt_are_refused_with_the_reason(text_model, writer, tmp_path):
    name = f"bridge:{text_model}"
    with pytest.raises(ModelError, match="does not describe images"):
        sw.load(name, image=f"caption:{text_model}")
    with pytest.raises(ModelError, match="takes no prompt; leave prompt='Why' out"):
        sw.load(name, image=f"caption:{writer('captioner')}", prompt="Why")
    silent = writer("vision_language")
    (silent / "chat_template.jinja").unlink()
    with pytest.raises(ModelError, match="no chat template"):
        sw.load(name, image=f"caption:{silent}", device="cpu").embed_image([np.zeros((8, 8, 3), np.uint8)])


def test_text_in_a_picture_is_read_line_by_line(text_model, sign):
    pytest.importorskip("rapidocr")
    space = sw.load(f"bridge:{text_model}", image="ocr", device="cpu", cache_size=0)
    batch = space.encode([sw.Image(sign), sw.Image(np.full((64, 64, 3), 200, np.uint8))])
    assert batch.descriptions[0] == "\n".join(LINES)
    assert batch.descriptions[1] == ""
    np.testing.assert_allclose(batch.vectors[0], space.embed_text(["\n".join(LINES)])[0], atol=1e-5)
    np.testing.assert_allclose(batch.vectors[1], space.embed_text([NO_TEXT])[0], atol=1e-5)


def test_a_picture_too_thin_to_be_read_holds_no_text(text_model):
    pytest.importorskip("rapidocr")
    space = sw.load(f"bridge:{text_model}", image="ocr", device="cpu", cache_size=0)
    pictures = [np.full(shape, 200, np.uint8) for shape in ((20_000, 1, 3), (1, 20_000, 3))]
    batch = space.encode([sw.Image(picture) for picture in pictures])
    assert batch.descriptions == ["", ""]


def test_text_longer_than_the_encoder_reads_is_not_lost(text_model):
    encoder = sw.load(text_model, device="cpu").encoder("text")
    short, tail = "the quick brown fox jumps " * 5, " zebra" * 60
    whole = encode_whole(encoder, short + tail)
    assert np.linalg.norm(whole) == pytest.approx(1, abs=1e-5)
    assert np.abs(whole - encode_whole(encoder, short + " rain" * 60)).max() > 1e-3
    (prepared,) = encoder.prepare([short], "document")
    alone = encoder.forward([prepared]).vectors[0]
    np.testing.assert_allclose(encode_whole(encoder, short), alone / np.linalg.norm(alone), atol=1e-6)
