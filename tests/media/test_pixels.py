"""Every way of storing a picture gives the same eight-bit RGB."""

import io

import numpy as np
import pytest
from PIL import Image as PILImage

from senseweave.errors import MediaError
from senseweave.media import Image


def decoded(given):
    picture = Image(given).decode()
    assert picture.mode == "RGB"
    return np.asarray(picture)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["file", "object"])
def test_a_turned_picture_comes_out_upright(make, orientation, form):
    upright = make.picture(64, 48)
    undo = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a),
        7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    exif = PILImage.Exif()
    exif[0x0112] = orientation
    stored = make.image(np.ascontiguousarray(undo(upright)), "PNG", exif=exif)
    given = stored if form == "file" else PILImage.open(io.BytesIO(stored))
    assert np.array_equal(decoded(given), upright)


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_turned_jpeg_comes_out_as_pillow_turns_it(make, orientation):
    exif = PILImage.Exif()
    exif[0x0112] = orientation
    data = make.image(make.picture(), "JPEG", exif=exif, quality=95)
    shape = (64, 48, 3) if orientation == 6 else (48, 64, 3)
    assert decoded(data).shape == shape
    assert np.array_equal(decoded(data), decoded(PILImage.open(io.BytesIO(data))))


def test_transparency_is_laid_on_white(make):
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[..., 0] = 200
    pixels[0, 0, 3], pixels[0, 1, 3], pixels[1, 0, 3] = 0, 128, 255
    rgb = decoded(make.image(pixels))
    assert rgb[0, 0].tolist() == [255, 255, 255]
    assert np.allclose(rgb[0, 1], [227, 127, 127], atol=1)
    assert rgb[1, 0].tolist() == [200, 0, 0]


def test_a_hidden_colour_under_full_transparency_does_not_show(make):
    pixels = np.dstack([make.picture(), np.zeros((48, 64), np.uint8)])
    for given in (
        make.image(pixels),
        PILImage.fromarray(pixels),
        pixels,
        make.image(pixels, "WEBP", lossless=True, exact=True),
    ):
        assert (decoded(given) == 255).all()


@pytest.mark.parametrize("mode", ["LA", "La", "RGBa"])
def test_rarer_transparent_modes_are_laid_on_white(mode):
    stored = PILImage.new("RGBA", (2, 2), (100, 100, 100, 0))
    steps = ["LA", "La"] if mode == "La" else [mode]
    for step in steps:
        stored = stored.convert(step)
    assert (decoded(stored) == 255).all()


def test_a_palette_with_a_transparent_colour_is_laid_on_white():
    stored = PILImage.new("P", (2, 2), 1)
    stored.putpalette([255, 0, 0, 0, 128, 0])
    stored.putpixel((0, 0), 0)
    buffer = io.BytesIO()
    stored.save(buffer, "PNG", transparency=0)
    rgb = decoded(buffer.getvalue())
    assert rgb[0, 0].tolist() == [255, 255, 255]
    assert rgb[1, 1].tolist() == [0, 128, 0]


def _composited(picture):
    layer = picture.convert("RGBA")
    return np.asarray(PILImage.alpha_composite(PILImage.new("RGBA", layer.size, "white"), layer).convert("RGB"))


def _every_level_at_every_opacity(mode):
    level, opacity = np.mgrid[0:256, 0:256].astype(np.uint8)
    return PILImage.merge(mode, [PILImage.fromarray(level)] * (len(mode) - 1) + [PILImage.fromarray(opacity)])


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize("form", ["object", "array", "file"])
def test_transparency_has_the_numbers_of_pillows_composition(mode, form, make):
    stored = _every_level_at_every_opacity(mode)
    given = {"object": stored, "array": np.asarray(stored), "file": make.image(stored)}[form]
    assert np.array_equal(decoded(given), _composited(stored))


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_an_opaque_picture_with_an_alpha_channel_keeps_its_levels(mode):
    stored = _every_level_at_every_opacity(mode)
    stored.putalpha(255)
    assert np.array_equal(decoded(stored), np.asarray(stored.convert("RGB")))


@pytest.mark.parametrize("transparency", [0, 7, bytes([0, 128, 255, 3]), bytes(range(40)), bytes(range(256))])
@pytest.mark.parametrize("entries", [2, 40, 256])
@pytest.mark.parametrize("size", [(64, 48), (3, 2)])
def test_a_palette_is_composited_as_its_pixels_would_be(transparency, entries, size, make):
    stored = PILImage.fromarray(make.picture(*size)).quantize(entries)
    stored.putdata([number % 256 for number in range(size[0] * size[1])])  # also entries that it does not have
    stored.info["transparency"] = transparency
    before = stored.tobytes(), stored.getpalette(), dict(stored.info)
    assert np.array_equal(decoded(stored), _composited(stored))
    assert (stored.tobytes(), stored.getpalette(), stored.info) == before


def test_one_bit_and_grey_pictures_become_rgb(make):
    bits = PILImage.fromarray(np.eye(8, dtype=np.uint8) * 255).convert("1")
    assert decoded(make.image(bits)).reshape(-1, 3).max(1).sum() == 8 * 255
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    assert np.array_equal(decoded(make.image(grey)), np.repeat(grey[..., None], 3, 2))


def test_sixteen_bit_grey_keeps_its_high_byte(make):
    values = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    expected = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, 2)
    stored = PILImage.fromarray(values)
    for given in (
        make.image(stored),
        make.image(stored, "TIFF"),
        stored,
        values,
        make.image(values.astype(np.int32), "TIFF"),
    ):
        assert np.array_equal(decoded(given), expected)


def test_dark_sixteen_bit_grey_is_dark_in_either_byte_order(make):
    values = np.arange(256, dtype=np.uint16).reshape(16, 16)
    stored = PILImage.frombytes("I;16B", (16, 16), values.astype(">u2").tobytes())
    for given in (values, values.astype(">u2"), values.astype("<u2"), stored, make.image(stored, "TIFF")):
        assert not decoded(given).any()


def test_sixteen_bit_grey_with_a_transparent_value_is_read(make):
    rows = b"\0" + np.array([0, 65280], ">u2").tobytes()
    assert decoded(make.png(2, 1, 16, 0, rows, (b"tRNS", b"\0\0")))[0, 1].tolist() == [255, 255, 255]


def test_sixteen_bit_colour_agrees_between_file_and_array(make):
    values = np.array([[[0, 255, 256], [32768, 65280, 65535]]], np.uint16)
    data = make.png(2, 1, 16, 2, b"\0" + values.astype(">u2").tobytes())
    assert np.array_equal(decoded(data), decoded(values))


def test_cmyk_becomes_rgb(make):
    data = make.image(PILImage.new("CMYK", (8, 8), (255, 0, 0, 0)), "JPEG", quality=95)
    cyan = decoded(data)[4, 4]
    assert cyan[0] < 10
    assert cyan[1] > 245
    assert cyan[2] > 245


@pytest.mark.parametrize("mode", ["YCbCr", "LAB", "HSV", "RGBX"])
def test_other_colour_spaces_become_rgb(mode):
    assert decoded(PILImage.new(mode, (4, 4))).shape == (4, 4, 3)


def test_float_pictures_are_fractions_or_levels(make):
    fractions = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    levels = decoded(fractions)
    assert np.array_equal(levels[..., 0].ravel(), np.arange(256))
    assert np.array_equal(decoded(fractions * 255), levels)
    assert np.array_equal(decoded(PILImage.fromarray(fractions)), levels)
    assert np.array_equal(decoded(make.image(PILImage.fromarray(fractions), "TIFF")), levels)


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.5, 300.0])
def test_float_values_without_meaning_are_errors(make, value):
    pixels = np.full((4, 4), 0.5, np.float32)
    pixels[1, 1] = value
    for given in (pixels, PILImage.fromarray(pixels), make.image(PILImage.fromarray(pixels), "TIFF")):
        with pytest.raises(MediaError, match="pixel values"):
            decoded(given)


def test_integer_values_are_levels_or_sixteen_bit():
    assert decoded(np.full((2, 2), 200, np.int64))[0, 0, 0] == 200
    assert decoded(np.full((2, 2), 51_400, np.int32))[0, 0, 0] == 200
    assert decoded(np.array([[True, False]]))[0, :, 0].tolist() == [255, 0]
    with pytest.raises(MediaError, match="8 or 16 bit"):
        decoded(np.full((2, 2), 70_000))
    with pytest.raises(MediaError, match="8 or 16 bit"):
        decoded(np.full((2, 2), -1))


def test_channels_may_come_first_or_last(make):
    picture = make.picture()
    assert np.array_equal(decoded(picture), picture)
    assert np.array_equal(decoded(np.moveaxis(picture, -1, 0)), picture)
    assert np.array_equal(decoded(picture[..., :1]), np.repeat(picture[..., :1], 3, 2))
    assert np.array_equal(decoded(picture[None, ..., 0]), np.repeat(picture[..., :1], 3, 2))


def test_a_tensor_has_its_channels_first_where_both_ends_could_be_channels():
    torch = pytest.importorskip("torch")
    values = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    assert np.array_equal(decoded(values), values)
    assert np.array_equal(decoded(torch.from_numpy(values)), np.moveaxis(values, 0, -1))


def test_tensors_of_every_kind_are_taken():
    torch = pytest.importorskip("torch")
    fractions = torch.rand(3, 8, 6, generator=torch.Generator().manual_seed(0))
    expected = decoded(fractions.numpy())
    assert np.array_equal(decoded(fractions.requires_grad_()), expected)
    assert np.abs(decoded(fractions.to(torch.bfloat16)).astype(int) - expected).max() <= 1
    assert np.abs(decoded(fractions.half()).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("shape", [(), (5,), (5, 6, 7), (2, 2, 2, 3), (0, 4, 3), (4, 0)])
def test_an_array_of_another_shape_is_an_error_that_names_the_shape(shape):
    with pytest.raises(MediaError, match="not an image"):
        decoded(np.zeros(shape, np.uint8))


def test_a_given_picture_is_left_as_it_was(make):
    stored = PILImage.fromarray(make.picture())
    Image(stored).decode().putpixel((0, 0), (9, 9, 9))
    assert stored.getpixel((0, 0)) != (9, 9, 9)
