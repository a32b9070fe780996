"""Exported files hold what the media holds, and no more than was allowed."""

from __future__ import annotations

import io
import wave
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image as PILImage

from senseweave import Audio, Image, MediaError, Video
from senseweave.media.export import frame_files, image_file, sound_file


def opened(exported):
    return PILImage.open(io.BytesIO(exported.data))


@pytest.fixture
def colours_mp4(tmp_path):
    """Two seconds at 5 frames a second: one red, one blue; and a tone."""
    path = tmp_path / "colours.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=5)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream("aac", rate=16000, layout="mono")
        for index in range(10):
            picture = np.zeros((48, 64, 3), np.uint8)
            picture[..., 0 if index < 5 else 2] = 230
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        tone = (0.4 * np.sin(2 * np.pi * 440 * np.arange(32000) / 16000)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = 16000, Fraction(1, 16000), 0
        container.mux(audio.encode(frame))
        container.mux(video.encode())
        container.mux(audio.encode())
    return path


def test_a_small_image_keeps_its_size_and_its_pixels_in_png():
    pixels = np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8)
    exported = image_file(Image(pixels), image_format="png")
    assert exported.mime_type == "image/png"
    assert np.array_equal(np.asarray(opened(exported)), pixels)


def test_a_large_image_is_scaled_to_the_limit_with_its_proportions():
    exported = image_file(Image(PILImage.new("RGB", (2000, 1000), "red")), max_pixels=50_000)
    width, height = opened(exported).size
    assert 45_000 < width * height <= 50_000
    assert width / height == pytest.approx(2.0, rel=0.02)
    assert exported.mime_type == "image/jpeg"
    assert np.allclose(np.asarray(opened(exported)).mean(axis=(0, 1)), (254, 0, 0), atol=4)


def test_transparent_and_rotated_images_come_out_upright_and_opaque():
    picture = PILImage.new("RGBA", (20, 10), (255, 0, 0, 0))
    exif = PILImage.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    picture.save(file, "PNG", exif=exif)
    result = opened(image_file(Image(file.getvalue()), image_format="png"))
    assert (result.mode, result.size) == ("RGB", (10, 20))


def test_sound_is_exported_as_wav_at_the_requested_rate_and_length():
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(44100 * 3) / 44100)
    for media, limit, seconds in [
        (Audio((tone, 44100)), None, 3.0),
        (Audio((tone, 44100)), 1.5, 1.5),
        (Audio((tone, 44100), span=(1.0, 2.0)), 1.5, 1.0),
        (Audio((tone, 44100), span=(1.0, 3.0)), 0.5, 0.5),
    ]:
        with wave.open(io.BytesIO(sound_file(media, max_seconds=limit).data)) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16000)
            assert file.getnframes() / 16000 == pytest.approx(seconds, abs=0.001)
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32767
        assert np.sqrt(np.mean(samples**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)


def test_frames_come_with_their_times_and_each_only_once(colours_mp4):
    files = frame_files(Video(colours_mp4), frames=4)
    assert [second for second, _ in files] == sorted(second for second, _ in files)
    means = [np.asarray(opened(file)).mean(axis=(0, 1)) for _, file in files]
    assert len(files) == 4
    assert [int(mean.argmax()) for mean in means] == [0, 0, 2, 2]
    assert len(frame_files(Video(colours_mp4), frames=40)) <= 10
    assert all(second >= 1.0 for second, _ in frame_files(Video(colours_mp4, span=(1.0, 2.0)), frames=2))


def test_the_sound_of_a_video_can_be_exported(colours_mp4):
    with wave.open(io.BytesIO(sound_file(Video(colours_mp4)).data)) as file:
        assert file.getnframes() / 16000 == pytest.approx(2.0, abs=0.2)


def test_limits_that_make_no_sense_and_missing_sound_are_errors():
    image = Image(PILImage.new("RGB", (4, 4)))
    with pytest.raises(ValueError, match="max_pixels"):
        image_file(image, max_pixels=0)
    with pytest.raises(ValueError, match="image_format"):
        image_file(image, image_format="bmp")
    with pytest.raises(ValueError, match="max_seconds"):
        sound_file(Audio((np.zeros(100), 8000)), max_seconds=0)
    with pytest.raises(MediaError, match="no sound"):
        sound_file(Video(np.zeros((2, 8, 8, 3), np.uint8)))
