"""Frames by presentation time, rotation, segments, sound, and broken tails."""

import functools
import io
import struct

import numpy as np
import pytest
from PIL import Image as PILImage

from senseweave.errors import MediaError, PolicyError
from senseweave.media import Clip, MediaPolicy, Video, collect

RATE = 48_000
COUNT = 100


@pytest.fixture(scope="session")
def numbers(make):
    """Which frames a clip holds."""
    return lambda clip: [make.read_number(frame) for frame in clip.frames]


@pytest.fixture(scope="session")
def videos(make):
    """The same four seconds at 25 frames per second, with sound, in every container."""
    frames, voice = make.frames(range(COUNT)), make.tone(4, RATE)
    return {
        "mp4": make.container("mp4", frames=frames, sound=voice),
        "mov": make.container("mov", frames=frames, sound=voice),
        "webm": make.container("webm", frames=frames, sound=voice, video="libvpx", audio="libopus"),
        "mkv": make.container("matroska", frames=frames, sound=voice),
        "ts": make.container("mpegts", frames=frames, sound=voice),
        "avi": make.container("avi", frames=frames, sound=voice, video="mpeg4", audio="mp3"),
        "flv": make.container("flv", frames=frames, sound=voice, video="flv1"),
    }


KINDS = ["mp4", "mov", "webm", "mkv", "ts", "avi", "flv"]


@pytest.mark.parametrize("kind", KINDS)
def test_frames_are_those_on_screen_in_the_middle_of_equal_parts(numbers, videos, kind):
    clip = Video(videos[kind], span=(0, 4)).decode(frames=5)
    assert clip.frames.shape == (5, 48, 64, 3)
    assert clip.frames.dtype == np.uint8
    late = kind in ("ts", "avi", "flv")  # these let the pictures wait for the first packet of sound
    assert numbers(clip) == [number - late for number in (10, 30, 50, 70, 90)]
    assert clip.times == pytest.approx([0.4, 1.2, 2.0, 2.8, 3.6], abs=0.04 if late else 2e-3)
    assert clip.sound is None
    assert clip.notes == ()


@pytest.mark.parametrize("kind", KINDS)
def test_a_span_gives_its_frames_and_its_sound(numbers, videos, kind):
    clip = Video(videos[kind], span=(1, 3)).decode(frames=4, sampling_rate=16_000)
    assert numbers(clip) == pytest.approx([31, 43, 56, 68], abs=1)
    assert clip.sound.sampling_rate == 16_000
    assert clip.sound.duration == pytest.approx(2)
    assert not clip.sound.silent


@pytest.mark.parametrize("kind", KINDS)
def test_segments_agree_with_segments_decoded_in_one_pass(videos, kind):
    video = Video(videos[kind])
    streamed = list(video.decoded_windows(1.5, 0.25, frames=3, sampling_rate=16_000))
    apart = video.windows(1.5, 0.25)
    assert [media for media, _ in streamed] == apart
    assert apart[0].span == (0, 1.5)
    assert apart[1].span == (1.25, 2.75)
    assert len(apart) == (4 if kind in ("ts", "flv", "avi") else 3)  # these round the length up
    for media, clip in streamed:
        alone = media.decode(frames=3, sampling_rate=16_000)
        assert np.array_equal(alone.frames, clip.frames)
        assert np.array_equal(alone.times, clip.times)
        assert np.array_equal(alone.sound.samples, clip.sound.samples)


@pytest.mark.parametrize("kind", KINDS)
def test_the_duration_covers_the_span(videos, kind):
    assert Video(videos[kind]).duration == pytest.approx(4, abs=0.1)
    assert Video(videos[kind], span=(3, 99)).duration == pytest.approx(1, abs=0.1)


def test_frames_are_sampled_by_time_and_not_by_index(numbers, make):
    """Ninety frames in the first second and ten in the next nine: the middle of the video is frame 94."""
    times = [index / 90 for index in range(90)] + [1.0 + index * 0.9 for index in range(10)]
    for kind in ("mp4", "matroska"):
        video = Video(make.container(kind, frames=make.frames(range(COUNT)), times=times))
        clip = video.decode(frames=5)
        wanted = [video.duration * part for part in (0.1, 0.3, 0.5, 0.7, 0.9)]
        assert video.duration > 9
        expected = [max(index for index, time in enumerate(times) if time <= second + 1e-3) for second in wanted]
        assert numbers(clip) == expected
        assert clip.times == pytest.approx([times[index] for index in expected], abs=0.002)


@pytest.mark.parametrize("gop", [1, 12, 250])
def test_seeking_in_a_long_video_gives_the_same_frames(numbers, make, gop):
    data = make.container(
        "mp4",
        frames=make.frames(number % 100 for number in range(600)),
        times=[index / 10 for index in range(600)],
        gop=gop,
    )
    clip = Video(data, span=(0.05, 60)).decode(frames=6)
    assert np.allclose(clip.times, [5, 15, 25, 35, 45, 55], atol=0.11)
    assert numbers(clip) == [round(second * 10) % 100 for second in clip.times]


@pytest.mark.parametrize(("degrees", "turns"), [(0, 0), (90, 1), (180, 2), (270, 3)])
def test_a_turned_video_comes_out_upright(make, degrees, turns):
    """A phone stores the picture as its sensor saw it, and in the track header how to turn it."""
    upright = make.picture(64, 48)
    stored = np.ascontiguousarray(np.rot90(upright, turns))  # anticlockwise, to be turned back clockwise
    data = bytearray(make.container("mp4", frames=[stored] * 10, options={"movflags": "faststart"}))
    one = 1 << 16
    cosine, sine = {0: (one, 0), 90: (0, one), 180: (-one, 0), 270: (0, -one)}[degrees]
    matrix = struct.pack(">9i", cosine, sine, 0, -sine, cosine, 0, 0, 0, 1 << 30)
    start = data.index(b"tkhd") + 4 + 40
    data[start : start + 36] = matrix
    clip = Video(bytes(data)).decode(frames=2)
    assert clip.frames.shape[1:] == upright.shape
    assert np.abs(clip.frames[0].astype(int) - upright).mean() < 8


@pytest.mark.parametrize(
    ("matrix", "store"),
    [
        ((-1, 0, 0, 1), lambda picture: picture[:, ::-1]),
        ((1, 0, 0, -1), lambda picture: picture[::-1]),
        ((0, 1, 1, 0), lambda picture: picture.transpose(1, 0, 2)),
        ((0, -1, -1, 0), lambda picture: picture[::-1, ::-1].transpose(1, 0, 2)),
    ],
)
def test_a_mirrored_video_comes_out_as_it_is_shown(make, matrix, store):
    shown = make.picture(64, 48)
    stored = np.ascontiguousarray(store(shown))
    data = bytearray(make.container("mp4", frames=[stored] * 10, options={"movflags": "faststart"}))
    across, down, second, third = (number << 16 for number in matrix)
    start = data.index(b"tkhd") + 4 + 40
    data[start : start + 36] = struct.pack(">9i", across, down, 0, second, third, 0, 0, 0, 1 << 30)
    clip = Video(bytes(data)).decode(frames=2)
    assert clip.frames.shape[1:] == shown.shape
    assert np.abs(clip.frames[0].astype(int) - shown).mean() < 8


def test_a_film_branded_as_sound_keeps_its_pictures(make):
    film = make.container("mp4", frames=make.frames(range(50)), sound=make.noise(2, 48_000))
    start = film.index(b"ftyp") + 4
    (video,) = collect([film[:start] + b"M4A " + film[start + 4 :]])
    assert video.modality == "video"
    assert make.read_number(video.decode(frames=1).frames[0]) in (24, 25)
    (sound,) = collect([make.container("ipod", sound=make.noise(2, 48_000))])
    assert (sound.modality, sound.mime_type) == ("audio", "audio/mp4")


@pytest.mark.parametrize(("count", "windows"), [(8, 1), (32, 1), (33, 17)])
def test_a_list_of_frames_without_a_rate_is_one_clip(make, count, windows):
    frames = make.frames(range(count))
    assert len(Video(frames).windows(2)) == windows
    clips = [clip for _, clip in Video(frames).decoded_windows(2, frames=8)]
    assert len(clips) == windows
    if count == 8:
        assert [make.read_number(frame) for frame in clips[0].frames] == list(range(8))
    assert len(Video((frames, 1.0)).windows(2)) == (count + 1) // 2


def test_a_stream_that_changes_its_size_keeps_the_first(make):
    broadcast = [make.container("mpegts", frames=[make.picture(*size)] * 25) for size in ((64, 48), (32, 32))]
    clip = Video(b"".join(broadcast)).decode(frames=6)
    assert clip.frames.shape == (6, 48, 64, 3)


def test_more_frames_than_there_are_are_repeated(numbers, make):
    clip = Video(make.container("mp4", frames=make.frames([15, 40, 65]))).decode(frames=8)
    assert len(clip.frames) == 8
    assert sorted(set(numbers(clip))) == [15, 40, 65]


def test_a_video_without_sound_is_accepted(make):
    clip = Video(make.container("mp4", frames=make.frames(range(COUNT)))).decode(frames=2, sampling_rate=16_000)
    assert clip.sound is None
    assert len(clip.frames) == 2


def test_a_sound_track_that_ends_early_is_reported(make):
    data = make.container("mp4", frames=make.frames(range(COUNT)), sound=make.tone(1, RATE))
    assert Video(data, span=(0, 2)).decode(frames=2, sampling_rate=16_000).sound.duration == pytest.approx(1, abs=0.05)
    clip = Video(data, span=(2, 4)).decode(frames=2, sampling_rate=16_000)
    assert clip.sound is None
    assert clip.notes == ("no sound: has no sound from 2 to 4 seconds",)


def test_sound_without_pictures_is_an_error(make):
    with pytest.raises(MediaError, match="without a video track"):
        Video(make.container("mp4", sound=make.tone(1, RATE))).decode()
    with pytest.raises(MediaError, match="is audio/wav, not a video"):
        Video(make.sound(make.tone())).decode()


def test_an_animated_gif_is_a_video_if_it_is_called_one():
    frames = [PILImage.new("L", (16, 16), level) for level in (0, 100, 200)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=100)
    clip = Video(buffer.getvalue()).decode(frames=3)
    assert [round(float(frame.mean()), -2) for frame in clip.frames] == [0, 100, 200]


@pytest.fixture(scope="session")
def noisy_video(make):
    """Two seconds that compress badly, so that every part of a file is picture."""

    @functools.cache
    def build(kind):
        rng = np.random.default_rng(0)
        frames = [rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(50)]
        codec = {"webm": "libvpx", "avi": "mpeg4", "flv": "flv1"}.get(kind, "libx264")
        options = {"movflags": "faststart"} if kind == "mp4" else None
        name = {"mkv": "matroska", "ts": "mpegts"}.get(kind, kind)
        return make.container(name, frames=frames, video=codec, options=options)

    return build


@pytest.mark.parametrize("kind", ["mp4", "mkv", "ts", "flv", "webm", "avi"])
@pytest.mark.parametrize("share", [0.5, 0.7])
def test_a_corrupt_tail_gives_what_precedes_it_and_says_so(noisy_video, kind, share):
    data = noisy_video(kind)
    clip = Video(data[: int(len(data) * share)]).decode(frames=4)
    assert len(clip.frames) == 4
    assert clip.times[-1] < 2 * share + 0.3
    if kind not in ("ts", "avi"):  # of these FFmpeg tells the length from what is there, not from a header
        assert any("ends at" in note or "breaks off" in note for note in clip.notes)


def test_segments_of_a_cut_file_end_where_it_ends(make):
    data = make.container("mp4", frames=make.frames(range(COUNT)) * 3, gop=5, options={"movflags": "faststart"})
    windows = list(Video(data[: int(len(data) * 0.5)]).decoded_windows(2, frames=2))
    assert 1 <= len(windows) < 6
    assert windows[-1][1].notes


def test_the_policy_bounds_length_size_and_time(videos):
    data = videos["mp4"]
    with pytest.raises(PolicyError, match="max_seconds"):
        Video(data, policy=MediaPolicy(max_seconds=3)).decode()
    with pytest.raises(PolicyError, match="64 x 48 pixels"):
        Video(data, policy=MediaPolicy(max_pixels=3000)).decode()
    with pytest.raises(PolicyError, match="seconds to decode"):
        Video(data, policy=MediaPolicy(decode_timeout=1e-9)).decode()


def test_frames_can_be_given(numbers, make):
    frames = make.frames(range(COUNT))
    expected = [10, 30, 50, 70, 90]
    stacked = np.stack(frames)
    for given in (
        (frames, 25),
        (stacked, 25.0),
        (np.moveaxis(stacked, -1, 1), 25),
        ([PILImage.fromarray(frame) for frame in frames], 25),
        {"frames": stacked, "frame_rate": 25},
    ):
        clip = Video(given).decode(frames=5)
        assert numbers(clip) == expected
        assert clip.times == pytest.approx([0.4, 1.2, 2, 2.8, 3.6])
    assert Video((stacked, 25), span=(1, 2)).decode(frames=1).times == pytest.approx([1.48])


def test_frames_without_a_rate_are_a_second_apart(numbers, make):
    video = Video(make.frames([0, 1, 2]))
    assert video.duration == 3
    assert numbers(video.decode(frames=3)) == [0, 1, 2]


def test_a_decoded_clip_can_be_given_again(videos):
    once = Video(videos["mp4"]).decode(frames=4, sampling_rate=16_000)
    again = Video(once).decode(frames=4, sampling_rate=16_000)
    assert isinstance(again, Clip)
    assert len(again.frames) == 4
    assert np.abs(again.sound.samples - once.sound.samples).max() == 0


@pytest.mark.parametrize(
    "given", [[], np.zeros((4, 4)), np.zeros((0, 4, 4, 3)), ([np.zeros((4, 4, 3))], 0), {"frames": None}]
)
def test_values_that_are_not_a_video_are_an_error(given):
    with pytest.raises(MediaError, match="not a video"):
        Video(given).decode()


def test_frames_of_different_sizes_are_an_error():
    frames = [np.zeros((4, 4, 3), np.uint8), np.zeros((5, 4, 3), np.uint8)]
    with pytest.raises(MediaError, match="different sizes"):
        Video(frames).decode(frames=2)


def test_a_request_for_no_frames_is_an_error(videos):
    with pytest.raises(ValueError, match="at least 1"):
        Video(videos["mp4"]).decode(frames=0)


def test_segments_can_end_at_pauses(make):
    frames = make.frames(range(COUNT))
    data = make.container("mp4", frames=frames, sound=make.tone(4, RATE))
    spans = [part.span for part in Video(data).windows(3, at_pauses=True)]
    assert spans[0][0] == 0
    assert spans[-1][1] == pytest.approx(4, abs=0.05)
    silent = Video(make.container("mp4", frames=frames))
    assert silent.windows(3, at_pauses=True) == silent.windows(3)
