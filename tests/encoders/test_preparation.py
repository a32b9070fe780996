"""Images are prepared the shorter way exactly where it gives the numbers that a processor of transformers gives."""

from __future__ import annotations

import numpy as np
import pytest
import transformers
from PIL import Image

from senseweave.encoders.parts.preparation import ImagePreparation, quick_transform

SIZES = [(640, 480), (480, 640), (33, 31), (225, 224), (1, 1), (1, 90), (500, 7), (1000, 1001), (224, 224)]


def pictures():
    rng = np.random.default_rng(3)
    return [Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)) for width, height in SIZES]


QUICK = {
    "clip": ("CLIPImageProcessorPil", {}),
    "clip of odd sizes": ("CLIPImageProcessorPil", {"size": {"shortest_edge": 37}, "crop_size": 33}),
    "clip without crop": ("CLIPImageProcessorPil", {"do_center_crop": False, "size": {"shortest_edge": 40}}),
    "siglip": ("SiglipImageProcessorPil", {}),
    "vit": ("ViTImageProcessorPil", {}),
    "blip": ("BlipImageProcessorPil", {"size": {"height": 96, "width": 64}}),
    "bit": ("BitImageProcessorPil", {}),
    "convnext": ("ConvNextImageProcessorPil", {"size": {"shortest_edge": 224}}),
    "no mean": ("ViTImageProcessorPil", {"do_normalize": False}),
}


@pytest.mark.parametrize("name", list(QUICK))
def test_the_shorter_way_gives_the_numbers_of_the_processor(name):
    kind, settings = QUICK[name]
    processor = getattr(transformers, kind)(**settings)
    preparation = ImagePreparation(processor)
    assert preparation.quick is not None
    for picture in pictures():
        expected = np.asarray(processor(images=[picture], return_tensors="np")["pixel_values"])[0]
        found = preparation.image(picture)["pixel_values"]
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected, err_msg=str(picture.size))


def transform(name: str):
    from timm.data import create_transform

    if name == "open_clip":
        from open_clip.transform import PreprocessCfg, image_transform_v2

        return image_transform_v2(PreprocessCfg(size=(33, 33), resize_mode="shortest"), is_train=False)
    settings = {
        "timm": {"input_size": 224, "crop_pct": 0.95, "interpolation": "bicubic"},
        "timm, odd": {"input_size": 33, "crop_pct": 0.9, "interpolation": "bilinear"},
        "timm, squashed": {"input_size": 40, "crop_mode": "squash", "crop_pct": 1.0},
        "timm, with borders": {"input_size": 40, "crop_mode": "border", "crop_pct": 0.8},
    }
    return create_transform(**settings[name], is_training=False)


@pytest.mark.parametrize("name", ["timm", "timm, odd", "timm, squashed", "open_clip"])
def test_the_shorter_way_gives_the_numbers_of_a_transform_of_torchvision(name):
    steps = transform(name)
    quick = quick_transform(steps)
    assert quick is not None
    for picture in pictures():
        np.testing.assert_array_equal(quick(picture), steps(picture).numpy(), err_msg=str(picture.size))


def test_a_transform_that_does_more_has_no_shorter_way():
    import torchvision.transforms as steps

    assert quick_transform(transform("timm, with borders")) is None
    tensor, resize = steps.ToTensor(), steps.Resize(40)
    assert quick_transform(steps.Compose([resize, tensor])) is not None
    assert quick_transform(steps.Compose([resize, steps.Grayscale(3), tensor])) is None
    assert quick_transform(steps.Compose([resize, steps.CenterCrop(50), tensor])) is None
    assert quick_transform(steps.Compose([steps.Resize(40, max_size=90), tensor])) is None
    assert quick_transform(lambda image: tensor(image)) is None


OTHERWISE = {
    "padded": ("CLIPImageProcessorPil", {"size": {"shortest_edge": 30}, "crop_size": 33}),
    "an offset": ("EfficientNetImageProcessorPil", {"rescale_offset": True}),
    "not scaled": ("ViTImageProcessorPil", {"do_rescale": False}),
    "more than pixels": ("Siglip2ImageProcessorPil", {}),
}


@pytest.mark.parametrize("name", list(OTHERWISE))
def test_a_processor_that_does_more_prepares_images_itself(name):
    kind, settings = OTHERWISE[name]
    processor = getattr(transformers, kind)(**settings)
    preparation = ImagePreparation(processor)
    assert preparation.quick is None
    picture = pictures()[0]
    expected = {key: np.asarray(value)[0] for key, value in processor(images=[picture], return_tensors="np").items()}
    found = preparation.image(picture)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value)


def test_a_processor_whose_code_differs_from_its_settings_is_believed():
    class Darker(transformers.ViTImageProcessorPil):
        def resize(self, image, *args, **options):
            return super().resize(image // 2, *args, **options)

    preparation = ImagePreparation(Darker())
    assert preparation.quick is None


@pytest.mark.parametrize("kind", ["VideoMAEImageProcessorPil", "CLIPImageProcessorPil"])
def test_frames_of_a_video_are_prepared_as_the_processor_prepares_them(kind):
    processor = getattr(transformers, kind)()
    frames = np.random.default_rng(5).integers(0, 256, (4, 90, 120, 3), dtype=np.uint8)
    expected = np.asarray(processor([Image.fromarray(frame) for frame in frames], return_tensors="np")["pixel_values"])
    preparation = ImagePreparation(processor)
    assert preparation.quick is not None
    np.testing.assert_array_equal(preparation.frames(frames), expected.reshape(4, *expected.shape[-3:]))
