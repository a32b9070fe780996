"""What cameras, studios and older programs write is read, and what only resembles it is not."""

import numpy as np
import pytest
from PIL import Image as PILImage

from senseweave.errors import MediaError
from senseweave.media import Image, Text, collect
from senseweave.media.forms.signatures import rarer_type

VIDEOS = {
    "m2ts": ("video/mp2t", {"kind": "mpegts", "options": {"mpegts_m2ts_mode": "1"}}),
    "mxf": ("application/mxf", {"kind": "mxf", "video": "mpeg2video"}),
    "h264": ("video/h264", {"kind": "h264"}),
    "m4v": ("video/mp4v-es", {"kind": "m4v", "video": "mpeg4"}),
    "mpeg1": ("video/mpeg", {"kind": "mpeg1video", "video": "mpeg1video"}),
    "mpeg2": ("video/mpeg", {"kind": "mpeg2video", "video": "mpeg2video"}),
    "ivf": ("video/x-ivf", {"kind": "ivf", "video": "libvpx"}),
    "nut": ("video/x-nut", {"kind": "nut"}),
    "y4m": ("video/x-yuv4mpeg", {"kind": "yuv4mpegpipe", "video": "rawvideo"}),
}
SOUNDS = {
    "audio/ac3": {"kind": "ac3", "audio": "ac3"},
    "audio/eac3": {"kind": "eac3", "audio": "eac3"},
    "audio/x-wavpack": {"kind": "wv", "audio": "wavpack"},
    "audio/x-tta": {"kind": "tta", "audio": "tta"},
}


@pytest.mark.parametrize("name", VIDEOS)
def test_rarer_films_are_read(make, name):
    mime_type, options = VIDEOS[name]
    (video,) = collect([make.container(**options, frames=make.frames(range(50)))])
    assert (video.modality, video.mime_type) == ("video", mime_type)
    assert video.duration == pytest.approx(2, abs=0.09)
    numbers = [make.read_number(frame) for frame in video.decode(frames=5).frames]
    assert np.abs(np.array(numbers) - [5, 15, 25, 35, 45]).max() <= 1


@pytest.mark.parametrize("mime_type", SOUNDS)
def test_rarer_recordings_are_read(make, mime_type):
    voice = make.tone(2, 48_000)
    (sound,) = collect([make.container(**SOUNDS[mime_type], sound=voice)])
    assert (sound.modality, sound.mime_type) == ("audio", mime_type)
    assert sound.duration == pytest.approx(2, abs=0.05)
    assert sound.decode().samples.std() == pytest.approx(voice.std(), abs=0.01)


def test_a_dv_tape_is_read(make):
    frames = [np.asarray(PILImage.fromarray(frame).resize((720, 576))) for frame in make.frames(range(25))]
    (video,) = collect([make.container("dv", frames=frames, video="dvvideo")])
    assert (video.mime_type, video.duration) == ("video/x-dv", 1.0)
    assert video.decode(frames=1).frames.shape == (1, 576, 720, 3)


@pytest.mark.parametrize("kind", ["TGA", "ICO", "PCX", "SGI", "DDS"])
def test_rarer_pictures_are_read(make, kind):
    pixels = make.picture(64, 64)
    (picture,) = collect([make.image(pixels, kind)])
    assert picture.modality == "image"
    assert np.abs(np.asarray(picture.decode()).astype(int) - pixels).max() <= 1


def test_a_mac_icon_and_a_photoshop_picture_are_read(make):
    assert Image(make.image(make.picture(64, 64), "ICNS")).decode().mode == "RGB"
    header = b"8BPS\0\1" + bytes(6) + b"\0\3" + b"\0\0\0\x08" * 2 + b"\0\x08\0\3" + bytes(12) + b"\0\0"
    levels = np.asarray(Image(header + bytes(range(192))).decode())
    assert np.array_equal(levels, np.arange(192, dtype=np.uint8).reshape(3, 8, 8).transpose(1, 2, 0))


@pytest.mark.parametrize("seed", range(40))
def test_noise_is_of_no_type(seed):
    data = np.random.default_rng(seed).bytes(5000)
    assert rarer_type(data[:4096]) is None
    with pytest.raises(MediaError):
        Image(data).decode()


@pytest.mark.parametrize("words", ["wvpk is WavPack", "TTA1 and TTA2", "icns files", "8BPS", "MAC address", "DDS rot"])
def test_words_are_words(words):
    assert Text.open(words.encode()).decode() == words
