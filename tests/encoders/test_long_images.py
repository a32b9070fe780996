"""Very long images: their middle alone is prepared, and that gives what the whole image gives."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from senseweave.encoders.parts import long_images
from senseweave.encoders.parts.long_images import (
    GREATEST_RATIO,
    crop_middle,
    processor_crop,
    transform_crop,
    visible_part,
)


def strip(long, short=1, lying=True):
    """Rows or columns of slowly changing colour."""
    waves = 128 + 100 * np.sin(np.arange(long)[:, None] / np.array([20.0, 30.0, 50.0]))
    pixels = np.repeat(waves.astype(np.uint8)[None], short, axis=0)
    return Image.fromarray(pixels if lying else pixels.transpose(1, 0, 2).copy())


@pytest.mark.parametrize("lying", [True, False])
@pytest.mark.parametrize("long", [20_000, 20_001, 200 * 3])
def test_the_middle_stays_where_it_is(long, lying):
    image = strip(long, 3, lying)
    middle = crop_middle(image)
    before, after = (
        np.asarray(picture if lying else picture.transpose(Image.Transpose.TRANSPOSE)) for picture in (image, middle)
    )
    assert after.shape[1] in (3 * GREATEST_RATIO, 3 * GREATEST_RATIO + 1)
    start = (before.shape[1] - after.shape[1]) / 2
    np.testing.assert_array_equal(after, before[:, int(start) : int(start) + after.shape[1]])
    assert start.is_integer()


def test_images_of_common_shapes_are_left_alone():
    image = strip(GREATEST_RATIO * 2, 2)
    assert crop_middle(image) is image


def processors():
    import transformers

    crop = {"size": {"shortest_edge": 37}, "crop_size": {"height": 32, "width": 32}}
    return {
        "clip": transformers.CLIPImageProcessorPil(**crop),
        "bit": transformers.BitImageProcessorPil(**crop),
        "convnext": transformers.ConvNextImageProcessorPil(size={"shortest_edge": 32}),
    }


@pytest.mark.parametrize("kind", ["clip", "bit", "convnext"])
@pytest.mark.parametrize("lying", [True, False])
@pytest.mark.parametrize(("long", "short"), [(300, 1), (1001, 3), (1999, 7), (8000, 100)])
def test_the_middle_of_a_strip_is_prepared_as_in_the_whole(kind, lying, long, short, monkeypatch):
    processor, image = processors()[kind], strip(long, short, lying)
    expected = processor(images=[image], return_tensors="np")["pixel_values"]
    monkeypatch.setattr(long_images, "GREATEST_PIXELS", 1)
    middle = visible_part(processor, image)
    assert max(middle.size) < 60
    found = processor(images=[middle], return_tensors="np")["pixel_values"]
    np.testing.assert_allclose(found, expected, atol=1.01 / 255 / min(processor.image_std))  # a level of 256


def test_a_strip_has_the_vector_of_the_whole(tmp_path):
    from tiny_image_text import make_clip, transformers_images

    import senseweave as sw

    noise = np.random.default_rng(1).integers(0, 256, (3, 1001, 3), dtype=np.uint8)
    found = sw.load(make_clip(tmp_path), device="cpu").embed_image([Image.fromarray(noise)])
    expected = transformers_images(tmp_path, [Image.fromarray(noise)], "document")
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-5)


@pytest.mark.parametrize("long", [1001, 1003])
def test_the_middle_by_a_transform_is_that_of_the_whole(long, monkeypatch):
    from timm.data import create_transform

    transform, image = create_transform(32, crop_mode="center"), strip(long, 3)
    expected = transform(image).numpy()
    monkeypatch.setattr(long_images, "GREATEST_PIXELS", 1)
    np.testing.assert_allclose(long_images.by_transform(transform, image), expected, atol=1.01 / 255 / 0.2)


def test_only_a_preparation_that_crops_the_centre_is_given_the_middle():
    from timm.data import create_transform
    from transformers import CLIPImageProcessorPil, LevitImageProcessorPil, ViTImageProcessorPil

    assert processor_crop(CLIPImageProcessorPil()) is not None
    assert processor_crop(ViTImageProcessorPil()) is None
    assert processor_crop(LevitImageProcessorPil()) is None, "it resizes in a way of its own"
    assert transform_crop(create_transform(224, crop_mode="center")) is not None
    assert transform_crop(create_transform(224, crop_mode="squash")) is None


def test_the_starter_and_towers_resize_no_more_than_the_middle(monkeypatch, tmp_path):
    from tiny_image_text import make_clip

    import senseweave as sw
    from senseweave.encoders.bridges.efficientnet_lite import EfficientNetLite0

    sizes = []
    resize = Image.Image.resize

    def watched(image, size, *arguments, **options):
        sizes.append(size)
        return resize(image, size, *arguments, **options)

    monkeypatch.setattr(Image.Image, "resize", watched)
    EfficientNetLite0().prepare(strip(2000))
    sw.load(make_clip(tmp_path), device="cpu").encoder("image").prepare([strip(60_000)], "document")
    assert len(sizes) >= 2
    assert all(max(size) <= (GREATEST_RATIO + 1) * min(size) for size in sizes)


def test_a_strip_that_a_preparation_cannot_take_fails_alone(tmp_path):
    import json

    from tiny_image_text import make_open_clip

    import senseweave as sw

    make_open_clip(tmp_path)
    config = json.loads((tmp_path / "open_clip_config.json").read_text())
    config["preprocess_cfg"]["resize_mode"] = "longest"  # no row of pixels is left of 1 x 900
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    space = sw.load(str(tmp_path), device="cpu", cache_size=0)
    images = [strip(40, 30), strip(900), strip(40, 20)]
    batch = space.encode([sw.Image(image) for image in images], on_error="skip")
    assert batch.kept == [0, 2]
    assert "own preparation cannot take it: ValueError: height and width must be > 0" in batch.failed[0].reason
    with pytest.raises(sw.MediaError, match="item 2 of 3"):
        space.embed_image(images)
