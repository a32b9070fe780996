"""Captions, and text that stands in pictures, put images into a text space."""

import numpy as np
import pytest

import senseweave as sw
from senseweave.encoders.image_to_text import NO_TEXT, encode_whole
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
def captioner(tmp_path_factory):
    """A tiny BLIP that writes nonsense, but always the same."""
    import torch
    from pictures import livelier
    from tiny_text import wordpiece_tokenizer
    from transformers import BlipConfig, BlipForConditionalGeneration, BlipImageProcessorPil

    folder = tmp_path_factory.mktemp("blip")
    torch.manual_seed(7)
    tokenizer = wordpiece_tokenizer(folder)
    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    tokens = {"vocab_size": len(tokenizer), "pad_token_id": 0, "bos_token_id": 2, "sep_token_id": 3, "eos_token_id": 3}
    text = {**sizes, **tokens, "max_position_embeddings": 64, "encoder_hidden_size": 16}
    vision = {**sizes, "image_size": 32, "patch_size": 8}
    model = BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=vision, projection_dim=12))
    livelier(model).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    BlipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def test_an_image_has_the_vector_of_its_caption(text_model, captioner, images):
    import torch
    from PIL import Image
    from transformers import AutoTokenizer, BlipForConditionalGeneration, BlipImageProcessorPil

    space = sw.load(f"bridge:{text_model}", image=f"caption:{captioner}", device="cpu", cache_size=0)
    batch = space.encode([sw.Image(path) for path in images])
    model = BlipForConditionalGeneration.from_pretrained(captioner).eval()
    processor, tokenizer = BlipImageProcessorPil.from_pretrained(captioner), AutoTokenizer.from_pretrained(captioner)
    with torch.inference_mode():
        expected = [
            tokenizer.decode(
                model.generate(
                    **processor(images=Image.open(path), return_tensors="pt"), do_sample=False, max_new_tokens=40
                )[0],
                skip_special_tokens=True,
            )
            for path in images
        ]
    assert batch.descriptions == expected
    text = space.encoder("text")
    np.testing.assert_allclose(batch.vectors, [encode_whole(text, caption) for caption in expected], atol=1e-5)
    np.testing.assert_allclose(space.embed_image(images[2:3])[0], batch.vectors[2], atol=1e-5)


def test_a_model_that_needs_a_prompt_is_refused(text_model):
    with pytest.raises(ModelError, match="not one of the family 'caption'"):
        sw.load(f"bridge:{text_model}", image=f"caption:{text_model}")


def test_text_in_a_picture_is_read_line_by_line(text_model, sign):
    pytest.importorskip("rapidocr")
    space = sw.load(f"bridge:{text_model}", image="ocr", device="cpu", cache_size=0)
    batch = space.encode([sw.Image(sign), sw.Image(np.full((64, 64, 3), 200, np.uint8))])
    assert batch.descriptions[0] == "\n".join(LINES)
    assert batch.descriptions[1] == ""
    np.testing.assert_allclose(batch.vectors[0], space.embed_text(["\n".join(LINES)])[0], atol=1e-5)
    np.testing.assert_allclose(batch.vectors[1], space.embed_text([NO_TEXT])[0], atol=1e-5)


def test_text_longer_than_the_encoder_reads_is_not_lost(text_model):
    encoder = sw.load(text_model, device="cpu").encoder("text")
    short, tail = "the quick brown fox jumps " * 5, " zebra" * 60
    whole = encode_whole(encoder, short + tail)
    assert np.linalg.norm(whole) == pytest.approx(1, abs=1e-5)
    assert np.abs(whole - encode_whole(encoder, short + " rain" * 60)).max() > 1e-3
    (prepared,) = encoder.prepare([short], "document")
    alone = encoder.forward([prepared]).vectors[0]
    np.testing.assert_allclose(encode_whole(encoder, short), alone / np.linalg.norm(alone), atol=1e-6)
