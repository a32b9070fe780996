"""Photos that Pillow does not read: JPEG XL, and raw photos with the preview of the camera."""

import imagecodecs
import numpy as np
import pytest

from senseweave.errors import MediaError, PolicyError
from senseweave.media import Image, MediaPolicy, collect
from senseweave.media.reading.photos import jpeg_xl_size
from tests.media.photo_samples import dng


@pytest.mark.parametrize("shape", [(48, 64, 3), (48, 64), (48, 64, 4), (8, 8, 3), (1, 700, 3), (300, 400, 3)])
def test_jpeg_xl_is_read_with_its_pixels(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    if shape[2:] == (4,):
        pixels[..., 3] = 255
    data = imagecodecs.jpegxl_encode(pixels, lossless=True)
    assert jpeg_xl_size(data) == (shape[1], shape[0])
    (image,) = collect(data)
    assert (image.modality, image.mime_type) == ("image", "image/jxl")
    expected = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    assert (np.asarray(image.decode()) == expected[..., :3]).all()


def test_jpeg_xl_in_a_container_and_of_sixteen_bits_is_read(make):
    jpeg = imagecodecs.jpegxl_encode_jpeg(make.image(make.picture(), "JPEG"))
    assert jpeg[4:8] == b"JXL "
    assert Image(jpeg).decode().size == (64, 48)
    deep = (make.picture().astype(np.uint16) << 8) + 7
    assert (np.asarray(Image(imagecodecs.jpegxl_encode(deep, lossless=True)).decode()) == make.picture()).all()


def test_broken_and_large_jpeg_xl_is_an_error(make):
    data = imagecodecs.jpegxl_encode(make.picture(), lossless=True)
    for broken in (data[: len(data) // 2], data[:3], b"\xff\x0a" + bytes(40), b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40)):
        with pytest.raises(MediaError, match=r"image/jxl|pixels"):
            Image(broken).decode()
    with pytest.raises(PolicyError, match="max_pixels"):
        Image(data, policy=MediaPolicy(max_pixels=1000)).decode()


def test_a_raw_photo_gives_the_preview_of_its_camera(make):
    data = dng(make, make.image(make.picture(640, 480), "JPEG"))
    (image,) = collect(data)
    assert image.mime_type == "image/x-raw"
    assert image.decode().size == (640, 480)
    assert np.abs(np.asarray(image.decode()).astype(int) - make.picture(640, 480)).mean() < 6


def test_a_raw_photo_with_a_tiny_preview_is_developed(make):
    assert Image(dng(make, make.image(make.picture(), "JPEG"))).decode().size == (64, 48)


def test_broken_and_large_raw_photos_are_errors(make):
    data = dng(make, make.image(make.picture(640, 480), "JPEG"))
    with pytest.raises(PolicyError, match="max_pixels"):
        Image(data, policy=MediaPolicy(max_pixels=1000)).decode()
    for broken in (data[:300], b"II*\0\x10\0\0\0CR\2\0" + bytes(100), b"FUJIFILMCCD-RAW " + bytes(200)):
        with pytest.raises(MediaError, match=r"image/x-raw|not an image"):
            Image(broken).decode()


def test_a_tiff_of_a_scanner_stays_a_tiff(make):
    (image,) = collect(make.image(make.picture(), "TIFF"))
    assert image.mime_type == "image/tiff"
