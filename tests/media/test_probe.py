"""What first bytes do not tell: FFmpeg is asked, and what nobody reads is called by its name."""

import io
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile

from senseweave.errors import MediaError, PolicyError
from senseweave.media import MediaPolicy, Video, collect
from senseweave.media.reading import probe


def only(data: bytes):
    """The one media in a file."""
    (media,) = collect([data])
    if isinstance(media, MediaError):
        raise media
    return media


def film(make, kind: str, **options) -> bytes:
    return make.container(kind, frames=make.frames(range(50)), **options)


def tone(make, kind: str, audio: str, **options) -> bytes:
    return make.container(kind, sound=make.tone(2, 48_000), audio=audio, **options)


SOUNDS = {
    "AAC in LATM": lambda make: tone(make, "latm", "aac"),
    "AAC from the middle of a packet": lambda make: tone(make, "adts", "aac")[37:],
    "MP3 from the middle of a packet": lambda make: tone(
        make, "mp3", "libmp3lame", options={"write_xing": "0", "id3v2_version": "0"}
    )[100:],
    "SoX": lambda make: tone(make, "sox", "pcm_s32le"),
    "AST": lambda make: tone(make, "ast", "pcm_s16be_planar"),
    "IRCAM": lambda make: make.sound(make.tone(2), kind="IRCAM"),
    "AVR": lambda make: make.sound(make.tone(2), kind="AVR"),
    "PVF": lambda make: make.sound(make.tone(2), kind="PVF"),
}
FILMS = {
    "a transport stream from the middle of a packet": lambda make: film(make, "mpegts", video="mpeg2video")[77:],
    "a camcorder's from the middle of a packet": lambda make: film(
        make, "mpegts", video="mpeg2video", options={"mpegts_m2ts_mode": "1"}
    )[50:],
    "MXF after a run-in": lambda make: bytes(700) + film(make, "mxf", video="mpeg2video"),
    "H.264 after another unit": lambda make: b"\0\0\0\1\x06\x05\x04abcd\x80" + film(make, "h264"),
    "Shockwave Flash": lambda make: film(make, "swf", video="flv1", times=None),
}


@pytest.mark.parametrize("kind", SOUNDS)
def test_sound_is_recognized_by_ffmpeg(make, kind):
    media = only(SOUNDS[kind](make))
    decoded = media.decode(sampling_rate=16_000)
    assert media.modality == "audio"
    assert media.duration == pytest.approx(2, abs=0.15)
    assert not decoded.silent


@pytest.mark.parametrize("kind", FILMS)
def test_film_is_recognized_by_ffmpeg(make, kind):
    media = only(FILMS[kind](make))
    assert media.modality == "video"
    assert media.duration == pytest.approx(2, abs=0.6)
    assert len(media.decode(frames=2).frames) == 2


def test_an_au_file_of_a_pc_is_sound(make):
    buffer = io.BytesIO()
    soundfile.write(buffer, make.tone(2), 44_100, format="AU", subtype="PCM_16", endian="LITTLE")
    assert only(buffer.getvalue()).decode(sampling_rate=16_000).samples.shape == (32_000,)


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_nothing(seed):
    generator = np.random.default_rng(seed)
    arrays = [
        generator.bytes(int(generator.integers(1000, 300_000))),
        generator.normal(0, 30, 50_000).astype("<i2").tobytes(),
        generator.normal(0, 1, 50_000).astype("<f4").tobytes(),
        generator.integers(0, 4, 100_000).astype("u1").tobytes(),
    ]
    for data in arrays:
        with pytest.raises(MediaError, match="octet-stream"):
            only(data)


def test_a_look_is_bounded(make, monkeypatch):
    monkeypatch.setattr(probe, "PROBED_BYTES", 1000)
    with pytest.raises(MediaError, match="octet-stream"):
        only(SOUNDS["SoX"](make)[:16] + bytes(2000))
    with pytest.raises(MediaError, match="octet-stream"):
        only(FILMS["MXF after a run-in"](make))


def test_without_a_reader_it_is_unknown(make, monkeypatch):
    data = SOUNDS["SoX"](make)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MediaError, match="octet-stream"):
        only(data)


def test_what_ffmpeg_recognizes_passes_the_policy(make):
    (error,) = collect([SOUNDS["SoX"](make)], policy=MediaPolicy(mime_types=frozenset({"image/*"})))
    assert isinstance(error, PolicyError)
    assert "audio/x-sox" in error.reason


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_a_transport_stream_of_one_group_of_pictures_is_read_from_its_start(make, codec):
    """Its first picture is decoded before the time at which the file begins, so that a seek there finds none."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mpegts") as output:
        stream = output.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        voice = output.add_stream("aac", rate=48_000)
        for number, pixels in enumerate(make.frames(range(50))):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        frame = av.AudioFrame.from_ndarray(make.tone(2, 48_000)[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
        output.mux(voice.encode(frame))
        output.mux(voice.encode(None))
    decoded = Video(buffer.getvalue()).decode(frames=4)
    numbers = [make.read_number(np.asarray(frame)) for frame in decoded.frames]
    assert numbers == pytest.approx([6, 18, 31, 43], abs=1)


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"v/1\x01\2\0\0\0", "OpenEXR"),
        (b"II\xbc\x01\x20\0\0\0", "JPEG XR"),
        (b"gimp xcf v011\0", "GIMP"),
        (b"8BPS\0\2\0\0", "PSB"),
        (b"P7\nWIDTH 2\nHEIGHT 2\nDEPTH 3\nMAXVAL 255\nENDHDR\n\0", "PAM"),
        (b"PF\n2 2\n-1.0\n\0\0\x80\x3f", "PFM"),
        (b"RIFF\x40\0\0\0ACON", "animated cursor"),
        (bytes(128) + b"DICM\2\0\0\0UL", "DICOM"),
        (b"SIMPLE  =                    T".ljust(2880) + b"\0\1", "FITS"),
        (b"MThd\0\0\0\6\0\1\0\1\0\x60MTrk", "MIDI"),
        (b"\x93NUMPY\1\0v\0{'descr'", "NumPy"),
        (b"\x89HDF\r\n\x1a\n\0", "HDF5"),
        (b"MATLAB 5.0 MAT-file, written by hand\0\0", "MATLAB"),
        (b"L\0\0\0\1\x14\2\0", "shortcut"),
        (b"bplist00\xd1\1\2", "property list"),
    ],
)
def test_what_nobody_reads_is_called_by_its_name(head, name):
    with pytest.raises(MediaError, match=name) as caught:
        only(head + bytes(200))
    assert "octet-stream" not in str(caught.value)
