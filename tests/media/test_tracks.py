"""No sound is lost: of several tracks, of channels that cancel, or after the last picture."""

import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from senseweave.media import Audio, Video

RATE = 16_000


def recorded(*tracks: np.ndarray, kind: str = "matroska", frames=(), default: int = 0, languages=()) -> bytes:
    """Sound tracks, and frames at 25 per second before them."""
    with tempfile.NamedTemporaryFile() as file, av.open(file.name, "w", format=kind) as output:
        pictures = output.add_stream("mpeg4", rate=25) if frames else None
        if pictures is not None:
            pictures.height, pictures.width, pictures.pix_fmt = 48, 64, "yuv420p"
        streams = []
        for number, _ in enumerate(tracks):
            stream = output.add_stream("pcm_s16le", rate=RATE)
            stream.layout = "mono"
            stream.disposition = av.stream.Disposition.default if number == default else 0
            if languages:
                stream.metadata["language"] = languages[number]
            streams.append(stream)
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(pictures.encode(frame))
        if pictures is not None:
            output.mux(pictures.encode(None))
        for stream, samples in zip(streams, tracks, strict=True):
            for at in range(0, len(samples), 1600):
                levels = (samples[None, at : at + 1600] * 32767).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(levels, format="s16", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        output.close()
        return Path(file.name).read_bytes()


def loudness(sound: Audio, hertz: float) -> float:
    """The level of a tone in a recording."""
    samples = sound.decode(sampling_rate=RATE).samples
    return float(2 * np.abs(np.exp(-2j * np.pi * hertz * np.arange(len(samples)) / RATE) @ samples) / len(samples))


@pytest.mark.parametrize("default", [0, 1])
def test_speaker_and_microphone_are_both_heard(make, default):
    speaker, microphone = (make.tone(3, RATE, hertz, 0.4) for hertz in (500, 1500))
    sound = Audio(recorded(speaker, microphone, default=default))
    assert loudness(sound, 500) == pytest.approx(0.2, abs=0.02)
    assert loudness(sound, 1500) == pytest.approx(0.2, abs=0.02)
    assert sound.notes == ()


def test_a_silent_first_track_does_not_hide_the_second(make):
    silence, voice = np.zeros(3 * RATE, np.float32), make.tone(5, RATE, 500, 0.4)
    sound = Audio(recorded(silence, voice))
    assert sound.duration == pytest.approx(5, abs=0.05)
    assert loudness(sound, 500) == pytest.approx(0.2, abs=0.02)
    assert loudness(Audio(recorded(silence, voice), span=(3, 5)), 500) == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize(("default", "hertz"), [(0, 500), (1, 1500)])
def test_of_several_languages_the_default_is_read_and_the_others_are_told(make, default, hertz):
    tracks = [make.tone(3, RATE, tone, 0.4) for tone in (500, 1500)]
    sound = Audio(recorded(*tracks, default=default, languages=("eng", "fre")))
    assert loudness(sound, hertz) == pytest.approx(0.4, abs=0.02)
    assert loudness(sound, 2000 - hertz) < 0.01
    assert sound.notes == (f"of 2 sound tracks (eng, fre) number {default + 1} is read",)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "array"])
def test_channels_of_opposite_phase_do_not_cancel(make, kind):
    voice = make.tone(2.5, RATE, 500, 0.4)
    pair = np.stack([voice, -voice], axis=1)
    sound = Audio((pair, RATE)) if kind == "array" else Audio(make.sound(pair, RATE, kind))
    assert np.abs(sound.decode().samples - voice).max() < 1e-3


def test_a_voice_in_one_channel_of_many_keeps_its_level(make):
    voice = make.tone(2.5, RATE, 500, 0.4)
    channels = np.zeros((len(voice), 6), np.float32)
    channels[:, 4] = voice
    assert np.abs(Audio(make.sound(channels, RATE)).decode().samples - voice).max() < 1e-3
    assert np.abs(Audio((channels, RATE)).decode().samples - voice).max() < 1e-3


def test_a_second_is_mixed_alike_in_every_span(make):
    voice = make.noise(6, RATE)
    pair = np.stack([voice, np.where(np.arange(len(voice)) // RATE % 2, -voice, voice)], axis=1)
    sound = Audio(make.sound(pair, RATE, "FLAC"))
    whole = sound.decode().samples
    assert np.abs(whole - voice).max() < 1e-3
    part = Audio(make.sound(pair, RATE, "FLAC"), span=(2.5, 4.5)).decode().samples
    assert np.array_equal(part, whole[int(2.5 * RATE) : int(4.5 * RATE)])


def test_sound_after_the_last_picture_belongs_to_the_video(make):
    video = Video(recorded(make.tone(8, RATE, 500, 0.4), frames=make.frames(range(50))))
    assert video.duration == pytest.approx(8, abs=0.1)
    windows = list(video.decoded_windows(2, frames=2, sampling_rate=RATE))
    assert len(windows) == 4
    assert all(len(clip.frames) == 2 and clip.sound is not None and not clip.sound.silent for _, clip in windows)
    assert all(clip.notes == () for _, clip in windows)
