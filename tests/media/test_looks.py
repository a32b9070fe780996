"""A file is looked at once: what a media has learned about it serves its windows, pages and every later question."""

import collections
import io
import os
import pickle
from pathlib import Path

import pytest

from senseweave.errors import MediaError, PolicyError
from senseweave.media import Audio, Image, MediaPolicy, Text, Video, collect, split

RATE = 16_000


@pytest.fixture
def looks(monkeypatch, tmp_path):
    """Count how often a path is resolved and a file is opened."""
    counts = collections.Counter()

    def count(owner, name):
        original = getattr(owner, name)

        def counted(*args, **options):
            counts[name] += str(args[-1 if name == "resolve" else 0]).startswith(str(tmp_path))
            return original(*args, **options)

        monkeypatch.setattr(owner, name, counted)

    count(MediaPolicy, "resolve")
    count(os, "open")
    return counts


def test_a_picture_is_resolved_for_one_opening_and_opened_three_times(make, saved, looks):
    (image,) = collect(saved("a.png", make.image(make.picture())))
    assert image.mime_type == "image/png"
    assert len(image.sha256) == 64
    assert image.size > 0
    assert image.decode().size == (64, 48)
    # Resolved before and after the first opening. Opened for the head, for the hash, and for the pixels.
    assert looks == {"resolve": 2, "open": 3}
    image.part(metadata={"a": 1}).decode()
    assert looks == {"resolve": 2, "open": 4}


@pytest.mark.parametrize("kind", ["WAV", "MP3"])
def test_a_recording_of_ten_windows_is_opened_as_often_as_one_of_one(make, saved, looks, kind):
    (audio,) = collect(saved("a.wav", make.sound(make.tone(20, RATE), RATE, kind=kind)))
    windows = list(split(audio, seconds=2.0))
    assert len(windows) == 10
    for window in windows:
        assert window.duration == 2
        assert window.sha256 == audio.sha256
        assert window.mime_type == audio.mime_type
        assert window.size == audio.size
    assert len(list(audio.decoded_windows(2.0, sampling_rate=RATE))) == 10
    # The head, the length, the hash, and one pass for the samples of all windows.
    assert looks == {"resolve": 2, "open": 4}


def test_the_length_of_a_video_is_found_out_once(make, saved, looks):
    video = Video(saved("a.mp4", make.container("mp4", frames=make.frames(range(100)))))
    segments = video.windows(1.0)
    assert [segment.duration for segment in segments] == [1.0] * 4
    assert looks == {"resolve": 2, "open": 2}


def test_a_length_learned_under_a_wide_policy_is_checked_by_a_narrow_one(make, saved):
    audio = Audio(saved("a.wav", make.sound(make.tone(2, RATE), RATE)))
    assert audio.duration == 2
    with pytest.raises(PolicyError, match="max_seconds"):
        Audio(audio._source, policy=MediaPolicy(max_seconds=1)).windows(1.0)


def test_a_file_that_was_written_again_is_read_as_it_is_now(saved):
    path = saved("a.txt", b"before")
    text = Text.open(path)
    assert text.decode() == "before"
    Path(path).write_bytes(b"after it")
    assert text.decode() == "after it"


def test_a_file_that_was_removed_is_an_error(saved):
    text = Text.open(saved("a.txt", b"words"))
    assert text.decode() == "words"
    os.remove(text.source)
    with pytest.raises(MediaError, match="no such file"):
        text.decode()


def test_a_folder_that_is_swapped_for_a_link_later_leads_nowhere(saved, tmp_path):
    path = saved("in/folder/a.txt", b"inside")
    saved("out/a.txt", b"secret")
    text = Text.open(path, policy=MediaPolicy(root=tmp_path / "in"))
    assert text.decode() == "inside"
    os.rename(tmp_path / "in" / "folder", tmp_path / "in" / "moved")
    (tmp_path / "in" / "folder").symlink_to(tmp_path / "out")
    with pytest.raises(PolicyError, match="outside the policy's root"):
        text.decode()


def test_a_file_that_is_swapped_for_a_link_later_leads_nowhere(saved, tmp_path):
    path, outside = saved("in/a.txt", b"inside"), saved("out/a.txt", b"secret")
    text = Text.open(path, policy=MediaPolicy(root=tmp_path / "in"))
    assert text.decode() == "inside"
    os.remove(path)
    os.symlink(outside, path)
    with pytest.raises(PolicyError, match="outside the policy's root"):
        text.decode()


def test_a_file_that_has_grown_beyond_the_policy_is_refused(saved):
    path = saved("a.txt", b"words")
    text = Text.open(path, policy=MediaPolicy(max_bytes=100))
    assert text.decode() == "words"
    Path(path).write_bytes(b"words" * 100)
    with pytest.raises(PolicyError, match="max_bytes"):
        text.decode()


def test_facts_about_a_path_stay_in_their_process(make, saved, looks):
    image = Image(saved("a.png", make.image(make.picture())))
    image.decode()
    resolved = looks["resolve"]
    copy = pickle.loads(pickle.dumps(image))
    assert copy.decode().size == (64, 48)
    assert looks["resolve"] == 2 * resolved


def test_bytes_in_memory_open_no_file(make, looks):
    image = Image(io.BytesIO(make.image(make.picture())))
    image.decode()
    assert image.sha256
    assert not looks.total()
