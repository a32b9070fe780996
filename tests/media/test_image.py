"""Image files: told by content, bounded before decoding, the same pixels by every route."""

import io
import sys
import types

import numpy as np
import pytest
from PIL import Image as PILImage

from senseweave.errors import MediaError, PolicyError
from senseweave.media import Image, MediaPolicy
from senseweave.media.reading import jpeg


@pytest.mark.parametrize(
    ("kind", "mime_type"),
    [
        ("PNG", "image/png"),
        ("BMP", "image/bmp"),
        ("TIFF", "image/tiff"),
        ("PPM", "image/x-portable-anymap"),
        ("GIF", "image/gif"),
        ("WEBP", "image/webp"),
        ("AVIF", "image/avif"),
        ("JPEG", "image/jpeg"),
        ("JPEG2000", "image/jp2"),
        ("QOI", "image/qoi"),
    ],
)
def test_every_common_format_is_read_whatever_its_name(make, saved, kind, mime_type):
    picture = make.picture()
    lossless = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100}, "JPEG": {"quality": 95}}.get(kind, {})
    image = Image(saved("picture.txt", make.image(picture, kind, **lossless)))
    assert image.mime_type == mime_type
    difference = np.abs(np.asarray(image.decode()).astype(int) - picture)
    assert difference.mean() < {"GIF": 12, "JPEG": 4, "AVIF": 4}.get(kind, 0.001)


def test_a_png_without_a_suffix_works(make, saved):
    assert Image(saved("picture", make.image(make.picture()))).decode().size == (64, 48)


def test_a_text_named_png_is_an_error(saved):
    with pytest.raises(MediaError, match="is text/plain, not an image"):
        Image(saved("notes.png", b"these are words")).decode()


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_an_animation_gives_its_first_frame_and_their_count(make, kind):
    frames = [PILImage.new("RGB", (16, 16), colour) for colour in ("red", "green", "blue")]
    image = Image(make.image(frames[0], kind, save_all=True, append_images=frames[1:]))
    assert image.frame_count == 3
    red, green, blue = image.decode().getpixel((8, 8))
    assert red > 200
    assert max(green, blue) < 60
    assert Image(make.image(frames[0])).frame_count == 1


@pytest.mark.parametrize("quality", [50, 75, 95])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_fast_way_gives_the_pixels_of_pillow(make, quality, subsampling, progressive, mode, monkeypatch):
    pytest.importorskip("simplejpeg")
    rng = np.random.default_rng(quality)
    noisy = (make.picture(90, 61) * 0.7 + rng.integers(0, 70, (61, 90, 3))).astype(np.uint8)
    picture = PILImage.fromarray(noisy).convert(mode)
    options = {"subsampling": subsampling} if mode == "RGB" else {}
    data = make.image(picture, "JPEG", quality=quality, progressive=progressive, **options)
    monkeypatch.setattr(jpeg, "_prefers_simplejpeg", lambda: True)
    used = []
    monkeypatch.setattr(jpeg, "_by_simplejpeg", lambda *given, by=jpeg._by_simplejpeg: used.append(1) or by(*given))
    for at_least in (None, (45, 30), (11, 7)):
        fast = Image(data).decode(at_least=at_least)
        monkeypatch.setattr(jpeg, "_prefers_simplejpeg", lambda: False)
        assert np.array_equal(np.asarray(Image(data).decode(at_least=at_least)), np.asarray(fast))
        monkeypatch.setattr(jpeg, "_prefers_simplejpeg", lambda: True)
    assert len(used) == 3
    monkeypatch.setattr(jpeg, "_prefers_simplejpeg", lambda: False)
    plain = np.asarray(PILImage.open(io.BytesIO(data)).convert("RGB"))
    assert np.array_equal(np.asarray(Image(data).decode()), plain)


@pytest.mark.parametrize("differs", ["not at all", "in one level", "in size", "not installed"])
def test_a_decoder_with_other_pixels_is_not_used(differs, monkeypatch):
    """Two builds of one library may round otherwise, so that they are compared before the second is used."""

    def decode_jpeg(data, colors, **options):
        step = max(1, round(53 / options["min_width"])) if options["min_width"] else 1
        pixels = np.asarray(jpeg._by_pillow(data, step))
        pixels = (pixels if pixels.ndim == 3 else pixels[:, :, None]).copy()
        if differs == "in one level":
            pixels[3, 2, 0] ^= 1
        return pixels[1:] if differs == "in size" else pixels

    module = types.ModuleType("simplejpeg")
    module.decode_jpeg = decode_jpeg
    monkeypatch.setitem(sys.modules, "simplejpeg", None if differs == "not installed" else module)
    times = iter([1.0, 2.0])
    monkeypatch.setattr(jpeg, "_least_times", lambda *ways: [next(times) for _ in ways])
    assert jpeg._prefers_simplejpeg.__wrapped__() == (differs == "not at all")


def test_a_decoder_that_is_slower_is_not_used(monkeypatch):
    pytest.importorskip("simplejpeg")
    times = iter([2.0, 1.0])
    monkeypatch.setattr(jpeg, "_least_times", lambda *ways: [next(times) for _ in ways])
    assert not jpeg._prefers_simplejpeg.__wrapped__()


def test_decoders_are_timed_in_turns_so_that_a_busy_moment_decides_nothing(monkeypatch):
    clock, runs = [0.0], [0]

    def decoder(seconds):
        def decode():
            runs[0] += 1
            clock[0] += seconds * (10 if runs[0] <= 6 else 1)  # another process is busy at first

        return decode

    monkeypatch.setattr(jpeg, "time", types.SimpleNamespace(perf_counter=lambda: clock[0]))
    assert jpeg._least_times(decoder(1.0), decoder(2.0)) == [1.0, 2.0]


def test_a_jpeg_is_decoded_smaller_only_by_choice(make):
    data = make.image(make.picture(640, 480), "JPEG")
    assert Image(data).decode().size == (640, 480)
    assert Image(data).decode(at_least=(160, 120)).size == (160, 120)
    assert Image(data).decode(at_least=(161, 100)).size == (320, 240)
    assert Image(make.image(make.picture(640, 480))).decode(at_least=(16, 12)).size == (640, 480)


def test_a_rotated_jpeg_is_at_least_as_large_as_requested(make):
    exif = PILImage.Exif()
    exif[0x0112] = 6
    assert Image(make.image(make.picture(640, 480), "JPEG", exif=exif)).decode(at_least=(120, 640)).size == (480, 640)
    assert Image(make.image(make.picture(640, 480), "JPEG", exif=exif)).decode(at_least=(120, 160)).size == (120, 160)


def test_the_pixel_cap_holds_before_anything_is_decoded(make):
    bomb = make.png(30_000, 30_000, 8, 2, b"\0")  # its header alone claims 2.7 GB
    with pytest.raises(PolicyError, match="max_pixels"):
        Image(bomb).decode()
    with pytest.raises(PolicyError, match="10000 x 7000 pixels"):
        Image(make.png(10_000, 7_000, 8, 2, b"\0")).decode()
    small = make.image(make.picture(64, 48))
    policy = MediaPolicy(max_pixels=64 * 48 - 1)
    for given in (small, PILImage.fromarray(make.picture()), make.picture()):
        with pytest.raises(PolicyError, match="max_pixels"):
            Image(given, policy=policy).decode()
    assert Image(small, policy=MediaPolicy(max_pixels=64 * 48)).decode().size == (64, 48)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_an_error(make, kind, share):
    if kind == "JPEG" and share > 0.5:
        pytest.skip("is read as far as it goes: see the next test")
    rng = np.random.default_rng(0)
    data = make.image(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8), kind)
    with pytest.raises(MediaError, match="broken"):
        Image(data[: int(len(data) * share)]).decode()


@pytest.mark.parametrize(
    ("missing", "told"),
    [(2, "nothing is missing"), (20, "below row"), (800, "below row"), (1200, "below row")],
)
def test_a_jpeg_without_its_last_bytes_is_read_with_a_note(make, missing, told):
    pixels = np.random.default_rng(0).integers(0, 255, (96, 64, 3), dtype=np.uint8)
    whole = make.image(pixels, "JPEG")
    media = Image(whole[:-missing])
    decoded, reference = np.asarray(media.decode()), np.asarray(Image(whole).decode())
    (note,) = media.notes
    assert note.startswith(f"the file ends early: {told}")
    rows = int(note.split()[6]) if told == "below row" else 96
    assert 48 <= rows <= 96
    assert np.array_equal(decoded[: rows - 1], reference[: rows - 1])
    assert Image(whole).notes == ()
    assert media.decode(at_least=(8, 8)).size == (64, 96)


def test_a_progressive_jpeg_without_its_last_bytes_is_less_sharp(make):
    whole = make.image(make.picture(200, 200), "JPEG", progressive=True)
    media = Image(whole[: len(whole) * 3 // 4])
    assert np.abs(np.asarray(media.decode()).astype(int) - make.picture(200, 200)).mean() < 8
    assert media.notes == ("the file ends early: the picture is less sharp than it was",)


def test_a_jpeg_of_a_thousand_scans_is_refused(make):
    data = make.image(make.picture(), "JPEG", progressive=True)
    scan = data.index(b"\xff\xda")
    with pytest.raises(MediaError, match="scans"):
        Image(data[:scan] + data[scan : scan + 20] * 1000 + data[scan:]).decode()


def test_a_sequential_jpeg_of_a_thousand_scans_of_one_component_is_refused(make):
    data = make.image(make.picture(), "JPEG")
    start, first = data.index(b"\xff\xda"), b"\xff\xda\0\x08\x01\x01\0\0?\0"
    with pytest.raises(MediaError, match="scans"):
        Image(data[:start] + first * 1000 + data[start:]).decode()


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_scans_after_the_one_that_holds_a_sequential_jpeg_are_refused_unread(make, mode):
    """libjpeg expects the end there, so that no scan need be looked for."""
    data = make.image(PILImage.fromarray(make.picture()).convert(mode), "JPEG")
    crafted = data[:-2] + data[data.index(b"\xff\xda") : -2] * 1000 + data[-2:]
    assert jpeg.count_scans(crafted) == 1
    with pytest.raises(MediaError, match="broken image/jpeg"):
        Image(crafted).decode()


def test_a_film_after_a_photo_is_none_of_its_scans(make):
    photo = make.image(make.picture(), "JPEG")
    film = b"\0\0\0\x18ftypmp42" + b"\xff\xda\x01" * 4000
    assert np.array_equal(np.asarray(Image(photo + film).decode()), np.asarray(Image(photo).decode()))


def test_heic_without_its_extra_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ImportError, match=r'pip install "senseweave\[heic\]"'):
        Image(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64)).decode()


def test_heic_is_read_with_its_extra(make):
    pytest.importorskip("pillow_heif").register_heif_opener()
    picture = make.picture()
    image = Image(make.image(picture, "HEIF", quality=100))
    assert image.mime_type == "image/heic"
    assert np.abs(np.asarray(image.decode()).astype(int) - picture).mean() < 4


def test_tiny_and_thin_pictures_are_pictures(make):
    assert Image(make.image(make.picture(1, 1))).decode().size == (1, 1)
    assert Image(make.image(np.zeros((1, 65_535), np.uint8))).decode().size == (65_535, 1)
