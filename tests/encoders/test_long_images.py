"""Very long images: their middle alone is prepared, and that gives what the whole image gives."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from senseweave.encoders.parts.long_images import GREATEST_RATIO, crop_middle, processor_crops, transform_crops


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


@pytest.mark.parametrize("lying", [True, False])
@pytest.mark.parametrize("long", [300, 301])
def test_resizing_the_short_side_and_cropping_the_centre_gives_the_same_for_the_middle(long, lying):
    from transformers import CLIPImageProcessorPil

    processor = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    image = strip(long, 1, lying)
    whole, middle = (
        processor(images=[picture], return_tensors="np")["pixel_values"] for picture in (image, crop_middle(image))
    )
    np.testing.assert_allclose(middle, whole, atol=0.02)


def test_only_a_preparation_that_crops_the_centre_is_given_the_middle():
    from timm.data import create_transform
    from transformers import CLIPImageProcessorPil, ViTImageProcessorPil

    assert processor_crops(CLIPImageProcessorPil())
    assert not processor_crops(ViTImageProcessorPil())
    assert transform_crops(create_transform(224, crop_mode="center"))
    assert not transform_crops(create_transform(224, crop_mode="squash"))


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
    sw.load(make_clip(tmp_path), device="cpu").encoder("image").prepare([strip(2000)], "document")
    assert len(sizes) >= 2
    assert all(max(size) <= (GREATEST_RATIO + 1) * min(size) for size in sizes)
