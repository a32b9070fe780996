"""Recordings of every container, their spans and windows."""

import numpy as np
import pytest

from senseweave.errors import MediaError, PolicyError
from senseweave.media import Audio, MediaPolicy, Waveform

RATE = 48_000


@pytest.fixture(scope="session")
def recordings(make):
    """The same six seconds in every container."""
    voice = make.tone(6, RATE, 440.0) + make.noise(6, RATE, 0.05)
    files = {
        "wav": make.sound(voice, RATE, "WAV", "PCM_24"),
        "flac": make.sound(voice, RATE, "FLAC", "PCM_24"),
        "mp3": make.sound(voice, RATE, "MP3"),
        "ogg": make.sound(voice, RATE, "OGG", "VORBIS"),
        "opus": make.sound(voice, RATE, "OGG", "OPUS"),
        "aiff": make.sound(voice, RATE, "AIFF", "PCM_24"),
        "m4a": make.container("ipod", sound=voice, rate=RATE),
        "aac": make.container("adts", sound=voice, rate=RATE),
        "webm": make.container("webm", sound=voice, rate=RATE, audio="libopus"),
        "mkv": make.container("matroska", sound=voice, rate=RATE, audio="flac"),
        "mov": make.container("mov", sound=voice, rate=RATE, audio="pcm_s16le"),
        "ts": make.container("mpegts", sound=voice, rate=RATE),
    }
    return voice, files


KINDS = ["wav", "flac", "mp3", "ogg", "opus", "aiff", "m4a", "aac", "webm", "mkv", "mov", "ts"]
LOSSLESS = {"wav", "flac", "aiff", "mkv", "mov"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_container_is_heard_at_its_own_seconds(recordings, kind):
    voice, files = recordings
    heard = Audio(files[kind]).decode()
    assert heard.sampling_rate == RATE
    assert abs(len(heard.samples) - len(voice)) <= (0 if kind in LOSSLESS else 0.05 * RATE)
    count = 5 * RATE
    lags = range(-3, 4) if kind in LOSSLESS else range(-3000, 3000, 1)
    middle = voice[RATE : RATE + 9600]
    scores = {lag: float(np.dot(middle, heard.samples[RATE + lag : RATE + lag + 9600])) for lag in lags}
    assert abs(max(scores, key=scores.get)) <= (0 if kind in LOSSLESS else 1100 if kind in ("aac", "ts") else 2)
    if kind in LOSSLESS:
        assert np.abs(heard.samples[:count] - voice[:count]).max() < 2**-15


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate", [None, 16_000])
def test_a_span_is_that_part_of_the_whole(recordings, kind, rate):
    _, files = recordings
    whole = Audio(files[kind]).decode(sampling_rate=rate)
    for begin, end in ((0, 1), (0.1, 0.35), (1.9, 3.3), (4.5, 5.25)):
        part = Audio(files[kind], span=(begin, end)).decode(sampling_rate=rate)
        low, high = round(begin * whole.sampling_rate), round(end * whole.sampling_rate)
        assert len(part.samples) == high - low
        assert np.abs(part.samples - whole.samples[low:high]).max() < 1e-6


@pytest.mark.parametrize("kind", KINDS)
def test_windows_agree_with_windows_decoded_in_one_pass(recordings, kind):
    _, files = recordings
    audio = Audio(files[kind])
    streamed = list(audio.decoded_windows(2.5, 0.5, sampling_rate=16_000))
    apart = audio.windows(2.5, 0.5)
    assert len(streamed) == len(apart) == 3
    for (media, sound), other in zip(streamed, apart, strict=True):
        assert media.span == pytest.approx(other.span, abs=0.05)
        assert media.source == other.source
        alone = media.decode(sampling_rate=16_000)
        assert len(alone.samples) == len(sound.samples)
        assert np.abs(alone.samples - sound.samples).max() < 1e-6


@pytest.mark.parametrize("kind", ["m4a", "aac", "webm", "mkv", "mov", "ts"])
def test_seeking_far_into_a_recording_is_accurate_to_a_millisecond(recordings, kind, monkeypatch):
    monkeypatch.setattr("senseweave.media.reading.ffmpeg.SEEK_FROM_SECONDS", 1.0)
    _, files = recordings
    part = Audio(files[kind], span=(4, 5)).decode().samples
    monkeypatch.undo()
    whole = Audio(files[kind]).decode().samples
    late = {lag: np.abs(part[9600:19200] - whole[4 * RATE + 9600 + lag :][:9600]).max() for lag in range(-48, 49)}
    assert min(late.values()) < 1e-6
    assert len(part) == RATE


@pytest.mark.parametrize("kind", KINDS)
def test_the_duration_covers_the_span(recordings, kind):
    assert Audio(recordings[1][kind]).duration == pytest.approx(6, abs=0.1)
    assert Audio(recordings[1][kind], span=(1, 2.5)).duration == pytest.approx(1.5)
    assert Audio(recordings[1][kind], span=(5, 99)).duration == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_span_after_the_end_is_an_error(recordings, kind):
    with pytest.raises(MediaError, match="no sound from 20 to 30 seconds"):
        Audio(recordings[1][kind], span=(20, 30)).decode()


def test_a_span_beyond_the_end_gives_what_there_is(recordings):
    assert Audio(recordings[1]["wav"], span=(5, 99)).decode().duration == pytest.approx(1)


def test_the_sound_of_a_video_begins_when_the_pictures_do(make):
    """A sound track that starts late is late in the waveform too."""
    frames = make.frames(range(50))
    data = make.container("mp4", frames=frames, sound=make.tone(2, RATE))
    assert Audio(data).decode().duration == pytest.approx(2, abs=0.05)


def test_a_file_without_a_sound_track_says_so(make):
    with pytest.raises(MediaError, match="without a sound track"):
        Audio(make.container("mp4", frames=make.frames(range(5)))).decode()


def test_an_image_given_as_audio_is_an_error(make):
    with pytest.raises(MediaError, match="is image/png, not audio"):
        Audio(make.image(make.picture())).decode()


@pytest.mark.parametrize("given", [np.zeros(100, np.float32), {"array": np.zeros(100)}, [0.0, 0.1, 0.2]])
def test_samples_without_a_rate_are_an_error_that_says_so(given):
    with pytest.raises(MediaError, match="have no sampling rate"):
        Audio(given).decode()


@pytest.mark.parametrize("rate", [0, -1, 16_000.5, float("nan"), 10_000_000])
def test_a_rate_that_is_none_is_an_error(rate):
    with pytest.raises(MediaError, match="sampling rate"):
        Audio((np.zeros(100, np.float32), rate)).decode()


@pytest.mark.parametrize("shape", [(0,), (0, 2), (2, 2, 2)])
def test_samples_of_no_shape_are_an_error(shape):
    with pytest.raises(MediaError, match="is not sound"):
        Audio((np.zeros(shape, np.float32), 16_000)).decode()


def test_one_sample_is_sound_at_every_rate(make):
    for given in ((np.array([0.5], np.float32), 44_100), make.sound(np.array([0.5], np.float32))):
        assert len(Audio(given).decode(sampling_rate=16_000).samples) == 1


def test_a_file_of_no_samples_is_an_error(make):
    for kind in ("WAV", "FLAC", "OGG"):
        with pytest.raises(MediaError):
            Audio(make.sound(np.zeros(0, np.float32), kind=kind)).decode()


def test_the_policy_bounds_the_length(make):
    policy = MediaPolicy(max_seconds=2)
    data = make.sound(make.tone(3))
    for given in (data, (make.tone(3), 44_100)):
        with pytest.raises(PolicyError, match="max_seconds"):
            Audio(given, policy=policy).decode()
        with pytest.raises(PolicyError, match="max_seconds"):
            list(Audio(given, policy=policy).decoded_windows(0.5))
    assert Audio(data, span=(0, 1), policy=policy).decode().duration == 1


def test_a_decoded_waveform_can_be_given_again(make):
    once = Audio(make.sound(make.tone())).decode(sampling_rate=16_000)
    again = Audio(once).decode()
    assert isinstance(again, Waveform)
    assert np.array_equal(again.samples, once.samples)
    assert again.duration == once.duration == 1
