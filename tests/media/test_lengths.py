"""The length of a recording is what decoding gives, and what is missing is told."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest

from senseweave.media import Audio, Video

RATE = 44_100


class Pipe(io.RawIOBase):
    """A file that cannot go back, as the standard output of an encoder."""

    def __init__(self):
        self.data = bytearray()

    def writable(self):
        return True

    def write(self, data):
        self.data += bytes(data)
        return len(data)


def piped(kind: str, codec: str, samples: np.ndarray, rate: int = RATE, options=None, **muxer) -> bytes:
    """Samples that FFmpeg writes into a pipe."""
    pipe = Pipe()
    with av.open(pipe, "w", format=kind, options=muxer) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.layout, stream.options = "mono", options or {}
        for at in range(0, len(samples), 1152):
            frame = av.AudioFrame.from_ndarray(samples[None, at : at + 1152].copy(), format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return bytes(pipe.data)


def speech(make, seconds: float, rate: int = RATE) -> np.ndarray:
    """Loud and silent seconds in turn, of which an encoder with a variable bit rate makes packets of many sizes."""
    loud = make.noise(seconds, rate) * (np.arange(round(seconds * rate)) // rate % 3 == 0)
    return (loud + make.tone(seconds, rate, level=0.01)).astype(np.float32)


def assert_lasts(data: bytes, seconds: float) -> Audio:
    recording = Audio(data)
    assert recording.duration == pytest.approx(seconds, abs=0.12)
    assert recording.decode().duration == pytest.approx(recording.duration, abs=1e-3)
    assert recording.windows(4)[-1].span[1] == pytest.approx(seconds, abs=0.12)
    return recording


def test_an_mp3_of_variable_bit_rate_from_a_pipe_is_read_to_its_end(make):
    voice = speech(make, 90)
    data = piped("mp3", "mp3", voice, options={"flags": "+qscale", "global_quality": "472"}, write_xing="0")
    recording = assert_lasts(data, 90)
    assert recording.notes == ()
    late = Audio(data, span=(80, 84)).decode().samples
    assert np.abs(late - recording.decode().samples[80 * RATE : 84 * RATE]).max() < 1e-3


def test_mp3_files_that_were_joined_are_one_recording(make):
    first, second = (make.sound(speech(make, seconds), RATE, "MP3") for seconds in (7, 5))
    assert_lasts(first + second, 12)
    assert_lasts(first + b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + second, 12)


@pytest.mark.parametrize("before", [bytes(100), bytes(9000), b"ID3\x04\0\0\0\0\0\x0a" + bytes(10)])
def test_zero_bytes_or_a_tag_may_precede_an_mp3(make, before):
    assert_lasts(before + make.sound(speech(make, 4), RATE, "MP3"), 4)


def test_a_tag_after_an_mp3_is_no_sound(make):
    sound = make.sound(speech(make, 4), RATE, "MP3")
    assert assert_lasts(sound + b"TAG" + bytes(125), 4).duration == Audio(sound).duration


@pytest.mark.parametrize("codec", ["VORBIS", "OPUS"])
def test_chained_ogg_is_read_to_its_end(make, codec):
    first, second = (make.sound(speech(make, seconds, 48_000), 48_000, "OGG", codec) for seconds in (40, 35))
    recording = assert_lasts(first + second, 75)
    assert recording.notes == ()
    late = Audio(first + second, span=(70, 72)).decode(sampling_rate=16_000).samples
    assert np.abs(late - recording.decode(sampling_rate=16_000).samples[70 * 16_000 : 72 * 16_000]).max() < 1e-3


@pytest.mark.parametrize("size", [b"\0\0\0\0", b"\xff\xff\xff\xff"])
def test_a_wav_file_whose_size_was_never_written_is_read_to_its_end(make, size):
    data = make.sound(make.noise(3), RATE, "WAV")
    at = data.index(b"data") + 4
    recording = assert_lasts(data[:4] + size + data[8:at] + size + data[at + 4 :], 3)
    assert np.array_equal(recording.decode().samples, Audio(data).decode().samples)
    assert recording.notes == ()


@pytest.mark.parametrize(
    ("kind", "codec"),
    [("wav", "pcm_s16le"), ("flac", "flac"), ("caf", "pcm_s16be"), ("aiff", "pcm_s16be"), ("au", "pcm_s16be")],
)
def test_what_an_encoder_writes_into_a_pipe_is_read_to_its_end(make, kind, codec):
    assert assert_lasts(piped(kind, codec, make.noise(3)), 3).notes == ()


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "FLAC", "MP3"])
def test_the_spans_of_a_recording_that_was_cut_are_those_that_can_be_read(make, kind):
    data = make.sound(make.noise(20, 16_000), 16_000, kind)
    recording = Audio(data[: len(data) // 2])
    assert recording.duration < 11
    (note,) = recording.notes
    assert f"ends at {recording.duration:.2f} seconds, not at 20.0" in note
    assert recording.windows(4)[-1].span[1] == pytest.approx(recording.duration)
    assert Audio(data[: len(data) // 2]).decode().duration == pytest.approx(recording.duration, abs=0.01)


def test_ogg_that_was_cut_says_so(make):
    data = make.sound(make.noise(20, 16_000), 16_000, "OGG", "VORBIS")
    recording = Audio(data[: len(data) // 2])
    assert 5 < recording.duration < 12
    assert recording.notes == ("the file has no mark of its end: it may have been cut",)
    assert Audio(data).decode().duration == 20


def cut_in_half(make, kind: str) -> bytes:
    data = make.sound(make.tone(4), kind=kind)
    return data[: len(data) // 2]


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "AU", "W64", "RF64", "CAF"])
def test_half_of_any_recording_says_that_it_is_half(make, kind):
    audio = Audio(cut_in_half(make, kind))
    assert audio.duration == pytest.approx(2, abs=0.05)
    assert any("as in its header" in note or "that its header says" in note for note in audio.notes)
    whole = Audio(make.sound(make.tone(4), kind=kind))
    assert (whole.duration, whole.notes) == (4, ())


@pytest.mark.parametrize("unwritten", [16, 24])
def test_an_rf64_file_whose_size_was_never_written_is_read_to_its_end(make, unwritten):
    data = make.sound(make.tone(2), kind="RF64")
    sizes = data.index(b"ds64") + 8
    audio = Audio(data[:sizes] + bytes(unwritten) + data[sizes + unwritten :])
    assert audio.duration == pytest.approx(2, abs=0.05)
    samples = audio.decode(sampling_rate=16_000).samples
    assert len(samples) == pytest.approx(32_000, abs=800)
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.05)


def test_tags_between_mp3_files_that_were_joined_are_no_loss(make):
    tagged = piped("mp3", "libmp3lame", make.tone(2), id3v2_version="4")
    assert tagged.startswith(b"ID3")
    audio = Audio(tagged * 2)
    assert audio.duration == pytest.approx(4, abs=0.15)
    audio.decode(sampling_rate=16_000)
    assert audio.notes == ()


def test_a_film_in_avi_that_was_cut_says_so(make):
    whole = make.container("avi", frames=make.frames(range(100)), video="mpeg4")
    film = Video(whole[: len(whole) * 6 // 10])
    assert film.duration < 3.9
    film.decode(frames=2)
    assert "the file ends early" in film.notes[0]
    complete = Video(whole)
    complete.decode(frames=2)
    assert complete.notes == ()


@pytest.mark.parametrize("filling", [bytes(20_000), np.random.default_rng(1).bytes(20_000)], ids=["zeros", "noise"])
@pytest.mark.parametrize("kind", ["FLAC", "MP3"])
def test_damage_in_the_middle_costs_no_more_than_is_damaged(make, kind, filling):
    data = make.sound(speech(make, 40), kind=kind)
    half = len(data) // 2
    recording = Audio(data[:half] + filling + data[half + len(filling) :])
    assert recording.duration > 36
    heard = recording.decode().samples
    assert len(heard) / RATE == pytest.approx(recording.duration, abs=1e-3)
    assert any("cannot be decoded" in note for note in recording.notes)
    assert np.allclose(heard[:RATE], Audio(data).decode().samples[:RATE], atol=1e-3)
    assert heard[-RATE:].std() > 0.05  # the last second is loud
    for window in recording.windows(5):
        assert window.decode().duration == pytest.approx(5, abs=0.01)


def test_a_flac_file_is_read_from_within_its_damage(make):
    data = make.sound(make.noise(20), kind="FLAC")
    half = len(data) // 2
    damaged = data[: half - 50_000] + bytes(100_000) + data[half + 50_000 :]
    seconds = Audio(damaged, span=(10, 14)).decode().samples
    assert len(seconds) == 4 * RATE
    assert np.array_equal(seconds[2 * RATE :], Audio(data, span=(12, 14)).decode().samples)


def test_a_wav_file_behind_another_is_told(make):
    data = make.sound(make.noise(2))
    recording = Audio(data + data)
    assert recording.duration == pytest.approx(2)
    assert recording.notes == ("another WAV file follows the first and is not read; put each into a file of its own",)


def test_a_wav_file_that_lacks_a_sample_has_no_note(make):
    recording = Audio(make.sound(make.noise(2))[:-1])
    assert recording.duration == pytest.approx(2, abs=0.01)
    assert recording.decode().notes == recording.notes == ()
