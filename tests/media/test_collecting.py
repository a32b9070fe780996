"""Folders and loose inputs become media by their content."""

import io
import os

import pytest

from senseweave.errors import MediaError, PolicyError
from senseweave.media import Audio, Image, MediaPolicy, Text, Video, collect
from senseweave.media.collecting import as_media, first_media


@pytest.fixture
def folder(make, saved, tmp_path):
    """One file of each kind under names that say something else."""
    saved("a/1.dat", make.image(make.picture()))
    saved("a/2.txt", make.sound(make.tone()))
    saved("a/3", make.container("mp4", frames=make.frames(range(5))))
    saved("a/4.png", b"# These are words\n")
    saved("a/5.bin", make.container("webm", sound=make.tone(0.5, 48_000), audio="libopus"))
    saved("a/6.doc", make.pdf(["a dog", ""]))
    saved("a/.hidden.png", make.image(make.picture()))
    saved("a/.git/config", b"words")
    saved("a/z/7.html", b"<html><p>words</p></html>")
    return tmp_path / "a"


def test_a_folder_is_walked_in_order_and_modalities_are_detected_from_content(folder):
    found = [(os.path.relpath(item.source, folder), item.modality, item.page) for item in collect(folder)]
    assert found == [
        ("1.dat", "image", None),
        ("2.txt", "audio", None),
        ("3", "video", None),
        ("4.png", "text", None),
        ("5.bin", "audio", None),
        ("6.doc", "text", 1),
        ("6.doc", "image", 1),
        ("6.doc", "image", 2),
        ("z/7.html", "text", None),
    ]


def test_text_files_keep_their_path(folder):
    (text,) = [item for item in collect(folder) if item.source.endswith("4.png")]
    assert isinstance(text, Text)
    assert text.decode() == "# These are words\n"


def test_the_files_of_a_store_are_skipped(saved, tmp_path):
    part = "0f6c2c5e-7a39-4d0e-9a3c-3d9f3f1f6b11"
    saved("store/senseweave.writer.lock", b"")
    for store, mark in (("store", "senseweave.lock"), ("store/inner", "chroma.sqlite3")):
        saved(f"{store}/{mark}", b"000000000001 000000000002\n")
        saved(f"{store}/{part}/header.bin", b"words")
        saved(f"{store}/note.txt", b"words")
    saved("plain/" + part + "/note.txt", b"words")
    found = [os.path.relpath(item.source, tmp_path) for item in collect([tmp_path / "store", tmp_path / "plain"])]
    assert found == ["store/note.txt", "store/inner/note.txt", f"plain/{part}/note.txt"]


def test_a_link_to_a_folder_is_reported_and_not_followed(saved, tmp_path):
    saved("a/note.txt", b"words")
    saved("elsewhere/other.txt", b"words")
    (tmp_path / "a" / "linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "a" / "round").symlink_to(tmp_path / "a", target_is_directory=True)
    (tmp_path / "a" / ".hidden").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    note, *links = collect(tmp_path / "a")
    assert note.source.endswith("note.txt")
    assert [os.path.basename(link.source) for link in links] == ["linked", "round"]
    assert all("is a link to a folder" in link.reason for link in links)


def test_a_link_that_is_given_itself_is_walked(saved, tmp_path):
    saved("elsewhere/other.txt", b"words")
    (tmp_path / "linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert [item.source for item in collect(tmp_path / "linked")] == [str(tmp_path / "linked" / "other.txt")]


def test_a_folder_that_cannot_be_listed_is_reported(saved, tmp_path, monkeypatch):
    saved("a/locked/note.txt", b"words")
    saved("a/open/note.txt", b"words")
    scan = os.scandir

    def refusing(path):
        if os.path.basename(path) == "locked":
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    locked, note = collect(tmp_path / "a")
    assert str(locked) == f"{tmp_path / 'a' / 'locked'}: folder cannot be read (Permission denied)"
    assert note.source.endswith("note.txt")


def test_a_pipe_in_a_folder_is_reported_without_waiting_for_it(saved, tmp_path):
    saved("a/note.txt", b"words")
    os.mkfifo(tmp_path / "a" / "pipe")
    note, pipe = collect(tmp_path / "a")
    assert note.source.endswith("note.txt")
    assert isinstance(pipe, MediaError)


def test_an_input_that_cannot_be_read_is_reported_in_its_place(make, saved, tmp_path):
    saved("b/1.png", b"")
    saved("b/2.zip", b"PK\x03\x04" + bytes(100))
    saved("b/3.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    saved("b/4.bin", bytes(range(256)))
    saved("b/5.txt", b"words")
    found = list(collect([tmp_path / "b", tmp_path / "missing", 7, Text("kept")]))
    reasons = [item.reason if isinstance(item, MediaError) else item.modality for item in found]
    assert reasons[0] == "is empty (0 bytes)"
    assert "application/zip" in reasons[1]
    assert "image/svg+xml" in reasons[2]
    assert "octet-stream" in reasons[3]
    assert reasons[4] == "text"
    assert reasons[5] == "no such file"
    assert "is not a path, URL, bytes or file object" in reasons[6]
    assert found[7] == Text("kept")
    assert found[0].source.endswith("1.png")


def test_one_input_needs_no_list(make, saved):
    data = make.image(make.picture())
    for given in (data, saved("x", data), io.BytesIO(data), Image(data)):
        (item,) = collect(given)
        assert isinstance(item, Image)
        assert item.decode().size == (64, 48)


def test_a_string_is_a_path_and_never_words():
    (item,) = collect("a dog on the grass")
    assert isinstance(item, MediaError)
    assert item.reason == (
        "no such file; a string is a path or URL; if it is the text itself, pass senseweave.Text(...)"
    )


def test_media_keep_their_own_policy_and_others_get_the_given_one(make, saved):
    own = Audio(make.sound(make.tone()), policy=MediaPolicy(max_seconds=7))
    policy = MediaPolicy(max_bytes=10**6)
    first, second = collect([own, saved("x", make.image(make.picture()))], policy=policy)
    assert first.policy.max_seconds == 7
    assert second.policy is policy


def test_a_link_out_of_the_root_is_not_followed(make, saved, tmp_path):
    outside = saved("outside.png", make.image(make.picture()))
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link.png").symlink_to(outside)
    (inside / "loop").symlink_to(inside)
    item, loop = collect(inside, policy=MediaPolicy(root=inside))
    assert "is a link to a folder" in loop.reason
    assert isinstance(item, PolicyError)
    assert "outside the policy's root" in item.reason


def test_collecting_is_lazy(saved, tmp_path):
    for number in range(3):
        saved(f"c/{number}.txt", b"words")
    walk = collect(tmp_path / "c")
    assert next(walk).source.endswith("0.txt")
    (tmp_path / "c" / "1.txt").unlink()
    assert isinstance(next(walk), MediaError)


def test_an_input_becomes_media_of_the_modality_that_is_asked_for(saved, make):
    path = saved("a.dat", make.image(make.picture()))
    assert as_media("image", path) == Image(path)
    image = Image(path)
    assert as_media("image", image) is image
    with pytest.raises(TypeError, match="expected audio, but was given Image"):
        as_media("audio", image)
    with pytest.raises(TypeError, match="a text must be a str, not bytes"):
        as_media("text", b"words")


def test_the_first_media_of_a_file_is_told_by_its_content(saved, make, tmp_path):
    path = saved("a.dat", make.sound(make.tone()))
    assert first_media(path) == Audio(path)
    pdf = saved("b.dat", make.pdf(["a dog", ""]))
    assert first_media(pdf) == Image(pdf, page=1)
    assert first_media(pdf, modality="text").modality == "text"
    assert first_media(path, modality="video") == Video(path)
    with pytest.raises(MediaError, match="is a folder, not a file"):
        first_media(tmp_path)
    with pytest.raises(MediaError, match="no such file"):
        first_media(tmp_path / "missing")
